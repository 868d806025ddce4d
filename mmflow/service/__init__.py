"""The daemon as a service of the system: what the service manager is told, and what it says of it.

Two managers are known, systemd and the Task Scheduler of Windows. Both get a text that is rendered from a template of
this folder by a function of the :class:`Service` alone, so that ``--print`` shows exactly what ``install`` writes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, Protocol

from mmflow.errors import GiveUp, UserError

PATIENCE: Final = 60  # seconds that a service manager may take for an answer
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The daemon of one root, as it is to be started.

    ``own`` is a service of one user, else of the system. ``account`` is who it runs as. ``writable`` are the folders
    that it may write into and ``code`` those that hold its programs, all absolute. ``grace`` are the seconds for which
    runs may go on when it is told to stop.
    """

    name: str
    root: Path
    python: Path
    account: str
    own: bool = False
    writable: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()
    grace: float = 25.0
    metrics: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that could be a path, an option, or none."""
        if not _NAME.fullmatch(self.name):
            raise UserError(f"a service cannot be named {self.name!r}; use letters, digits, - and _, a letter first")

    @property
    def words(self) -> tuple[str, ...]:
        """The command line of the daemon, without the program."""
        more = ("--metrics", self.metrics) if self.metrics else ()
        return ("-m", "mmflow", "daemon", "--root", str(self.root), "--log", "json", *more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the service manager says: ``state`` in its own words, ``since`` as it writes times, "" when not running."""

    installed: bool
    running: bool = False
    state: str = ""
    since: str = ""


class Manager(Protocol):
    """A service manager of an operating system."""

    def render(self, service: Service) -> str:
        """Give the text that is registered."""
        ...

    def place(self, service: Service) -> str:
        """Say where the text goes."""
        ...

    def install(self, service: Service, variables: Sequence[str]) -> list[str]:
        """Register, start, and give sentences that say what was done and what is left to do.

        ``variables`` are the names of those that the files refer to. Raises :class:`UserError` when that needs other
        rights, and :class:`GiveUp` with what the service manager says when it refuses.
        """
        ...

    def uninstall(self, service: Service) -> list[str]:
        """Stop and forget it, and say so; what mmflow remembers stays."""
        ...

    def status(self, service: Service) -> Status:
        """Ask how it is."""
        ...


def find_manager(environ: Mapping[str, str]) -> Manager:
    """Give the service manager of this system; :class:`UserError` says what to do where none is known."""
    if sys.platform == "win32":
        from mmflow.service.windows import TaskScheduler

        return TaskScheduler()
    from mmflow.service.systemd import Systemd

    return Systemd(environ)


def read_template(name: str) -> Template:
    """Give a template of this folder."""
    return Template(files("mmflow.service").joinpath(name).read_text(encoding="utf-8"))


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Ask the service manager; whatever its exit code, and :class:`GiveUp` when it cannot be asked."""
    try:
        return subprocess.run(  # noqa: S603  words are made here, and no shell reads them
            [str(word) for word in words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GiveUp(f"{Path(words[0]).name} cannot be asked: {error}") from error


def command(*words: str | Path) -> str:
    """Have the service manager do something, and give what it says; :class:`GiveUp` when it does not."""
    done = call(*words)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise GiveUp(f"'{' '.join(map(str, words))}' ended with {done.returncode}: {said}")
    return done.stdout


def find_code() -> tuple[Path, ...]:
    """Give the folders of Python and of mmflow, which need not lie in the environment."""
    return Path(sys.base_prefix), Path(str(files("mmflow"))).parent


def find_python() -> Path:
    """Give the interpreter that mmflow runs in: that of its environment, whatever the link leads to."""
    return Path(os.path.abspath(sys.executable))  # noqa: PTH100  resolving would leave the environment
