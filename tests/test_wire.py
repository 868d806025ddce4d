"""Connections: certificates, proxies, bytes that trickle, and the end of it all."""

import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore
import pytest
import trustme

from mmflow.api.wire import Timer
from mmflow.clock import FixedClock, SystemClock
from mmflow.errors import GiveUp, TryLater, UserError
from tests.api_desk import KEY, Desk, refused
from tests.raw_server import RawServer, read_request, send_json, trickle


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with made.stack:
        yield made
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


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


def test_a_connection_that_breaks_while_hands_are_shaken_is_worth_another_try(desk: Desk) -> None:
    """It says nothing about the certificate."""
    with RawServer(lambda conn: conn.recv(4096), scheme="https") as server:
        text = refused(desk.open(server.url), desk, TryLater)
        assert len(server.connections) == 6
    assert "cannot be reached: " in text


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


# --- trickling bytes -------------------------------------------------------------------------------------------------

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
        assert clock.monotonic() - began < 60  # and not the days that so many bytes would take
    assert "no whole answer in 1 s (network.deadline)" in text


@pytest.mark.row("R33")
def test_time_runs_out_for_one_thread_and_not_for_another() -> None:
    clock = FixedClock(datetime(2026, 11, 20, tzinfo=UTC))
    timer, others = Timer(clock), []
    timer.end = 5
    assert (timer.clip(2), timer.clip(60), timer.clip(None)) == (2, 5, 5)
    clock.sleep(5)
    with pytest.raises(httpcore.ReadTimeout):
        timer.clip(60)
    thread = threading.Thread(target=lambda: others.append(timer.clip(60)))
    thread.start()
    thread.join()
    assert others == [60]


@pytest.mark.row("R31")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_a_host_that_never_takes_the_connection_is_left_after_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmflow.api.client.CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        port = full.getsockname()[1]
        with suppress(TimeoutError):
            for _ in range(100):
                waiting.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.05))
        began = time.monotonic()
        text = refused(desk.open(f"http://127.0.0.1:{port}"), desk, TryLater)
        assert 6 * 0.05 <= time.monotonic() - began < 60
    assert f"http://127.0.0.1:{port} cannot be reached: timed out; gave up after 6 tries in " in text


@pytest.mark.row("R33")
def test_a_connection_that_died_without_a_word_leaves_time_for_another_try(desk: Desk) -> None:
    """Half of the deadline is spent on silence, and the second request is answered."""
    asked: list[bytes] = []

    def answer(conn: socket.socket) -> None:
        asked.append(read_request(conn))
        if len(asked) == 1:
            conn.recv(1)
        send_json(conn, b'{"items":[]}')

    with RawServer(answer) as server:
        assert desk.ask(desk.open(server.url, clock=SystemClock(), deadline="2 seconds")) == b'{"items":[]}'
    assert len(asked) == 2


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("S46")
@pytest.mark.parametrize("source", ["settings", "environment"])
@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (b"407 Proxy Authentication Required", GiveUp, "the proxy on the way to https://plant.invalid refused: 407"),
        (b"502 Bad Gateway", TryLater, "plant.invalid cannot be reached by way of the proxy 127.0.0.1:"),
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
def test_a_proxy_that_is_down_is_named(desk: Desk) -> None:
    api = desk.open("https://plant.invalid", proxy="http://user:pass@127.0.0.1:9")
    text = refused(api, desk, TryLater)
    assert "https://plant.invalid cannot be reached by way of the proxy 127.0.0.1:9: " in text
    assert "pass" not in text


@pytest.mark.row("S46")
def test_this_machine_is_reached_without_a_proxy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with RawServer(serve_empty) as server:
        desk.ask(desk.open(server.url, proxy="http://127.0.0.1:9"))


@pytest.mark.row("S46")
@pytest.mark.parametrize("source", ["settings", "environment"])
def test_no_proxy_is_an_exception_to_the_proxy_of_the_environment_alone(
    desk: Desk, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    bundle = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **more: look_up("127.0.0.1", *rest, **more))

    def refuse(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 407 Authenticate\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with (
        RawServer(serve_empty, tls_context(authority.issue_cert("plant.example"))) as server,
        RawServer(refuse) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "localhost,plant.example")
        url = server.url.replace("127.0.0.1", "plant.example")
        api = desk.open(url, ca_bundle=str(bundle), proxy=proxy.url if source == "settings" else "")
        if source == "settings":
            assert "the proxy on the way" in refused(api, desk, GiveUp)
            assert server.connections == []
        else:
            assert desk.ask(api) == b'{"items":[]}'
            assert proxy.connections == []


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
        assert not thread.is_alive()
    assert errors == [f"asking {server.url} was stopped"]
    assert desk.said == []


def test_closing_ends_a_wait_that_the_service_asked_for(desk: Desk) -> None:
    """It may be an hour, and nobody should have to wait for the end of it to stop a run."""
    waiting, errors = threading.Event(), []

    def refuse(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")
        conn.recv(1)

    with RawServer(refuse) as server:
        clock = Watched(waiting)
        api = desk.open(server.url, clock=clock)

        def ask() -> None:
            try:
                desk.ask(api)
            except GiveUp as error:
                errors.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        assert waiting.wait(10)
        api.close()
        clock.going.set()
        thread.join(10)
        assert not thread.is_alive()
    assert errors == [f"asking {server.url} was stopped"]
    assert clock.slept <= 0.5


class Watched(FixedClock):
    """A clock that says when somebody begins to wait, and holds the first of them until the test goes on."""

    def __init__(self, waiting: threading.Event) -> None:
        super().__init__(datetime(2026, 11, 20, tzinfo=UTC))
        self.waiting, self.going, self.slept = waiting, threading.Event(), 0.0

    def sleep(self, seconds: float) -> None:
        """Note the wait, and let the time pass at once."""
        self.slept += seconds
        self.waiting.set()
        assert self.going.wait(10)
        super().sleep(seconds)
