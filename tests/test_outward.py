"""The way to the network that sinks get: proxy, certificates, no redirects, this machine directly."""

import socket
import ssl

import httpx
import pytest
import trustme

from mmflow import __version__
from mmflow.api.outward import open_client
from mmflow.errors import UserError
from mmflow.settings import Network
from tests.raw_server import RawServer, read_request

NOBODY = "http://127.0.0.1:9"  # nothing listens there


def answer(head, body=b"fine"):
    """Give what answers every request of a connection alike."""

    def serve(conn):
        while read_request(conn):
            conn.sendall(b"HTTP/1.1 " + head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return serve


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("source", ["settings", "name and port", "environment"])
def test_requests_of_sinks_go_by_the_proxy(source, monkeypatch):
    with RawServer(answer(b"200 OK")) as proxy:
        address = proxy.url.replace("http://", "http://user:pass%20word@")
        written = {"settings": address, "name and port": proxy.url.removeprefix("http://"), "environment": ""}[source]
        monkeypatch.setenv("http_proxy", address if source == "environment" else NOBODY)
        with open_client(Network(proxy=written)) as client:
            assert client.get("http://plant.invalid/x").text == "fine"
    assert proxy.received.startswith(b"GET http://plant.invalid/x HTTP/1.1\r\n")
    assert (b"Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=" in proxy.received) == (source != "name and port")
    assert f"mmflow/{__version__}".encode() in proxy.received


def test_the_proxy_sees_nothing_of_what_goes_to_https():
    with (
        RawServer(answer(b"403 No", b"")) as proxy,
        open_client(Network(proxy=proxy.url)) as client,
        pytest.raises(httpx.ProxyError),
    ):
        client.get("https://plant.invalid/secret", headers={"Authorization": "s3cret"})
    assert proxy.received.startswith(b"CONNECT plant.invalid:443 HTTP/1.1\r\n")
    assert b"s3cret" not in proxy.received
    assert b"/secret" not in proxy.received


@pytest.mark.parametrize("source", ["settings", "environment"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached_without_the_proxy(host, source, monkeypatch):
    if source == "environment":
        monkeypatch.setenv("all_proxy", NOBODY)
    network = Network(proxy=NOBODY if source == "settings" else "")
    with RawServer(answer(b"200 OK")) as server, open_client(network) as client:
        assert client.get(server.url.replace("127.0.0.1", host)).text == "fine"


def test_a_redirect_is_given_back_and_not_followed():
    with RawServer(answer(b"302 Found\r\nLocation: http://127.0.0.1:9/")) as server, open_client(Network()) as client:
        assert client.get(server.url).status_code == 302
        assert len(server.connections) == 1


def test_the_company_authority_is_trusted_when_its_file_is_given(tmp_path):
    authority, bundle = trustme.CA(), tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with RawServer(answer(b"200 OK"), context) as server:
        with open_client(Network(ca_bundle=str(bundle))) as client:
            assert client.get(server.url).text == "fine"
        with open_client(Network()) as client, pytest.raises(httpx.ConnectError, match="local issuer certificate"):
            client.get(server.url)


def test_a_file_that_holds_no_certificates_is_named(tmp_path):
    bundle = tmp_path / "company.pem"
    bundle.write_text("no certificate")
    with pytest.raises(UserError, match=r"network\.ca_bundle: .* is not a file of PEM certificates"):
        open_client(Network(ca_bundle=str(bundle)))


def test_waits_end():
    with open_client(Network()) as client:
        assert (client.timeout.connect, client.timeout.read) == (10.0, 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, open_client(Network()) as client:
        client.timeout = httpx.Timeout(0.05)
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"http://127.0.0.1:{silent.getsockname()[1]}")
