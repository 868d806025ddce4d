"""A report goes out as a mail: to whom, how often, by whom, and what the receipt says of it."""

import json
from datetime import timedelta
from hashlib import sha256

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.sinks import Partial
from mmflow_email.deliver import deliver_email, probe_email
from mmflow_email.testing import CUT, KEEP_AND_CUT

ANN, BOB = "ann@example.com", "bob@example.com"


def test_everybody_gets_one_mail_in_one_session(table, options, run, server):
    receipt = deliver_email(table(), options(), run())
    (mail,) = server.mails
    assert mail.recipients == (ANN, BOB)
    assert mail.sender == "reports@example.com"
    assert receipt.rows == 2
    assert receipt.sha256 == sha256(mail.content).hexdigest()
    assert receipt.details["message_id"] == mail.message["Message-ID"]
    assert (receipt.details["sent"], receipt.details["refused"]) == (2, 0)
    assert not {"attached", "refused_to"} & receipt.details.keys()  # a word with nothing behind it says nothing
    assert server.seen.count("CONNECT") == 1


def test_who_is_named_several_times_gets_one_mail_and_stands_in_it_once(table, options, run, server):
    written = options(
        to=["Ann <Ann@example.com>", "ann@Example.com", BOB],
        cc=["BOB@example.com", "Cid <cid@example.com>"],
        bcc=["CID@example.com", "ann@example.com", "dan@example.com", "Dan@example.com"],
    )
    receipt = deliver_email(table(), written, run())
    (mail,) = server.mails
    assert mail.recipients == ("Ann@example.com", BOB, "cid@example.com", "dan@example.com")
    assert (mail.message["To"], mail.message["Cc"]) == (f"Ann <Ann@example.com>, {BOB}", "Cid <cid@example.com>")
    assert receipt.details["recipients"] == 4


def test_same_delivery_again_sends_nothing_and_gives_the_same_receipt(table, options, run, server):
    first = deliver_email(table(), options(), run())
    server.seen.clear()
    assert deliver_email(table(), options(), run(fence=2)) == first
    assert server.seen == []
    assert probe_email(options(), run(fence=3)) == "present"


def test_new_generation_is_another_mail(table, options, run, server):
    deliver_email(table(), options(), run())
    deliver_email(table(), options(), run(generation=2))
    one, two = server.mails
    assert one.message["Message-ID"] != two.message["Message-ID"]


@pytest.mark.row("R60")
def test_connection_lost_after_the_mail_is_sent_once_more_with_the_same_message_id(table, options, run, server):
    server.answer("END", KEEP_AND_CUT)
    with pytest.raises(TryLater, match="the connection was lost before the server's word"):
        deliver_email(table(), options(), run())
    assert probe_email(options(), run(fence=2)) == "absent"
    deliver_email(table(), options(), run(fence=2))
    first, second = server.mails
    assert first.content == second.content


@pytest.mark.row("R60")
def test_second_loss_is_for_somebody_to_decide(table, options, run, server):
    server.answer("END", KEEP_AND_CUT, KEEP_AND_CUT)
    with pytest.raises(TryLater):
        deliver_email(table(), options(), run())
    with pytest.raises(Unknown, match=r"ann@example.com, bob@example.com: .* ask them"):
        deliver_email(table(), options(), run(fence=2))
    assert len(server.mails) == 2
    assert probe_email(options(), run(fence=3)) == "unknown"


@pytest.mark.row("R60")
def test_held_mail_goes_again_only_when_somebody_delivers_it_once_more(table, options, run, server):
    server.answer("END", KEEP_AND_CUT)
    hold = options(on_unknown="hold")
    with pytest.raises(Unknown, match="ask them, and send it again with mmflow resend"):
        deliver_email(table(), hold, run())
    assert probe_email(hold, run(fence=2)) == "unknown"
    assert len(server.mails) == 1
    deliver_email(table(), hold, run(fence=2))
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 1


@pytest.mark.row("R60")
@pytest.mark.parametrize("command", ["MAIL", f"RCPT {BOB}", "DATA"])
def test_connection_lost_before_the_mail_is_no_doubt(command, table, options, run, server):
    server.answer(command, CUT)
    with pytest.raises(TryLater):
        deliver_email(table(), options(on_unknown="hold"), run())
    deliver_email(table(), options(on_unknown="hold"), run(fence=2))
    assert [mail.recipients for mail in server.mails] == [(ANN, BOB)]


def test_stale_worker_is_refused_once_a_later_one_has_the_mail(table, options, run, server):
    server.answer("CONNECT", "421 busy")
    with pytest.raises(TryLater):
        deliver_email(table(), options(), run(fence=9))
    with pytest.raises(GiveUp, match="another worker has taken this mail over"):
        deliver_email(table(), options(), run(fence=7))
    assert server.mails == []


def test_worker_that_is_overtaken_in_the_session_breaks_it_off_before_the_end(table, options, run, server):
    def take_over():
        (note,) = (run().store / "outbox").glob("*.json")
        found = json.loads(note.read_bytes())
        note.write_text(json.dumps(found | {"fence": 9}), encoding="utf-8")

    server.meanwhile("DATA", take_over)
    with pytest.raises(GiveUp, match="another worker has taken this mail over"):
        deliver_email(table(), options(), run(fence=2))
    assert "END" not in server.seen
    assert server.mails == []
    deliver_email(table(), options(), run(fence=10))
    assert len(server.mails) == 1


def test_delivery_that_another_process_is_at_waits_and_another_delivery_does_not(table, options, run, server):
    found = []

    def deliver_meanwhile():
        server.script.meanwhile.clear()
        with pytest.raises(TryLater, match="another process is at this mail"):
            deliver_email(table(), options(), run(fence=2))
        found.append(len(server.mails))

    server.meanwhile("END", deliver_meanwhile)
    deliver_email(table(), options(), run())
    deliver_email(table(), options(), run(fence=3))
    assert (found, len(server.mails)) == ([0], 1)


def test_worker_that_is_overtaken_with_the_rest_of_a_mail_gives_up_and_keeps_the_note(table, options, run, server):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    (note,) = (run().store / "outbox").glob("*.json")

    def take_over():
        found = json.loads(note.read_bytes())
        note.write_text(json.dumps(found | {"fence": 9}), encoding="utf-8")

    server.meanwhile("DATA", take_over)
    with pytest.raises(GiveUp, match="another worker has taken this mail over"):
        deliver_email(table(), options(), run(fence=2))
    assert json.loads(note.read_bytes())["fence"] == 9
    assert [mail.recipients for mail in server.mails] == [(ANN,)]


def test_mail_that_was_being_handed_over_is_not_known_to_have_come(table, options, run, server):
    server.answer("CONNECT", "421 busy")
    with pytest.raises(TryLater):
        deliver_email(table(), options(), run())
    (note,) = (run().store / "outbox").glob("*.json")
    note.write_text(note.read_text().replace('"pending"', '"committing"'), encoding="utf-8")
    assert probe_email(options(on_unknown="hold"), run(fence=2)) == "unknown"
    assert probe_email(options(), run(fence=2)) == "absent"
    late = FixedClock(run().slot + timedelta(hours=9))
    expired = options(expires="8 hours")
    assert probe_email(expired, run(kind="schedule", fence=2, clock=late)) == "unknown"


def test_mail_that_reached_nobody_is_written_anew_once_the_job_is_mended(table, options, run, server, make_connection):
    server.answer("MAIL", "553 5.7.1 sender address rejected")
    with pytest.raises(GiveUp, match=r"takes no mail from reports@example.com"):
        deliver_email(table(), options(), run())
    mended = make_connection(server.port, **{"from": "plant@example.com"})
    deliver_email(table(), options(), run(fence=2, connection=mended))
    assert [mail.sender for mail in server.mails] == ["plant@example.com"]


def test_mail_that_waits_goes_to_those_whom_the_job_names_by_then(table, options, run, server):
    server.answer("CONNECT", "421 busy")
    with pytest.raises(TryLater):
        deliver_email(table(), options(to="typo@example.com"), run())
    deliver_email(table(), options(), run(fence=2))
    assert [mail.recipients for mail in server.mails] == [(ANN, BOB)]


def test_mail_that_somebody_got_stays_as_it_was_frozen(table, options, run, server):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    deliver_email(table([("Haas 9", 1, 1.0)]), options(to="new@example.com", subject="other"), run(fence=2))
    first, second = server.mails
    assert (first.content, second.recipients) == (second.content, (BOB,))


class TestTo:
    def test_mail_by_hand_goes_only_there(self, table, options, run, server):
        written = options(cc=["cc@example.com"], bcc=["bcc@example.com"], send_when="change")
        receipt = deliver_email(table(), written, run(to=("me@example.com",)))
        (mail,) = server.mails
        assert mail.recipients == ("me@example.com",)
        assert str(mail.message["To"]) == "me@example.com"
        assert mail.message["Cc"] is None
        assert receipt.details["recipients"] == 1

    def test_it_is_no_part_of_the_mail_to_everybody(self, table, options, run, server):
        deliver_email(table(), options(send_when="change"), run(to=("me@example.com",)))
        deliver_email(table(), options(send_when="change"), run())
        assert [mail.recipients for mail in server.mails] == [("me@example.com",), (ANN, BOB)]

    def test_bad_address_by_hand_is_refused(self, table, options, run):
        with pytest.raises(GiveUp, match="more than one address"):
            deliver_email(table(), options(), run(to=("a@example.com, b@example.com",)))
