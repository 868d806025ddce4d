"""The client against the simulated service, and against servers that break the protocol."""

import gzip
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Self

import httpx
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.answers import NotAnAnswer, check_grouped, check_ungrouped
from mmflow.api import CHUNK_BYTES, Api, unpack_body
from mmflow.clock import Clock, FixedClock, SystemClock
from mmflow.errors import BadRequest, BadResponse, GiveUp, TryLater, UserError
from mmflow.hosts import Host
from mmflow.refs import Secret
from mmflow.settings import Network
from mmflow.simulator import Access, Plant, Simulator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "key-boston-8d21f0"
PATH = "/reports/production"
BODY = {
    "startDay": "2026-11-17",
    "endDay": "2026-11-18",
    "data": [{"metric": "goodParts"}, {"metric": "oee"}],
    "groupBy": [{"group": "machine"}, {"group": "day"}],
    "flatten": True,
}
PLANT = Plant(seed=1)


class Desk:
    """Opens clients and remembers what they said; all are closed at the end."""

    def __init__(self, folder: Path) -> None:
        self.sink = folder / "answer.json"
        self.clock = FixedClock(NOW)
        self.said: list[str] = []
        self.stack = ExitStack()

    def open(
        self, url: str, key: str = KEY, *, clock: Clock | None = None, key_name: str = "the key", **network: object
    ) -> Api:
        host = Host(url, Secret(key), key_name)
        made = Api(host, Network(**network), clock or self.clock, rng=Random(7), tell=self.said.append)
        return self.stack.enter_context(made)

    def ask(self, api: Api) -> bytes:
        written = api.post(PATH, BODY, sink=self.sink, check=check_grouped)
        data = self.sink.read_bytes()
        assert len(data) == written.bytes
        return data


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


def refused(api: Api, desk: Desk, kind: type[Exception]) -> str:
    """The text of the error that asking raises; it leaves no file and never holds the key."""
    with pytest.raises(kind) as caught:
        desk.ask(api)
    assert type(caught.value) is kind
    assert not desk.sink.exists()
    assert api.host.key.reveal() not in str(caught.value)
    return str(caught.value)


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
    with pytest.raises(TryLater, match="answered 429") as caught:
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


# --- certificates -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def serve_empty(conn: socket.socket) -> None:
    while read_request(conn):
        send_json(conn, b'{"items":[]}')


@pytest.mark.row("R32")
@pytest.mark.row("S47")
def test_the_company_authority_is_trusted_when_its_file_is_given(
    desk: Desk, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with RawServer(serve_empty, tls_context(authority.issue_cert("127.0.0.1"))) as server:
        assert desk.ask(desk.open(server.url, ca_bundle=str(bundle))) == b'{"items":[]}'


@pytest.mark.row("R32")
@pytest.mark.row("S47")
@pytest.mark.parametrize("case", ["unknown authority", "wrong host", "expired"])
def test_a_certificate_that_does_not_hold_ends_the_request_at_once(
    desk: Desk, authority: trustme.CA, tmp_path: Path, case: str
) -> None:
    """There is no second try without looking at the certificate, and the key was not sent."""
    bundle = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))
    past = datetime.now(UTC) - timedelta(days=1)
    leaf, words = {
        "unknown authority": (trustme.CA().issue_cert("127.0.0.1"), "unable to get local issuer certificate"),
        "wrong host": (authority.issue_cert("plant.example"), "127.0.0.1"),
        "expired": (authority.issue_cert("127.0.0.1", not_after=past), "expired"),
    }[case]
    with RawServer(serve_empty, tls_context(leaf)) as server:
        text = refused(desk.open(server.url, ca_bundle=str(bundle)), desk, GiveUp)
        assert "cannot be trusted" in text
        assert words in text
        assert "network.ca_bundle" in text
    assert server.received == b""
    assert desk.clock.monotonic() == 0


@pytest.mark.row("R32")
def test_a_server_that_speaks_only_old_tls_is_not_trusted(desk: Desk, authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))

    def alert(conn: socket.socket) -> None:
        """What a server of TLS 1.0 answers: a fatal alert, protocol_version."""
        conn.recv(4096)
        conn.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

    with RawServer(alert, scheme="https") as server:
        text = refused(desk.open(server.url, ca_bundle=str(bundle)), desk, GiveUp)
    assert "cannot be trusted" in text
    assert "PROTOCOL_VERSION" in text


@pytest.mark.row("R32")
def test_plain_http_behind_an_https_address_is_not_trusted(desk: Desk) -> None:
    with RawServer(lambda conn: conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), scheme="https") as server:
        assert "cannot be trusted" in refused(desk.open(server.url), desk, GiveUp)


@pytest.mark.row("S47")
@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("no certificate", "is not a file of PEM")])
def test_a_ca_bundle_that_is_none_is_said_before_anything_is_asked(
    desk: Desk, tmp_path: Path, content: str | None, words: str
) -> None:
    bundle = tmp_path / "company.pem"
    if content:
        bundle.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        desk.open("https://plant.invalid", ca_bundle=str(bundle))


# --- slow and broken bodies -------------------------------------------------------------------------------------------

# A gzip head that announces a file name, which goes on until a zero byte comes.
GZIP_NAME = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.row("R33")
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD, b"X: y\r\n"),
        (b"", b"H"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n" + GZIP_NAME, b"n"),
        (b"", b""),
    ],
    ids=["chunks", "body", "headers", "status line", "gzip that gives nothing", "silence"],
)
def test_bytes_that_trickle_end_at_the_deadline(desk: Desk, start: bytes, piece: bytes) -> None:
    with RawServer(lambda conn: trickle(conn, start, piece)) as server:
        clock = SystemClock()
        began = clock.monotonic()
        text = refused(desk.open(server.url, clock=clock, deadline="1 second"), desk, TryLater)
        assert clock.monotonic() - began < 5
    assert "no whole answer in 1 s (network.deadline)" in text


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


@pytest.mark.row("R35")
def test_the_quoted_start_of_an_answer_holds_no_key(desk: Desk) -> None:
    def answer(conn: socket.socket) -> None:
        while request := read_request(conn):
            send_json(conn, b"oops " + request)

    with RawServer(answer) as server:
        text = refused(desk.open(server.url), desk, BadResponse)
    assert "***" in text
    assert "\n" not in text


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
@pytest.mark.skipif(sys.platform == "win32", reason="resource is POSIX")
def test_a_bomb_costs_less_than_300_mb_of_memory(tmp_path: Path, sim: Simulator) -> None:
    sim.faults({"kind": "gzip_bomb", "megabytes": 500})
    code = (
        "import sys, resource; from pathlib import Path; from mmflow.api import Api; from mmflow.hosts import Host\n"
        "from mmflow.refs import Secret; from mmflow.settings import Network; from mmflow.clock import SystemClock\n"
        "from mmflow.answers import check_grouped; from mmflow.errors import BadResponse\n"
        "api = Api(Host(sys.argv[1], Secret(sys.argv[2])), Network(max_answer_mb=64), SystemClock())\n"
        "try: api.post('/reports/production', {}, sink=Path(sys.argv[3]), check=check_grouped)\n"
        "except BadResponse: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
        "api.close()"
    )
    command = [sys.executable, "-c", code, sim.url, KEY, str(tmp_path / "answer.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300
    assert list(tmp_path.iterdir()) == []


@given(data=st.binary(max_size=3000), sizes=st.lists(st.integers(1, 400), min_size=1), repeat=st.integers(1, 600))
@settings(deadline=None, max_examples=40)
def test_gzip_is_unpacked_whatever_its_pieces(data: bytes, sizes: list[int], repeat: int) -> None:
    packed = gzip.compress(data * repeat)
    pieces = list(unpack_body(response_of(packed, sizes)))
    assert b"".join(pieces) == data * repeat
    assert all(len(piece) <= CHUNK_BYTES for piece in pieces)


@given(cut=st.integers(1, 60))
@settings(deadline=None, max_examples=30)
def test_gzip_without_its_end_is_no_answer(cut: int) -> None:
    packed = gzip.compress(Random(cut).randbytes(100))
    with pytest.raises(NotAnAnswer, match="gzip") as caught:
        list(unpack_body(response_of(packed[:-cut], [7])))
    assert caught.value.cut


def test_packing_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(NotAnAnswer, match="packed as 'br'"):
        list(unpack_body(httpx.Response(200, headers={"content-encoding": "br"}, stream=Pieces([b"x"]))))


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
    assert words in refused(desk.open(sim.url, key_name=name), desk, GiveUp)
    assert len(sim.requests) == 1
    assert desk.said == []


@pytest.mark.row("R44")
def test_a_key_of_another_scope_is_told_which_it_needs(sim: Simulator, desk: Desk) -> None:
    assert "give it the scope 'reporting'" in refused(desk.open(sim.url, "key-erp"), desk, GiveUp)


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


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"404 Not Found\r\n\r\n<pre>Cannot POST /reports/production</pre>", "answered 404: nothing is there to ask"),
        (b'400 Bad Request\r\n\r\n{"message":"Problem parsing JSON"}', "it said: Problem parsing JSON"),
        (b"418 Teapot\r\n\r\nshort and stout", "the service refused the request (it said: short and stout)"),
        (b"204 No Content\r\n\r\n", "answered 204, expected 200 with a report"),
    ],
)
def test_other_refusals_are_explained_and_not_repeated(desk: Desk, reply: bytes, words: str) -> None:
    def answer(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 " + reply.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with RawServer(answer) as server:
        assert words in refused(desk.open(server.url), desk, GiveUp)
        assert len(server.connections) == 1


@pytest.mark.row("S45")
@pytest.mark.parametrize("key", ["abc\ndef", "abc def", "schlüssel-1", "", "abc\r\nX-Evil: 1", "key\x00"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(desk: Desk, key: str) -> None:
    with pytest.raises(UserError) as caught:
        desk.open("https://plant.invalid", key)
    assert "the key" in str(caught.value)
    assert not key or key not in str(caught.value)


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("S46")
@pytest.mark.parametrize("source", ["settings", "environment"])
@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (b"407 Proxy Authentication Required", GiveUp, "the proxy on the way to https://plant.invalid refused: 407"),
        (b"502 Bad Gateway", TryLater, "cannot be reached: 502"),
    ],
)
def test_a_proxy_carries_the_request_and_sees_no_key(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, source: str, reply: bytes, kind: type[Exception], words: str
) -> None:
    def answer(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 " + reply + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with RawServer(answer) as proxy:
        address = proxy.url.replace("http://", "http://user:pass%20word@")
        monkeypatch.setenv("https_proxy", address if source == "environment" else "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "")
        api = desk.open("https://plant.invalid", proxy=address if source == "settings" else "")
        text = refused(api, desk, kind)
    assert words in text
    assert "pass word" not in text
    assert proxy.received.startswith(b"CONNECT plant.invalid:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=" in proxy.received
    assert KEY.encode() not in proxy.received


@pytest.mark.row("S46")
def test_this_machine_is_reached_without_a_proxy(sim: Simulator, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    desk.ask(desk.open(sim.url, proxy="http://127.0.0.1:9"))


def test_a_proxy_of_another_kind_is_refused(desk: Desk) -> None:
    with pytest.raises(UserError, match=r"like http://proxy\.example\.com:3128"):
        desk.open("https://plant.invalid", proxy="socks5://127.0.0.1:9")


# --- the end ----------------------------------------------------------------------------------------------------------


def test_closing_ends_what_another_thread_is_waiting_for(desk: Desk) -> None:
    reached, errors = threading.Event(), []

    def hang(conn: socket.socket) -> None:
        read_request(conn)
        reached.set()
        conn.recv(1)

    with RawServer(hang) as server:
        api = desk.open(server.url, clock=SystemClock())

        def ask() -> None:
            try:
                desk.ask(api)
            except GiveUp as error:
                errors.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        assert reached.wait(10)
        api.close()
        thread.join(10)
    assert errors == [f"asking {server.url} was stopped"]


# --- small servers ----------------------------------------------------------------------------------------------------


class RawServer:
    """A TCP server whose answers are written by hand; closes everything at the end."""

    def __init__(
        self, answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None, scheme: str = ""
    ) -> None:
        self.answer = answer
        self.context = context
        self.connections: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme or ('https' if context else 'http')}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.taken: list[bytes] = []

    @property
    def received(self) -> bytes:
        """What came in, before any TLS of ours."""
        return b"".join(self.taken)

    def __enter__(self) -> Self:
        self.threads.append(threading.Thread(target=self.accept))
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.connections:
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for conn in self.connections:
            conn.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                thread = threading.Thread(target=self.serve, args=(conn,))
                self.connections.append(conn)
                self.threads.append(thread)
                thread.start()

    def serve(self, conn: socket.socket) -> None:
        """Answer one connection until it breaks, and close it."""
        with suppress(OSError, ssl.SSLError, threading.BrokenBarrierError):
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
                self.connections.append(conn)
            wrapped = Recording(conn, self.taken)
            self.answer(wrapped)  # type: ignore[arg-type]
        with suppress(OSError):
            conn.shutdown(socket.SHUT_RDWR)
        conn.close()


class Recording:
    """A socket that keeps what it received."""

    def __init__(self, conn: socket.socket, taken: list[bytes]) -> None:
        self.conn = conn
        self.taken = taken

    def recv(self, size: int) -> bytes:
        data = self.conn.recv(size)
        self.taken.append(data)
        return data

    def sendall(self, data: bytes) -> None:
        self.conn.sendall(data)

    def settimeout(self, seconds: float) -> None:
        self.conn.settimeout(seconds)


def read_request(conn: socket.socket) -> bytes:
    """Read one request with its body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def send_json(conn: socket.socket, body: bytes) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def trickle(conn: socket.socket, start: bytes, piece: bytes) -> None:
    """Send a start, then a piece every 50 ms until the client hangs up."""
    read_request(conn)
    conn.sendall(start)
    conn.settimeout(0.05)
    while True:
        try:
            if not conn.recv(1):
                return
        except TimeoutError:
            conn.sendall(piece)


class Pieces(httpx.SyncByteStream):
    """A body that comes in given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces


def response_of(packed: bytes, sizes: list[int]) -> httpx.Response:
    """An answer packed by gzip, cut into pieces of the given sizes in turn."""
    pieces, at, turn = [], 0, 0
    while at < len(packed):
        pieces.append(packed[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces(pieces))


def sink_of(desk: Desk, place: int) -> dict[str, object]:
    return {"sink": desk.sink.with_name(f"{place}.json"), "check": check_grouped}


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
