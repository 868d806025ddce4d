"""What most commands begin with: the root, its settings, the installed plugins, and a place to print to."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mmflow.cli import Surroundings
from mmflow.cli.output import Output
from mmflow.errors import UserError
from mmflow.plant import PlantCalendar
from mmflow.workspace import Workspace, find_root, open_workspace


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


def open_output(args: argparse.Namespace) -> Output:
    """Give the place to print to, and send log lines to stderr: warnings, or everything with ``--verbose``."""
    around: Surroundings = args.around
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(message)s",
        stream=around.stderr,
        force=True,
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(around.redactor.filter())
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return Output(around.stdout, around.stderr, around.redactor, as_json=args.json)


def open_session(args: argparse.Namespace) -> Session:
    """Find the root, read and check mmflow.yaml, and load the plugins.

    Raises :class:`UserError` when there is no root and :class:`ProblemsError` when mmflow.yaml has mistakes.
    """
    around: Surroundings = args.around
    out = open_output(args)
    given = Path(args.root) if args.root else None
    workspace = open_workspace(find_root(around.cwd, given, around.environ))
    return Session(workspace, around, out)
