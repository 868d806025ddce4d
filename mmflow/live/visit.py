"""One site while it is asked: about its calendar, and whether it can answer the jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mmflow.check.faults import Finding
from mmflow.errors import BadRequest, Complaint, GiveUp, KeyRefused
from mmflow.fetch import Task, Tell, fetch_site
from mmflow.fetch.filters import Found, Ids, find_wanted, write_ids
from mmflow.fetch.names import NameBook
from mmflow.job import Job
from mmflow.live.days import ask_day, check_calendar, past_day
from mmflow.plan import find_span, plan_site
from mmflow.plant import PlantCalendar
from mmflow.question import Question, question_rows
from mmflow.windows import NoShift

if TYPE_CHECKING:
    from mmflow.api.client import Api

Complaints = tuple[Complaint, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one site said: about its calendar, and by the name of each job which names it knows and what it refused."""

    calendar: tuple[Finding, ...] = ()
    found: dict[str, Found] = field(default_factory=dict)
    refused: dict[str, Complaints] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """One site while it is asked, by one thread; ``now`` is the moment as of which jobs are looked at.

    Equal reports of several jobs are asked once; answers go to ``folder``.
    """

    calendar: PlantCalendar
    api: Api
    book: NameBook
    folder: Path
    now: datetime
    tell: Tell
    answered: dict[bytes, Complaints] = field(default_factory=dict)

    def ask_site(self, jobs: Iterable[Job]) -> Heard:
        """Ask about the calendar, which proves key and address too, and then about every job.

        Raises :class:`GiveUp` or :class:`~mmflow.errors.TryLater` when the site cannot be asked.
        """
        try:
            heard = Heard(tuple(check_calendar(self.api, self.calendar, self.now)))
        except BadRequest as refused:
            raise GiveUp(str(refused)) from refused
        for job in jobs:
            heard.refused[job.job] = self._ask_job(job, heard.found)
        return heard

    def _ask_job(self, job: Job, found: dict[str, Found]) -> Complaints:
        """Note what the job's names mean, and give what the site refuses, which stops no other job."""
        try:
            found[job.job] = names = find_wanted(job, self.book, self._find_start(job))
        except GiveUp as error:
            return read_refusal(error)
        return self._ask_report(question_rows(job), write_ids(names))

    def _find_start(self, job: Job) -> datetime:
        """Give the instant from which on a run of now would ask: a machine that was gone by then is not meant."""
        try:
            span = find_span(job, self.calendar, self.now, None)
            queries = plan_site(job, self.calendar, self.calendar.name, span, self.now)
            return min(query.span.start for query in queries)
        except NoShift:
            return self.calendar.day_start(past_day(self.calendar, self.now))

    def _ask_report(self, question: Question, ids: Ids) -> Complaints:
        """Ask for one past day of a report, unless that has been done; give what the service refuses."""
        question = Question(tuple(sorted(question.groups)), tuple(sorted(question.metrics)))
        piece = ask_day(self.calendar, past_day(self.calendar, self.now), question)
        body = piece.request | ids
        key = msgspec.json.encode(body, order="deterministic")
        if key not in self.answered:
            task = Task(piece, body, self.folder / f"{len(self.answered)}.json")
            self.answered[key] = self._send(task)
        return self.answered[key]

    def _send(self, task: Task) -> Complaints:
        try:
            fetch_site(self.api, [task], self.tell)
        except GiveUp as error:
            return read_refusal(error)
        return ()


def read_refusal(error: GiveUp) -> Complaints:
    """Give the complaints of a refusal that is about one report; raise it again when it is about the key."""
    if isinstance(error, KeyRefused):
        raise error
    if isinstance(error, BadRequest) and error.complaints:
        return error.complaints
    return (Complaint("", str(error)),)
