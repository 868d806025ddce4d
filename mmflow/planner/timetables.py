"""Timetables by schedule: jobs that are due alike share one, and what it has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from mmflow.job import Schedule
from mmflow.plant import PlantCalendar
from mmflow.roster import JobPlan
from mmflow.schedule import Timetable, make_timetable

Likeness = tuple[Schedule, tuple[str, ...], tuple[str, ...]]
MOST_KEPT: Final = 1000  # answers; those of one moment are what is asked for again and again


@dataclass(slots=True)
class Timetables:
    """Makes the timetable of a job with the calendars of its sites, once for all jobs of equal schedules.

    Paths of files with skipped days start at ``root``; the last good ones count.
    """

    root: Path
    calendars: Mapping[str, PlantCalendar]
    _made: dict[Likeness, Timetable | None] = field(default_factory=dict)
    _after: dict[tuple[int, datetime], datetime | None] = field(default_factory=dict)

    def find(self, plan: JobPlan) -> Timetable | None:
        """Give the timetable of a job, None when it has none: by hand, or after another job.

        Raises :class:`UserError` when a file of its calendar cannot be read now.
        """
        if plan.schedule is None:
            return None
        key = (plan.schedule, plan.sites, plan.machine_groups)
        if key not in self._made:
            calendars = [self.calendars[site] for site in plan.sites]
            self._made[key] = make_timetable(
                plan.schedule, calendars, machine_groups=plan.machine_groups, root=self.root, kept=True
            )
        return self._made[key]

    def after(self, timetable: Timetable, instant: datetime) -> datetime | None:
        """Give its first time after an instant; a thousand jobs of one schedule ask alike."""
        key = (id(timetable), instant)
        if key not in self._after:
            if len(self._after) >= MOST_KEPT:
                self._after.clear()
            self._after[key] = timetable.after(instant)
        return self._after[key]
