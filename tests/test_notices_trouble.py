"""What keeps people from being told is said once, with what to do about it, and not every few seconds."""

import os
import time
from datetime import timedelta

import pytest

from mmflow.clock import SystemClock
from mmflow.job import Schedule
from mmflow.ledger import Ledger
from mmflow.logs import list_files, open_logs, read_lines
from mmflow.planner import Planner
from mmflow.plant import PlantCalendar
from mmflow.refs import Redactor
from tests.ledgers import ledger_file
from tests.plans import SITE, make_plan
from tests.test_notices_sent import notice, post, wait_until


def test_what_keeps_all_from_being_sent_is_said_once_and_no_process_after_the_other_is_begun(tmp_path, caplog):
    clock, told = SystemClock(), []
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        ledger.notices.add([notice("a", clock, wait=timedelta(0))])
        with post(tmp_path, "version: [", trouble=told.append) as postman:
            wait_until(lambda: told, 60)
            until = time.monotonic() + 2
            wait_until(lambda: time.monotonic() > until)
    assert told[0].startswith("mmflow.yaml")
    assert caplog.text.count("notices: mmflow.yaml") == 1
    assert postman._rest_until > time.monotonic()


def test_a_way_that_fails_says_when_it_is_tried_again_and_what_to_do(tmp_path, capfd):
    clock = SystemClock()
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        ledger.notices.add([notice("a", clock, wait=timedelta(0), via={"type": "gone"})])
        post(tmp_path, "version: 1").send()
        (row,) = ledger.notices.list_recent()
    told = capfd.readouterr().err
    assert f"; tried again at {row.next_at:%H:%M:%S} UTC; see to it, then 'mmflow doctor'" in told


def test_what_the_planner_says_of_a_job_stands_in_the_log_as_its_own(tmp_path, clock):
    plans = {"daily": make_plan(schedule=Schedule(every="day", at="06:40", catch_up="none"))}
    planner = Planner(tmp_path, clock)
    planner.adopt(plans, {"boston": PlantCalendar.from_site("boston", SITE, tmp_path)})
    with Ledger.open(ledger_file(tmp_path), clock) as ledger, open_logs(tmp_path / "logs", Redactor(), clock=clock):
        planner.plan(ledger)
        clock.sleep(86_400)
        planner.plan(ledger)
    lines = [line for path in list_files(tmp_path / "logs") for line, _ in read_lines(path)]
    (said,) = [line for line in lines if "missed" in line.message]
    assert (said.job, said.slot) == ("daily", "2026-11-04T11:40:00Z")


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be deleted there")
def test_a_ledger_that_is_removed_is_said_once_by_who_sends(tmp_path, caplog):
    clock, told, looks = SystemClock(), [], []
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        ledger.notices.add([notice("a", clock, wait=timedelta(seconds=1))])
        ledger_file(tmp_path).with_name("ledger.copy").write_bytes(b"a trace of it")
        with post(tmp_path, "version: 1", trouble=told.append, looked=lambda: looks.append(1)):
            wait_until(lambda: looks, 60)
            for part in tmp_path.glob(".mmflow/ledger.sqlite*"):
                part.unlink()
            wait_until(lambda: told, 60)
            seen = len(looks)
            wait_until(lambda: len(looks) > seen + 20, 60)
    assert {text.partition(".mmflow")[0] for text in told} == {f"the ledger {tmp_path}/"}
    assert caplog.text.count("notices: the ledger") == len(told) <= 2, "by who sends, and by who cannot open it"
