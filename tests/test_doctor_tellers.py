"""The doctor tries what tells people, and nobody is told anything by it."""

import socket
from datetime import timedelta

import pytest

from mmflow.ledger import Ledger
from mmflow.notices.office import open_office
from mmflow.notices.post import send_due
from mmflow.refs import Redactor
from tests.hooks import open_hook
from tests.ledgers import ledger_file
from tests.test_doctor import JOB, look
from tests.test_notices_sent import notice
from tests.test_wire import tls_context

HOUR = timedelta(hours=1)
VIA = "notify: {via: [{type: webhook, connection: ops_hook}]}"


def set_up(desk, url, more="", job=JOB):
    """Let mmflow.yaml tell people of every job by a web address."""
    text = desk.text("mmflow.yaml").replace("owner: ops@example.com", f"owner: ops@example.com, {VIA}")
    desk.write("mmflow.yaml", f'{text}connections: {{ops_hook: {{type: webhook, url: "{url}"}}}}\n{more}')
    desk.job(job)


def test_a_way_that_failed_when_it_was_tried_is_named_until_it_has_sent_what_waits(desk):
    """That somebody is there does not mean that what is posted is taken."""
    with open_hook() as hook:
        hook.answers += [503, 404]
        set_up(desk, hook.url.partition("?")[0])
        office = open_office(desk.root, desk.text("mmflow.yaml"), desk.clock, {}, Redactor())
        with Ledger.open(ledger_file(desk.root), desk.clock) as ledger:
            ledger.notices.add(notice("daily", desk.clock, to=(who,), wait=HOUR) for who in ("ann", "bob"))
        assert look(desk)[1]["notices"] == (["ok"], "none waits for a way that failed; ")
        began = f"{desk.clock.now():%Y-%m-%d %H:%M} UTC"
        desk.clock.sleep(3600)
        assert send_due(office) == 0
        code, found = look(desk)
        assert (code, found["notices"][0], found["connection ops_hook"][0]) == (1, ["fail"], ["ok"])
        said = f"2 notices could not be sent yet, the oldest of {began}: webhook ops_hook: 127.0.0.1 answered "
        assert said in found["notices"][1]
        desk.clock.sleep(3600)
        assert send_due(office) == 2
        found = look(desk)[1]
        assert found["notices"][0] == ["ok"], found


@pytest.fixture
def closed_port():
    """A port that nobody listens on, kept from others."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_an_address_that_people_are_told_by_is_tried_and_nothing_is_posted(desk):
    with open_hook() as hook:
        url = hook.url.partition("?")[0]
        set_up(desk, url, f'daemon: {{heartbeat: "{url}"}}\n')
        code, found = look(desk)
        assert hook.bodies == []
    assert code == 0, found
    assert found["connection ops_hook"] == (["ok"], "webhook could tell people; ")
    assert found["heartbeat"] == (["ok"], "127.0.0.1 can be reached; ")


def test_an_address_where_nobody_is_is_a_failure_with_what_to_do(desk, closed_port):
    url = f"http://127.0.0.1:{closed_port}/ops/4711"
    set_up(desk, url, f'daemon: {{heartbeat: "{url}"}}\n')
    done = desk.mmflow("doctor")
    assert done.code == 1
    assert "/ops/" not in done.out + done.err
    _, found = look(desk)
    assert found["connection ops_hook"][0] == ["fail"], found
    assert "127.0.0.1 cannot be reached" in found["connection ops_hook"][1]
    assert "check connections: ops_hook" in found["connection ops_hook"][1]
    assert found["heartbeat"][0] == ["fail"]
    assert "check daemon.heartbeat" in found["heartbeat"][1]


def test_a_way_of_a_single_job_is_tried_as_well(desk, closed_port):
    mail = f"{{type: email, host: localhost, port: {closed_port}, security: none, from: reports@example.com}}"
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f"connections: {{mail: {mail}}}\n")
    desk.job(JOB + "    notify: {via: [{type: email, connection: mail}]}\n")
    code, found = look(desk)
    assert (code, found["connection mail"][0]) == (1, ["fail"]), found
    assert str(closed_port) in found["connection mail"][1]


def test_an_address_that_only_the_daemon_knows_is_no_failure(desk):
    set_up(desk, "${env:OPS_HOOK}", 'daemon: {heartbeat: "${env:OUR_BEAT}"}\n')
    code, found = look(desk)
    assert (code, found["connection ops_hook"][0], found["heartbeat"][0]) == (0, ["warn"], ["warn"]), found
    assert "OPS_HOOK is not set" in found["connection ops_hook"][1]
    assert "OUR_BEAT is not set" in found["heartbeat"][1]


def test_a_certificate_that_does_not_hold_is_named_before_anything_is_said(desk):
    import trustme

    from tests.raw_server import RawServer, send_json

    context = tls_context(trustme.CA().issue_cert("127.0.0.1"))
    with RawServer(lambda conn: send_json(conn, b"{}"), context) as server:
        set_up(desk, server.url)
        code, found = look(desk)
        assert server.received == b""
    assert code == 1
    assert "127.0.0.1 cannot be trusted" in found["connection ops_hook"][1]
