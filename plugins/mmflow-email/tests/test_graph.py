"""Microsoft Graph gets the documented requests, and what it answers is told in words."""

import httpx
import pytest

from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.sinks import Partial
from mmflow_email.deliver import check_email, deliver_email, probe_email
from mmflow_email.testing.graph import Answer, refuse_login


@pytest.fixture
def through(run, graph, make_connection):
    """Give a delivery through Graph."""

    def make(written=None, **changes):
        keys = {
            "transport": "graph",
            "tenant": graph.tenant,
            "client_id": graph.client_id,
            "client_secret": graph.client_secret,
            "base_url": graph.url,
            "login_url": graph.url,
        }
        connection = make_connection(1, **keys | (written or {}))
        return run(connection=connection, open_http=lambda: httpx.Client(trust_env=False), **changes)

    return make


def test_mail_is_handed_over_in_mime_by_the_documented_requests(table, options, through, graph):
    receipt = deliver_email(table(), options(cc="cid@example.com"), through())
    (mail,) = graph.mails
    assert graph.requests == [
        "/example.onmicrosoft.com/oauth2/v2.0/token",
        "/v1.0/users/reports@example.com/sendMail",
    ]
    assert mail.recipients == ["ann@example.com", "bob@example.com", "cid@example.com"]
    assert mail.message["Message-ID"] == receipt.details["message_id"]
    assert mail.message.get_body(("html",)).get_content()
    assert receipt.details["sent"] == 3


def test_hidden_recipients_are_in_the_header_that_exchange_takes_out(table, options, through, graph):
    deliver_email(table(), options(bcc=["dot@example.com", "eve@example.com"]), through())
    assert str(graph.mails[0].message["Bcc"]) == "dot@example.com, eve@example.com"


def test_sender_may_be_another_mailbox_than_from(table, options, through, graph):
    graph.mailboxes = ("shared@example.com",)
    deliver_email(table(), options(), through({"sender": "shared@example.com"}))
    assert graph.mails[0].user == "shared@example.com"


def test_same_delivery_again_sends_nothing(table, options, through, graph):
    first = deliver_email(table(), options(), through())
    assert deliver_email(table(), options(), through(fence=2)) == first
    assert len(graph.mails) == 1


@pytest.mark.row("R62")
def test_token_that_ran_out_is_fetched_anew_once(table, options, through, graph):
    graph.revoked.add("token-1")
    deliver_email(table(), options(), through())
    assert graph.tokens == ["token-1", "token-2"]
    assert len(graph.mails) == 1
    graph.revoked |= {"token-3", "token-4"}
    with pytest.raises(GiveUp, match="the token was refused, also a new one"):
        deliver_email(table(), options(), through(generation=2))
    assert len(graph.mails) == 1


@pytest.mark.row("R62")
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"client_secret": "wrong-4711"}, "the client secret is wrong; give its value, not its ID"),
        ({"client_id": "other"}, "no application with this client_id"),
        ({"tenant": "other.example"}, "there is no such tenant"),
    ],
)
def test_login_that_fails_is_told_in_words(written, said, table, options, through, graph):
    with pytest.raises(GiveUp, match=said) as refused:
        deliver_email(table(), options(), through(written))
    assert "4711" not in str(refused.value)
    assert graph.mails == []


def test_consent_that_is_missing_is_told(table, options, through, graph):
    graph.token_answers.append(refuse_login(65001, "The user or administrator has not consented."))
    with pytest.raises(GiveUp, match="an administrator has to consent"):
        deliver_email(table(), options(), through())
    error = {"error": {"code": "ErrorAccessDenied", "message": "Access is denied."}}
    graph.send_answers.append(Answer(403, error))
    with pytest.raises(GiveUp, match=r"may not send as reports@example.com; grant it .*Mail\.Send.*ErrorAccessDenied"):
        deliver_email(table(), options(), through(fence=2))


def test_mailbox_that_is_unknown_is_told(table, options, through):
    with pytest.raises(GiveUp, match=r"there is no mailbox nobody@example.com; check sender"):
        deliver_email(table(), options(), through({"sender": "nobody@example.com"}))


@pytest.mark.parametrize("status", [408, 429, 503])
def test_busy_service_is_later_as_it_says(status, table, options, through, graph):
    graph.send_answers.append(Answer(status, None, (("Retry-After", "17"),)))
    with pytest.raises(TryLater, match=f"busy .HTTP {status}") as later:
        deliver_email(table(), options(on_unknown="hold"), through())
    assert later.value.after == 17
    deliver_email(table(), options(on_unknown="hold"), through(fence=2))
    assert len(graph.mails) == 1


def test_redirect_is_not_followed(table, options, through, graph):
    graph.send_answers.append(Answer(302, None, (("Location", "https://example.org/"),)))
    with pytest.raises(GiveUp, match=r"the request was refused .HTTP 302"):
        deliver_email(table(), options(), through())
    assert len(graph.requests) == 2


def test_busy_login_is_later(table, options, through, graph):
    graph.token_answers.append(Answer(503, None, (("Retry-After", "Sun, 22 Nov 2026 11:00:20 GMT"),)))
    with pytest.raises(TryLater, match=r"the login at .* is busy"):
        deliver_email(table(), options(), through())


@pytest.mark.row("R60")
@pytest.mark.parametrize("status", [0, 502])
def test_mail_whose_answer_was_lost_is_unknown(status, table, options, through, graph):
    graph.send_answers.append(Answer(status))
    hold = options(on_unknown="hold")
    with pytest.raises(Unknown, match=r"ann@example.com, bob@example.com: "):
        deliver_email(table(), hold, through())
    assert probe_email(hold, through(fence=2)) == "unknown"
    deliver_email(table(), options(), through(generation=2))


@pytest.mark.row("R61")
def test_mail_that_is_too_large_for_graph_goes_without_files(table, options, through, graph, tmp_path):
    path = tmp_path / "big.xlsx"
    path.write_bytes(bytes(2_500_000))
    deliver_email(table(), options(attach=["excel"]), through(attachments={"excel": (path,)}))
    (mail,) = graph.mails
    assert list(mail.message.iter_attachments()) == []
    assert "more than 3: big.xlsx" in " ".join(mail.message.get_body(("plain",)).get_content().split())
    path.write_bytes(bytes(100))
    graph.send_answers.append(Answer(413))
    deliver_email(table(), options(attach=["excel"]), through(generation=2, attachments={"excel": (path,)}))
    assert "HTTP 413" in graph.mails[1].message.get_body(("plain",)).get_content()


def test_service_that_is_not_there_is_later(table, options, through, graph):
    graph.server.server_close()
    with pytest.raises(TryLater, match="cannot be reached"):
        deliver_email(table(), options(), through())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"tenant": "", "client_id": ""}, "graph needs tenant, client_id"),
        ({"base_url": "http://graph.example.com"}, "expected an address that begins with https://"),
        ({"base_url": "https://"}, "expected an address that begins with https://"),
        ({"login_url": "https://[::1"}, "expected an address that begins with https://"),
        ({"sender": "nobody"}, "sender: 'nobody' is no mail address"),
    ],
)
def test_connection_that_cannot_be_used_is_told(written, said, table, options, through, graph):
    with pytest.raises(GiveUp, match=said):
        deliver_email(table(), options(), through(written))
    assert graph.requests == []


def test_check_fetches_a_token_and_sends_nothing(options, through, graph):
    check_email(options(), through())
    assert graph.requests == ["/example.onmicrosoft.com/oauth2/v2.0/token"]
    with pytest.raises(GiveUp, match="the client secret is wrong"):
        check_email(options(), through({"client_secret": "wrong"}))


def test_mail_that_a_mail_server_gave_to_some_is_not_sent_to_all_by_graph(table, options, run, through, graph, server):
    server.answer("RCPT bob@example.com", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    with pytest.raises(Partial, match=r"ann@example.com got this mail by a mail server") as part:
        deliver_email(table(), options(), through(fence=2))
    assert (part.value.retry, graph.mails) == ((), [])
