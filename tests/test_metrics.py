"""How the daemon is: what it says of itself, what Prometheus collects, and who may hear it."""

import json
import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, nullcontext
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mmflow.clock import FixedClock
from mmflow.errors import StateError, UserError
from mmflow.ledger import Ledger
from mmflow.metrics import Health, Spread, meters
from mmflow.metrics.listener import Listener, read_address
from mmflow.metrics.meters import Meters
from mmflow.notices import follow_ends
from mmflow.refs import Redactor
from tests.ends import Plan, end_slot
from tests.ledgers import NOON, SLOT, ledger_file, plan


@pytest.fixture
def clock():
    return FixedClock(NOON)


@pytest.fixture
def health(clock):
    return Health(clock.monotonic)


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(ledger_file(tmp_path), clock) as opened:
        yield opened


@pytest.fixture
def listener(tmp_path, clock, health):
    meters = Meters(health, lambda: Ledger.open(ledger_file(tmp_path), clock), lambda: 7)
    with Listener("127.0.0.1:0", health, meters) as opened:
        yield opened


def fetch(listener, path):
    try:
        with urllib.request.urlopen(listener.url + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text):
    """Every value, by name and labels in their order."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_daemon_that_moves_is_well(health, clock):
    clock.sleep(80)
    health.passed(1)
    clock.sleep(80)
    health.passed(2)
    assert (health.ok, health.reasons) == (True, ())


def test_a_loop_that_stands_still_is_no_health(health, clock):
    clock.sleep(100)
    assert health.reasons == ("loop: has not moved for 100 seconds",)
    health.passed()
    assert health.ok


def test_a_part_that_looks_by_itself_and_does_so_no_more_is_no_health(health, clock):
    for _ in range(4):
        clock.sleep(85)
        health.passed()
        health.looked("deadlines", 15)
    clock.sleep(104)
    health.passed()
    assert health.ok
    clock.sleep(6)
    assert health.reasons == ("deadlines: has not moved for 95 seconds",)


def test_an_alarm_that_does_not_tick_is_no_health(health, clock):
    for _ in range(10):
        clock.sleep(10)
        health.passed(3)
    assert health.ok
    clock.sleep(10)
    health.passed(3)
    assert health.reasons == ("alarm: has not moved for 100 seconds",)
    health.passed(4)
    assert health.ok


def test_trouble_lasts_until_it_is_well(health):
    health.trouble("ledger", "the disk is full")
    health.trouble("clock", "it was set back")
    assert health.reasons == ("clock: it was set back", "ledger: the disk is full")
    health.well("ledger")
    health.well("planner")
    assert health.reasons == ("clock: it was set back",)


def test_lengths_are_counted_up_to_each_bound():
    spread = Spread()
    for seconds in (0.5, 0.6, 100_000, -3):
        spread.add(seconds)
    found = dict(spread.buckets)
    assert (found["0.5"], found["1.0"], found["3600.0"], found["+Inf"]) == (2, 3, 3, 4)
    assert spread.total == 100_001.1


def test_health_is_an_answer_for_people_and_for_programs(listener, health):
    status, text = fetch(listener, "/health")
    assert (status, json.loads(text)["status"], json.loads(text)["reasons"]) == (200, "ok", [])
    health.trouble("ledger", "the disk is full")
    status, text = fetch(listener, "/health")
    assert (status, json.loads(text)["status"]) == (503, "trouble")
    assert json.loads(text)["reasons"] == ["ledger: the disk is full"]
    assert fetch(listener, "/")[0] == 404
    with socket.create_connection(listener._server.server_address) as caller:
        caller.sendall(b"HEAD /health HTTP/1.0\r\n\r\n")
        assert b"".join(iter(lambda: caller.recv(4096), b"")).endswith(b"\r\n\r\n")  # no body


def test_no_secret_is_shown_to_those_who_watch(tmp_path, clock):
    redactor = Redactor()
    redactor.remember("pw-7c1f93ab")
    health = Health(clock.monotonic, redact=redactor.redact)
    health.trouble("ledger", "postgresql://me:pw-7c1f93ab@db cannot be reached")
    meters = Meters(health, lambda: Ledger.open(ledger_file(tmp_path), clock), lambda: 0)
    with Listener("127.0.0.1:0", health, meters) as listener:
        status, text = fetch(listener, "/health")
    assert (status, json.loads(text)["reasons"]) == (503, ["ledger: postgresql://me:***@db cannot be reached"])


def test_who_never_reads_the_answer_holds_up_nobody(listener):
    with ExitStack() as stack:
        for _ in range(40):
            caller = stack.enter_context(socket.create_connection(listener._server.server_address))
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            caller.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        started = time.monotonic()
        assert fetch(listener, "/health")[0] == 200
        assert time.monotonic() - started < 5


def test_metrics_tell_what_has_ended_and_what_is_open(listener, health, ledger, clock):
    end_slot(ledger, "ok", job="good", sinks={"csv": "done"})
    end_slot(ledger, "failed", job="bad", error="gone", sinks={"csv": "failed"})
    plan(ledger, "waiting")
    follow_ends(ledger, {"bad": Plan()}, clock.now(), seen=health.ended)
    health.passed()
    health.count("slots_planned", more=3)
    status, text = fetch(listener, "/metrics")
    assert status == 200
    found = samples(text)
    wanted = {
        ("mmflow_slots_ended_total", "done"): 1,
        ("mmflow_slots_ended_total", "failed"): 1,
        ("mmflow_runs_total", "ok"): 1,
        ("mmflow_deliveries_total", "failed", "csv"): 1,
        ("mmflow_retries_total",): 0,
        ("mmflow_passes_total",): 1,
        ("mmflow_pass_errors_total",): 0,
        ("mmflow_slots_planned_total",): 3,
        ("mmflow_schedule_lag_seconds_count",): 2,
        ("mmflow_schedule_lag_seconds_sum",): 2400,
        ("mmflow_schedule_lag_seconds_bucket", "900.0"): 0,
        ("mmflow_slots", "due"): 1,
        ("mmflow_notices", "pending"): 1,
        ("mmflow_job_failures", "bad"): 1,
        ("mmflow_breakers_open",): 0,
        ("mmflow_jobs_paused",): 0,
        ("mmflow_log_lines_dropped_total",): 7,
        ("mmflow_ledger_up",): 1,
        ("mmflow_healthy",): 1,
    }
    assert {key: found.get(key) for key in wanted} == wanted


def test_only_the_first_try_of_a_scheduled_slot_says_how_late_runs_begin(health, ledger, clock):
    end_slot(ledger, "ok", job="again")
    with ledger._driver.transaction():
        ledger._do("UPDATE slot SET tries = 2")
    end_slot(ledger, "ok", job="restated", kind="restate")
    follow_ends(ledger, {}, clock.now(), seen=health.ended)
    assert (sum(health.lengths["schedule_lag"].counts), health.lengths["run"].counts[0]) == (0, 2)
    end_slot(ledger, "ok", job="first")
    follow_ends(ledger, {}, clock.now(), seen=health.ended)
    assert sum(health.lengths["schedule_lag"].counts) == 1


def test_what_somebody_mends_by_hand_is_not_counted_a_second_time(health, ledger, clock):
    for job, end in (("late", "failed"), ("kept", "held"), ("more", "failed")):
        end_slot(ledger, end, job=job, error="gone", sinks={"csv": "failed"})
    follow_ends(ledger, {}, clock.now(), seen=health.ended)
    counts, lengths = health.counts, [spread.counts for spread in health.lengths.values()]
    clock.sleep(7200)
    for job in ("late", "kept"):
        run = ledger.runs(job, 1)[0].id
        ledger.begin_resend(run, job, [("csv", "csv", f"{run}-csv")])
        ledger.commit_delivery(ledger.take_delivery(run, "csv"), "done")
        ledger.finish_run(run, "ok")
    ledger.begin_run("by-hand", "more", SLOT, "manual")
    ledger.finish_run("by-hand", "ok", whole=True)
    assert [slot.run for slot in follow_ends(ledger, {}, clock.now(), seen=health.ended)][-1] == "by-hand"
    assert (health.counts, [spread.counts for spread in health.lengths.values()]) == (counts, lengths)


def test_a_delivery_of_which_nobody_can_tell_is_not_open(listener, ledger):
    end_slot(ledger, "failed", sinks={"mail": "unknown"})
    assert not any(key[0] == "mmflow_deliveries_open" for key in samples(fetch(listener, "/metrics")[1]))


def test_a_ledger_that_does_not_answer_is_not_waited_for(health, ledger, monkeypatch):
    monkeypatch.setattr(meters, "PATIENCE", 0.05)
    locked = Event()

    def open_ledger():
        locked.wait()
        return nullcontext(ledger)

    shown = Meters(health, open_ledger, lambda: 0)
    try:
        for _ in range(2):
            assert samples(shown.show().decode())["mmflow_ledger_up",] == 0
    finally:
        locked.set()


def test_what_cannot_be_shown_is_an_answer_and_a_line_of_the_log(listener, monkeypatch, caplog):
    monkeypatch.setattr(Meters, "show", lambda _: 1 / 0)
    assert fetch(listener, "/metrics") == (500, "this is a bug; the log of the daemon has it\n")
    assert "/metrics cannot be answered" in caplog.text


def test_metrics_without_a_ledger_say_so(health):
    def refuse():
        raise StateError("the disk is full")

    found = samples(Meters(health, refuse, lambda: 0).show().decode())
    assert found["mmflow_ledger_up",] == 0
    assert ("mmflow_jobs_paused",) not in found


def test_no_more_than_a_hundred_jobs_are_named(listener, ledger, health):
    for number in range(120):
        end_slot(ledger, "failed", job=f"job-{number}", error="gone")
    follow_ends(ledger, {}, NOON)
    assert sum(key[0] == "mmflow_job_failures" for key in samples(fetch(listener, "/metrics")[1])) == 100


def test_who_calls_and_says_nothing_holds_up_nobody(listener):
    with socket.create_connection(listener._server.server_address):
        started = time.monotonic()
        assert fetch(listener, "/health")[0] == 200
        assert time.monotonic() - started < 5


def test_an_address_in_use_is_the_users_mistake(listener, health):
    taken = listener.url.removeprefix("http://")
    with pytest.raises(UserError, match=f"nothing can listen on {taken}"):
        Listener(taken, health, listener._server.meters)


@pytest.mark.parametrize("text", ["9464", "127.0.0.1", "http://127.0.0.1:9464", "127.0.0.1:x", "", "a@b:1", ":9464"])
def test_an_address_is_a_host_and_a_port(text):
    with pytest.raises(UserError, match="write HOST:PORT"):
        read_address(text)


def test_addresses_of_both_kinds_are_read():
    assert read_address("127.0.0.1:9464") == ("127.0.0.1", 9464)
    assert read_address("[::1]:0") == ("::1", 0)
