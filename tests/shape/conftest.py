"""A small workshop: real plans, answers written to files as the service writes them, the real load, shape and gate."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmflow.document import read_text
from mmflow.fetch import Answer, Missing, Spool
from mmflow.gate import judge
from mmflow.job import Job
from mmflow.load import load
from mmflow.options import convert_values
from mmflow.plan import make_plan
from mmflow.plant import PlantCalendar
from mmflow.settings import Site
from mmflow.shape import shape

SLOT = datetime(2026, 11, 4, 12, tzinfo=UTC)  # a Wednesday
MISSING = "the key was refused"


def make_job(**keys):
    """A job of one site over two days, 2 and 3 November, unless it says otherwise."""
    window = {"from": "2026-11-02", "to": "2026-11-03"}
    base = {"job": "case", "sites": ["boston"], "window": window, "sinks": [{"type": "console"}]}
    return convert_values(base | keys, Job)


@dataclass
class Workshop:
    """Runs jobs on answers given by hand, each in a folder of its own."""

    folder: Path
    answers: dict = field(default_factory=dict)  # by query and site: one list of rows, or one for each slice
    missing: tuple[str, ...] = ()
    extra: dict = field(default_factory=dict)  # more keys of each answer
    found: dict = field(default_factory=dict)  # by site: what the names of filters meant
    extracted_at: datetime = SLOT + timedelta(days=30)  # when every window of the tests is over

    def plan(self, job):
        calendars = {
            site: PlantCalendar.from_site(site, Site(timezone="America/New_York", start_of_day="06:00"), self.folder)
            for site in job.sites
        }
        return make_plan(job, calendars, SLOT)

    def spool(self, plan):
        """Write the answers to all slices; what was not given is an empty answer."""
        found = [self.write(piece) for piece in plan.slices if piece.site not in self.missing]
        missing = tuple(Missing(site, MISSING) for site in self.missing)
        return Spool(self.folder, tuple(found), missing, self.extracted_at, self.found)

    def write(self, piece):
        path = self.folder / f"{piece.site}-{piece.query}-{piece.number}.json"
        path.write_bytes(self.render(piece))
        return Answer(piece, path, path.stat().st_size)

    def render(self, piece):
        given = self.answers.get((piece.query, piece.site), [])
        if isinstance(given, bytes):
            return given
        if not piece.groups and isinstance(given, dict):
            given = [[given]]
        rows = given if not given or isinstance(given[0], dict) else given[piece.number]
        aggregate = dict.fromkeys(piece.metrics) | (rows[0] if rows and not piece.groups else {})
        answer = {"items": rows if piece.groups else [], "aggregate": aggregate} | self.extra
        return json.dumps(answer).encode()

    def load(self, job):
        plan = self.plan(job)
        return load(plan, job, self.spool(plan), self.folder)

    def shape(self, job, text=None):
        """Give what was shaped and the verdict."""
        plan = self.plan(job)
        spool = self.spool(plan)
        document = read_text(text, "jobs/case.yaml") if text else None
        with load(plan, job, spool, self.folder) as raw:
            shaped = shape(raw, job, plan, self.folder / "out" / "table.parquet", document)
        return shaped, judge(shaped, job, spool)


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


@pytest.fixture
def make_case_job():
    """Make a job of one site over two days from what it says beside that."""
    return make_job
