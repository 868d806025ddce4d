"""What is kept of a mail outlives kills, full disks and other workers, and is there for its owner alone."""

import os
from datetime import timedelta
from pathlib import Path
from shutil import rmtree

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import TryLater, Unknown
from mmflow.sinks import Partial, Skip
from mmflow_email.deliver import deliver_email

ANN, BOB = "ann@example.com", "bob@example.com"


def outbox(run):
    return sorted(path.suffix for path in (run.store / "outbox").iterdir() if path.suffix != ".lock")


def test_outbox_is_for_its_owner_alone_and_drops_the_bytes_of_a_mail_that_is_through(table, options, run):
    deliver_email(table(), options(), run())
    folder = run().store / "outbox"
    assert outbox(run()) == [".json"]
    assert [folder.stat().st_mode & 0o777, run().store.stat().st_mode & 0o777] == [0o700, 0o700]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


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


def test_mail_by_hand_is_not_the_last_mail_that_is_kept(table, options, run):
    start = run().slot
    for number, to in enumerate([(), ("me@example.com",)]):
        clock = FixedClock(start + timedelta(days=number))
        deliver_email(table(), options(send_when="change"), run(key=f"k{number}", to=to, clock=clock))
    late = FixedClock(start + timedelta(days=60))
    with pytest.raises(Skip):
        deliver_email(table(), options(send_when="change"), run(key="k9", clock=late))


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
