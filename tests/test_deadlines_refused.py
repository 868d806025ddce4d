"""A job whose name stands in two files is in force in neither of them, and late all the same."""

import os

from mmflow.deadlines import DeadlineWatch
from mmflow.ledger import Ledger
from mmflow.roster import Roster
from tests.ledgers import ledger_file
from tests.test_deadlines import JOB

LATE = "daily, due Sun 2026-11-22 05:00 America/New_York (10:00 UTC): not delivered by 05:15 (America/New_York): "


def write_twice(desk):
    for name in ("daily", "copy"):
        os.utime(desk.job(JOB, name), (0, 0))


def test_the_command_finds_a_report_late_whose_name_stands_in_two_files(desk):
    write_twice(desk)
    done = desk.mmflow("watch", "--once")
    first, advice = done.out.splitlines()
    assert (done.code, first.partition("it cannot")[0]) == (1, LATE)
    assert "jobs/copy.yaml" in first
    assert "daily" in first
    assert advice.endswith(": mmflow validate")


def test_a_new_job_in_two_files_is_not_late_for_times_before_it_was_written(desk):
    for name in ("daily", "copy"):
        desk.job(JOB, name)
    assert desk.mmflow("watch", "--once").out == "nothing is late\n"


def test_the_daemon_does_not_ask_whether_it_runs(desk, clock):
    os.utime(desk.job(JOB), (0, 0))
    roster = Roster(desk.root, clock, desk.environ)
    roster.refresh()
    with Ledger.open(ledger_file(desk.root), clock) as ledger:
        ((_, item),) = DeadlineWatch(desk.root, clock, roster, inside=True).find_late(ledger)
    assert item.reason.endswith(": the daemon runs and has not planned it")
    assert item.command == "mmflow logs --level warning"


def test_a_job_that_is_in_one_file_again_is_late_by_what_became_of_it(desk, clock):
    write_twice(desk)
    roster = Roster(desk.root, clock, desk.environ)
    roster.refresh()
    with Ledger.open(ledger_file(desk.root), clock) as ledger:
        watch = DeadlineWatch(desk.root, clock, roster)
        assert [item.job for _, item in watch.find_late(ledger)] == ["daily"]
        watch = DeadlineWatch(desk.root, clock, roster)
        (desk.root / "jobs" / "copy.yaml").unlink()
        roster.refresh()
        clock.sleep(1)
        roster.refresh()
        assert list(roster.plans) == ["daily"]
        ((_, item),) = watch.find_late(ledger)
    assert item.reason.endswith("it was never planned; does the daemon run?")
