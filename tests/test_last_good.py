"""What runs by its last good version can be looked at, paused and watched by it as well."""

import os

import pytest

from mmflow.ledger import Ledger
from mmflow.roster import Roster
from tests.desk import NOW

JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {every: day, at: "05:00"}
    deadline: "05:15"
    sinks: [{type: console}]
"""


@pytest.fixture
def known(desk):
    """A desk whose daemon has seen the job."""
    os.utime(desk.job(JOB), (0, 0))
    roster = Roster(desk.root, desk.clock, desk.environ)
    roster.refresh()
    roster.close()
    return desk


def read_row(desk):
    with Ledger.look(desk.root / ".mmflow/ledger.sqlite", desk.clock) as ledger:
        return ledger.slots.read_job("daily")


@pytest.mark.parametrize("text", ["job: [\n", "job: daily\nwindow: yesterdaz\n"])
def test_a_job_whose_file_is_broken_is_paused_and_resumed_by_its_last_good_version(known, text):
    known.write("jobs/daily.yaml", text)
    done = known.mmflow("pause", "daily", "--until", "2026-12-01")
    assert done.code == 0, done.err
    assert "its last good version counts" in done.err
    assert read_row(known).paused_until > NOW
    done = known.mmflow("jobs", "--json")
    row = next(row for row in done.data["jobs"] if row["file"] == "jobs/daily.yaml")
    assert row["job"] == "daily"
    assert row["problems"] > 0
    assert "until 2026-12-01 06:00 EST" in row["paused"]
    done = known.mmflow("next", "daily", "-n", "1")
    assert (done.code, "05:00 EST" in done.out) == (0, True)
    assert "daily" in known.mmflow("next").out
    done = known.mmflow("window", "daily")
    assert (done.code, "as of" in done.out, "its last good version counts" in done.err) == (0, True, True)
    done = known.mmflow("resume", "daily")
    assert (done.code, done.out) == (0, "daily goes on from now\n")


def test_a_job_that_was_never_good_or_is_gone_cannot_be_paused(known):
    known.write("jobs/other.yaml", "job: [\n")
    done = known.mmflow("pause", "other")
    assert (done.code, "there is no job 'other'" in done.err) == (2, True)
    assert known.mmflow("pause", "daily").code == 0
    (known.root / "jobs/daily.yaml").unlink()
    assert known.mmflow("pause", "daily").code == 2
    done = known.mmflow("resume", "daily")
    assert (done.code, done.out) == (0, "daily goes on from now\n"), "the ledger knows it"
    assert known.mmflow("resume", "other").code == 2


def test_watch_and_pause_go_by_settings_that_were_last_good(known):
    late = known.mmflow("watch", "--once")
    known.write("mmflow.yaml", "sites: [\n")
    done = known.mmflow("watch", "--once")
    assert (done.code, done.out) == (late.code, late.out) == (1, late.out)
    assert "mmflow.yaml" in done.err
    assert "its last good version counts" in done.err
    assert known.mmflow("pause", "daily", "--until", "2026-12-01").code == 0
    assert read_row(known).paused_until > NOW


def test_settings_that_were_never_good_are_refused(desk):
    desk.write("mmflow.yaml", "sites: [\n")
    assert desk.mmflow("watch", "--once").code == 2


def test_the_next_time_of_a_paused_job_is_after_its_pause(known):
    assert known.mmflow("pause", "daily", "--until", "2026-12-01").code == 0
    (row,) = known.mmflow("jobs", "--json").data["jobs"]
    assert row["next"].startswith("2026-12-02T05:00")
    assert known.mmflow("pause", "daily").code == 0
    (row,) = known.mmflow("jobs", "--json").data["jobs"]
    assert (row["next"], row["paused"]) == (None, "until it is resumed")


def test_a_day_that_is_none_is_refused_also_where_no_job_is_due(desk):
    desk.job(JOB.replace('schedule: {every: day, at: "05:00"}', "").replace('deadline: "05:15"', ""))
    done = desk.mmflow("next")
    assert (done.code, "no job is due by itself" in done.err) == (0, True)
    assert desk.mmflow("next", "--from", "2027-13-01").code == 2
