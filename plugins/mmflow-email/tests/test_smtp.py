"""The way to the mail server: protected or not taken at all, and what is in the way told in words."""

import socket
import ssl
from contextlib import suppress
from hashlib import sha256
from threading import Event, Thread
from time import sleep
from types import SimpleNamespace

import pytest

from mmflow.errors import GiveUp, RunError, TryLater, Unknown
from mmflow.sinks import Partial
from mmflow_email.deadline import Deadline
from mmflow_email.deliver import check_email, deliver_email
from mmflow_email.testing import MailServer

LOGIN = ("reports", "geheim-ä-4711")


@pytest.mark.row("R62", "S41")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_mail_goes_through_starttls_with_the_company_ca_and_a_login(host, table, options, through, trusted, bundle):
    with MailServer(starttls=trusted, login=LOGIN) as server:
        keys = {"host": host, "security": "starttls", "ca_bundle": bundle}
        deliver_email(table(), options(), through(server, username=LOGIN[0], password=LOGIN[1], **keys))
    assert len(server.mails) == 1
    assert server.logins == [LOGIN]
    assert server.seen.index("STARTTLS") < server.seen.index("AUTH") < server.seen.index("MAIL")


@pytest.mark.row("S41")
def test_mail_goes_through_tls_with_a_login(table, options, through, trusted, bundle):
    with MailServer(tls=trusted, login=LOGIN) as server:
        keys = {"security": "tls", "ca_bundle": bundle, "username": LOGIN[0], "password": LOGIN[1]}
        deliver_email(table(), options(), through(server, **keys))
    assert len(server.mails) == 1


@pytest.mark.row("R62", "S41")
def test_stripped_starttls_ends_before_login_and_mail(table, options, through):
    with MailServer() as server:
        keys = {"security": "starttls", "username": LOGIN[0], "password": LOGIN[1]}
        with pytest.raises(GiveUp, match="does not offer STARTTLS, or somebody on the way took the offer out"):
            deliver_email(table(), options(), through(server, **keys))
    assert set(server.seen) <= {"CONNECT", "EHLO", "QUIT"}
    assert server.mails == []


@pytest.mark.row("R62", "S41")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_certificate_of_a_stranger_is_not_trusted(security, table, options, through, trusted):
    kind = {"starttls" if security == "starttls" else "tls": trusted}
    with MailServer(**kind) as server:
        keys = {"security": security, "username": LOGIN[0], "password": LOGIN[1]}
        with pytest.raises(GiveUp, match=r"the certificate of mail server 127.0.0.1:\d+ cannot be trusted"):
            deliver_email(table(), options(), through(server, **keys))
    assert "AUTH" not in server.seen
    assert server.mails == []


@pytest.mark.row("S41")
def test_certificate_for_another_name_is_not_trusted(table, options, through, authority, bundle):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.org").configure_cert(context)
    with MailServer(tls=context) as server, pytest.raises(GiveUp, match="cannot be trusted"):
        deliver_email(table(), options(), through(server, security="tls", ca_bundle=bundle))


@pytest.mark.row("S41")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_below_1_2_is_not_spoken(table, options, through, authority, bundle):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with MailServer(starttls=context) as server, pytest.raises(RunError):
        deliver_email(table(), options(), through(server, security="starttls", ca_bundle=bundle))
    assert server.mails == []


def test_tls_on_the_port_of_starttls_is_told(table, options, through, bundle):
    with MailServer() as server, pytest.raises(GiveUp, match="check port and security"):
        deliver_email(table(), options(), through(server, security="tls", ca_bundle=bundle))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"host": ""}, "host: is missing"),
        ({"host": "smtp..example.com", "security": "tls"}, "cannot be the name of a server"),
        ({"host": "mail.example.com"}, "security: none is for a server on this machine"),
        ({"username": "reports"}, "a login needs both username and password"),
        ({"username": "reports", "password": "x"}, "would show the password"),
        ({"security": "cleartext", "username": "reports", "password": "x"}, "would show the password"),
        ({"from": "reports"}, "from: 'reports' is no mail address"),
        ({"timeout": "soon"}, "timeout: expected a whole number"),
        ({"security": "starttls", "ca_bundle": "nowhere.pem"}, "ca_bundle: .*nowhere.pem cannot be read"),
    ],
)
@pytest.mark.row("S41")
def test_connection_that_cannot_be_used_is_told_before_anything_is_opened(
    keys, said, table, options, run, make_connection, server
):
    with pytest.raises(GiveUp, match=said):
        deliver_email(table(), options(), run(connection=make_connection(server.port, **keys)))
    assert server.seen == []


def test_relay_without_tls_needs_a_word_of_its_own(table, options, through, server):
    deliver_email(table(), options(), through(server, security="cleartext"))
    assert len(server.mails) == 1


def test_server_that_is_not_there_is_later(table, options, run, make_connection):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        connection = make_connection(taken.getsockname()[1])
        with pytest.raises(TryLater, match=r"cannot be reached .*; check the network"):
            deliver_email(table(), options(), run(connection=connection))


def test_server_that_says_nothing_is_later(table, options, run, make_connection):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        connection = make_connection(mute.getsockname()[1], timeout="1 second")
        with pytest.raises(TryLater):
            deliver_email(table(), options(), run(connection=connection))


def drip(listening, first):
    """Answer with these bytes, and then one more every now and then, for as long as somebody listens."""
    with suppress(OSError):
        peer, _ = listening.accept()
        with peer:
            peer.sendall(first)
            while True:
                peer.sendall(b"x")
                sleep(0.05)


@pytest.mark.row("R58")
@pytest.mark.parametrize("first", [b"220 ", b"220-more\r\n220-", b"220 ready\r\n250-"])
def test_server_that_answers_byte_by_byte_is_left_when_the_session_takes_too_long(
    first, table, options, run, make_connection
):
    with socket.create_server(("127.0.0.1", 0)) as slow:
        dripping = Thread(target=drip, args=(slow, first))
        dripping.start()
        connection = make_connection(slow.getsockname()[1], session_timeout="1 second")
        with pytest.raises(TryLater, match=r"took longer than 1 second, and was left; nothing was sent"):
            deliver_email(table(), options(), run(connection=connection))
        dripping.join(10)
        assert not dripping.is_alive()


@pytest.mark.row("R58", "R60")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_session_that_takes_too_long_at_the_end_of_the_mail_leaves_it_unknown(
    security, table, options, through, trusted, bundle
):
    begun, go_on = Event(), Event()
    with MailServer(**{security: trusted}) as server:
        server.meanwhile("END", lambda: (begun.set(), go_on.wait(20)))
        keys = {"security": security, "ca_bundle": bundle, "session_timeout": "2 seconds"}
        with pytest.raises(Unknown, match="the connection was lost before the server's word"):
            deliver_email(table(), options(on_unknown="hold"), through(server, **keys))
        assert begun.is_set()
        go_on.set()


@pytest.mark.parametrize(
    ("answer", "error"), [("550 5.7.1 not yours", GiveUp), ("451 4.7.1 later", TryLater), ("nonsense", TryLater)]
)
def test_sender_that_is_refused(answer, error, table, options, run, server):
    server.answer("MAIL", answer)
    with pytest.raises(error, match=r"the server takes no mail from reports@example.com"):
        deliver_email(table(), options(), run())
    assert server.mails == []


def test_reply_of_a_server_is_shown_as_one_short_line(table, options, run, server):
    server.answer("MAIL", "550-\x1b[31mred\x07\r\n550 " + "x" * 400)
    with pytest.raises(GiveUp) as refused:
        deliver_email(table(), options(), run())
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


class TestCheck:
    def test_check_logs_in_and_sends_nothing(self, options, through, trusted, bundle):
        with MailServer(starttls=trusted, login=LOGIN) as server:
            keys = {"security": "starttls", "ca_bundle": bundle, "username": LOGIN[0], "password": LOGIN[1]}
            run = through(server, **keys)
            check_email(options(), run)
        assert server.logins == [LOGIN]
        assert not {"DATA", "END"} & {*server.seen}
        assert server.mails == []
        assert not run.store.exists()

    def test_check_tells_what_is_in_the_way(self, options, through):
        with MailServer() as server, pytest.raises(GiveUp, match=r"^security: mail server .*does not offer STARTTLS"):
            check_email(options(), through(server, security="starttls"))

    def test_check_finds_that_a_server_wants_a_login(self, options, through):
        with (
            MailServer(login=LOGIN) as server,
            pytest.raises(GiveUp, match=r"^username: the server wants a login.*530"),
        ):
            check_email(options(), through(server))

    @pytest.mark.parametrize(("answer", "error"), [("550 5.7.1 not yours", GiveUp), ("451 4.3.0 later", TryLater)])
    def test_check_finds_that_a_server_takes_no_mail_from_the_sender(self, answer, error, options, through, server):
        server.answer("MAIL", answer)
        with pytest.raises(error, match=rf"^from: the server takes no mail from reports@example.com: {answer}"):
            check_email(options(), through(server))

    def test_check_takes_back_what_it_began(self, options, through, server):
        check_email(options(), through(server))
        assert server.seen[-2:] == ["MAIL", "RSET"]
        assert server.mails == []

    def test_check_begins_with_the_option_that_is_meant(self, options, through, server):
        wrong = {
            "template: gone.html: cannot be read": ({"template": "gone.html"}, {}),
            "cc: bob@example.org may not get mail": (
                {"cc": "bob@example.org"},
                {"allowed_domains": ["example.com"]},
            ),
            "connection: the mail connection cannot be used: host: is missing": ({}, {"host": ""}),
            "ca_bundle: ": ({}, {"security": "starttls", "ca_bundle": "nowhere.pem"}),
            "host: mail server smtp..example.com": ({}, {"host": "smtp..example.com", "security": "tls"}),
        }
        for said, (written, keys) in wrong.items():
            with pytest.raises(GiveUp) as found:
                check_email(options(**written), through(server, **keys))
            assert str(found.value).startswith(said)

    def test_check_begins_with_the_login_that_is_refused(self, options, through, trusted, bundle):
        keys = {"security": "starttls", "ca_bundle": bundle, "username": LOGIN[0], "password": "wrong"}
        with (
            MailServer(starttls=trusted, login=LOGIN) as server,
            pytest.raises(GiveUp, match=r"^username: mail server .* does not accept the login of reports"),
        ):
            check_email(options(), through(server, **keys))

    @pytest.mark.row("S39")
    def test_check_knows_who_may_get_mail(self, options, through, server):
        with pytest.raises(GiveUp, match=r"bob@example.org may not get mail: the connection allows example.com"):
            check_email(
                options(to="ann@example.com", bcc="bob@example.org"), through(server, allowed_domains=["example.com"])
            )


@pytest.mark.row("S39")
@pytest.mark.parametrize("changes", [{}, {"to": ("eve@example.org",)}])
def test_nobody_outside_of_the_allowed_domains_gets_mail(changes, table, options, run, make_connection, server):
    connection = make_connection(server.port, allowed_domains=["example.com"])
    written = options() if changes else options(cc="eve@example.org")
    with pytest.raises(GiveUp, match=r"eve@example.org may not get mail"):
        deliver_email(table(), written, run(connection=connection, **changes))
    assert server.seen == []


def test_line_that_is_a_dot_arrives_as_it_is(table, options, run, server):
    receipt = deliver_email(table(), options(intro=".\n..\n.dots"), run())
    (mail,) = server.mails
    assert ".dots" in mail.message.get_body(("plain",)).get_content()
    assert receipt.sha256 == sha256(mail.content).hexdigest()


def test_answer_that_is_none_leaves_it_unknown_after_the_mail_and_is_later_before(table, options, run, server):
    hold = options(on_unknown="hold")
    server.answer("RCPT ann@example.com", "nonsense")
    with pytest.raises(Partial, match=r"ann@example.com: no answer of SMTP"):
        deliver_email(table(), hold, run())
    server.answer("DATA", "nonsense")
    with pytest.raises(Partial):
        deliver_email(table(), hold, run(fence=2))
    server.answer("END", "nonsense")
    with pytest.raises(Unknown, match=r"ann@example.com: no answer of SMTP"):
        deliver_email(table(), hold, run(fence=3))


def test_connection_that_is_made_after_the_time_is_over_is_cut_too():
    ours, theirs = socket.socketpair()
    session = SimpleNamespace(sock=None)
    with ours, theirs, Deadline(0.01) as deadline:
        deadline.watch(session)
        while not deadline.passed:
            sleep(0.01)
        sleep(0.05)
        session.sock = ours
        theirs.settimeout(20)
        assert theirs.recv(1) == b""
