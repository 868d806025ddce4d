"""A report goes out as a mail: to whom, how often, and what the receipt says of it."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.sinks import Partial, Skip
from mmflow.testing.deliveries import DAY, HOUR, MACHINE, PARTS
from mmflow_email.deliver import deliver_email, probe_email
from mmflow_email.testing import CUT, KEEP_AND_CUT

ANN, BOB = "ann@example.com", "bob@example.com"


def outbox(run):
    return sorted(path.suffix for path in (run.store / "outbox").iterdir() if path.suffix != ".lock")


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


def test_outbox_is_for_its_owner_alone_and_drops_the_bytes_of_a_mail_that_is_through(table, options, run):
    deliver_email(table(), options(), run())
    folder = run().store / "outbox"
    assert outbox(run()) == [".json"]
    assert [folder.stat().st_mode & 0o777, run().store.stat().st_mode & 0o777] == [0o700, 0o700]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


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


def test_disk_that_fails_once_the_mail_is_out_does_not_hide_that(table, options, run, server, caplog):
    folder = run().store / "outbox"

    def break_disk():
        folder.rename(folder.with_name("gone"))
        folder.write_bytes(b"")

    server.meanwhile("END", break_disk)
    receipt = deliver_email(table(), options(), run())
    assert receipt.details["sent"] == 2
    assert "who got the mail could not be noted in the outbox" in caplog.text


def test_disk_that_fails_before_sends_nothing(table, options, run, server):
    run().store.mkdir(parents=True)
    (run().store / "outbox").write_bytes(b"")
    with pytest.raises(TryLater, match=r"cannot use .*outbox.*check the disk"):
        deliver_email(table(), options(), run())
    assert server.seen == []


def test_lost_outbox_does_not_mail_those_whom_the_receipt_names(table, options, run, server):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial) as part:
        deliver_email(table(), options(), run())
    for path in (run().store / "outbox").iterdir():
        path.unlink()
    deliver_email(table(), options(), run(fence=2, previous=part.value.receipt))
    assert [mail.recipients for mail in server.mails] == [(ANN,), (BOB,)]


def test_damaged_note_is_for_somebody_to_decide(table, options, run, server):
    server.answer("CONNECT", "421 busy")
    with pytest.raises(TryLater):
        deliver_email(table(), options(), run())
    (note,) = (run().store / "outbox").glob("*.json")
    note.write_text("{", encoding="utf-8")
    with pytest.raises(Unknown, match="is damaged"):
        deliver_email(table(), options(), run(fence=2))
    assert server.mails == []


def test_changed_bytes_are_not_sent(table, options, run, server):
    server.answer("CONNECT", "421 busy")
    with pytest.raises(TryLater):
        deliver_email(table(), options(), run())
    (content,) = (run().store / "outbox").glob("*.eml")
    content.write_bytes(b"Subject: something else\r\n\r\n")
    with pytest.raises(TryLater, match="it is written anew"):
        deliver_email(table(), options(), run(fence=2))
    assert server.mails == []
    deliver_email(table(), options(), run(fence=3))
    assert len(server.mails) == 1


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"Subject: other\r\n\r\n")])
def test_changed_bytes_of_a_mail_that_somebody_got_are_for_somebody_to_decide(spoil, table, options, run, server):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    (content,) = (run().store / "outbox").glob("*.eml")
    spoil(content)
    with pytest.raises(Partial, match=r"not delivered to bob@example.com: .* is not the mail that was written") as part:
        deliver_email(table(), options(), run(fence=2))
    assert part.value.retry == ()
    assert [mail.recipients for mail in server.mails] == [(ANN,)]


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


def test_store_that_is_deleted_while_the_mail_goes_sends_it_once(table, options, run, server):
    server.meanwhile("DATA", lambda: rmtree(run().store))
    receipt = deliver_email(table(), options(), run())
    assert deliver_email(table(), options(), run(fence=2)) == receipt
    assert len(server.mails) == 1


def test_damaged_note_of_another_mail_is_in_nobodys_way(table, options, run, server):
    deliver_email(table(), options(), run(key="monday"))
    (note,) = (run().store / "outbox").glob("*.json")
    note.write_text("{", encoding="utf-8")
    deliver_email(table(), options(send_when="change"), run(key="tuesday"))
    assert len(server.mails) == 2


def test_who_is_no_longer_allowed_gets_no_second_try(table, options, run, server, make_connection):
    server.answer(f"RCPT {BOB}", "451 later")
    with pytest.raises(Partial):
        deliver_email(table(), options(), run())
    narrowed = make_connection(server.port, allowed_domains=["example.org"])
    with pytest.raises(Partial, match=r"bob@example.com may not get mail") as part:
        deliver_email(table(), options(), run(fence=2, connection=narrowed))
    assert part.value.retry == ()
    assert len(server.mails) == 1


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


def test_forwarded_recipient_has_got_it(table, options, run, server):
    server.answer(f"RCPT {BOB}", "251 2.1.5 will forward")
    assert deliver_email(table(), options(), run()).details["sent_to"] == f"{ANN}, {BOB}"


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


def test_mail_by_hand_is_not_the_last_mail_that_is_kept(table, options, run):
    start = run().slot
    for number, to in enumerate([(), ("me@example.com",)]):
        clock = FixedClock(start + timedelta(days=number))
        deliver_email(table(), options(send_when="change"), run(key=f"k{number}", to=to, clock=clock))
    late = FixedClock(start + timedelta(days=60))
    with pytest.raises(Skip):
        deliver_email(table(), options(send_when="change"), run(key="k9", clock=late))


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


def test_what_is_old_is_swept_but_for_the_last_mail(table, options, run, server):
    start = run().slot
    for number, days in enumerate((0, 1, 40)):
        clock = FixedClock(start + timedelta(days=days))
        deliver_email(table(), options(), run(key=f"k{number}", clock=clock))
    assert len(outbox(run())) == 2
    assert len(server.mails) == 3


def test_bytes_of_a_mail_that_was_given_up_are_swept(table, options, run):
    stray, recent, noted = (run().store / "outbox" / f"{name * 32}.{name * 16}.eml" for name in "abd")
    lock = run().store / "outbox" / f"{'c' * 32}.lock"
    for path in (stray, recent, noted, lock, noted.with_name(f"{'d' * 32}.json")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    old = (run().slot - timedelta(days=31)).timestamp()
    for path in (stray, lock, noted):
        os.utime(path, (old, old))
    deliver_email(table(), options(), run())
    assert [path.exists() for path in (stray, lock, recent, noted)] == [False, False, True, True]


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


class TestConditions:
    def test_report_without_rows_is_skipped_when_asked(self, table, options, run, server):
        with pytest.raises(Skip, match="the report has no rows"):
            deliver_email(table([]), options(send_when="rows"), run())
        assert server.seen == []

    def test_same_rows_as_in_the_mail_before_are_skipped_when_asked(self, table, options, run, server):
        written = options(send_when="change")
        deliver_email(table(), written, run(key="monday"))
        with pytest.raises(Skip, match="the same as the mail before"):
            deliver_email(table(), written, run(key="tuesday"))
        deliver_email(table([("Haas 1", 99, 12.5)]), written, run(key="wednesday"))
        deliver_email(table([("Haas 1", 99, 12.5)]), written, run(key="wednesday", generation=2))
        assert len(server.mails) == 3

    def test_every_kind_of_cell_counts_as_a_change(self, table, options, run, server):
        columns = (DAY, HOUR, MACHINE, PARTS)
        day, hour = date(2026, 11, 21), datetime(2026, 11, 21, 12, tzinfo=UTC)
        rows = [(day, hour, "Haas 1", 7), (None, None, None, None)]
        written = options(send_when="change")
        deliver_email(table(rows, columns), written, run(key="k1"))
        with pytest.raises(Skip):
            deliver_email(table(rows, columns), written, run(key="k2"))
        for number, other in enumerate(
            [(day, hour, "Haas 1", 0), (day, hour, None, 7), (day, None, "Haas 1", 7), (None, hour, "Haas 1", 7)]
        ):
            deliver_email(table([other, rows[1]], columns), written, run(key=f"k{number + 3}"))
        assert len(server.mails) == 5

    def test_mail_that_nobody_got_does_not_count_as_the_one_before(self, table, options, run, server):
        written = options(send_when="change")
        server.answer(f"RCPT {ANN}", "550 never")
        server.answer(f"RCPT {BOB}", "550 never")
        with pytest.raises(GiveUp):
            deliver_email(table(), written, run(key="monday"))
        deliver_email(table(), written, run(key="tuesday"))
        assert len(server.mails) == 1

    def test_mail_goes_when_a_light_is_red(self, table, options, run, server):
        written = options(send_when="breach", lights={"downtime": {"red": 10, "better": "down"}})
        deliver_email(table(), written, run(key="monday"))
        with pytest.raises(Skip, match="no traffic light is red"):
            deliver_email(table([("Haas 1", 100, 9.5)]), written, run(key="tuesday"))
        assert len(server.mails) == 1

    def test_scheduled_mail_that_comes_too_late_is_skipped(self, table, options, run, server):
        late = FixedClock(run().slot + timedelta(hours=8, seconds=1))
        written = options(expires="8 hours")
        with pytest.raises(Skip, match="expired after 8 hours"):
            deliver_email(table(), written, run(kind="schedule", clock=late))
        deliver_email(table(), written, run(kind="backfill", clock=late))
        assert len(server.mails) == 1

    def test_rest_of_a_mail_expires_too(self, table, options, run, server):
        server.answer(f"RCPT {BOB}", "451 later")
        written = options(expires="8 hours")
        with pytest.raises(Partial):
            deliver_email(table(), written, run(kind="schedule"))
        late = FixedClock(run().slot + timedelta(hours=9))
        with pytest.raises(Partial, match=r"not delivered to bob@example.com: it was due") as part:
            deliver_email(table(), written, run(kind="schedule", fence=2, clock=late))
        assert part.value.retry == ()
        assert len(server.mails) == 1
