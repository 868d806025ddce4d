"""Each recipient of a mail by itself: later, never, or not attempted, and nobody gets it twice."""

import pytest

from mmflow.errors import GiveUp, TryLater
from mmflow.sinks import Partial
from mmflow_email.deliver import deliver_email, probe_email

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.mark.row("R57")
def test_greylisted_recipient_is_tried_again_and_nobody_else(table, options, run, server):
    server.answer(f"RCPT {BOB}", "451 4.7.1 greylisted, come back")
    with pytest.raises(Partial, match=r"bob@example.com: 451 4.7.1 greylisted") as part:
        deliver_email(table(), options(), run())
    assert (part.value.retry, part.value.after) == ((BOB,), 300)
    assert part.value.receipt.details["sent_to"] == ANN
    assert probe_email(options(), run(fence=2)) == "absent"
    receipt = deliver_email(table(), options(), run(fence=2, previous=part.value.receipt))
    first, second = server.mails
    assert (first.recipients, second.recipients) == ((ANN,), (BOB,))
    assert first.content == second.content
    assert receipt.details["sent"] == 2


@pytest.mark.row("R57")
@pytest.mark.parametrize(
    ("answer", "retry", "said"),
    [
        ("421 busy", (BOB,), r"not delivered yet to bob@example\.com: mail server .*: 421 busy"),
        ("554 no service", (), r"not delivered to bob@example\.com: mail server .*: 554 no service"),
    ],
)
def test_rest_of_a_mail_waits_for_the_server_and_tells_who_it_is(answer, retry, said, table, options, run, server):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    server.answer("CONNECT", answer)
    with pytest.raises(Partial, match=said) as part:
        deliver_email(table(), options(), run(fence=2))
    assert part.value.retry == retry
    assert part.value.receipt.details["sent_to"] == ANN


@pytest.mark.row("R57")
def test_all_greylisted_is_later(table, options, run, server):
    for address in (ANN, BOB):
        server.answer(f"RCPT {address}", "450 4.2.0 greylisted")
    with pytest.raises(TryLater, match=r"ann@example.com, bob@example.com: 450 4.2.0 greylisted") as later:
        deliver_email(table(), options(), run())
    assert later.value.after == 300
    assert server.mails == []
    deliver_email(table(), options(), run(fence=2))
    assert [mail.recipients for mail in server.mails] == [(ANN, BOB)]


@pytest.mark.row("R57")
def test_mail_that_is_put_off_at_its_end_is_sent_whole_later(table, options, run, server):
    server.answer("END", "451 4.3.0 queue is full")
    with pytest.raises(TryLater, match="queue is full"):
        deliver_email(table(), options(), run())
    deliver_email(table(), options(), run(fence=2))
    assert [mail.recipients for mail in server.mails] == [(ANN, BOB)]


@pytest.mark.row("R58")
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", f"RCPT {ANN}", f"RCPT {BOB}", "DATA", "END"])
def test_session_that_the_server_closes_sent_nothing_to_anybody(command, table, options, run, server):
    server.answer(command, "421 4.3.2 closing")
    with pytest.raises(TryLater):
        deliver_email(table(), options(), run())
    assert server.mails == []
    deliver_email(table(), options(), run(fence=2))
    assert [mail.recipients for mail in server.mails] == [(ANN, BOB)]


@pytest.mark.row("R58")
def test_whoever_was_not_named_when_the_session_was_closed_counts_as_not_attempted(table, options, run, server):
    server.answer(f"RCPT {BOB}", "421 4.3.2 closing")
    said = "ann@example.com, bob@example.com, cid@example.com: not attempted: 421 4.3.2 closing"
    with pytest.raises(TryLater, match=said):
        deliver_email(table(), options(to=[ANN, BOB, "cid@example.com"]), run())


@pytest.mark.row("R59")
def test_refused_recipient_is_told_and_not_tried_again(table, options, run, server):
    server.answer_always(f"RCPT {BOB}", "550 5.1.1 no such user")
    with pytest.raises(Partial, match=r"not delivered to bob@example.com: 550 5.1.1 no such user") as part:
        deliver_email(table(), options(), run())
    assert part.value.retry == ()
    assert part.value.receipt.details["refused"] == 1
    assert [mail.recipients for mail in server.mails] == [(ANN,)]
    server.seen.clear()
    with pytest.raises(Partial, match="no such user"):
        deliver_email(table(), options(), run(fence=2))
    assert server.seen == []


@pytest.mark.row("R59")
def test_all_refused_gives_up_and_a_mended_job_is_sent_under_the_same_key(table, options, run, server):
    server.answer_always(f"RCPT {BOB}", "550 5.1.1 no such user")
    with pytest.raises(GiveUp, match=r"bob@example.com: 550 5.1.1 no such user; check the addresses"):
        deliver_email(table(), options(to=BOB), run())
    deliver_email(table(), options(to=ANN), run(fence=2))
    assert [mail.recipients for mail in server.mails] == [(ANN,)]


def test_refused_and_greylisted_recipients_are_told_apart(table, options, run, server):
    server.answer(f"RCPT {ANN}", "451 later")
    server.answer(f"RCPT {BOB}", "550 never")
    with pytest.raises(TryLater, match=r"ann@example.com: 451 later"):
        deliver_email(table(), options(), run())
    with pytest.raises(Partial, match=r"not delivered to bob@example.com: 550 never") as part:
        deliver_email(table(), options(), run(fence=2))
    assert part.value.receipt.details["sent_to"] == ANN


def test_who_is_refused_is_named_while_another_is_still_waited_for(table, options, run, server):
    server.answer("RCPT cid@example.com", "451 later")
    server.answer(f"RCPT {BOB}", "550 never")
    said = r"not delivered yet to cid@example.com: 451 later; refused for good: bob@example.com: 550 never"
    with pytest.raises(Partial, match=said) as part:
        deliver_email(table(), options(cc="cid@example.com"), run())
    assert part.value.retry == ("cid@example.com",)
    assert part.value.receipt.details["refused_to"] == "bob@example.com (550 never)"


def test_who_is_refused_is_named_while_everybody_else_waits(table, options, run, server):
    server.answer(f"RCPT {ANN}", "451 later")
    server.answer(f"RCPT {BOB}", "550 never")
    with pytest.raises(TryLater, match=r"ann@example.com: 451 later; refused for good: bob@example.com: 550 never"):
        deliver_email(table(), options(), run())


def test_too_many_recipients_for_one_session_are_named_in_the_next(table, options, run, server):
    server.answer(f"RCPT {BOB}", "452 4.5.3 too many recipients")
    with pytest.raises(Partial) as part:
        deliver_email(table(), options(), run())
    assert (part.value.retry, part.value.after) == ((BOB,), None)


def test_who_is_no_longer_allowed_gets_no_second_try(table, options, run, server, make_connection):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    narrowed = make_connection(server.port, allowed_domains=["example.org"])
    with pytest.raises(Partial, match=r"bob@example.com may not get mail") as part:
        deliver_email(table(), options(), run(fence=2, connection=narrowed))
    assert part.value.retry == ()
    assert len(server.mails) == 1


def test_forwarded_recipient_has_got_it(table, options, run, server):
    server.answer(f"RCPT {BOB}", "251 2.1.5 will forward")
    assert deliver_email(table(), options(), run()).details["sent_to"] == f"{ANN}, {BOB}"
