"""The log of the daemon: lines with the facts of their work, which neither a slow reader nor a full disk can stop."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from mmflow.clock import FixedClock
from mmflow.logs import DayFiles, Line, SteadyHandler, bind, list_files, open_logs, read_lines
from mmflow.refs import Redactor
from tests.desk import NOW

SECRET = "s3cret-of-the-log-4711"
log = logging.getLogger("mmflow.tests")


@pytest.fixture
def redactor():
    made = Redactor()
    made.remember(SECRET)
    return made


@pytest.fixture
def clock():
    return FixedClock(NOW)


def lines_of(folder):
    return [line for path in list_files(folder) for line, _ in read_lines(path)]


def wait_until(fact, seconds=10.0):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def test_a_line_carries_the_facts_of_its_work(tmp_path, redactor, clock):
    with open_logs(tmp_path, redactor, clock=clock), bind(job="daily", slot=NOW, run=None):
        with bind(sink="csv"):
            log.info("delivered %d rows", 7)
        log.info("ended")
    first, second = lines_of(tmp_path)
    assert first == Line(
        time=NOW,
        level="info",
        logger="mmflow.tests",
        message="delivered 7 rows",
        job="daily",
        slot="2026-11-22T11:40:00Z",
        sink="csv",
    )
    assert (second.sink, second.run, second.job) == ("", "", "daily")


def test_facts_belong_to_the_thread_that_bound_them(tmp_path, redactor, clock):
    with open_logs(tmp_path, redactor, clock=clock), bind(job="daily"):
        other = threading.Thread(target=log.info, args=("elsewhere",))
        other.start()
        other.join()
    assert lines_of(tmp_path)[0].job == ""


def test_no_secret_is_logged_nor_any_local_value(tmp_path, redactor, clock):
    def fail(password):
        raise ValueError(f"it is {password}")

    with open_logs(tmp_path, redactor, clock=clock), bind(job=f"job-{SECRET}"):
        log.info("the key is %s", SECRET)
        try:
            local_value = "only-in-a-local"
            fail(SECRET + local_value[:0])
        except ValueError:
            log.exception("it failed")
    text = list_files(tmp_path)[0].read_text()
    assert SECRET not in text
    first, second = lines_of(tmp_path)
    assert (first.message, first.job) == ("the key is ***", "job-***")
    assert "ValueError: it is ***" in second.error
    assert "Traceback" in second.error


def test_a_line_that_cannot_be_encoded_or_is_far_too_long_is_still_a_line(tmp_path, redactor, clock):
    odd = ValueError("x" * 1_000_000 + "\ud800")
    with open_logs(tmp_path, redactor, clock=clock):
        log.info("\ud800")
        log.error("%s", "y" * 1_000_000, exc_info=odd)
    first, second = lines_of(tmp_path)
    assert first.message == "\\ud800"
    assert (second.error[:12], second.error[-7:]) == ("ValueError: ", "x\\ud800")
    assert len(second.message) + len(second.error) < 40_000


def test_a_line_whose_arguments_do_not_fit_is_still_a_line(tmp_path, redactor, clock):
    with open_logs(tmp_path, redactor, clock=clock):
        log.info("rows: %d", "many")
    assert lines_of(tmp_path)[0].message == "rows: %d (its arguments cannot be shown)"


def test_the_stream_has_the_form_that_was_asked_for(redactor, clock):
    text, documents = io.StringIO(), io.StringIO()
    for stream, form in ((text, "text"), (documents, "json")):
        with open_logs(None, redactor, stream=stream, form=form, clock=clock), bind(job="daily"):
            log.warning("two\nlines")
    assert text.getvalue() == "11:40:00 warning daily: two\nlines\n"
    assert json.loads(documents.getvalue()) == {
        "time": "2026-11-22T11:40:00Z",
        "level": "warning",
        "logger": "mmflow.tests",
        "message": "two\nlines",
        "job": "daily",
    }


def test_logging_is_as_it_was_before_once_the_log_is_closed(tmp_path, redactor):
    root, own = logging.getLogger(), logging.getLogger("mmflow")
    before = (root.handlers, root.level, own.handlers, own.level, own.propagate)
    with open_logs(tmp_path, redactor):
        assert root.handlers != before[0]
    assert (root.handlers, root.level, own.handlers, own.level, own.propagate) == before


def test_each_day_has_a_file_and_those_of_a_fortnight_are_kept(tmp_path, redactor, clock):
    (tmp_path / "daemon-2026-13-45.jsonl").write_text("somebody's own")
    with open_logs(tmp_path, redactor, clock=clock) as logs:
        for day in range(20):
            log.info("day %d", day)
            wait_until(lambda day=day: any(line.message == f"day {day}" for line in lines_of(tmp_path)))
            clock.sleep(86_400)
        assert logs.dropped == 0
    *names, other = [path.name for path in list_files(tmp_path)]
    assert other == "daemon-2026-13-45.jsonl"
    assert (names[0], names[-1], len(names)) == ("daemon-2026-11-27.jsonl", "daemon-2026-12-11.jsonl", 15)


def test_processes_that_write_side_by_side_tear_no_line(tmp_path):
    code = (
        "import logging, sys\nfrom pathlib import Path\nfrom mmflow.logs import open_logs\n"
        "from mmflow.refs import Redactor\n"
        "with open_logs(Path(sys.argv[1]), Redactor()):\n"
        "    for number in range(300): logging.getLogger('mmflow.x').info('%d %s', number, 'x' * 500)\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert sum(len(path.read_bytes().splitlines()) for path in list_files(tmp_path)) == 600
    assert len(lines_of(tmp_path)) == 600


@pytest.mark.row("R84")
def test_who_reads_too_slowly_loses_lines_and_is_told_how_many(redactor, clock):
    written, free = [], threading.Event()

    def write(line):
        free.wait(10)
        written.append(line.message)

    handler = SteadyHandler(write, redactor, clock, most=5)
    started = time.monotonic()
    for number in range(20):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    assert time.monotonic() - started < 1
    assert 14 <= handler.dropped <= 15
    free.set()
    handler.close()
    told = f"{handler.dropped} lines of this log were dropped: it could not be written, or was read too slowly"
    assert told in written
    assert len(written) == 20 - handler.dropped + 1


def fill(path):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(handle, b"x" * 4096):
            pass
    os.close(handle)


@pytest.mark.row("R84")
def test_a_full_disk_stops_no_work_and_lines_come_again_with_room(small_disk, redactor, clock):
    ballast = small_disk / "ballast"
    with open_logs(small_disk / "logs", redactor, clock=clock) as logs:
        log.info("before")
        wait_until(lambda: lines_of(small_disk / "logs"))
        fill(ballast)
        for number in range(50):
            log.info("line %d %s", number, "x" * 500)
        wait_until(lambda: logs.dropped > 0)
        ballast.unlink()
        log.info("after")
        wait_until(lambda: lines_of(small_disk / "logs")[-1].message == "after")
    assert any("were dropped" in line.message for line in lines_of(small_disk / "logs"))


@pytest.mark.row("R84")
@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_is_gone_or_reads_nothing_stops_neither_work_nor_its_end(tmp_path):
    code = (
        "import logging, sys\nfrom pathlib import Path\nfrom mmflow.logs import open_logs\n"
        "from mmflow.refs import Redactor\n"
        "with open_logs(Path(sys.argv[1]), Redactor(), stream=sys.stderr) as logs:\n"
        "    for number in range(1000): logging.getLogger('mmflow.x').info('%d %s', number, 'x' * 100)\n"
        "Path(sys.argv[1], 'ended').write_text(str(logs.dropped))\n"
    )
    processes = []
    stalled, writing = os.pipe()
    gone, closed = os.pipe()
    os.close(gone)
    for name, stream in (("stalled", writing), ("gone", closed)):
        (tmp_path / name).mkdir()
        processes.append(subprocess.Popen([sys.executable, "-c", code, str(tmp_path / name)], stderr=stream))
        os.close(stream)
    assert [process.wait(30) for process in processes] == [0, 0]
    os.close(stalled)
    for name in ("stalled", "gone"):
        assert (tmp_path / name / "ended").exists()
        assert len(lines_of(tmp_path / name)) == 1000


def test_a_disk_that_took_half_a_line_does_not_spoil_the_next(tmp_path, clock):
    files = DayFiles(tmp_path, clock)
    line = Line(time=NOW, level="info", logger="x", message="whole")
    files(line)
    os.write(files._handle, b'{"time": "2026-')
    files._torn = True
    files(line)
    files.close()
    assert [found.message for found in lines_of(tmp_path)] == ["whole", "whole"]


def put(desk, *lines, day=NOW):
    folder = desk.root / ".mmflow" / "logs"
    files = DayFiles(folder, FixedClock(day))
    for number, (level, message, facts) in enumerate(lines):
        time_ = day + timedelta(seconds=number)
        files(Line(time=time_, level=level, logger="mmflow.x", message=message, **facts))
    files.close()


@pytest.fixture
def logged(desk):
    put(desk, ("info", "yesterday", {}), day=NOW - timedelta(days=1))
    put(
        desk,
        ("info", "begun", {"job": "daily", "run": "r1"}),
        ("warning", "slow", {"job": "daily", "run": "r1"}),
        ("error", "gone", {"job": "weekly", "run": "r2"}),
    )
    return desk


def test_the_command_shows_the_latest_lines(logged):
    assert logged.mmflow("logs").out.splitlines() == [
        "2026-11-21 11:40:00 info    yesterday",
        "2026-11-22 11:40:00 info    daily r1: begun",
        "2026-11-22 11:40:01 warning daily r1: slow",
        "2026-11-22 11:40:02 error   weekly r2: gone",
    ]
    assert logged.mmflow("logs", "-n", "1").out.endswith("gone\n")
    assert len(logged.mmflow("logs", "-n", "4").out.splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "messages"),
    [(["daily"], ["begun", "slow"]), (["r2"], ["gone"]), (["--level", "warning"], ["slow", "gone"]), (["x"], [])],
)
def test_the_command_shows_what_is_asked_for(logged, words, messages):
    found = logged.mmflow("logs", *words, "--json").data["logs"]
    assert [line["message"] for line in found] == messages


def test_the_command_says_when_there_is_nothing(desk):
    done = desk.mmflow("logs")
    assert (done.code, done.out, done.err) == (0, "", "the daemon has logged nothing\n")


def test_a_word_that_is_neither_a_job_nor_a_run_is_said_to_be_none(logged):
    logged.job("job: morning\nreport: {metrics: [goodParts]}\nwindow: yesterday\nsinks: [{type: console}]\n")
    done = logged.mmflow("logs", "mornin")
    assert (done.code, done.out) == (2, "")
    assert done.err == "there is no job 'mornin' under jobs/, and no run of that name; did you mean 'morning'?\n"
    done = logged.mmflow("logs", "mornin", "--json")
    assert (done.code, done.data) == (2, {"logs": []})
    done = logged.mmflow("logs", "morning")
    assert (done.code, done.err) == (0, "nothing is logged about morning\n")


def test_a_job_may_be_named_by_the_path_of_its_file(logged):
    path = logged.write("jobs/line.yaml", "job: daily\nwindow: yesterdaz\n")
    for word in ("jobs/line.yaml", str(path)):
        assert logged.mmflow("logs", word).out == logged.mmflow("logs", "daily").out
    assert logged.mmflow("logs", "jobs/line.yaml").out.count("daily r1") == 2
    path.write_text("job: weekly\n")
    assert logged.mmflow("logs", "jobs/line.yaml").out.endswith("weekly r2: gone\n")
    path.write_text("job: quiet\n")
    done = logged.mmflow("logs", "jobs/line.yaml")
    assert (done.code, done.out, done.err) == (0, "", "nothing is logged about quiet\n")
    done = logged.mmflow("logs", "jobs/none.yaml")
    assert (done.code, done.out, "jobs/none.yaml" in done.err) == (2, "", True)


def test_the_command_follows_what_is_added(logged):
    sleeps = []

    def sleep(_seconds):
        sleeps.append(1)
        if len(sleeps) == 3:
            raise KeyboardInterrupt
        put(logged, ("info", f"new {len(sleeps)}", {}), day=datetime(2026, 11, 22, 12, tzinfo=UTC))

    logged.clock.sleep = sleep
    done = logged.mmflow("logs", "-n", "1", "--follow", "--json")
    assert [json.loads(line)["message"] for line in done.out.splitlines()] == ["gone", "new 1", "new 2"]
    assert done.code == 130


def test_a_file_that_the_system_has_closed_costs_the_lines_of_a_day_and_no_more(tmp_path):
    clock = FixedClock(NOW)
    files, line = DayFiles(tmp_path, clock), Line(time=NOW, level="info", logger="", message="hello")
    files(line)
    os.close(files._handle)
    with pytest.raises(OSError, match="Bad file descriptor"):
        files(line)
    clock.sleep(86_400)
    files(line)
    assert [len(list(read_lines(path))) for path in list_files(tmp_path)] == [1, 1]
    files.close()


def test_a_file_that_was_old_and_is_removed_while_somebody_reads_has_no_lines(tmp_path):
    assert list(read_lines(tmp_path / "daemon-2026-11-03.jsonl")) == []
