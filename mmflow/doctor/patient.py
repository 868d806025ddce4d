"""The installation that is looked at, with what several checks share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from mmflow.atomic import STATE
from mmflow.check import CheckedJob
from mmflow.check.layers import EACH, find
from mmflow.clock import Clock
from mmflow.document import Value
from mmflow.errors import Problem
from mmflow.ledger import Ledger, Place, find_place
from mmflow.refs import Resolver
from mmflow.resolve import resolve_settings, resolve_state
from mmflow.settings import Settings
from mmflow.workspace import Workspace

WAYS = ("notify", "via")
IMPATIENT = "20 seconds"  # for one request with its tries, so that no thread outlives the doctor by long


@dataclass(slots=True)
class Patient:
    """One installation; jobs are read once, by whichever check asks first."""

    workspace: Workspace
    resolver: Resolver
    clock: Clock
    _jobs: tuple[tuple[CheckedJob, ...], tuple[Problem, ...]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def root(self) -> Path:
        """The folder that holds mmflow.yaml."""
        return self.workspace.root

    @property
    def state(self) -> Path:
        """The folder of what mmflow remembers."""
        return self.root / STATE

    def read_jobs(self) -> tuple[tuple[CheckedJob, ...], tuple[Problem, ...]]:
        """Give all jobs, each with its problems, and the problems of files that cannot be read."""
        with self._lock:
            if self._jobs is None:
                self._jobs = self.workspace.read_jobs()
            return self._jobs

    def resolve(self, *sites: str, ask: bool = False) -> Settings:
        """Give the settings with some sites, at least one; with ``ask`` the values of their keys are put in.

        No request waits for long by them.
        """
        settings = resolve_settings(self.workspace.checked, self.resolver, sites, ask=ask, record=False)
        network = msgspec.structs.replace(settings.network, deadline=IMPATIENT)
        return msgspec.structs.replace(settings, network=network)

    def find_place(self) -> Place:
        """Say where the ledger is."""
        return find_place(resolve_state(self.workspace.checked, self.resolver), self.state)

    def open_ledger(self) -> Ledger:
        """Open the ledger for looking."""
        return Ledger.look(self.find_place(), self.clock)

    def ways(self, connection: str) -> Iterator[dict[str, Value]]:
        """Give the blocks of ``notify: via`` that use a connection: those of all jobs, and then of each."""
        common = self.workspace.checked.document.values
        texts = [(common, ("defaults", "notify", "via")), *((job.layers.values, WAYS) for job in self.read_jobs()[0])]
        for values, path in texts:
            for _, block in find(values, (*path, EACH)):
                if isinstance(block, dict) and block.get("connection") == connection:
                    yield block

    def users(self, connection: str) -> Iterator[CheckedJob]:
        """Give the jobs with a sink that uses a connection, each with that sink alone."""
        for job in self.read_jobs()[0]:
            sinks = tuple(use for use in job.sinks if use.connection_name == connection)
            if sinks and job.parsed:
                yield replace(job, sinks=sinks[:1])
