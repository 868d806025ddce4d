"""Fills templates with plain data, and turns whatever goes wrong into one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, Template

from mmflow_email.letter.faults import explain_fault
from mmflow_email.letter.loader import BadTemplate, LetterLoader
from mmflow_email.letter.sandbox import LetterEnvironment

SUBJECT: Final = "subject"
LONGEST_LINE: Final = 4_000  # characters of a subject before it is cut
Content = Mapping[str, Any]


class Refused(Exception):  # noqa: N818  a finding about a template, which the letter turns into an error
    """A template cannot be used; the message says where and why."""


def fill_file(name: str, content: Content, folder: Path | None, most: int) -> str:
    """Fill a template of the job's folder, or ``mmflow/…``; raises :class:`Refused`."""
    loader = LetterLoader(folder)
    return fill(LetterEnvironment(loader), name, content, loader.loaded, most)


def fill_line(source: str, content: Content) -> str:
    """Fill a subject, which is no HTML; raises :class:`Refused`."""
    environment = LetterEnvironment(OneLoader(source), escape=False)
    return fill(environment, SUBJECT, content, {SUBJECT: source}, LONGEST_LINE)


def check_file(name: str, folder: Path) -> None:
    """Read and parse a template without filling it; raises :class:`Refused`."""
    loader = LetterLoader(folder)
    parse(LetterEnvironment(loader), name, loader)


def check_line(source: str) -> None:
    """Parse a subject without filling it; raises :class:`Refused`."""
    parse(LetterEnvironment(escape=False), SUBJECT, OneLoader(source))


def fill(environment: Environment, name: str, content: Content, sources: Mapping[str, str], most: int) -> str:
    """Fill a template; ``sources`` grows with what is loaded."""
    try:
        return join_bounded(environment.get_template(name), content, most)
    except Exception as error:
        raise Refused(explain_fault(error, sources)) from error


def parse(environment: Environment, name: str, loader: LetterLoader) -> None:
    """Parse a template without compiling it, which would already work some of it out."""
    try:
        environment.parse(loader.find_text(name), name, name)
    except Exception as error:
        raise Refused(explain_fault(error, loader.loaded)) from error


def join_bounded(template: Template, content: Content, most: int) -> str:
    """Put the pieces of a template together while there are not too many."""
    pieces, size = [], 0
    for piece in template.generate(content):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise BadTemplate(f"{template.name}: gives more than {most:,} characters; show fewer rows")
    return "".join(pieces)


class OneLoader(LetterLoader):
    """Knows the subject alone: it cannot include anything."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source

    def find_text(self, name: str) -> str:
        """Give the subject."""
        if name != SUBJECT:
            raise BadTemplate("a subject cannot use other templates; write what it says")
        return self.source
