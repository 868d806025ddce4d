"""Real daemons by a fast clock keep what schedules promise, all the way to the files."""

import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from mmflow_email.testing import MailServer
from tests.daemons import FastClock, ask, running_daemon, set_clock, slots
from tests.desk import NOW

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the helpers start daemons of POSIX")

THURSDAY = NOW - timedelta(days=3)  # 06:40 in Boston
SPEED = 20
EARLY = timedelta(minutes=20)  # one minute of ours, for a daemon to begin in
JOB = """
    job: {name}
    report: {{metrics: [goodParts], group_by: [machine]}}
    window: {window}
    schedule: {{{schedule}}}
    sinks: [{{type: csv, path: "{name}/{{date}}.csv"}}{sinks}]
"""


def write_job(desk, schedule, name="daily", window="yesterday", sinks=""):
    desk.job(JOB.format(name=name, schedule=schedule, window=window, sinks=sinks), name)


class Sundial:
    """A daemon's clock, which can be turned forward to just before a moment."""

    def __init__(self, root, due):
        self.root = root
        self.clock = FastClock(due - EARLY, time.time(), SPEED)

    def turn(self, due):
        """Let it be so in a second of ours."""
        set_clock(self.root, (due - self.clock.now()).total_seconds() - SPEED)


@contextmanager
def waiting_daemon(desk, due):
    """A daemon that has planned the jobs when its clock comes to a moment; with its clock."""
    dial = Sundial(desk.root, due)
    with running_daemon(desk.root, start=dial.clock.start, real=dial.clock.real, speed=SPEED) as daemon:
        daemon.wait_text("planned from now on")
        dial.turn(due)
        yield daemon, dial


def states(desk, job="daily"):
    return [state for _, state, _ in slots(desk.root, job)]


def test_three_jobs_in_a_chain_run_one_after_the_other_for_the_same_slot(desk):
    write_job(desk, 'every: day, at: "06:40"')
    write_job(desk, "after: daily", "second")
    write_job(desk, "after: second", "third")
    with waiting_daemon(desk, THURSDAY) as (daemon, _):
        daemon.wait_for(lambda: states(desk, "third") == ["done"])
        assert daemon.stop() == 0
    runs = ask(desk.root, "SELECT job, due, started, finished FROM run ORDER BY started")
    assert [job for job, *_ in runs] == ["daily", "second", "third"]
    assert len({slot for _, slot, *_ in runs}) == 1
    assert all(before[3] <= after[2] for before, after in pairwise(runs))


def test_after_a_shift_in_the_night_in_which_the_clocks_go_back(desk):
    settings = desk.text("mmflow.yaml").replace(
        "    shifts:",
        """    shifts:
      - {name: Evening, days: sat, from: "14:00", to: "22:00"}
      - {name: Night, days: sat, from: "22:00", to: "06:00"}""",
    )
    desk.write("mmflow.yaml", settings)
    write_job(desk, "after_shift: Evening, settle: 5 h", "evening", "{shift: Evening}")
    write_job(desk, "after_shift: Night", "night", "{shift: Night}")
    two = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)  # by the clock of winter
    with waiting_daemon(desk, two) as (daemon, dial):
        daemon.wait_for(lambda: states(desk, "evening") == ["done"])
        assert states(desk, "night") == []
        dial.turn(two + timedelta(hours=4, minutes=10))
        daemon.wait_for(lambda: states(desk, "night") == ["done"])
    assert [due[:16] for due, _, _ in slots(desk.root, "evening")] == ["2026-11-01T07:00"], "five real hours"
    assert [due[:16] for due, _, _ in slots(desk.root, "night")] == ["2026-11-01T11:10"]


def test_a_day_that_is_written_into_a_list_while_it_runs_is_skipped_and_taken_out_again_is_not(desk):
    write_job(desk, 'cron: "* * * * *", calendar: Shutdown.CSV')
    desk.write("Shutdown.CSV", "day\n2026-12-24\n")
    with running_daemon(desk.root, start=THURSDAY, speed=3 * SPEED) as daemon:
        daemon.wait_for(lambda: "done" in states(desk))
        desk.write("Shutdown.CSV", "day\n2026-12-24\n2026-11-19\n")
        daemon.wait_for(lambda: "2026-11-19 is in Shutdown.CSV" in [reason for *_, reason in slots(desk.root)])
        desk.write("Shutdown.CSV", "day\n2026-12-24\n")
        skipped = len(states(desk))
        daemon.wait_for(lambda: "done" in states(desk)[skipped:])


def test_a_job_that_fails_too_often_in_a_row_is_paused_until_somebody_resumes_it(stormy_desk):
    desk = stormy_desk
    write_job(desk, 'cron: "*/2 * * * *", pause_on_failure: 2')
    desk.simulator.faults({"kind": "html", "match": "/"})
    with running_daemon(desk.root, start=THURSDAY, speed=3 * SPEED) as daemon:
        told = "paused: 2 failures in a row; the last: "
        daemon.wait_for(lambda: [reason for *_, reason in slots(desk.root) if reason.startswith(told)])
        assert states(desk).count("failed") == 2
        desk.simulator.clear_faults()
        desk.clock.set(datetime.fromisoformat(slots(desk.root)[-1][0]))
        assert desk.mmflow("resume", "daily").code == 0
        daemon.wait_for(lambda: "done" in states(desk))


def test_what_is_due_while_the_one_before_still_runs_waits_in_line(stormy_desk):
    desk = stormy_desk
    write_job(desk, 'cron: "* * * * *", overlap: queue')
    desk.simulator.faults({"kind": "latency", "match": "/reports", "delay": 8, "times": 1})
    with running_daemon(desk.root, start=THURSDAY, speed=SPEED) as daemon:
        daemon.wait_for(lambda: states(desk).count("done") >= 3)
    assert "skipped" not in states(desk)
    runs = ask(desk.root, "SELECT due, started, finished FROM run WHERE finished IS NOT NULL ORDER BY started")
    assert [slot for slot, *_ in runs] == sorted(slot for slot, *_ in runs)
    assert all(before[2] <= after[1] for before, after in pairwise(runs))
    assert runs[1][1] > runs[1][0], "the second one waited"


def test_a_mail_whose_slot_expires_while_the_service_is_slow_does_not_go(stormy_desk):
    desk = stormy_desk
    write_job(
        desk, 'every: day, at: "06:40", expires: 10 min', sinks=", {type: email, connection: mail, to: [a@b.com]}"
    )
    desk.simulator.faults({"kind": "latency", "match": "/reports", "delay": 3, "times": 1})
    with MailServer() as server:
        mail = f"{{type: email, from: reports@example.com, host: 127.0.0.1, port: {server.port}, security: none}}"
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f"connections: {{mail: {mail}}}\n")
        with waiting_daemon(desk, THURSDAY) as (daemon, dial):
            daemon.wait_for(lambda: ask(desk.root, "SELECT id FROM run WHERE state = 'running'"))
            dial.turn(THURSDAY + timedelta(minutes=15))
            daemon.wait_for(lambda: states(desk) == ["done"])
        assert server.mails == []
    found = dict(ask(desk.root, "SELECT sink, error FROM delivery"))
    assert found == {"csv": "", "email": "not sent: it expired at 2026-11-19 11:50 UTC"}


def test_a_report_that_ran_by_a_clock_that_was_ahead_runs_again_at_its_time_and_is_mailed_once(desk):
    write_job(desk, 'every: day, at: "06:40"', sinks=", {type: email, connection: mail, to: [a@b.com]}")
    hours = timedelta(hours=3)
    with MailServer() as server:
        mail = f"{{type: email, from: reports@example.com, host: 127.0.0.1, port: {server.port}, security: none}}"
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f"connections: {{mail: {mail}}}\n")
        with running_daemon(desk.root, start=THURSDAY - hours, speed=SPEED) as daemon:
            daemon.wait_text("planned from now on")
            set_clock(desk.root, hours.total_seconds())
            daemon.wait_for(lambda: states(desk) == ["done"])
            set_clock(desk.root, 0)
            daemon.wait_for(lambda: states(desk) == ["skipped"])
            (told,) = daemon.wait_for(lambda: ask(desk.root, "SELECT content FROM notice WHERE kind = 'ahead'"))
            assert "made again at their time: daily of 2026-11-19 11:40 UTC" in told[0]
            set_clock(desk.root, hours.total_seconds())
            daemon.wait_for(lambda: states(desk) == ["done"])
            assert daemon.stop() == 0
        assert len(server.mails) == 1
    found = ask(
        desk.root, "SELECT sink, delivery.state, delivery.error FROM delivery JOIN run ON run.id = run ORDER BY started"
    )
    assert [state for _, state, _ in found] == ["superseded", "done", "done", "skipped"]
    assert "has sent it" in found[-1][2]


def test_a_line_of_reports_that_waited_through_an_outage_is_not_mailed_after_it(stormy_desk):
    desk = stormy_desk
    write_job(desk, 'cron: "* * * * *", overlap: queue', sinks=", {type: email, connection: mail, to: [a@b.com]}")
    desk.simulator.faults({"kind": "latency", "match": "/reports", "delay": 60})
    week = timedelta(days=7)
    with MailServer() as server:
        mail = f"{{type: email, from: reports@example.com, host: 127.0.0.1, port: {server.port}, security: none}}"
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f"connections: {{mail: {mail}}}\n")
        with running_daemon(desk.root, start=THURSDAY, speed=SPEED) as daemon:
            daemon.wait_for(lambda: states(desk).count("due") >= 3)
            daemon.kill()
        waited = [due for due, state, _ in slots(desk.root) if state == "due"]
        desk.simulator.clear_faults()
        with running_daemon(desk.root, start=THURSDAY + week) as daemon:
            daemon.wait_for(lambda: states(desk)[-1] == "done" or states(desk)[-2] == "done")
            assert daemon.stop() == 0
    found = {due: state for due, state, _ in slots(desk.root)}
    assert {found[due] for due in waited} == {"skipped"}
