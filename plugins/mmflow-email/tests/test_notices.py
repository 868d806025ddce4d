"""A notice goes out as a mail: to those who answer for the job, once, also when the server wants it tried again."""

from datetime import UTC, datetime

import pytest

from mmflow import GiveUp, Notice, NoticeInfo, NoticeItem, Options, TryLater
from mmflow.api.outward import open_client
from mmflow.clock import FixedClock
from mmflow.settings import Network
from mmflow_email.notices import notify_email

AT = datetime(2026, 11, 3, 12, tzinfo=UTC)
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def notice():
    def make(*to, text="morning-oee failed\n  <b>the key</b> is not known"):
        item = NoticeItem(kind="failed", job="morning-oee", reason="the key is not known")
        people = to or (ANN, BOB)
        return Notice(id="n1", subject="mmflow: morning-oee failed", text=text, to=people, items=(item,), created=AT)

    return make


@pytest.fixture
def info(tmp_path, server, make_connection):
    def make(**changes):
        given = {"root": tmp_path, "output": tmp_path / "out", "output_mode": 0o644, "store": tmp_path / "store"}
        made = {"connection": make_connection(server.port), "clock": FixedClock(AT)}
        return NoticeInfo(**(given | made | changes))

    return make


def test_those_who_answer_for_a_job_get_a_mail_of_plain_text_and_simple_html(notice, info, server):
    notify_email(notice(), Options(), info())
    (mail,) = server.mails
    assert mail.recipients == (ANN, BOB)
    message = mail.message
    assert message["Subject"] == "mmflow: morning-oee failed"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "<b>the key</b> is not known" in message.get_body(("plain",)).get_content()
    assert "&lt;b&gt;the key&lt;/b&gt; is not known" in message.get_body(("html",)).get_content()


def test_each_try_is_the_same_mail_and_goes_to_those_who_are_left(notice, info, server):
    server.script.once[f"RCPT {BOB}"].append("451 try again")
    with pytest.raises(TryLater, match=r"bob@example\.com: 451 try again"):
        notify_email(notice(), Options(), info())
    notify_email(notice(), Options(), info())
    first, second = server.mails
    assert (first.recipients, second.recipients) == ((ANN,), (BOB,))
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.content == second.content
    assert list((info().store).iterdir()) == []


def test_an_address_that_is_refused_keeps_nobody_else_from_being_told(notice, info, server, caplog):
    server.script.always[f"RCPT {BOB}"] = "550 no such user"
    notify_email(notice(), Options(), info())
    assert server.mails[0].recipients == (ANN,)
    assert "a notice was refused for good: bob@example.com: 550 no such user" in caplog.text


def test_nobody_who_can_be_told_is_a_failure(notice, info, server):
    server.script.always[f"RCPT {BOB}"] = "550 no such user"
    with pytest.raises(GiveUp, match=r"nobody was told: bob@example\.com: 550"):
        notify_email(notice(BOB), Options(), info())
    assert server.mails == []


def test_names_that_are_no_address_are_left_out(notice, info, server):
    notify_email(notice("the night shift", ANN), Options(), info())
    assert server.mails[0].recipients == (ANN,)
    with pytest.raises(GiveUp, match="nobody is named by an address"):
        notify_email(notice("the night shift"), Options(), info())


def test_a_lost_connection_after_the_last_byte_is_tried_again(notice, info, server):
    server.script.once["END"].append("cut")
    with pytest.raises(TryLater):
        notify_email(notice(), Options(), info())
    notify_email(notice(), Options(), info())
    assert server.mails[-1].recipients == (ANN, BOB)


def test_nobody_outside_of_the_allowed_domains_is_told(notice, info, server, make_connection):
    connection = make_connection(server.port, allowed_domains=["example.com"])
    with pytest.raises(GiveUp, match="may not get mail"):
        notify_email(notice("eve@example.org"), Options(), info(connection=connection))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("eve@example.org", "eve@example.org may not get mail: the connection allows example.com"),
        ("Maintenance @ line 3", "'Maintenance @ line 3' is no mail address"),
    ],
)
def test_who_may_get_no_mail_keeps_nobody_else_from_being_told(notice, info, server, make_connection, caplog, bad, why):
    given = info(connection=make_connection(server.port, allowed_domains=["example.com"]))
    notify_email(notice(bad, ANN), Options(), given)
    assert server.mails[0].recipients == (ANN,)
    assert f"a notice goes to others alone: {why}" in caplog.text
    with pytest.raises(GiveUp, match="nobody was told: "):
        notify_email(notice(bad), Options(), given)


def test_graph_sends_notices_too(notice, info, graph, make_connection):
    connection = make_connection(
        1,
        transport="graph",
        tenant=graph.tenant,
        client_id=graph.client_id,
        client_secret=graph.client_secret,
        base_url=graph.url,
        login_url=graph.url,
    )
    notify_email(notice(), Options(), info(connection=connection, open_http=lambda: open_client(Network())))
    assert len(graph.mails) == 1


@pytest.mark.parametrize("subject", ["two\r\nBcc: eve@example.org", "x" * 1000])
def test_no_text_becomes_a_header(notice, info, server, subject):
    odd = notice()
    object.__setattr__(odd, "subject", subject)
    notify_email(odd, Options(), info())
    assert server.mails[0].message["Bcc"] is None
    assert server.mails[0].recipients == (ANN, BOB)


def test_a_note_that_can_be_neither_written_nor_removed_is_no_reason_to_send_it_again(notice, info, server):
    (info().store / "n1.json").mkdir(parents=True)
    notify_email(notice(), Options(), info())
    assert len(server.mails) == 1
