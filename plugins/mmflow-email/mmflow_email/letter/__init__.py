"""The letter: what a report looks like as an e-mail, from the table to subject, HTML, plain text and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmflow import Rendering, RunInfo, Table
from mmflow_email.letter.options import LetterOptions

if TYPE_CHECKING:
    from mmflow_email.options import EmailOptions

__all__ = ["Letter", "LetterOptions", "Picture", "render_email", "write_letter"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG file that the HTML shows as ``cid:CID``; ``cid`` is the same for the same delivery, without ``<>``."""

    cid: str
    name: str
    content: bytes
    alt: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as people will read it: ``subject`` is one line, ``text`` says the same as ``html`` does."""

    subject: str
    html: str
    text: str
    pictures: tuple[Picture, ...] = ()


def write_letter(
    table: Table, options: LetterOptions, run: RunInfo, *, notes: Sequence[str] = (), attached: Sequence[str] = ()
) -> Letter:
    """Write the letter of a report; the same bytes for the same table, options and run.

    ``notes`` are sentences that readers must see beside the table's own, such as that an attachment was too large;
    ``attached`` are the names of the files that go with it. Raises :class:`~mmflow.GiveUp` when the template cannot be
    used.
    """
    from mmflow_email.letter.writing import compose_letter

    return compose_letter(table, options, run, notes=notes, attached=attached)


def render_email(table: Table, options: EmailOptions, run: RunInfo) -> Rendering:
    """Give what ``preview`` shows: headers and plain text, and the letter as one HTML file that holds its pictures."""
    from mmflow_email.letter.preview import render_letter

    return render_letter(table, options, run)
