"""What most commands begin with: the root, its settings, the installed plugins, and a place to print to."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.atomic import STATE, refuse_closed
from mmflow.check import CheckedJob
from mmflow.cli import Surroundings
from mmflow.cli.output import NoteHandler, Output
from mmflow.errors import ProblemsError, raise_errors
from mmflow.job import Job
from mmflow.leaks import learn_secrets
from mmflow.refs import RedactingFormatter, Resolver
from mmflow.resolve import resolve_job, resolve_question, resolve_settings, resolve_state
from mmflow.workspace import Workspace, find_root, open_workspace

if TYPE_CHECKING:
    from mmflow.ledger import Ledger, Place
    from mmflow.run import Engine


@dataclass(frozen=True, slots=True)
class Session:
    """One command at work in one workspace."""

    workspace: Workspace
    around: Surroundings
    out: Output

    @property
    def root(self) -> Path:
        """The folder that holds mmflow.yaml."""
        return self.workspace.root

    @property
    def state(self) -> Path:
        """The folder of what mmflow remembers, which need not be there; StateError for one of another account."""
        folder = self.root / STATE
        refuse_closed(folder)
        return folder

    @property
    def resolver(self) -> Resolver:
        """What gives references their values."""
        return Resolver(self.around.environ, self.root, self.around.redactor)

    def read_job(self, word: str) -> CheckedJob:
        """Read and check a job by name or path; its warnings are shown, its mistakes raised with them."""
        checked = self.workspace.read_job(word, self.around.cwd)
        raise_errors(checked.problems)
        for problem in checked.problems:
            self.out.note(str(problem))
        return checked

    def resolve_job(self, checked: CheckedJob) -> CheckedJob:
        """Put in the values of the job's references and of the connections it uses."""
        return resolve_job(checked, self.workspace.checked, self.workspace.registry, self.resolver)

    def resolve_question(self, checked: CheckedJob) -> Job:
        """Put in only those values that decide what is asked; secrets of sinks are not needed."""
        return resolve_question(checked, self.workspace.checked, self.workspace.registry, self.resolver)

    def open_ledger(self) -> Ledger:
        """Open the record of what ran, for looking."""
        from mmflow.ledger import Ledger

        return Ledger.look(self.find_place(), self.around.clock)

    def find_place(self) -> Place:
        """Say where the record is; its password is put in."""
        from mmflow.ledger import find_place

        return find_place(resolve_state(self.workspace.checked, self.resolver), self.state)


def open_output(args: argparse.Namespace) -> Output:
    """Give the place to print to, and send log lines to stderr: warnings, or everything with ``--verbose``."""
    around: Surroundings = args.around
    out = Output(around.stdout, around.stderr, around.redactor, as_json=args.json)
    handler = NoteHandler(out)
    handler.setFormatter(RedactingFormatter(logging.Formatter("%(message)s"), around.redactor))
    log = logging.getLogger("mmflow")
    log.handlers, log.propagate = [handler], False
    logging.lastResort = handler  # what the libraries of a sink have to say carries no secret either
    log.setLevel(logging.INFO if args.verbose else logging.WARNING)
    return out


def open_session(args: argparse.Namespace, *, sinks: bool = True) -> Session:
    """Find the root, read and check mmflow.yaml, and load the plugins.

    Raises :class:`UserError` when there is no root, and unless the ``sinks`` do not matter :class:`ProblemsError` when
    mmflow.yaml does not say which may load. Other mistakes in it are raised when its settings are used.
    """
    around: Surroundings = args.around
    out = open_output(args)
    given = Path(args.root) if args.root else None
    root = find_root(around.cwd, given, around.environ, getattr(args, "job", None) or "")
    workspace = open_workspace(root, around.clock.now())
    if sinks and not workspace.registry.known:
        raise ProblemsError(workspace.checked.problems)
    return Session(workspace, around, out)


@contextmanager
def open_engine(
    session: Session, sites: Iterable[str], *, ask: bool = True, reach: bool | None = None, record: bool = False
) -> Iterator[Engine]:
    """Give what runs need, with the settings of these sites resolved.

    ``ask=False`` opens no way to the service and needs no key; ``reach`` says whether anything else is reached by
    network (as ``ask`` unless given), such as the destination of a sink, and ``record`` whether the ledger is opened.

    Raises :class:`ProblemsError` with everything that is wrong in mmflow.yaml.
    """
    from mmflow.plants import open_hosts
    from mmflow.run import Engine

    named, reach = tuple(sites), ask if reach is None else reach
    learn_secrets(session.workspace.checked, session.workspace.registry, session.resolver)
    settings = resolve_settings(session.workspace.checked, session.resolver, named, ask=ask, reach=reach, record=record)
    with open_hosts(session.workspace.checked, settings, named if ask else (), session.around.clock) as hosts:
        yield Engine(
            root=session.root,
            settings=settings,
            clock=session.around.clock,
            redactor=session.around.redactor,
            hosts=hosts,
            progress=session.out.progress,
        )
