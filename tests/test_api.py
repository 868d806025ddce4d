"""The client against the simulated service: right answers, patience, and what is no answer."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmflow.api.answers import check_grouped, check_ungrouped
from mmflow.errors import BadRequest, BadResponse, GiveUp, KeyRefused, TryLater, UserError
from mmflow.simulator import Access, Plant, Simulator
from tests.api_desk import BODY, KEY, NOW, PATH, Desk, refused
from tests.raw_server import RawServer, read_request, send_json

PLANT = Plant(seed=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with made.stack:
        yield made
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


@pytest.fixture
def sim() -> Iterator[Simulator]:
    plants = {KEY: PLANT, "key-reno": PLANT, "key-erp": Access(PLANT, scopes=frozenset({"erp"}))}
    with Simulator(plants, now=NOW) as simulator:
        yield simulator


# --- a right answer ---------------------------------------------------------------------------------------------------


def test_an_answer_is_written_whole_and_asked_for_with_key_type_and_gzip(sim: Simulator, desk: Desk) -> None:
    api = desk.open(sim.url)
    data = desk.ask(api)
    assert data.startswith(b"{")
    assert data.endswith(b"}")
    assert b'"goodParts"' in data
    (request,) = sim.requests
    assert (request.method, request.path, request.body) == ("POST", PATH, BODY)
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/json"


def test_an_answer_replaces_an_older_one_and_a_failure_leaves_it(sim: Simulator, desk: Desk) -> None:
    api = desk.open(sim.url)
    desk.sink.write_bytes(b"older")
    sim.faults({"kind": "html", "times": 1})
    with pytest.raises(BadResponse):
        desk.ask(api)
    assert desk.sink.read_bytes() == b"older"
    assert desk.ask(api) != b"older"


def test_a_refused_metric_comes_back_with_its_name(sim: Simulator, desk: Desk) -> None:
    api = desk.open(sim.url)
    body = BODY | {"data": [{"metric": "goodPart"}, {"metric": "oee"}, {"metric": "abc"}]}
    with pytest.raises(BadRequest, match="Metric 'goodPart' is not valid") as caught:
        api.post(PATH, body, sink=desk.sink, check=check_grouped)
    assert [(one.field, one.word) for one in caught.value.complaints] == [("data", "goodPart"), ("data", "abc")]
    assert len(sim.requests) == 1


def test_at_most_so_many_requests_of_a_key_are_on_their_way(desk: Desk) -> None:
    """Two are, always and at once: each answer waits for a second request to be there, and a third never is."""
    together = threading.Barrier(2)
    present, most, lock = [], [], threading.Lock()

    def answer(conn: socket.socket) -> None:
        while read_request(conn):
            with lock:
                present.append(conn)
                most.append(len(present))
            together.wait(10)
            with lock:
                present.remove(conn)
            send_json(conn, b'{"items":[]}')

    with RawServer(answer) as server:
        api = desk.open(server.url, in_flight=2)
        threads = [
            threading.Thread(target=api.post, args=(PATH, BODY), kwargs=sink_of(desk, place)) for place in range(8)
        ]
        run_all(threads)
        assert max(most) == 2
        assert len(server.connections) == 2  # kept alive
    assert len(list(desk.sink.parent.glob("*.json"))) == 8


# --- patience ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("R29")
@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ({"retry_after": 7}, 7, 7),
        ({"retry_after": "0"}, 0, 0),
        ({"retry_date": 90}, 89, 91),  # HTTP dates know whole seconds
        ({"retry_date": -90}, 0, 0),
        ({}, 0, 1),
        ({"retry_after": "soon"}, 0, 1),
        ({"retry_after": "-5"}, 0, 1),
        ({"retry_after": "١٢"}, 0, 1),
    ],
)
def test_a_wait_is_as_long_as_the_service_says(
    sim: Simulator, desk: Desk, said: dict[str, object], least: float, most: float
) -> None:
    sim.faults({"kind": "status", "status": 429, "times": 1, **said})
    desk.ask(desk.open(sim.url))
    assert least <= desk.clock.monotonic() <= most
    assert len(sim.requests) == 2


@pytest.mark.row("R29")
def test_a_wait_of_ten_years_is_taken_for_an_hour_and_ends_the_request(sim: Simulator, desk: Desk) -> None:
    api = desk.open(sim.url)
    sim.faults({"kind": "status", "status": 429, "retry_after": 315_360_000})
    words = "answered 429; gave up after 1 try in 0 s, since it asks to wait for 3600 s and network.deadline is 300 s"
    with pytest.raises(TryLater, match=words) as caught:
        desk.ask(api)
    assert caught.value.after == 3600
    assert desk.clock.monotonic() == 0


@pytest.mark.row("R29")
def test_a_wait_holds_every_request_of_its_key_and_of_no_other(sim: Simulator, desk: Desk) -> None:
    sim.faults({"kind": "status", "status": 429, "key": KEY, "retry_after": 600, "times": 1})
    api = desk.open(sim.url)
    assert "429" in refused(api, desk, TryLater)
    assert "patience" in refused(api, desk, TryLater)
    assert len(sim.requests) == 1  # the second was held here
    desk.ask(desk.open(sim.url, "key-reno"))
    desk.sink.unlink()
    desk.clock.sleep(600)
    desk.ask(api)


@pytest.mark.row("R30")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_burst_of_failures_is_outlasted(sim: Simulator, desk: Desk, status: int) -> None:
    sim.faults({"kind": "status", "status": status, "times": 3, "body": "html"})
    desk.ask(desk.open(sim.url))
    assert len(sim.requests) == 4
    assert 0 < desk.clock.monotonic() <= 1 + 2 + 4
    assert len(desk.said) == 3
    assert f"answered {status}; asking again in " in desk.said[0]


@pytest.mark.row("R30")
def test_a_service_that_stays_down_is_left_alone_after_six_tries(sim: Simulator, desk: Desk) -> None:
    sim.faults({"kind": "status", "status": 503})
    text = refused(desk.open(sim.url), desk, TryLater)
    assert "answered 503; gave up after 6 tries in " in text
    assert len(sim.requests) == 6


@pytest.mark.row("R31")
def test_a_closed_port_is_worth_another_try(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    text = refused(desk.open(f"http://127.0.0.1:{port}"), desk, TryLater)
    assert f"http://127.0.0.1:{port} cannot be reached: " in text
    assert "6 tries" in text


@pytest.mark.row("R31")
def test_a_name_that_nobody_knows_is_worth_another_try(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    text = refused(desk.open("https://plant.invalid"), desk, TryLater)
    assert "https://plant.invalid cannot be reached: " in text
    assert "not known" in text


# --- broken answers -------------------------------------------------------------------------------------------------


@pytest.mark.row("R34")
@pytest.mark.parametrize("cut", ["length", "chunked"])
def test_a_body_that_breaks_off_is_asked_for_again_and_leaves_no_file(sim: Simulator, desk: Desk, cut: str) -> None:
    api = desk.open(sim.url)
    sim.faults({"kind": "cut", "cut": cut})
    refused(api, desk, TryLater)
    assert list(desk.sink.parent.iterdir()) == []
    sim.clear_faults()
    sim.faults({"kind": "cut", "cut": cut, "times": 1}, {"kind": "hang_up", "times": 1})
    desk.ask(api)


@pytest.mark.row("R35")
def test_json_that_breaks_off_is_asked_for_three_times_then_shown(sim: Simulator, desk: Desk) -> None:
    api = desk.open(sim.url)
    sim.faults({"kind": "truncated_json"})
    text = refused(api, desk, BadResponse)
    assert "the answer ends in the middle; it begins: {" in text
    assert len(text) < 500
    assert len(sim.requests) == 3
    sim.clear_faults()
    sim.faults({"kind": "truncated_json", "times": 2})
    desk.ask(api)


@pytest.mark.row("R36")
@pytest.mark.row("R37")
@pytest.mark.row("R40")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "html"}, "is a web page, not JSON"),
        ({"kind": "error_in_200"}, "carries an error although its status is 200"),
        ({"kind": "items_missing"}, "has no list 'items'"),
        ({"kind": "nan"}, "is not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_what_is_no_report_is_never_taken_for_one(
    sim: Simulator, desk: Desk, fault: dict[str, object], words: str
) -> None:
    sim.faults(fault)
    text = refused(desk.open(sim.url), desk, BadResponse)
    assert words in text
    assert "it begins: " in text
    assert len(sim.requests) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"[]", "has an unexpected form"),
        (b'{"items": null}', "has no list 'items'"),
        (b'{"items": {}}', "has no list 'items'"),
        (b'{"items": [], "errors": [{"message": "boom"}]}', "carries an error"),
        (b"machine,goodParts\r\n", "is not JSON"),
        (b'{"items": []} {"items": []}', "is not JSON"),
        (b'{"items":' + b"[" * 100_000, "is nested without end"),
    ],
)
def test_what_else_may_come_is_refused(desk: Desk, body: bytes, words: str) -> None:
    def answer(conn: socket.socket) -> None:
        while read_request(conn):
            send_json(conn, body)

    with RawServer(answer) as server:
        assert words in refused(desk.open(server.url), desk, BadResponse)


def test_an_answer_without_groups_needs_an_aggregate(desk: Desk) -> None:
    def answer(conn: socket.socket) -> None:
        while read_request(conn):
            send_json(conn, b'{"items": []}')

    with RawServer(answer) as server, pytest.raises(BadResponse, match="has no object 'aggregate'"):
        desk.open(server.url).post(PATH, BODY, sink=desk.sink, check=check_ungrouped)


def answer_all(conn: socket.socket, body: bytes) -> None:
    while read_request(conn):
        send_json(conn, body)


@pytest.mark.row("R35")
@pytest.mark.parametrize("before", [b"oops ", b"o" * (200 - len(KEY) // 2)], ids=["whole", "cut in its middle"])
def test_the_quoted_start_of_an_answer_holds_no_key(desk: Desk, before: bytes) -> None:
    with RawServer(lambda conn: answer_all(conn, before + KEY.encode())) as server:
        text = refused(desk.open(server.url), desk, BadResponse)
    assert text.endswith(before.decode() + "***")
    assert "\n" not in text


@pytest.mark.row("S51")
def test_an_answer_that_repeats_the_key_is_refused(desk: Desk) -> None:
    key = KEY + '"odd'
    body = json.dumps({"aggregate": {}, "items": [{"machine": key}]}).encode()
    with RawServer(lambda conn: answer_all(conn, body)) as server:
        text = refused(desk.open(server.url, key), desk, BadResponse)
    assert text.endswith("the answer repeats the key that it was asked with, which no report does")


# --- too much ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("R43")
@pytest.mark.row("S48")
@pytest.mark.parametrize("kind", ["huge", "gzip_bomb"])
def test_an_answer_that_is_too_large_is_refused(sim: Simulator, desk: Desk, kind: str) -> None:
    sim.faults({"kind": kind, "megabytes": 500})
    text = refused(desk.open(sim.url, max_answer_mb=3), desk, BadResponse)
    assert "is larger than 3 MB (network.max_answer_mb) when unpacked" in text
    assert "'slice'" in text
    assert len(sim.requests) == 1


@pytest.mark.row("R43")
@pytest.mark.row("S48")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc: ru_maxrss would count the process it was forked from")
def test_a_bomb_costs_less_than_300_mb_of_memory(tmp_path: Path, sim: Simulator) -> None:
    sim.faults({"kind": "gzip_bomb", "megabytes": 500})
    code = (
        "import re, sys; from pathlib import Path; from mmflow.api.client import Api; from mmflow.hosts import Host\n"
        "from mmflow.refs import Secret; from mmflow.settings import Network; from mmflow.clock import SystemClock\n"
        "from mmflow.api.answers import check_grouped; from mmflow.errors import BadResponse\n"
        "api = Api(Host(sys.argv[1], Secret(sys.argv[2])), Network(max_answer_mb=64), SystemClock())\n"
        "try: api.post('/reports/production', {}, sink=Path(sys.argv[3]), check=check_grouped)\n"
        "except BadResponse: print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "api.close()"
    )
    command = [sys.executable, "-c", code, sim.url, KEY, str(tmp_path / "answer.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300 * 1024
    assert list(tmp_path.iterdir()) == []


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("R44")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "revoked_key"}, "answered 401: the api_key of site boston (${env:MM_BOSTON_KEY}) is unknown there"),
        ({"kind": "missing_scope"}, "answered 403: the api_key of site boston (${env:MM_BOSTON_KEY}) may not ask"),
    ],
)
def test_a_refused_key_is_named_by_its_reference_and_asked_with_once(
    sim: Simulator, desk: Desk, fault: dict[str, object], words: str
) -> None:
    sim.faults(fault)
    name = "the api_key of site boston (${env:MM_BOSTON_KEY})"
    assert words in refused(desk.open(sim.url, key_name=name), desk, KeyRefused)
    assert len(sim.requests) == 1
    assert desk.said == []


@pytest.mark.row("R44")
def test_a_key_of_another_scope_is_told_which_it_needs(sim: Simulator, desk: Desk) -> None:
    assert "give it the scope 'reporting'" in refused(desk.open(sim.url, "key-erp"), desk, KeyRefused)


@pytest.mark.row("R45")
@pytest.mark.row("S44")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_its_target_is_named(desk: Desk, status: int) -> None:
    def elsewhere(conn: socket.socket) -> None:
        read_request(conn)

    with RawServer(elsewhere) as target:

        def redirect(conn: socket.socket) -> None:
            while read_request(conn):
                location = target.url.replace("127.0.0.1", "localhost").encode() + b"/login?session=1"
                conn.sendall(b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location))

        with RawServer(redirect) as server:
            text = refused(desk.open(server.url), desk, GiveUp)
        assert target.connections == []
    assert f"answered {status}, a redirect to http://localhost, which is not followed" in text
    assert "session" not in text


@pytest.mark.row("R44")
@pytest.mark.parametrize("packing", [b"br", b"gzip"])
def test_a_key_is_refused_whatever_cannot_be_read_about_it(desk: Desk, packing: bytes) -> None:
    def answer(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 401 No\r\nConnection: close\r\nContent-Encoding: " + packing + b"\r\n\r\nno gzip")

    with RawServer(answer) as server:
        assert "answered 401: " in refused(desk.open(server.url), desk, KeyRefused)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"404 Not Found\r\n\r\n<pre>Cannot POST /reports/production</pre>", "answered 404: nothing is there to ask"),
        (b'400 Bad Request\r\n\r\n{"message":"Problem parsing JSON"}', "it said: Problem parsing JSON"),
        (b"418 Teapot\r\n\r\nshort and stout", "the service refused the request (it said: short and stout)"),
        (b"418 Teapot\r\n\r\n" + b"steam " * 100_000, "(it said: steam steam "),
        (b'400 Bad Request\r\n\r\n{"message":"no\\n\\u001b[2J' + b"x" * 9000 + b'"}', "(it said: no [2Jxxx"),
        (b"204 No Content\r\n\r\n", "answered 204, expected 200 with a report"),
        (b"302 Found\r\nLocation: http://[oops\r\n\r\n", "a redirect to an address that makes no sense, which"),
        (b"302 Found\r\nLocation: http://x:99999/\r\n\r\n", "a redirect to http://x, which"),
        (b"302 Found\r\nLocation: http://x:port/\r\n\r\n", "a redirect to http://x, which"),
        (b"302 Found\r\nLocation: http://a b\x7f/\r\n\r\n", "a redirect to "),
        (b"302 Found\r\nLocation: /login\r\n\r\n", "a redirect to another path of the same host, which"),
    ],
)
def test_other_refusals_are_explained_and_not_repeated(desk: Desk, reply: bytes, words: str) -> None:
    def answer(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 " + reply.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with RawServer(answer) as server:
        text = refused(desk.open(server.url), desk, GiveUp)
        assert words in text
        assert len(text) < 500
        assert len(server.connections) == 1


@pytest.mark.row("S45")
@pytest.mark.parametrize("key", ["abc\ndef", "abc def", "schlüssel-1", "", "abc\r\nX-Evil: 1", "key\x00"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(desk: Desk, key: str) -> None:
    with pytest.raises(UserError) as caught:
        desk.open("https://plant.invalid", key)
    assert "the key" in str(caught.value)
    assert not key or key not in str(caught.value)


def sink_of(desk: Desk, place: int) -> dict[str, object]:
    return {"sink": desk.sink.with_name(f"{place}.json"), "check": check_grouped}


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
