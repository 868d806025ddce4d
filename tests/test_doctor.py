"""The doctor finds what is wrong, says what to do, and never hangs."""

import errno
import os
import socket
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from mmflow.doctor import examine, ok, worst
from mmflow.doctor.machine import (
    FEW_FILES,
    advise_closed,
    check_folder,
    check_memory,
    check_zones,
    find_memory,
    find_zone_rules,
    judge_room,
)
from mmflow.doctor.records import OLD_BACKUP, SHOWN, judge_log
from mmflow.ledger import Ledger
from mmflow.logs import Line
from mmflow.metrics import Health
from mmflow.metrics.listener import Listener
from mmflow.metrics.meters import Meters
from mmflow.planner.clock_rule import HELD
from mmflow.settings import Daemon
from tests.desk import NOW
from tests.raw_server import RawServer, read_request, send_json
from tests.test_json import SHAPES, assert_fits
from tests.test_wire import tls_context

JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: daily.csv}]
"""


def look(desk, *words):
    """What the doctor says, by check: levels, and everything that was said; with its exit code."""
    done = desk.mmflow("doctor", "--json", *words)
    assert done.out, done.err
    assert_fits(done.data, SHAPES["doctor"], "doctor")
    found = {}
    for one in done.data["checks"]:
        levels, texts = found.setdefault(one["check"], ([], []))
        levels.append(one["level"])
        texts.append(f"{one['text']}; {one['advice']}")
    return done.code, {name: (levels, "\n".join(texts)) for name, (levels, texts) in found.items()}


@pytest.fixture
def well(desk):
    """A desk at which all is well."""
    desk.job(JOB)
    return desk


def move_site(desk, url, more=""):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml").replace(desk.simulator.url, url) + more)


@pytest.fixture
def closed_port():
    """A port that nobody listens on, kept from others."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_where_all_is_well_it_says_so_and_writes_nothing(well):
    assert well.mmflow("run", "daily").code == 0
    assert well.mmflow("state", "backup").code == 0
    before = sorted(well.root.rglob("*"))
    code, found = look(well)
    assert code == 0, found
    assert {name for name, (levels, _) in found.items() if {*levels} != {"ok"}} == {"daemon"}, found
    assert found["daemon"][0] == ["warn"]
    assert "mmflow service install" in found["daemon"][1]
    assert found["site boston"][0] == ["ok", "ok"]  # it answers, by the same clock
    assert "the service knows the key" in found["key of boston"][1]
    assert sorted(well.root.rglob("*")) == before


def test_what_is_wrong_stands_with_what_to_do_below_it(well):
    well.write("jobs/broken.yaml", "job: [\n")
    done = well.mmflow("doctor")
    assert done.code == 1
    lines = done.out.splitlines()
    assert any(line.startswith("fail  files") and "jobs/broken.yaml:2:1" in line for line in lines), done.out
    at = next(number for number, line in enumerate(lines) if line.startswith("warn  daemon"))
    assert lines[at + 1].strip().startswith("→ start it: mmflow daemon")
    assert lines[-1].startswith("1 wrong, ")


@pytest.mark.parametrize(
    ("off", "levels", "code"), [(30, ["ok", "ok"], 0), (-120, ["ok", "warn"], 0), (3600, ["ok", "fail"], 1)]
)
def test_a_clock_that_is_not_that_of_the_service_is_found(well, off, levels, code):
    now = NOW + timedelta(seconds=off)

    def answer(conn):
        read_request(conn)
        head = f"HTTP/1.1 404 Not Found\r\nDate: {format_datetime(now, usegmt=True)}\r\nContent-Length: 0\r\n\r\n"
        conn.sendall(head.encode())

    with RawServer(answer) as server:
        move_site(well, server.url)
        well.environ.clear()  # the key is another matter
        found_code, found = look(well)
    assert (found["site boston"][0], found_code) == (levels, code)
    assert f"{abs(off)} seconds apart" in found["site boston"][1]


def test_a_service_that_does_not_tell_the_time_answers_all_the_same(well):
    with RawServer(lambda conn: (read_request(conn), conn.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n"))) as server:
        move_site(well, server.url)
        well.environ.clear()
        assert look(well)[1]["site boston"] == (["ok"], f"{server.url} answers; ")


@pytest.mark.row("R31")
def test_a_service_that_cannot_be_reached_is_named_and_the_others_are_looked_at(well, closed_port):
    move_site(well, f"http://127.0.0.1:{closed_port}")
    code, found = look(well)
    assert code == 1
    assert found["site boston"][0] == ["fail"]
    assert f"http://127.0.0.1:{closed_port} cannot be reached" in found["site boston"][1]
    assert "check sites: boston: base_url" in found["site boston"][1]
    assert found["ledger"][0] == ["ok"]


@pytest.mark.row("R32")
def test_a_certificate_that_does_not_hold_is_named(well, tmp_path):
    with RawServer(lambda conn: send_json(conn, b"{}"), tls_context(trustme.CA().issue_cert("127.0.0.1"))) as server:
        move_site(well, server.url)
        code, found = look(well)
    assert code == 1
    assert "cannot be trusted: unable to get local issuer certificate" in found["site boston"][1]
    assert server.received == b""


def test_a_proxy_that_does_not_answer_is_named_without_its_password(well, closed_port):
    proxy = f"http://robot:pr0xy-c4n4ry@127.0.0.1:{closed_port}"
    well.environ["OUR_PROXY"] = proxy
    move_site(well, "https://service.invalid", 'network: {proxy: "${env:OUR_PROXY}"}\n')
    done = well.mmflow("doctor")
    assert f"cannot be reached by way of the proxy 127.0.0.1:{closed_port}" in done.out
    assert "pr0xy-c4n4ry" not in done.out + done.err


def test_a_key_that_only_the_daemon_has_is_no_failure_and_one_that_is_refused_is(well):
    well.environ.clear()
    code, found = look(well)
    assert (code, found["key of boston"][0]) == (0, ["warn"])
    assert "MM_BOSTON_KEY is not set" in found["key of boston"][1]
    assert found["site boston"][0] == ["ok", "ok"]
    well.environ["MM_BOSTON_KEY"] = "nobody-has-this-key"
    code, found = look(well)
    assert (code, found["key of boston"][0]) == (1, ["fail"])


def test_a_connection_is_tried_by_the_first_sink_that_uses_it(well, closed_port):
    mail = f"{{type: email, host: localhost, port: {closed_port}, security: none, from: reports@example.com}}"
    well.write("mmflow.yaml", well.text("mmflow.yaml") + f"connections: {{mail: {mail}, spare: {mail}}}\n")
    sink = "{type: email, connection: mail, to: [ops@example.com], subject: x}"
    well.job(JOB.replace("sinks: [", f"sinks: [{sink}, "))
    code, found = look(well)
    assert (code, found["connection mail"][0]) == (1, ["fail"]), found
    assert str(closed_port) in found["connection mail"][1]
    assert found["connection spare"] == (["ok"], "no job uses it; ")


def test_checks_that_hang_or_raise_are_findings_and_harm_no_other():
    gone_on = threading.Event()

    def hang():
        gone_on.wait()
        yield ok("too late")

    def burst():
        yield ok("so far")
        raise ZeroDivisionError("by nothing")

    found = examine({"hanging": hang, "bursting": burst, "fine": lambda: [ok("fine")]}, patience=0.5)
    gone_on.set()
    assert [(one.check, one.level) for one in found] == [
        ("hanging", "fail"),
        ("bursting", "ok"),
        ("bursting", "fail"),
        ("fine", "ok"),
    ]
    assert found[0].text == "gave no answer within 0.5 seconds"
    assert "ZeroDivisionError: by nothing" in found[2].text
    assert worst(found) == "fail"


@pytest.mark.row("R49")
def test_a_disk_that_is_nearly_full_is_found(small_disk, well):
    move_site(well, well.simulator.url, f'output: "{small_disk.name}"\n')
    target = well.root / small_disk.name
    if target != small_disk:
        target.symlink_to(small_disk)
    code, found = look(well)
    assert (code, found["output"][0]) == (1, ["fail"])
    assert "make room" in found["output"][1]


@pytest.mark.row("R49")
def test_a_disk_that_is_full_is_no_matter_of_whose_it_is(small_disk):
    with (small_disk / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    (found,) = check_folder(small_disk, "the folder")
    assert (found.level, found.advice) == ("fail", "make room: runs fail when the disk is full"), found.text


@pytest.mark.parametrize(("number", "said"), [(errno.EROFS, "see why the disk"), (errno.EACCES, "see whose")])
def test_what_keeps_a_folder_from_being_written_decides_what_to_do(tmp_path, number, said):
    assert said in advise_closed(OSError(number, "no"), tmp_path)


def test_room_is_judged_before_it_is_gone():
    assert [judge_room("x", free).level for free in (99_000_000, 999_000_000, 1_000_000_000)] == ["fail", "warn", "ok"]


def test_a_folder_that_cannot_be_written_is_found(well):
    (well.root / "out").write_text("a file", encoding="utf-8")
    code, found = look(well)
    assert (code, found["output"][0]) == (1, ["fail"])
    assert "cannot be written" in found["output"][1]


@pytest.mark.row("R23")
def test_a_damaged_ledger_is_found_and_how_to_go_on(well):
    assert well.mmflow("run", "daily").code == 0
    (well.root / ".mmflow" / "ledger.sqlite").write_bytes(b"not a ledger" * 500)
    code, found = look(well)
    assert (code, found["ledger"][0]) == (1, ["fail"])
    assert "mmflow state restore FILE" in found["ledger"][1]


def test_of_many_mistakes_the_first_are_shown_and_the_others_counted(well):
    for number in range(SHOWN):
        well.write(f"jobs/broken-{number}.yaml", "job: [\n")
    assert look(well)[1]["files"][0] == ["fail"] * SHOWN
    well.write("jobs/broken.yaml", "job: [\n")
    levels, text = look(well)[1]["files"]
    assert (len(levels), "1 more mistakes are in the files; see them all: mmflow validate" in text) == (SHOWN + 1, True)


def test_a_copy_that_is_days_old_a_clock_in_doubt_and_what_is_quarantined_are_found(well):
    assert well.mmflow("run", "daily").code == 0
    assert well.mmflow("state", "backup").code == 0
    (copy,) = (well.root / ".mmflow" / "backups").iterdir()
    for age, level in ((OLD_BACKUP, "ok"), (OLD_BACKUP + timedelta(seconds=1), "warn")):
        made = (NOW - age).timestamp()
        os.utime(copy, (made, made))
        assert look(well)[1]["ledger"][0] == ["ok", level]
    with Ledger.open(well.root / ".mmflow" / "ledger.sqlite", well.clock) as ledger:
        ledger.begin_run("r1", "daily", NOW, "manual")
        ledger.note_plan("r1", (), [("csv", "csv", "key")])
        ledger.commit_delivery(ledger.take_delivery("r1", "csv"), "quarantined")
        ledger.note(HELD, "the clock went from here to there; set it")
    code, (levels, text) = (found := look(well))[0], found[1]["ledger"]
    assert (code, levels) == (1, ["ok", "fail", "warn", "warn"])
    assert "nothing is planned: the clock went from here to there; see: mmflow clock" in text
    assert "1 deliveries are quarantined" in text


@pytest.mark.row("R26")
def test_a_ledger_of_a_newer_version_is_not_to_be_replaced_by_a_copy(well):
    assert well.mmflow("run", "daily").code == 0
    with closing(sqlite3.connect(well.root / ".mmflow" / "ledger.sqlite")) as ledger:
        ledger.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        ledger.commit()
    code, found = look(well)
    assert (code, found["ledger"][0]) == (1, ["fail"])
    assert "install that version or a later one" in found["ledger"][1]
    assert "restore" not in found["ledger"][1]


@pytest.mark.row("R83")
def test_a_plugin_that_was_left_out_is_named_with_its_reason(well, install):
    install("bad-sink", "raise RuntimeError('no luck')")
    code, found = look(well)
    assert (code, found["plugins"][0]) == (1, ["fail", "ok"])
    assert "it raised RuntimeError: no luck" in found["plugins"][1]


@pytest.mark.parametrize("settings", [None, "version: [", "version: 1\nsites: {}\n"])
def test_without_an_installation_that_can_be_used_it_says_why_and_looks_at_the_rest(desk, settings):
    path = desk.root / "mmflow.yaml"
    path.write_text(settings, encoding="utf-8") if settings else path.unlink()
    code, found = look(desk)
    assert (code, "fail" in found["files"][0]) == (1, True)
    assert found["versions"][0] == ["ok"]
    assert desk.mmflow("doctor", "--bundle", "b.zip").code in (1, 2)


def test_rules_of_time_zones_grow_old():
    _, release = find_zone_rules()
    year = int(release[:4])
    levels = [next(check_zones(datetime(y, 6, 1, tzinfo=UTC))).level for y in (year, year + 1, year + 2)]
    assert levels == ["ok", "ok", "warn"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows is not asked for its memory")
def test_runs_that_may_need_more_memory_than_there_is_are_found():
    assert [one.level for one in check_memory(Daemon(workers=1, run_memory_mb=1024))] == ["ok"]
    (found,) = check_memory(Daemon(workers=64, run_memory_mb=100_000))
    assert (found.level, found.advice) == ("warn", "lower daemon.workers or daemon.run_memory_mb in mmflow.yaml")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows is not asked for its memory")
def test_the_memory_of_a_container_is_that_of_its_limit(tmp_path):
    for text, found in (("1000000000\n", 1_000_000_000), ("max\n", find_memory(tmp_path / "none"))):
        (tmp_path / "memory.max").write_text(text, encoding="ascii")
        assert find_memory(tmp_path / "memory.max") == found
    assert find_memory(tmp_path / "none") > 1_000_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_too_few_files_that_may_be_open_are_found():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    levels = []
    try:
        for limit in (FEW_FILES - 1, FEW_FILES):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
            levels.append([one.level for one in check_memory(Daemon(workers=1, run_memory_mb=1024))])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert levels == [["warn", "ok"], ["ok"]]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_root_at_work_in_what_belongs_to_another_account_is_warned_of(tmp_path):
    assert [one.level for one in check_folder(tmp_path / "new", "the folder")] == ["ok"]
    os.chown(tmp_path, 65_534, 65_534)
    last = list(check_folder(tmp_path / "new", "the folder"))[-1]
    assert (last.level, last.text) == ("warn", f"{tmp_path} belongs to account 65534, and this is root")
    assert "sudo -u '#65534' mmflow" in last.advice


def test_errors_and_lost_lines_of_the_log_are_told():
    def line(level, message):
        return Line(time=NOW, level=level, logger="mmflow", message=message)

    assert list(judge_log([line("info", "fine"), line("warning", "well")])) == []
    found = [*judge_log([line("warning", "3 lines of this log were dropped: it could not be written"),
                         line("error", "first"), line("error", "last")])]  # fmt: skip
    assert [one.level for one in found] == ["warn", "warn"]
    assert "3 lines" in found[0].text
    assert found[1].text == "2 errors are in the latest lines of the log; the last: last"


class TestHealth:
    """What a container's health check asks."""

    @pytest.fixture
    def listener(self, well):
        self.health = Health(well.clock.monotonic)
        with Listener("127.0.0.1:0", self.health, Meters(self.health, lambda: None, lambda: 0)) as listener:
            yield listener

    def test_it_ends_with_0_while_the_daemon_is_well_and_else_with_1(self, well, listener):
        done = well.mmflow("doctor", "--health", f"{listener.url}/health")
        assert (done.code, '"status":"ok"' in done.out) == (0, True), done.err
        self.health.trouble("ledger", "is on fire")
        done = well.mmflow("doctor", "--health", f"{listener.url}/health", "--json")
        assert (done.code, done.data["status"], "ledger: is on fire" in done.data["text"]) == (1, 503, True)
        assert_fits(done.data, SHAPES["doctor --health URL"], "health")

    def test_nobody_who_answers_is_not_well_either(self, well, closed_port):
        done = well.mmflow("doctor", "--health", f"http://127.0.0.1:{closed_port}/health")
        assert (done.code, "cannot be reached" in done.err) == (1, True)

    def test_it_needs_no_installation(self, well, listener):
        (well.root / "mmflow.yaml").unlink()
        assert well.mmflow("doctor", "--health", f"{listener.url}/health").code == 0

    def test_it_asks_no_address_that_others_could_listen_to(self, well):
        done = well.mmflow("doctor", "--health", "http://plant.example/health")
        assert (done.code, "must begin with https://" in done.err) == (2, True)
