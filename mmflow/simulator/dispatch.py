"""ERP job dispatch: runs of jobs that an ERP starts and stops, with the parts made in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock

from mmflow.simulator.days import write_iso
from mmflow.simulator.members import Machine
from mmflow.simulator.plant import Plant


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One run of a job on a machine, in UTC epoch milliseconds."""

    machine: Machine
    start: int
    end: int | None = None


@dataclass(slots=True)
class Dispatches:
    """The dispatched runs of one company by the ERP's own id."""

    plant: Plant
    _runs: dict[str, Dispatch] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def start(self, run: str, machine: Machine, instant: int) -> None:
        """Begin a run, or begin it again."""
        with self._lock:
            self._runs[run] = Dispatch(machine, instant)

    def stop(self, run: str, instant: int) -> bool:
        """End a run; False when there is none of that id."""
        with self._lock:
            if run in self._runs:
                self._runs[run] = replace(self._runs[run], end=instant)
            return run in self._runs

    def describe(self, run: str, now: int) -> dict[str, object] | None:
        """Give start, end and parts of a run, up to now while it lasts."""
        with self._lock:
            found = self._runs.get(run)
        if found is None:
            return None
        atoms = list(self.plant.atoms(found.machine, found.start, found.end or now, now))
        return {
            "startAt": write_iso(found.start),
            "endAt": None if found.end is None else write_iso(found.end),
            "metrics": {
                "totalParts": sum(atom.total for atom in atoms),
                "goodParts": sum(atom.good for atom in atoms),
                "scrapParts": sum(atom.scrap for atom in atoms),
                "nonconformParts": sum(atom.nonconform for atom in atoms),
            },
        }
