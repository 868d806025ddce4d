"""Connections of sinks under a lease: left alone by all jobs while in trouble, and tried at different times."""

from datetime import timedelta

import pytest

from mmflow.deliver import patience
from mmflow.deliver.patience import SinkLock
from mmflow_email.testing import MailServer
from tests.leased import heard, open_ledger, order, plan, read_slot, write_job


@pytest.fixture
def ask(bench):
    """Have a job deliver once over the connection of all of them, which does as a line says; give its slot."""
    desk = bench.desk
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "connections: {plant: {type: link}}\n")
    names = iter(range(1000))

    def deliver(line, until=timedelta()):
        job = f"k{next(names)}"
        write_job(desk, "type: link, connection: plant", name=job)
        order(desk, "link", line)
        plan(desk, job, due=desk.clock.now())
        bench.work(until=until)
        return read_slot(desk, job, desk.clock.now())

    return deliver


def test_a_connection_that_answers_nobody_is_left_alone_by_all_jobs(bench):
    desk = bench.desk
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "connections: {plant: {type: link}}\n")
    jobs = [f"j{at}" for at in range(8)]
    for job in jobs:
        write_job(desk, "type: link, connection: plant", name=job)
    order(desk, "link", "later")
    plan(desk, *jobs)
    bench.work()
    assert heard(desk, "link") == ["later"] * 5
    reasons = {read_slot(desk, job).reason.partition(" UTC: ")[2] for job in jobs}
    assert "link: parked: connection plant is not answering since 2026-11-22 11:40 UTC" in reasons
    order(desk, "link", "ok")
    for _ in range(3):
        desk.clock.sleep(900)
        bench.work()
    assert {read_slot(desk, job).state for job in jobs} == {"done"}


@pytest.mark.row("R30")
def test_deliveries_that_failed_together_are_not_tried_again_together(bench):
    desk = bench.desk
    jobs = [f"j{at}" for at in range(10)]
    for job in jobs:
        write_job(desk, "type: obey, name: one", name=job)
    order(desk, "one", *["later"] * 40)
    plan(desk, *jobs)
    bench.work()
    desk.clock.sleep(30)
    bench.work()
    desk.clock.sleep(30)
    bench.work()
    waits = {(read_slot(desk, job).next_at - desk.clock.now()).total_seconds() for job in jobs}
    assert len(waits) == len(jobs)
    assert all(0 <= wait <= 8 for wait in waits)
    assert max(waits) - min(waits) > 1


@pytest.mark.parametrize("line", ["ok", "never", "later 90", "part"])
def test_one_that_takes_or_refuses_something_or_says_when_is_not_in_trouble(bench, ask, line):
    for word in (*["later"] * 4, line, *["later"] * 4):
        bench.desk.clock.sleep(1)
        ask(word)
    with open_ledger(bench.desk) as ledger:
        assert ledger.breakers.look("connection plant") is None


def test_one_of_which_nobody_can_tell_has_not_answered(bench, ask):
    for word in (*["later"] * 4, "doubt", "later"):
        bench.desk.clock.sleep(1)
        ask(word)
    bench.desk.clock.sleep(1)
    assert "parked: connection plant is not answering" in ask("ok", timedelta(hours=3)).reason
    assert len(heard(bench.desk, "link")) == 6


def test_it_is_tried_all_the_same_when_no_time_is_left_to_wait_for_it(bench, ask):
    for _ in range(5):
        bench.desk.clock.sleep(1)
        ask("later")
    slot = ask("ok", timedelta(seconds=30))
    assert (slot.state, len(heard(bench.desk, "link"))) == ("done", 6)


def test_a_place_to_which_another_run_delivers_says_nothing_of_its_connection(bench, monkeypatch):
    monkeypatch.setattr(patience, "LOCK_PATIENCE", 0.0)
    desk = bench.desk
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "connections: {plant: {type: link}}\n")
    write_job(desk, "type: link, connection: plant")
    plan(desk, "daily")
    with SinkLock(desk.root / ".mmflow", "daily", "link"):
        for _ in range(6):
            bench.work()
            assert "sink 'link' of job 'daily' is being delivered to" in read_slot(desk).reason
            desk.clock.set(read_slot(desk).next_at)
    with open_ledger(desk) as ledger:
        assert ledger.breakers.look("connection plant") is None
    bench.work()
    assert read_slot(desk).state == "done"


@pytest.mark.parametrize("number", ["EMFILE", "ENFILE"])
def test_a_system_without_handles_is_no_bug_of_a_sink_and_no_trouble_of_its_connection(bench, ask, number):
    for _ in range(6):
        bench.desk.clock.sleep(1)
        slot = ask(f"do import errno; raise OSError(errno.{number}, 'Too many open files')", timedelta(hours=3))
        assert (slot.state, "link ran short of open files: " in slot.reason) == ("due", True)
    with open_ledger(bench.desk) as ledger:
        assert ledger.breakers.look("connection plant") is None


def test_a_message_that_ran_out_of_handles_is_not_sent_a_second_time(bench):
    write_job(bench.desk, "type: tell")
    order(bench.desk, "tell", "do raise OSError(24, 'Too many open files')", "ok")
    plan(bench.desk, "daily")
    assert bench.work_on() == []
    assert (read_slot(bench.desk).state, "tell ran short of open files" in read_slot(bench.desk).reason) == (
        "failed",
        True,
    )


@pytest.mark.row("R57")
def test_a_greylisted_recipient_gets_the_message_later_and_nobody_gets_it_twice(bench):
    desk = bench.desk
    with MailServer() as server:
        server.answer("RCPT bob@example.com", "451 4.7.1 greylisted, come back")
        mail = f"{{type: email, from: reports@example.com, host: 127.0.0.1, port: {server.port}, security: none}}"
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f"connections: {{mail: {mail}}}\n")
        write_job(desk, "type: email, connection: mail, to: [ann@example.com, bob@example.com]")
        plan(desk, "daily")
        assert bench.work_on() == [300.0]
        assert read_slot(desk).state == "done"
        first, second = server.mails
        assert (first.recipients, second.recipients) == (("ann@example.com",), ("bob@example.com",))
