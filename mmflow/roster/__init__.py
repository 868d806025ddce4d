"""The jobs in force: files are read and checked when they change, and what the daemon needs of each job is kept.

A file that was not touched is not read, and what was read and says the same is not checked. A file that cannot be
used changes nothing: what it said before stays in force, also when the daemon starts anew (:mod:`mmflow.roster.shelf`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mmflow.check import CheckedSettings
from mmflow.clock import Clock
from mmflow.errors import Problem
from mmflow.plant import PlantCalendar
from mmflow.plugins import Registry
from mmflow.refs import Redactor
from mmflow.roster.changes import Changes, Found, State, compare_states
from mmflow.roster.plans import JobPlan
from mmflow.roster.reader import Reader
from mmflow.roster.watch import Watcher
from mmflow.workspace import Workspace

__all__ = ["Changes", "Found", "JobPlan", "Roster"]


class Roster:
    """The jobs of a root as they are in force after each :meth:`refresh`; nothing here runs or remembers a run.

    ``environ`` is where references look for their values. ``registry`` takes the place of the plugins that
    ``mmflow.yaml`` lets in. What is in force is one thing, which any thread may read at any time. ``redactor`` gets to
    know the secrets of all that is in force.
    """

    def __init__(
        self,
        root: Path,
        clock: Clock,
        environ: Mapping[str, str],
        registry: Registry | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._root = root
        self._reader = Reader(root, clock, environ, registry, redactor or Redactor())
        self._state = State(looked=clock.monotonic())
        self._watcher: Watcher | None = None

    @property
    def looked(self) -> float:
        """Give when the look at the files began by which they are in force, by the monotonic clock."""
        return self._state.looked

    @property
    def plans(self) -> Mapping[str, JobPlan]:
        """Give the plans of all jobs that are in force, by name; each change gives another mapping."""
        return self._state.plans

    @property
    def refused(self) -> Mapping[str, tuple[JobPlan, str]]:
        """Give the plans of jobs that are not in force because of other files, by name, each with the reason."""
        return self._state.refused

    @property
    def blocked(self) -> Mapping[str, str]:
        """Say of jobs (of files, where no name is known) that cannot run why.

        Those among them whose references have no value are in :attr:`plans` all the same: they fail when they are due.
        """
        return {**self._state.blocked, **self._state.lacking}

    @property
    def names(self) -> frozenset[str]:
        """Give the names of all jobs that there are files of, also of those that cannot be used as they are now."""
        return self._state.names

    @property
    def references(self) -> tuple[str, ...]:
        """Give the references without a default in the jobs in force, a thousand at most."""
        return self._state.references

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Give every error of the files as they are now, sorted by file and place."""
        return tuple(sorted(problem for found in self._state.problems.values() for problem in found))

    @property
    def troubles(self) -> Changes:
        """Give all that is wrong with the files now, as if it had just come about."""
        return replace(compare_states(State(), self._state), added=())

    @property
    def workspace(self) -> Workspace:
        """Give the root with the settings in force and the plugins that they let in."""
        assert self._state.workspace, "nothing is in force before the first refresh"
        return self._state.workspace

    @property
    def settings(self) -> CheckedSettings:
        """Give ``mmflow.yaml`` as it was last without an error."""
        return self.workspace.checked

    @property
    def settings_text(self) -> str:
        """Give the text of ``mmflow.yaml`` that is in force."""
        return self._state.settings_text

    @property
    def calendars(self) -> Mapping[str, PlantCalendar]:
        """Give the calendar of each site; another mapping whenever ``mmflow.yaml``, or a file it names, has changed."""
        return self._state.calendars

    @property
    def unsettled(self) -> bool:
        """Tell whether a file was seen in writing, so that another :meth:`refresh` should come in half a second."""
        return self._reader.unsettled

    def text(self, job: str) -> str:
        """Give the YAML text in force of a job in :attr:`plans`; raises :class:`KeyError` for another."""
        return self._state.texts[job]

    def refresh(self) -> Changes:
        """Look at all files, put in force what they say, and give what is different.

        At the first call everything counts at once; it raises :class:`ProblemsError` when ``mmflow.yaml`` is not good
        and never was. Later a change counts when it stays for half a second, see :attr:`unsettled`, and nothing is
        raised.
        """
        return self.put_in_force(self.look())

    def look(self) -> Found:
        """Look at all files and give what they say, of which nothing is in force yet; raises as :meth:`refresh`.

        It takes a while when ``mmflow.yaml`` has changed, for each job is checked then. One thread at a time may call
        it, and what was found is put in force before it is called again.
        """
        state = self._reader.read(self._state)
        if changes := compare_states(self._state, state):
            self._reader.keep()
        return Found(state, changes)

    def put_in_force(self, found: Found) -> Changes:
        """Let what was found count from now on, all of it at once, and give what is different."""
        self._state = found.state
        return found.changes

    def watch(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called from another thread whenever a :meth:`refresh` may find something, until :meth:`close`.

        It must not call back into the roster.
        """
        self._watcher = Watcher(self._root, wake, lambda: self.unsettled)

    def close(self) -> None:
        """End the watching, if there is any."""
        if self._watcher:
            self._watcher.close()
            self._watcher = None
