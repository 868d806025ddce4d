"""A message that may have arrived: what people are told to do works as it stands, and sends none by itself."""

from __future__ import annotations

import msgspec
import pytest

from mmflow.notices import follow_ends
from mmflow.sinks import NoticeItem
from tests.ends import Plan
from tests.leased import heard, open_ledger, order, plan, read_deliveries, write_job

MAIL, FILE, BOOK = "type: tell, name: mail", "type: obey, name: file", "type: obey, name: book"


def fail(bench, *sinks, **orders):
    """Let a job fail with its sinks doing so once, and then well; give what people are told."""
    desk = bench.desk
    write_job(desk, *sinks)
    for sink, word in orders.items():
        order(desk, sink, word, "ok")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert outcome.run_state == "failed"
    with open_ledger(desk) as ledger:
        follow_ends(ledger, {"daily": Plan()}, desk.clock.now())
        (row,) = ledger.notices.list_recent()
    return outcome.run, msgspec.json.decode(row.content, type=NoticeItem)


def obey(desk, command):
    program, *words = command.split()
    assert program == "mmflow"
    return desk.mmflow(*words)


@pytest.mark.row("R48")
def test_a_message_that_may_be_out_is_sent_again_by_the_command_that_people_are_told(bench):
    run, item = fail(bench, MAIL, FILE, mail="doubt")
    assert item.command == f"mmflow resend {run} --sink mail"
    assert item.advice == "ask whether it has arrived by mail: only if it has not, send it again by the command"
    assert obey(bench.desk, item.command).code == 0
    assert (heard(bench.desk, "mail"), heard(bench.desk, "file")) == (["doubt", "ok"], ["ok"])


def test_what_failed_beside_it_is_delivered_by_the_same_command(bench):
    run, item = fail(bench, MAIL, FILE, BOOK, mail="doubt", file="never")
    assert item.command == f"mmflow resend {run} --sink file --sink mail"
    told = "mend the cause first; ask whether it has arrived by mail, and leave out of the command what has"
    assert item.advice == told
    obey(bench.desk, item.command.replace(" --sink mail", ""))
    assert (heard(bench.desk, "file"), heard(bench.desk, "mail")) == (["never", "ok"], ["doubt"])
    assert obey(bench.desk, item.command).code == 0
    assert {one.state for one in read_deliveries(bench.desk, run).values()} == {"done"}
    assert heard(bench.desk, "book") == ["ok"]


def test_what_is_replaced_as_a_whole_is_in_no_doubt(bench):
    run, item = fail(bench, FILE, BOOK, file="doubt")
    assert item.command == f"mmflow resend {run} --failed"
    assert obey(bench.desk, item.command).code == 0
    assert (heard(bench.desk, "file"), heard(bench.desk, "book")) == (["doubt", "ok"], ["ok"])
