"""Fills templates with plain data, and turns whatever goes wrong into one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, Template, nodes

from mmflow_email.letter.faults import explain_fault
from mmflow_email.letter.loader import BUILT_IN, BadTemplate, LetterLoader
from mmflow_email.letter.names import find_unknown
from mmflow_email.letter.sandbox import LetterEnvironment

SUBJECT: Final = "subject"
LONGEST_LINE: Final = 4_000  # characters of a subject before it is cut
Content = Mapping[str, Any]


class Refused(Exception):  # noqa: N818  a finding about a template, which the letter turns into an error
    """A template cannot be used; the message says where and why."""


def fill_file(name: str, content: Content, folder: Path | None, most: int) -> str:
    """Fill a template of the job's folder, or ``mmflow/…``; raises :class:`Refused`."""
    loader, environment = built_in() if folder is None else prepare(folder)
    return fill(environment, name, content, loader.loaded, most)


def prepare(folder: Path | None) -> tuple[LetterLoader, LetterEnvironment]:
    """Give what reads and compiles the templates of a folder."""
    loader = LetterLoader(folder)
    return loader, LetterEnvironment(loader)


@cache
def built_in() -> tuple[LetterLoader, LetterEnvironment]:
    """Give what holds the built-in templates: they are compiled once in a process, which takes longer than a letter."""
    return prepare(None)


def fill_line(source: str, content: Content) -> str:
    """Fill a subject, which is no HTML; raises :class:`Refused`."""
    environment = LetterEnvironment(OneLoader(source), escape=False)
    return fill(environment, SUBJECT, content, {SUBJECT: source}, LONGEST_LINE)


def check_file(name: str, folder: Path) -> None:
    """Read and parse a template, and those that it uses, without filling it; raises :class:`Refused`."""
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

    def load(other: str) -> nodes.Template:
        return environment.parse(loader.find_text(other), other, other)

    try:
        unknown = find_unknown(name, load(name), load, own=lambda other: not other.startswith(BUILT_IN))
    except Exception as error:
        raise Refused(explain_fault(error, loader.loaded)) from error
    if unknown:
        raise Refused("; ".join(f"{where}:{line}: {said}" for where, line, said in unknown))


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
