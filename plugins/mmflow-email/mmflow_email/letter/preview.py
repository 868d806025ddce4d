"""Shows a letter without sending it: the headers and the text for the terminal, and one HTML file for a browser."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from mmflow import Rendering, RunInfo, Table
from mmflow_email.addresses import list_mailboxes
from mmflow_email.letter import Letter
from mmflow_email.letter.writing import compose_letter
from mmflow_email.options import EmailConnection, EmailOptions


def render_letter(table: Table, options: EmailOptions, run: RunInfo) -> Rendering:
    """Give the letter as it would be sent; files that would go with it are named, not read."""
    letter = compose_letter(table, options, run, notes=(), attached=())
    head = "\n".join(list_headers(letter, options, run))
    return Rendering(f"{head}\n\n{letter.text}", embed_pictures(letter).encode(), ".html")


def list_headers(letter: Letter, options: EmailOptions, run: RunInfo) -> Iterator[str]:
    """Give what stands above a mail."""
    if isinstance(run.connection, EmailConnection):
        yield f"From: {run.connection.from_}"
    for key, name in (("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"), ("reply_to", "Reply-To")):
        if boxes := list_mailboxes(getattr(options, key)):
            yield f"{name}: {', '.join(map(str, boxes))}"
    yield f"Subject: {letter.subject}"
    if options.attach:
        yield f"Attached: files of {', '.join(options.attach)}"


def embed_pictures(letter: Letter) -> str:
    """Give the HTML with its pictures inside, so that one file shows all of it."""
    html = letter.html
    for picture in letter.pictures:
        html = html.replace(f"cid:{picture.cid}", f"data:image/png;base64,{b64encode(picture.content).decode()}")
    return html
