"""How a connection logs in: by a password or a token, only where it is safe, and without showing either."""

from dataclasses import replace

import httpx
import pytest

from mmflow.errors import GiveUp, TryLater
from mmflow_email.deliver import deliver_email
from mmflow_email.testing import MailServer

LOGIN = ("reports", "geheim-ä-4711")


@pytest.mark.row("R62")
def test_wrong_password_gives_up_without_showing_it(table, options, through, trusted, bundle):
    with MailServer(starttls=trusted, login=LOGIN) as server:
        keys = {"security": "starttls", "ca_bundle": bundle, "username": "reports", "password": "wrong-4711"}
        with pytest.raises(GiveUp, match="does not accept the login of reports: 535") as refused:
            deliver_email(table(), options(), through(server, **keys))
    assert "4711" not in str(refused.value)
    assert server.mails == []


@pytest.mark.row("R62")
@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ("454 4.7.0 try again", TryLater, "454 4.7.0 try again"),
        ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", GiveUp, "transport: graph"),
    ],
)
def test_answers_to_a_login(answer, error, said, table, options, through, trusted, bundle):
    with MailServer(starttls=trusted, login=LOGIN) as server:
        server.answer("AUTH", answer)
        keys = {"security": "starttls", "ca_bundle": bundle, "username": LOGIN[0], "password": LOGIN[1]}
        with pytest.raises(error, match=said):
            deliver_email(table(), options(), through(server, **keys))


def test_login_that_the_server_does_not_offer_is_told(table, options, through, trusted, bundle):
    with MailServer(starttls=trusted) as server:
        server.answer_always("EHLO", "250-here\r\n250 STARTTLS")
        keys = {"security": "starttls", "ca_bundle": bundle, "username": LOGIN[0], "password": LOGIN[1]}
        with pytest.raises(GiveUp, match="offers no login by password"):
            deliver_email(table(), options(), through(server, **keys))


@pytest.mark.parametrize("without", ["PLAIN", "LOGIN"])
def test_login_works_in_both_ways(without, table, options, through, trusted, bundle):
    with MailServer(starttls=trusted, login=LOGIN, without=(without,)) as server:
        keys = {"security": "starttls", "ca_bundle": bundle, "username": LOGIN[0], "password": LOGIN[1]}
        deliver_email(table(), options(), through(server, **keys))
    assert server.logins == [LOGIN]


@pytest.fixture
def exchange(graph, trusted):
    """A mail server that takes tokens of Microsoft."""
    with MailServer(starttls=trusted, knows=graph.knows) as server:
        yield server


@pytest.fixture
def by_token(exchange, graph, bundle, through):
    """Give a delivery with a login by token."""
    keys = {
        "security": "starttls",
        "ca_bundle": bundle,
        "login": "xoauth2",
        "username": "reports@example.com",
        "tenant": graph.tenant,
        "client_id": graph.client_id,
        "client_secret": graph.client_secret,
        "login_url": graph.url,
    }

    def make(generation=1, **written):
        made = through(exchange, **keys | written)
        return replace(made, open_http=lambda: httpx.Client(trust_env=False), generation=generation)

    return make


@pytest.mark.row("R62")
def test_login_by_token(table, options, exchange, graph, by_token):
    deliver_email(table(), options(), by_token())
    assert len(exchange.mails) == 1
    assert graph.tokens == ["token-1"]


@pytest.mark.row("R62")
def test_token_that_ran_out_is_fetched_anew_once(table, options, exchange, graph, by_token):
    graph.revoked.add("token-1")
    deliver_email(table(), options(), by_token())
    assert (len(exchange.mails), graph.tokens) == (1, ["token-1", "token-2"])
    graph.revoked |= {"token-3", "token-4"}
    with pytest.raises(GiveUp, match=r"does not accept the login of reports@example.com: 535") as refused:
        deliver_email(table(), options(), by_token(generation=2))
    assert "token" not in str(refused.value)
    assert (len(exchange.mails), len(graph.tokens)) == (1, 4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_secret": "wrong"}, "the client secret is wrong"),
        ({"username": ""}, "username: xoauth2 needs it"),
        ({"tenant": ""}, "xoauth2 needs tenant"),
        ({"login_url": "http://login.example.com"}, "login_url: found 'http://login.example.com', expected"),
        ({"security": "cleartext"}, "would show the password"),
    ],
)
def test_login_by_token_that_cannot_be(changes, said, table, options, exchange, by_token):
    with pytest.raises(GiveUp, match=said):
        deliver_email(table(), options(), by_token(**changes))
    assert exchange.mails == []
