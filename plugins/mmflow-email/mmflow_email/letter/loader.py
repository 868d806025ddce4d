"""Finds the templates of letters: the built-in ones, and files in the job's folder and nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import BaseLoader, Environment
from jinja2.exceptions import TemplateError

from mmflow_email.letter.rules import SUFFIXES, check_name

BUILT_IN: Final = "mmflow/"
LARGEST: Final = 1 << 20  # bytes of one template
Found = tuple[str, str, Callable[[], bool]]


class BadTemplate(TemplateError):  # noqa: N818  a finding about a template
    """A template cannot be read; the message begins with its name."""


class LetterLoader(BaseLoader):
    """Loads ``mmflow/NAME.html`` from this package and every other name from below ``folder``."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.loaded: dict[str, str] = {}  # name and text of what was in use

    def get_source(self, environment: Environment, template: str) -> Found:  # noqa: ARG002  Jinja's signature
        """Give text, name and freshness of a template; raises :class:`BadTemplate`."""
        self.loaded[template] = self.find_text(template)
        return self.loaded[template], template, lambda: True

    def find_text(self, name: str) -> str:
        """Give the text of a template."""
        return read_built_in(name) if name.startswith(BUILT_IN) else self._read_own(name)

    def _read_own(self, name: str) -> str:
        if self.folder is None:
            raise BadTemplate(f"{name}: there is no folder of the job here; use a built-in template")
        if problem := check_name(name):
            raise BadTemplate(f"{name!r} {problem}")
        path = Path(os.path.realpath(self.folder / name))
        if not path.is_relative_to(os.path.realpath(self.folder)) or path.suffix not in SUFFIXES:
            raise BadTemplate(f"{name} leads out of the job's folder; put the file itself there, not a link")
        return decode(name, read_file(name, path))


def read_built_in(name: str) -> str:
    """Read a template of this package."""
    found = files("mmflow_email.letter") / "templates" / name.removeprefix(BUILT_IN)
    if "/" in name.removeprefix(BUILT_IN) or not found.is_file():
        known = ", ".join(sorted(entry.name for entry in found_templates()))
        raise BadTemplate(f"{name}: there is no such built-in template; there are: {known}")
    return found.read_text(encoding="utf-8")


def found_templates() -> list[Path]:
    """List the built-in templates."""
    folder = files("mmflow_email.letter") / "templates"
    return [Path(entry.name) for entry in folder.iterdir() if entry.name.endswith(".html")]


def read_file(name: str, path: Path) -> bytes:
    """Read a regular file, never waiting for a pipe or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:  # noqa: PTH123  Path.open() takes no handle
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                raise BadTemplate(f"{name}: expected a regular file of at most {LARGEST:,} bytes")
            return file.read(LARGEST)
    except OSError as error:
        reason = (error.strerror or "unknown failure").lower()
        raise BadTemplate(f"{name}: cannot be read in the job's folder: {reason}; check the path") from error


def decode(name: str, data: bytes) -> str:
    """Read the text of a template."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTemplate(f"{name}: is not UTF-8; save the file as UTF-8") from error
