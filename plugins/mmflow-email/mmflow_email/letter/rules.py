"""Finds what is wrong with the options of a letter before any run. Light: Jinja is imported for Jinja alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mmflow import PATH_WORDS, GiveUp, Outline, RunInfo, check_lights, suggest_name
from mmflow_email.letter.options import BUILT_IN, LetterOptions, TopLosses

SUFFIXES: Final = (".html", ".htm", ".j2", ".jinja")
WORD: Final = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
SEVERAL: Final = ("line", "stacked")  # kinds of chart that show several columns of numbers
Key = str | tuple[str | int, ...]


def check_letter(options: LetterOptions, outline: Outline) -> Iterator[tuple[Key, str]]:
    """Give what is wrong as ``(option or path in it, sentence)``."""
    yield from check_subject(options.subject)
    if options.template not in BUILT_IN and (problem := check_name(options.template)):
        yield "template", f"{options.template!r} {problem}"
    yield from (
        (("columns", place), missing_column(name, outline))
        for place, name in enumerate(options.columns or ())
        if name not in outline.columns
    )
    yield from (
        (("lights", *path), said) for path, said in check_lights(options.lights, outline.columns, outline.units)
    )
    yield from check_charts(options, outline)
    if isinstance(options.top, TopLosses) and options.top.by not in outline.columns:
        yield ("top", "by"), missing_column(options.top.by, outline)


def check_subject(subject: str) -> Iterator[tuple[Key, str]]:
    """Find words that are not known, and faults of Jinja."""
    if not subject.strip() or not subject.isprintable():
        yield "subject", "has to be one line with a text; take line ends and control characters out"
        return
    for word in WORD.findall(subject):
        if word not in PATH_WORDS:
            near = suggest_name(word, PATH_WORDS)
            hint = f"did you mean '{{{near}}}'?" if near else f"there are: {', '.join(PATH_WORDS)}"
            yield "subject", f"holds '{{{word}}}', which is not known; {hint}"
    if is_jinja(subject):
        from mmflow_email.letter.filling import Refused, check_line

        try:
            check_line(translate_words(subject))
        except Refused as refused:
            yield "subject", f"cannot be used: {refused}"


def check_charts(options: LetterOptions, outline: Outline) -> Iterator[tuple[Key, str]]:
    """Find columns that the report has not, and several numbers where a picture shows one."""
    for place, chart in enumerate(options.charts):
        if chart.x not in outline.columns:
            yield ("charts", place, "x"), missing_column(chart.x, outline)
        for name in chart.numbers:
            if name not in outline.columns:
                yield ("charts", place, "y"), missing_column(name, outline)
        if len(chart.numbers) != 1 and (chart.kind not in SEVERAL or not chart.numbers):
            yield ("charts", place, "y"), f"{chart.kind} shows one column of numbers; {' and '.join(SEVERAL)} several"


def missing_column(name: str, outline: Outline) -> str:
    """Say that a column is not there, and which may be meant."""
    near = suggest_name(name, outline.columns)
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(outline.columns)}"
    return f"the report has no column {name!r}; {hint}"


def check_name(name: str) -> str | None:
    """Say what is wrong with the name of a template file, or give None."""
    if not name.isprintable() or "\\" in name or ":" in name:
        return "holds a character that no template may have; write a path with / in the job's folder"
    if name.startswith("/") or ".." in name.split("/"):
        return "leads out of the job's folder; write a path below it"
    if not name.endswith(SUFFIXES):
        return f"is no built-in template (morning, table) and no file that ends in {', '.join(SUFFIXES)}"
    return None


def check_files(options: LetterOptions, run: RunInfo) -> None:
    """Read and parse the template file of a job; :class:`GiveUp` says what is in the way."""
    if options.template in BUILT_IN:
        return
    from mmflow_email.letter.filling import Refused, check_file

    try:
        check_file(options.template, run.job_folder)
    except Refused as refused:
        raise GiveUp(f"template: {refused}") from refused


def is_jinja(text: str) -> bool:
    """Tell a subject in Jinja from one with simple words."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def translate_words(subject: str) -> str:
    """Write the simple words of a subject as Jinja, so that both may stand in one."""
    return WORD.sub(lambda word: f"{{{{ {word[1]} }}}}" if word[1] in PATH_WORDS else word[0], subject)
