"""Notices on their way: gathered, grouped, sent by a process of its own, again until somebody was told."""

import hashlib
import hmac
import json
import os
import time
from collections import Counter
from datetime import timedelta
from threading import Thread

import msgspec
import pytest
from msgspec.structs import replace

from mmflow.clock import SystemClock
from mmflow.ledger import Ledger
from mmflow.ledger.notices import NewNotice
from mmflow.logs import list_files
from mmflow.notices.office import open_office
from mmflow.notices.post import Postman, send_due
from mmflow.notices.verdict import Way
from mmflow.refs import Redactor
from mmflow.sinks import NoticeItem
from tests.hooks import open_hook
from tests.ledgers import ledger_file

SECRET = "s3cret-of-the-hook-91"
MINUTE = timedelta(minutes=1)
SITE = '{environment: demo, api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}'


@pytest.fixture
def hook():
    with open_hook() as opened:
        yield opened


@pytest.fixture
def settings(hook):
    return f"""
version: 1
sites: {{boston: {SITE}}}
connections:
  ops_hook: {{type: webhook, url: "{hook.url.partition("?")[0]}", secret: "${{env:HOOK_SECRET}}"}}
"""


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(ledger_file(tmp_path), clock) as opened:
        yield opened


@pytest.fixture
def office(tmp_path, settings, clock):
    return open_office(tmp_path, settings, clock, {"HOOK_SECRET": SECRET}, Redactor())


def count_states(ledger):
    return Counter(row.state for row in ledger.notices.list_recent())


def notice(job, clock, *, reason="gone", kind="failed", via=None, to=("ann@example.com",), wait=MINUTE):
    item = NoticeItem(kind=kind, job=job, reason=reason, command=f"mmflow run {job}", at=clock.now())
    return NewNotice(
        job=job,
        about="once",
        kind=kind,
        way=msgspec.json.encode(Way(via or {"type": "webhook", "connection": "ops_hook"}, to)).decode(),
        content=msgspec.json.encode(item).decode(),
        next_at=clock.now() + wait,
    )


def test_what_is_told_within_a_minute_goes_out_as_one_message(ledger, office, clock, hook):
    ledger.notices.add([notice("a", clock)])
    clock.sleep(59)
    ledger.notices.add([notice("b", clock, reason="the disk is full")])
    assert send_due(office) == 0
    clock.sleep(1)
    assert send_due(office) == 1
    (heard,) = hook.heard
    assert heard["subject"] == "mmflow, needs action: 2 failed"
    assert [item["job"] for item in heard["items"]] == ["a", "b"]
    assert heard["to"] == ["ann@example.com"]
    assert send_due(office) == 0
    assert count_states(ledger) == {"done": 2}


def test_a_storm_of_one_reason_is_one_message_of_a_few_lines(ledger, office, clock, hook):
    down = "boston: https://api.example.com cannot be reached: timed out; gave up after {} tries in {} s"
    ledger.notices.add(notice(f"job-{n}", clock, reason=down.format(1 + n % 3, n)) for n in range(1000))
    clock.sleep(60)
    assert send_due(office) == 1
    (heard,) = hook.heard
    assert heard["subject"].startswith("mmflow, needs action: 1000 jobs failed since 12:00 UTC: boston: https://api.")
    assert len(heard["text"].splitlines()) < 20
    assert "  jobs: job-0, job-1, job-10, job-100, job-101, job-102, job-103, job-104 and 992 more\n" in heard["text"]
    assert len(heard["items"]) == 1000


def test_a_message_is_signed_and_named_so_that_it_counts_once(ledger, office, clock, hook):
    ledger.notices.add([notice("a", clock)])
    clock.sleep(60)
    send_due(office)
    wanted = "sha256=" + hmac.new(SECRET.encode(), hook.bodies[0], hashlib.sha256).hexdigest()
    assert hook.headers[0]["X-Mmflow-Signature"] == wanted
    assert hook.headers[0]["Idempotency-Key"] == hook.heard[0]["id"]
    assert hook.headers[0]["Content-Type"] == "application/json"


def test_a_message_that_is_tried_again_is_the_same_and_grows_no_more(ledger, office, clock, hook):
    hook.answers += [503]
    ledger.notices.add([notice("a", clock)])
    clock.sleep(60)
    assert send_due(office) == 0
    assert ledger.notices.list_recent()[0].error == "webhook ops_hook: 127.0.0.1 answered 503"
    ledger.notices.add([notice("b", clock)])
    clock.sleep(3600)
    assert send_due(office) == 2
    first, *again = hook.heard
    assert first in again
    assert count_states(ledger) == {"done": 2}


def test_a_try_that_was_killed_is_made_again(ledger, office, clock, hook):
    ledger.notices.add([notice("a", clock)])
    clock.sleep(60)
    ledger.notices.take()  # and then the process is gone
    assert send_due(office) == 0
    clock.sleep(30)
    assert send_due(office) == 1


def test_nobody_to_be_told_for_a_day_is_given_up(ledger, office, clock, hook):
    ledger.notices.add([notice("a", clock, via={"type": "webhook", "connection": "gone"})])
    for _ in range(30):
        clock.sleep(3600)
        send_due(office)
    (row,) = ledger.notices.list_recent()
    assert row.state == "failed"
    assert 20 <= row.attempts <= 26
    assert "no connection 'gone' any more" in row.error


def test_one_way_that_fails_does_not_keep_others_from_being_told(ledger, office, clock, tmp_path):
    bad = {"type": "webhook", "connection": "gone"}
    ledger.notices.add([notice("a", clock, via=bad), notice("a", clock, via={"type": "file"})])
    clock.sleep(60)
    assert send_due(office) == 1
    (line,) = (tmp_path / "out" / "notices.jsonl").read_text().splitlines()
    assert json.loads(line)["items"][0]["job"] == "a"


def test_files_of_notices_stay_under_the_output_folder(ledger, office, clock, tmp_path):
    ledger.notices.add([notice("a", clock, via={"type": "file", "path": "../escaped.jsonl"})])
    clock.sleep(60)
    assert send_due(office) == 0
    assert not (tmp_path / "escaped.jsonl").exists()


def test_no_secret_is_told(ledger, office, clock, hook):
    ledger.notices.add([notice("a", clock, reason=f"the server said {SECRET}")])
    clock.sleep(60)
    send_due(office)
    assert SECRET.encode() not in hook.bodies[0]
    assert "the server said ***" in hook.heard[0]["text"]


def test_a_redirect_is_not_followed(ledger, office, clock, hook):
    hook.answers += [302]
    ledger.notices.add([notice("a", clock)])
    clock.sleep(60)
    assert send_due(office) == 0
    assert len(hook.heard) == 1
    assert ledger.notices.list_recent()[0].error == "webhook ops_hook: 127.0.0.1 answered 302; check the address"


def wait_until(fact, seconds=20.0):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def post(tmp_path, settings, **more):
    clock = SystemClock()
    return Postman(
        tmp_path,
        clock,
        os.environ | {"HOOK_SECRET": SECRET},
        lambda: settings,
        lambda: Ledger.open(ledger_file(tmp_path), clock),
        look_every=0.05,
        **more,
    )


def test_a_process_of_its_own_sends_what_is_due(tmp_path, settings, hook):
    clock = SystemClock()
    with Ledger.open(ledger_file(tmp_path), clock) as ledger, post(tmp_path, settings):
        ledger.notices.add([notice("a", clock, wait=timedelta(0))])
        wait_until(lambda: count_states(ledger) == {"done": 1})
    assert hook.heard[0]["subject"] == "mmflow, needs action: a failed: gone"


@pytest.mark.parametrize(("form", "begin"), [("json", '{"time":'), ("text", "")])
def test_that_process_logs_in_the_form_that_was_asked_for(tmp_path, settings, hook, capfd, form, begin):
    clock = SystemClock()
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        ledger.notices.add([notice("a", clock, wait=timedelta(0), via={"type": "gone"})])
    post(tmp_path, settings, form=form).send()
    (line,) = capfd.readouterr().err.splitlines()
    assert "nobody could be told yet" in line
    assert line.startswith(begin or tuple("0123456789"))


def test_a_way_that_hangs_is_ended_and_tried_again(tmp_path, settings, hook):
    clock = SystemClock()
    hook.free.clear()
    with Ledger.open(ledger_file(tmp_path), clock) as ledger, post(tmp_path, settings, patience=2):
        started = time.monotonic()
        ledger.notices.add(
            [notice("a", clock, wait=timedelta(0)), notice("a", clock, via={"type": "file"}, wait=-MINUTE)]
        )
        wait_until(lambda: len(hook.heard) == 1)
        wait_until(lambda: count_states(ledger).get("done") == 1)
        assert time.monotonic() - started < 20
    hung = next(row for row in ledger_rows(tmp_path) if "webhook" in row.way)
    assert (hung.state, hung.attempts) == ("pending", 1)


def test_a_way_that_hangs_for_a_day_is_given_up_as_any_other(ledger, office, clock, hook):
    hook.free.clear()
    ledger.notices.add([notice("a", clock)])
    clock.sleep(60)
    assert send_due(office, patience=0.1) == 0
    (row,) = ledger.notices.list_recent()
    assert (row.state, row.error) == ("pending", "webhook ops_hook: it has not ended in 0 s")
    clock.sleep(86_400)
    send_due(office, patience=0.1)
    assert count_states(ledger) == {"failed": 1}


def ledger_rows(tmp_path):
    with Ledger.open(ledger_file(tmp_path), SystemClock()) as ledger:
        return ledger.notices.list_recent()


CHATTY = """
import os, subprocess, sys
from mmflow.hookspecs import hookimpl
from mmflow.options import Options
from mmflow.refs import Secret
from mmflow.sinks import SinkType

class Login(Options):
    password: Secret

def tell(notice, options, info):
    said = info.connection.password.reveal()
    print("print:", said)
    os.write(2, f"write: {said}\\n".encode())
    subprocess.run(["echo", "echo:", said])
    for number in range(1000):
        print("chatter", number)
    info.log.info("told %s", notice.subject)

@hookimpl
def mmflow_sinks():
    yield SinkType(name="chatty", summary="Talks.", connection=Login, notify=tell)
"""


@pytest.mark.skipif(os.name == "nt", reason="asks a program of POSIX")
def test_what_a_way_prints_is_cut_and_redacted_and_goes_to_the_log(tmp_path, settings, install, capfd):
    install("chatty", CHATTY)
    clock = SystemClock()
    way = {"type": "chatty", "connection": "talk"}
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        ledger.notices.add([notice("a", clock, wait=timedelta(0), via=way)])
        assert post(tmp_path, f'{settings}\n  talk: {{type: chatty, password: "${{env:HOOK_SECRET}}"}}\n').send()
        assert count_states(ledger) == {"done": 1}
    printed = capfd.readouterr()
    logged = "".join(path.read_text() for path in list_files(tmp_path / ".mmflow" / "logs"))
    for text in (printed.err, logged):
        assert all(f"printed: {how}: ***" in text for how in ("print", "write", "echo"))
        assert "told mmflow, needs action: a failed: gone" in text
        assert "803 more lines were printed and are not in the log" in text
        assert SECRET not in text
    assert printed.out == ""


def test_while_a_way_hangs_what_is_new_goes_out_by_the_others(tmp_path, settings, hook):
    """And by the one that hangs, as soon as it is free again; nothing goes out twice."""
    clock, ways, wait = SystemClock(), (None, {"type": "file"}), timedelta(0)
    told = tmp_path / "out" / "notices.jsonl"
    hook.free.clear()
    with Ledger.open(ledger_file(tmp_path), clock) as ledger, post(tmp_path, settings):
        ledger.notices.add(notice("a", clock, via=via, wait=wait) for via in ways)
        wait_until(lambda: len(hook.heard) == 1)
        for count, job in enumerate("bc", 2):
            ledger.notices.add(notice(job, clock, via=via, wait=wait) for via in ways)
            wait_until(lambda count=count: told.is_file() and len(told.read_text().splitlines()) == count)
        assert len(hook.heard) == 1
        hook.free.set()
        wait_until(lambda: count_states(ledger) == {"done": 6})
    assert [[item["job"] for item in one["items"]] for one in hook.heard] == [["a"], ["b", "c"]]


def test_the_console_is_where_the_daemon_is_watched(tmp_path, settings, capfd):
    clock = SystemClock()
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        ledger.notices.add([notice("a", clock, wait=timedelta(0), via={"type": "console"})])
    assert post(tmp_path, settings).send()
    printed = capfd.readouterr().err
    assert printed.startswith("mmflow, needs action: a failed: gone\n")
    assert "printed: " not in printed


def test_what_cannot_wait_for_the_ledger_goes_out_past_it(tmp_path, settings, hook):
    """One message for each way; who is not told is known."""
    clock = SystemClock()
    file, log = {"type": "file"}, replace(notice("c", clock), way="")
    postman = post(tmp_path, settings)
    assert postman.tell([notice("a", clock), notice("b", clock), notice("a", clock, via=file), log])
    assert [[item["job"] for item in one["items"]] for one in hook.heard] == [["a", "b"]]
    assert len((tmp_path / "out" / "notices.jsonl").read_text().splitlines()) == 1
    assert postman.tell([log])
    assert not ledger_file(tmp_path).exists()
    hook.answers += [503]
    assert not postman.tell([notice("a", clock)])


def test_what_one_sends_nobody_else_sends_meanwhile(ledger, office, clock, hook):
    """Two daemons may share a ledger, and ``mmflow watch`` stand beside them; a slow way is no reason to tell twice."""
    hook.free.clear()
    ledger.notices.add([notice("a", clock)])
    clock.sleep(60)
    first = Thread(target=send_due, args=(office,))
    first.start()
    wait_until(lambda: len(hook.heard) == 1)
    clock.sleep(100)
    assert send_due(office) == 0
    hook.free.set()
    first.join()
    assert len(hook.heard) == 1
    assert count_states(ledger) == {"done": 1}


LATER = """
from mmflow.errors import TryLater
from mmflow.hookspecs import hookimpl
from mmflow.sinks import SinkType

def tell(notice, options, info):
    raise TryLater("it is busy", after=float((info.root / "after").read_text()))

@hookimpl
def mmflow_sinks():
    yield SinkType(name="later", summary="Is busy.", notify=tell)
"""


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7), ("0", 30), ("-5", 30), ("nan", 30), ("86400", 3600), ("1e15", 3600), ("inf", 3600)],
)
def test_a_way_may_ask_for_a_wait_but_for_no_longer_than_an_hour(
    tmp_path, ledger, settings, clock, install, asked, waited
):
    install("later", LATER)
    office = open_office(tmp_path, settings, clock, {"HOOK_SECRET": SECRET}, Redactor())
    (tmp_path / "after").write_text(asked)
    ledger.notices.add([notice("a", clock, via={"type": "later"}), notice("a", clock, via={"type": "file"})])
    clock.sleep(60)
    assert send_due(office, patience=10) == 1
    assert ledger.notices.next_due() == clock.now() + timedelta(seconds=waited)


def test_what_somebody_has_to_mend_first_is_tried_once_an_hour(ledger, office, clock):
    ledger.notices.add([notice("a", clock, via={"type": "webhook", "connection": "gone"})])
    clock.sleep(60)
    assert send_due(office) == 0
    assert ledger.notices.next_due() == clock.now() + timedelta(hours=1)


def test_no_part_of_what_is_told_holds_a_secret(ledger, office, clock, hook):
    parts = ("reason", "hits", "advice", "command")
    item = NoticeItem(kind="failed", job="a", **{part: f"{part} {SECRET}" for part in parts})
    ledger.notices.add([replace(notice("a", clock), content=msgspec.json.encode(item).decode())])
    clock.sleep(60)
    assert send_due(office) == 1
    (told,) = hook.heard[0]["items"]
    assert [told[part] for part in parts] == [f"{part} ***" for part in parts]
    assert SECRET.encode() not in hook.bodies[0]


def test_only_a_way_of_mmflow_yaml_may_name_files_anywhere(tmp_path, ledger, settings, clock):
    outside = tmp_path.parent / f"{tmp_path.name}-name.txt"
    outside.write_text("told.jsonl", encoding="utf-8")
    way = {"type": "file", "path": f"${{file:{outside.as_posix()}}}"}
    ledger.notices.add([notice("a", clock, via=way)])
    clock.sleep(60)
    assert send_due(open_office(tmp_path, settings, clock, {}, Redactor())) == 0
    assert "only mmflow.yaml may name files by absolute paths" in ledger.notices.list_recent()[0].error
    clock.sleep(3600)
    common = f"{settings}\ndefaults: {{notify: {{via: [{json.dumps(way)}]}}}}\n"
    assert send_due(open_office(tmp_path, common, clock, {}, Redactor())) == 1
    assert (tmp_path / "out" / "told.jsonl").exists()
