"""Composes a letter: gathers, draws, fills the template, and keeps the HTML below what mail programs cut off."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

from css_inline import CSSInliner

from mmflow import GiveUp, RunInfo, Table
from mmflow_email.letter import Letter, Picture
from mmflow_email.letter.apart import Unfit, work_apart
from mmflow_email.letter.child import LARGEST
from mmflow_email.letter.clean import Forbidden, clean_html
from mmflow_email.letter.content import Survey, gather_content, limit_notices, make_cid, survey_rows
from mmflow_email.letter.figures import tidy_text
from mmflow_email.letter.filling import fill_file
from mmflow_email.letter.layout import Content, Layout
from mmflow_email.letter.options import BUILT_IN, LetterOptions
from mmflow_email.letter.plain import write_text
from mmflow_email.letter.rules import WORD, is_jinja, translate_words

CLIP: Final = 100_000  # bytes of HTML; Gmail cuts a letter off a little above
LONGEST_SUBJECT: Final = 180
ATTEMPTS: Final = 5
PICTURE: Final = 480  # points of a picture on a desk; on a phone it is as wide as the letter


def compose_letter(
    table: Table, options: LetterOptions, run: RunInfo, *, notes: Sequence[str], attached: Sequence[str]
) -> Letter:
    """Write subject, HTML, text and pictures."""
    layout = Layout.of(table, options)
    found = survey_rows(table, options, layout)
    content = gather_content(table, options, run, found, layout, attached=attached)
    pictures, failures = draw_charts(found, run)
    content["notices"] = limit_notices([*notes, *table.notices, *found.failures, *failures])
    content["charts"] = [describe_picture(picture, title, more) for picture, title, more in pictures]
    html = fill_fitting(content, options, run)
    shown = tuple(picture for picture, *_ in pictures if f"cid:{picture.cid}" in html)
    return Letter(fill_subject(content, options, run), html, write_text(content), shown)


Drawn = tuple[Picture, str, str]


def draw_charts(found: Survey, run: RunInfo) -> tuple[list[Drawn], list[str]]:
    """Draw the pictures, each with its title and what it leaves out; a failure is a sentence in their place."""
    plots = [(collector, plot) for collector in found.collectors if (plot := collector.plot()) is not None]
    if not plots:
        return [], []
    run.store.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        answer = work_apart("draw", {"plots": [plot for _, plot in plots]}, cache=run.store / "drawing")
    except Unfit as unfit:
        return [], [f"the pictures were not drawn: {unfit}"]
    drawn = []
    for number, ((collector, plot), content) in enumerate(zip(plots, answer["pictures"], strict=True), 1):
        picture = Picture(make_cid(run, number), f"chart{number}.png", b64decode(content), collector.say(plot))
        drawn.append((picture, collector.title, collector.say_cut().removeprefix("; ")))
    return drawn, []


def describe_picture(picture: Picture, title: str, more: str) -> Content:
    """Describe a picture for templates."""
    return {"cid": picture.cid, "alt": picture.alt, "title": title, "more": more, "width": PICTURE}


def fill_fitting(content: Content, options: LetterOptions, run: RunInfo) -> str:
    """Fill the template, with fewer rows while the HTML is too large for mail programs; rows cut off are counted."""
    html = finish_html(fill_template(content, options, run), options)
    for _ in range(ATTEMPTS):
        size, rows = len(html.encode()), len(content["rows"])
        if size <= CLIP or not rows:
            break
        kept = min(rows - 1, int(rows * 0.9 * CLIP / size))
        content["hidden"] += rows - kept
        content["rows"] = content["rows"][:kept]
        html = finish_html(fill_template(content, options, run), options)
    if len(html.encode()) > CLIP:
        run.log.warning("the letter has %d KB of HTML; mail programs cut it off above 100", len(html.encode()) // 1000)
    return html


def fill_template(content: Content, options: LetterOptions, run: RunInfo) -> str:
    """Fill a built-in template here, any other in a process of its own."""
    if options.template in BUILT_IN:
        return fill_file(f"mmflow/{options.template}.html", content, None, LARGEST)
    return str(ask_child({"template": options.template}, content, run)["html"])


def ask_child(request: dict[str, Any], content: Content, run: RunInfo) -> dict[str, Any]:
    """Fill what a job wrote; what is wrong with it ends the delivery until somebody changes it."""
    try:
        return work_apart("fill", {**request, "content": content, "folder": str(run.job_folder)})
    except Unfit as unfit:
        name = "" if ":" in str(unfit) else f"{request.get('template', 'subject')}: "
        raise GiveUp(f"the letter cannot be written: {name}{unfit}") from unfit


def finish_html(html: str, options: LetterOptions) -> str:
    """Put styles where mail programs read them, and let nothing through that loads or runs."""
    inliner = CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, minify_css=True)
    try:
        check_links(html)
        return clean_html(squeeze(inliner.inline(html)))
    except Forbidden as found:
        raise GiveUp(f"the letter cannot be written: {options.template}: {found}") from found


def check_links(html: str) -> None:
    """Refuse style sheets from elsewhere before the inliner sees them."""
    if re.search(r"<\s*link\b", html, re.IGNORECASE):
        raise Forbidden("the template has a <link>, which no mail may hold; put the style into the template")


def squeeze(html: str) -> str:
    """Take away the blanks with which templates are laid out."""
    return re.sub(r"\s*\n\s*", "\n", html)


def fill_subject(content: Content, options: LetterOptions, run: RunInfo) -> str:
    """Give the subject: one line without an unseen character."""
    template = options.subject
    if not is_jinja(template):
        filled = WORD.sub(lambda word: run.names.get(word[1], word[0]), template)
    else:
        filled = str(ask_child({"subject": translate_words(template)}, content, run)["subject"])
    return tidy_text(filled, LONGEST_SUBJECT) or run.job
