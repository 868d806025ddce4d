"""A table, deliveries of it as the engine makes them, and servers that take mail."""

import ssl

import pytest
import trustme

from mmflow.clock import FixedClock
from mmflow.options import convert_values
from mmflow.table import make_table
from mmflow.testing.deliveries import DOWN, MACHINE, PARTS, make_run
from mmflow_email import EmailConnection, EmailOptions
from mmflow_email.testing import FakeGraph, MailServer


@pytest.fixture
def table(tmp_path):
    """Make a table of machines with their parts and down time."""

    def make(rows=(("Haas 1", 100, 12.5), ("Mazak, 2", None, 0.0)), columns=(MACHINE, PARTS, DOWN), **more):
        return make_table(rows, columns=columns, path=tmp_path / "snapshot.parquet", **more)

    return make


@pytest.fixture
def options():
    """Give options as a job writes them."""

    def make(**written):
        return convert_values(
            {"to": ["ann@example.com", "bob@example.com"], "template": "table"} | written, EmailOptions
        )

    return make


@pytest.fixture
def server():
    """A mail server on this machine."""
    with MailServer() as server:
        yield server


@pytest.fixture
def graph():
    """Microsoft Graph on this machine."""
    with FakeGraph() as graph:
        yield graph


@pytest.fixture
def make_connection():
    """Give a connection as mmflow.yaml holds it, once its references are resolved."""

    def make(port=0, **written):
        given = {"from": "Reports <reports@example.com>", "host": "127.0.0.1", "port": port, "security": "none"}
        return convert_values(given | written, EmailConnection, strict=False)

    return make


@pytest.fixture
def run(tmp_path, server, make_connection):
    """Give a delivery through the mail server; its clock stands at the due time unless it is given."""

    def make(**changes):
        made = make_run(tmp_path, **{"connection": make_connection(server.port)} | changes)
        if "clock" not in changes:
            object.__setattr__(made, "clock", FixedClock(made.slot))
        return made

    return make


@pytest.fixture(scope="session")
def authority():
    """A certificate authority of nobody's."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusted(authority):
    """A server's certificate for this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority, tmp_path):
    """The company's CA as a file."""
    path = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def through(run, make_connection):
    """Give a delivery through another server than the usual one."""

    def make(server, **written):
        return run(connection=make_connection(server.port, **written))

    return make
