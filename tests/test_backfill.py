"""``mmflow backfill``: past windows, each once, without messages, however often it is stopped.

Each command that fills in windows starts real worker processes, which takes seconds: a test shows several facts.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.backfill import BackfillLock
from mmflow.backfill.windows import Window
from mmflow.cli.backfill import Plan
from mmflow.ledger import Ledger, NewSlot
from tests.acme import ACME, answer, sent
from tests.desk import KEY

JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [day]}
    window: yesterday
    sinks: [{type: csv, path: "{date}.csv"}]
"""
THREE = ("--from", "2026-11-02", "--to", "2026-11-04")


def fill(desk, *words):
    return desk.mmflow("backfill", "daily", *words)


def states(done):
    return [window["state"] for window in done.data["windows"]]


def files(desk):
    return sorted(path.name for path in (desk.root / "out").glob("[!.]*"))


def slots(desk, *states):
    """The slots in these states, or in any."""
    found = desk.mmflow("runs", "--all", "-n", "500", "--json").data["slots"]
    return [slot for slot in found if not states or slot["state"] in states]


@contextmanager
def started(desk, *words):
    """A backfill in a process of its own."""
    command = [sys.executable, "-m", "tests.crash", str(desk.root), "0", "backfill", "daily", *words]
    environ = os.environ | {"PYTHONPATH": str(desk.root / "site")}  # where installed packages of a test are
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="it is killed")
def test_ninety_days_are_filled_in_once_and_nobody_is_mailed_though_it_was_killed(desk, install):
    # It takes long because it is what the promise is about: ninety runs, each in a worker process.
    install("acme", ACME)
    desk.job(JOB.replace("sinks: [", "sinks: [{type: post, to: [ann@example.com]}, "))
    days = ("--from", "2026-08-23", "--to", "2026-11-20")
    with started(desk, *days) as process:
        wait_until(lambda: len(files(desk)) > 2)
        assert desk.mmflow("run", "daily", "--no-send").code == 0, "the job itself runs beside it"
        process.kill()
        process.wait(60)
    begun = {slot["slot"]: slot["run"] for slot in slots(desk, "done") if slot["kind"] == "backfill"}
    done = fill(desk, *days, "--parallel", "2")
    good = 90 - int(done.out.splitlines()[-1].removesuffix(" done"))
    first = f"daily: 90 windows, 2026-08-23 to 2026-11-20, {good} of them good already (--redo does them again)"
    assert (done.code, done.out.splitlines()[0], good >= 2) == (0, first, True), done.err
    assert "nobody gets messages of these windows; --send sends them" in done.err
    assert sent(desk) == []
    assert files(desk) == [f"{date(2026, 8, 23) + timedelta(days=number)}.csv" for number in range(90)] + [
        "2026-11-21.csv"
    ]
    after = {slot["slot"]: slot["run"] for slot in slots(desk, "done") if slot["kind"] == "backfill"}
    assert (len(after), begun.items() <= after.items()) == (90, True)

    by_hand = desk.text("out/2026-11-03.csv")
    assert desk.mmflow("run", "daily", "--for", "2026-11-03", "--no-send").code == 0
    assert desk.text("out/2026-11-03.csv") == by_hand
    assert states(fill(desk, *days, "--json")) == ["good"] * 90
    kept = b"".join(path.read_bytes() for path in (desk.root / ".mmflow").rglob("*") if path.is_file())
    assert KEY.encode() not in kept


def test_the_plan_needs_no_secret_and_does_nothing(desk):
    desk.job(JOB)
    desk.environ = {}
    done = fill(desk, "--from", "2026-11-20", "--to", "2026-11-23", "--plan")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "daily: 2 windows, 2026-11-20 to 2026-11-21",
        "  left out: 2026-11-22 and 1 more: not over yet",
        "about       as of (UTC)       good by run",
        "----------  ----------------  -----------",
        "2026-11-20  2026-11-21 11:00",
        "2026-11-21  2026-11-22 11:00",
    ]
    assert not (desk.root / ".mmflow" / "ledger.sqlite").exists()
    assert not (desk.root / "out").exists()


def test_without_its_key_nothing_is_begun(desk):
    desk.job(JOB)
    desk.environ = {}
    done = fill(desk, *THREE)
    assert (done.code, "MM_BOSTON_KEY" in done.err) == (2, True)
    assert slots(desk) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2026-11-22", "--to", "2026-11-22"), "no window of daily lies within 2026-11-22 to 2026-11-22; 20"),
        (("--from", "2026-11-04", "--to", "2026-11-02"), "--from 2026-11-04 lies after --to 2026-11-02"),
        (("--from", "2026-11-04", "--to", "soon"), "soon"),
        ((*THREE, "--sink", "cvs"), "did you mean 'csv'?"),
    ],
)
def test_what_means_nothing_is_said(desk, words, said):
    desk.job(JOB)
    done = fill(desk, *words)
    assert (done.code, said in done.err) == (2, True), done.err


def test_dates_that_stand_in_cells_are_nobodys_to_fill_in(desk, install):
    install("acme", ACME)
    desk.job(JOB.replace("yesterday", "{cells: 'Input!B3:D4'}").replace("csv, path", "book, path"))
    for words in (THREE, (*THREE, "--plan")):
        done = fill(desk, *words)
        assert (done.code, "the dates of daily stand in cells" in done.err) == (2, True)
        assert "'mmflow run daily --from 2026-11-02 --to 2026-11-04'" in done.err


def test_a_job_that_only_sends_messages_is_filled_in_only_when_they_are_sent(desk, install):
    install("acme", ACME)
    desk.job(JOB.replace('csv, path: "{date}.csv"', "post, to: [ann@example.com]"))
    done = fill(desk, *THREE)
    assert (done.code, "daily only sends messages, and a backfill sends none; --send sends 3" in done.err) == (2, True)
    code, err = answer(desk, "y\n", "backfill", "daily", *THREE, "--send")
    assert (code, "messages go to ann@example.com" in err) == (0, True)
    assert len(sent(desk)) == 3
    assert states(fill(desk, *THREE, "--send", "--json")) == ["good"] * 3


def test_what_failed_is_named_and_the_same_command_tries_it_again(stormy_desk):
    desk = stormy_desk
    desk.job(JOB)
    desk.simulator.faults({"match": "/reports", "kind": "html", "after": 1, "times": 1})
    done = fill(desk, *THREE)
    assert done.code == 1
    assert done.out.splitlines()[1] == "2 done, 1 failed"
    assert [line.split()[:2] for line in done.out.splitlines() if "web page" in line] == [["2026-11-03", "failed"]]
    assert "the same command tries these again" in done.out
    assert files(desk) == ["2026-11-02.csv", "2026-11-04.csv"]
    assert states(fill(desk, *THREE, "--json")) == ["good", "done", "good"]


def test_a_service_that_is_away_for_a_moment_is_waited_for(stormy_desk):
    desk = stormy_desk
    desk.job(JOB)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 503, "times": 6})
    done = fill(desk, *THREE, "--json")
    assert (done.code, states(done)) == (0, ["done"] * 3), done.err


def test_one_sink_is_filled_in_alone_and_what_is_good_is_done_again_when_asked(desk):
    desk.job(JOB.replace("}]", '}, {type: jsonl, path: "{date}.jsonl"}]'))
    assert states(fill(desk, *THREE, "--sink", "csv", "--json")) == ["done"] * 3
    assert files(desk) == ["2026-11-02.csv", "2026-11-03.csv", "2026-11-04.csv"]
    assert states(fill(desk, *THREE, "--sink", "csv", "--json")) == ["good"] * 3
    assert states(fill(desk, *THREE, "--plan", "--json")) == ["open"] * 3
    assert states(fill(desk, *THREE, "--sink", "csv", "--redo", "--json")) == ["done"] * 3
    assert len(desk.mmflow("runs", "--json").data["runs"]) == 6


def test_a_file_that_shows_the_latest_is_not_written_over_unless_it_is_named(desk):
    desk.job(JOB.replace("}]", '}, {type: jsonl, path: "{month}.jsonl"}]'))
    done = fill(desk, *THREE, "--parallel", "3")
    why = "each window would go over the one before; --sink jsonl does so all the same"
    assert done.out.splitlines()[1:] == [f"  left out: jsonl: {why}", "3 done"]
    assert files(desk) == ["2026-11-02.csv", "2026-11-03.csv", "2026-11-04.csv"]
    assert states(fill(desk, *THREE, "--plan", "--json")) == ["good"] * 3

    named = fill(desk, *THREE, "--parallel", "3", "--sink", "jsonl")
    assert "  jsonl: each window goes over the one before, in the order of time; the latest stays" in named.out
    assert '"day":"2026-11-04"' in desk.text("out/2026-11.jsonl").replace(" ", "")


@pytest.mark.parametrize(("shared", "parallel", "workers"), [(0, 3, 3), (1, 3, 1), (0, 9, 4), (0, 1, 1)])
def test_windows_that_go_to_one_place_go_there_one_after_the_other(shared, parallel, workers):
    windows = [Window(datetime(2026, 11, day, 11, tzinfo=UTC), ()) for day in range(1, 6)]
    plan = Plan("daily", (), windows, (), {windows[0].slot: "r1"}, [None] * shared)
    assert plan.count_workers(parallel) == workers


def test_a_job_whose_windows_all_go_to_one_place_is_refused_also_for_one_day_of_the_past(desk):
    desk.job(JOB.replace("{date}.csv", "latest.csv"))
    done = fill(desk, "--from", "2026-11-02", "--to", "2026-11-02")
    said = "csv of daily would write each window over the one before, and over what stands there now; put {date} into"
    assert (done.code, said in done.err) == (2, True)
    latest = fill(desk, "--from", "2026-11-21", "--to", "2026-11-21", "--plan", "--json")
    assert states(latest) == ["open"], "what is the latest anyway may be filled in"


def test_parts_of_a_day_are_told_from_each_other_by_their_time(desk):
    desk.job(JOB.replace("yesterday", "{last: 8 hours}"))
    done = fill(desk, *THREE)
    assert (done.code, "put {date} and {time} into its path" in done.err) == (2, True)


def test_two_at_once_on_one_job_are_refused(desk):
    desk.job(JOB)
    with BackfillLock(desk.root / ".mmflow" / "locks", "daily"):
        done = fill(desk, *THREE)
    assert (done.code, "windows of job 'daily' are being filled in by process" in done.err) == (4, True)
    assert "3 windows" not in done.out + done.err, "no plan is promised"


def test_windows_that_another_machine_fills_in_are_left_to_it(desk):
    desk.job(JOB)
    with Ledger.open(desk.root / ".mmflow" / "ledger.sqlite", desk.clock) as ledger:
        ledger.slots.reopen("daily", [NewSlot(due=datetime(2026, 11, 3, 11, tzinfo=UTC), kind="backfill")])
        later = desk.clock.now() + timedelta(seconds=60)
        (slot,) = ledger.slots.take_windows("daily", "elsewhere:1:a", later, 5)
        done = fill(desk, *THREE)
        assert (done.code, "are being filled in by elsewhere:1:a" in done.err) == (4, True)
        assert ledger.slots.list_open() == [slot]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_one_that_was_interrupted_is_put_back_and_what_a_later_one_is_not_about_is_closed(desk):
    desk.job(JOB)
    with started(desk, "--from", "2026-10-01", "--to", "2026-11-20") as process:
        wait_until(lambda: files(desk))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert slots(desk, "running") == []

    assert states(fill(desk, "--from", "2026-10-01", "--to", "2026-10-03", "--json"))[-1] == "done"
    assert files(desk)[:3] == ["2026-10-01.csv", "2026-10-02.csv", "2026-10-03.csv"]
    assert slots(desk, "due", "running") == []
    assert {slot["reason"] for slot in slots(desk, "skipped")} == {
        "not filled in: a later backfill was about other days"
    }


@pytest.mark.parametrize("count", ["0", "65", "two"])
def test_how_many_at_a_time_is_a_number_that_makes_sense(desk, count, capsys):
    with pytest.raises(SystemExit):
        fill(desk, *THREE, "--parallel", count)
    assert f"found '{count}', expected a whole number from 1 to 64" in capsys.readouterr().err
