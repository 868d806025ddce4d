"""What the engine makes of a sink: retries, outcomes, what it tells the sink, and what it writes down."""

import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from mmflow.check.uses import SinkUse
from mmflow.clock import FixedClock
from mmflow.deliver import Messages, attempt_delivery
from mmflow.deliver.told import delivery_key
from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.job import WhenSpec
from mmflow.ledger import Ledger
from mmflow.sinks import CONSOLE, ConsoleOptions, Partial, Receipt, Skip
from mmflow.testing.deliveries import make_run, make_span
from tests.stage import PASSWORD, SATURDAY, SLOT, SPANS, Script, Stage


@pytest.fixture
def stage(tmp_path):
    clock = FixedClock(SLOT)
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as ledger:
        yield Stage(tmp_path, ledger, clock)


def test_a_sink_that_says_try_later_is_tried_three_times_with_growing_waits(stage):
    busy = Script(*[TryLater("it is busy")] * 4)
    found = stage.deliver(busy.use())["script"]
    assert (found.state, found.attempts, found.error) == ("failed", 3, "it is busy")
    assert stage.waits == [2, 4]
    assert [run.fence for run in busy.heard] == [1, 2, 3]


def test_a_sink_that_works_at_last_is_done_and_shows_no_error(stage):
    found = stage.deliver(Script(TryLater("it is busy"), TryLater("still"), Receipt(rows=1)).use())["script"]
    assert (found.state, found.attempts, found.error, found.receipt) == ("done", 3, "", Receipt(rows=1))


@pytest.mark.parametrize(("after", "wait"), [(60.0, 60.0), (0.5, 0.5), (0.0, 2.0), (None, 2.0), (-1.0, 0.0)])
def test_a_sink_that_says_when_is_waited_for_so_long(stage, after, wait):
    found = stage.deliver(Script(TryLater("it is busy", after=after), Receipt(rows=1)).use())["script"]
    assert (found.state, stage.waits) == ("done", [wait])


@pytest.mark.parametrize("after", [61.0, 3600.0, float("inf"), float("nan")])
def test_a_sink_that_asks_for_more_than_a_minute_has_failed_at_once_and_says_when(stage, after):
    found = stage.deliver(Script(TryLater("it is busy", after=after)).use())["script"]
    assert (found.state, found.attempts) == ("failed", 1)
    assert found.error == f"it is busy; it may work after {after:.0f} seconds"
    assert stage.waits == []


BUG = "; this is a bug in acme"
NOBODY = "so nobody can tell what was delivered"


class Mute(Exception):  # noqa: N818  a stranger's, who names it as he likes
    """An error that fails when it is shown."""

    def __str__(self):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("line", "state", "error"),
    [
        (Receipt(rows=1), "done", ""),
        (GiveUp("no right to write"), "failed", "no right to write"),
        (Unknown("it may have arrived"), "unknown", "it may have arrived"),
        (
            Partial(Receipt(rows=1), retry=("ann", "bob"), after=600),
            "failed",
            "partly delivered; left: ann, bob; it may work after 600 seconds",
        ),
        (Partial(Receipt(rows=1), why="bob is unknown there"), "done", "bob is unknown there"),
        (Skip("nothing has changed"), "skipped", "nothing has changed"),
        (ValueError("oops"), "failed", f"script raised ValueError: oops{BUG}"),
        (SystemExit(2), "failed", f"script raised SystemExit: 2{BUG}"),
        (GeneratorExit(), "failed", f"script raised GeneratorExit: {BUG}"),
        (BaseException("odd"), "failed", f"script raised BaseException: odd{BUG}"),
        (ValueError("\ud800\0"), "failed", f"script raised ValueError: \\ud800\\x00{BUG}"),
        (GiveUp("\ud800"), "failed", "\\ud800"),
        (Mute(), "failed", f"script raised Mute: what it says cannot be shown (ValueError){BUG}"),
        (None, "unknown", f"script gave NoneType, not a Receipt{BUG}"),
        ("done", "unknown", f"script gave str, not a Receipt{BUG}"),
        (
            Receipt(rows=1, details={"when": [SLOT]}),
            "unknown",
            (
                "script gave a receipt that cannot be stored: Expected `bool | int | float | str | null`, "
                f"got `array` - at `$.details[...]`{BUG}"
            ),
        ),
        (Receipt(rows=-1), "unknown", f"script gave a receipt of -1 rows, {NOBODY}{BUG}"),
        (Receipt(rows=2**70), "unknown", f"script gave a receipt of 1180591620717411303424 rows, {NOBODY}{BUG}"),
        (Receipt(rows=2**63 - 1), "done", ""),
        (Partial(Receipt(rows=-1), retry=("bob",)), "unknown", f"script gave a receipt of -1 rows, {NOBODY}{BUG}"),
    ],
    ids=[
        "receipt",
        "give up",
        "unknown",
        "partial",
        "part for good",
        "skip",
        "bug",
        "exit",
        "closed",
        "base",
        "surrogate",
        "surrogate of ours",
        "mute",
        "nothing",
        "text",
        "odd receipt",
        "less than none",
        "too many to count",
        "as many as can be",
        "less than none in part",
    ],
)
def test_whatever_a_sink_does_is_an_outcome_and_the_next_sink_has_its_turn(stage, caplog, line, state, error):
    caplog.set_level(
        logging.CRITICAL, "mmflow.deliver"
    )  # a surrogate in a log cannot travel between processes of xdist
    found = stage.deliver(Script(line).use("first"), Script(Receipt(rows=2)).use("second"))
    assert (found["first"].state, found["first"].error, found["first"].attempts) == (state, error, 1)
    assert (found["second"].state, found["second"].receipt) == ("done", Receipt(rows=2))


@pytest.fixture
def handle_interrupts():
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_nobodys_outcome(stage, handle_interrupts):
    handle_interrupts(signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        stage.deliver(Script(KeyboardInterrupt()).use())


def test_an_interrupt_where_nobody_can_interrupt_is_one_of_the_sink(stage, handle_interrupts):
    handle_interrupts(signal.SIG_IGN)
    found = stage.deliver(Script(KeyboardInterrupt()).use("first"), Script(Receipt(rows=2)).use("second"))
    assert (found["first"].error, found["second"].state) == (f"script raised KeyboardInterrupt: {BUG}", "done")


def test_a_sink_during_which_the_process_ended_has_its_turn_after_the_others(stage, handle_interrupts):
    handle_interrupts(signal.default_int_handler)
    bad, letter, good = Script(KeyboardInterrupt(), Receipt(rows=1)), Script(Receipt(rows=1)), Script(Receipt(rows=1))
    uses = bad.use("bad"), letter.use("letter", attach=("bad",)), good.use("good")
    with pytest.raises(KeyboardInterrupt):
        stage.deliver(*uses)
    good.lines.insert(0, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        stage.again(*uses)
    assert (len(bad.heard), len(letter.heard), len(good.heard)) == (1, 0, 1)


def test_nothing_on_record_holds_a_secret(stage):
    receipt = Receipt(rows=1, path=f"out/{PASSWORD}", details={"login": PASSWORD, PASSWORD: 1, "count": 2})
    found = stage.deliver(
        Script(GiveUp(f"{PASSWORD} is refused")).use("first"),
        Script(RuntimeError(PASSWORD)).use("second"),
        Script(receipt).use("third"),
    )
    assert found["first"].error == "*** is refused"
    assert found["second"].error == f"script raised RuntimeError: ***{BUG}"
    assert found["third"].receipt == Receipt(rows=1, path="out/***", details={"login": "***", "***": 1, "count": 2})


def test_a_sink_is_told_about_the_sites_that_answered_only(stage):
    script = Script(Receipt(rows=1))
    stage.deliver(script.use(), missing=[("austin", "it is down")])
    (told,) = script.heard
    assert told.spans == (SPANS[0],)
    assert told.names["site"] == "boston-austin", "a file keeps its name when a site is missing"
    assert (told.time_column, told.extracted_at, told.slot, told.run) == ("day", SLOT, SLOT, "r1")


def test_a_sink_is_shown_the_receipt_of_the_delivery_that_it_replaces(stage):
    script = Script(Receipt(rows=1), Receipt(rows=2), Receipt(rows=3))
    for run in ("r1", "r2", "r3"):
        stage.deliver(script.use(), run=run)
    assert [told.previous for told in script.heard] == [None, Receipt(rows=1), Receipt(rows=2)]
    assert [told.generation for told in script.heard] == [1, 2, 3]


def test_deliveries_of_one_window_replace_each_other_whatever_the_order_of_sites(stage):
    use = Script().use()
    key = delivery_key(use, "daily", SLOT, SPANS)
    assert delivery_key(use, "daily", SLOT, SPANS[::-1]) == key
    assert delivery_key(use, "daily", SLOT + timedelta(days=1), SPANS) == key
    later = (SPANS[0], ("austin", make_span(SATURDAY, SATURDAY)))
    others = [
        delivery_key(replace(use, name="another"), "daily", SLOT, SPANS),
        delivery_key(use, "another", SLOT, SPANS),
        delivery_key(use, "daily", SLOT, later),
        delivery_key(use, "daily", SLOT, SPANS[:1]),
    ]
    assert len({key, *others}) == 5


def test_a_message_of_each_slot_stands_by_itself(stage):
    use = Script().use(semantics="message")
    slots = [SLOT, SLOT + timedelta(seconds=1), SLOT + timedelta(hours=1), SLOT + timedelta(days=1)]
    assert len({delivery_key(use, "daily", slot, SPANS) for slot in slots}) == 4
    assert delivery_key(use, "daily", SLOT, SPANS) == delivery_key(use, "daily", SLOT, SPANS[:1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other pipes")
def test_a_console_whose_reader_went_away_is_no_bug(stage, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    stdout = os.fdopen(writer, "w", encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stdout)
    outcome = attempt_delivery(stage.table, SinkUse("console", CONSOLE, ConsoleOptions()), make_run(stage.root))
    assert (outcome.state, outcome.error) == ("failed", "the table was not printed: nobody reads the output any more")
    with suppress(BrokenPipeError):
        stdout.close()


def test_what_may_still_succeed_of_a_part_is_tried_again_with_what_was_done(stage):
    done = Receipt(rows=1, details={"sent": 1})
    script = Script(Partial(done, retry=("bob",), after=5), Receipt(rows=1, details={"sent": 2}))
    found = stage.deliver(script.use())["script"]
    assert (found.state, found.receipt.details, stage.waits) == ("done", {"sent": 2}, [5])
    assert [told.previous for told in script.heard] == [None, done]
    assert [(told.generation, told.fence) for told in script.heard] == [(1, 1), (1, 2)]


def test_a_sink_that_stands_in_gets_the_table_only_when_the_other_failed(stage):
    spare, unused = Script(Receipt(rows=1)), Script()
    uses = [
        Script(GiveUp("it is gone")).use("first", fallback="spare"),
        spare.use("spare"),
        Script(Receipt(rows=1)).use("second", fallback="unused"),
        unused.use("unused"),
    ]
    found = stage.deliver(*reversed(uses))
    assert {name: delivery.state for name, delivery in found.items()} == {
        "first": "failed",
        "spare": "done",
        "second": "done",
        "unused": "skipped",
    }
    assert found["unused"].error == "not needed: second did not fail"
    assert unused.heard == []


@pytest.mark.parametrize(
    ("when", "missing", "state"),
    [
        ("always", (), "done"),
        ("rows", (), "done"),
        ("empty", (), "skipped"),
        ("partial", (), "skipped"),
        ("partial", [("austin", "it is down")], "done"),
        (WhenSpec(column="goodParts", above=4), (), "done"),
        (WhenSpec(column="goodParts", above=5), (), "skipped"),
        (WhenSpec(column="goodParts", below=5.5), (), "done"),
        (WhenSpec(column="goodParts", above=9, below=5.0), (), "skipped"),
        (WhenSpec(column="goodParts", above="goodParts"), (), "skipped"),
        (WhenSpec(column="gone", above=0), (), "skipped"),
    ],
)
def test_a_sink_gets_the_table_when_its_condition_holds(stage, when, missing, state):
    found = stage.deliver(Script(Receipt(rows=1)).use(when=when), missing=missing)["script"]
    assert found.state == state
    assert bool(found.error) == (state == "skipped")


def test_files_of_this_run_are_attached_whatever_the_order_of_the_job(stage):
    files = [stage.root / "out" / name for name in ("a.csv", "b.csv")]
    files[0].parent.mkdir()
    for file in files:
        file.touch()
    post = Script(Receipt(rows=1))
    stage.deliver(
        post.use("post", attach=("first", "gone", "broken")),
        Script(Receipt(rows=1, path="out/a.csv", more=("out/b.csv",))).use("first"),
        Script(Receipt(rows=1, path="out/never.csv")).use("gone"),
        Script(GiveUp("no")).use("broken"),
    )
    assert post.heard[0].attachments == {"first": tuple(files)}


def test_a_message_of_one_slot_is_sent_once_unless_somebody_asks_again(stage):
    post = Script(Receipt(rows=1), Receipt(rows=2), Receipt(rows=3))
    use = post.use(semantics="message")
    assert stage.deliver(use, run="r1")["script"].state == "done"
    second = stage.deliver(use, run="r2")["script"]
    assert (second.state, len(post.heard)) == ("skipped", 1)
    assert second.error == "not sent: run r1 has sent it; 'mmflow resend r1 --sink script' sends it again"
    assert stage.deliver(use, run="r3", messages=Messages(again=True))["script"].state == "done"
    assert [told.generation for told in post.heard] == [1, 2]


def test_a_run_that_sends_no_messages_delivers_everything_else(stage):
    post, other = Script(), Script(Receipt(rows=1))
    found = stage.deliver(post.use("post", "message"), other.use("other"), messages=Messages(send=False))
    assert [found[name].state for name in ("post", "other")] == ["skipped", "done"]
    assert found["post"].error == "not sent: this run sends no messages"


def test_a_message_that_expires_while_its_run_goes_on_is_not_sent(stage):
    end = stage.clock.now() + timedelta(minutes=5)

    class Slow(Script):
        def __call__(self, *told):
            stage.clock.set(end + timedelta(seconds=1))
            return super().__call__(*told)

    in_time, slow, late = Script(Receipt(rows=1)), Slow(Receipt(rows=1)), Script()
    uses = (in_time.use("in_time", "message"), slow.use("slow"), late.use("late", "message"))
    found = stage.deliver(*uses, messages=Messages(expires=end))
    assert {name: one.state for name, one in found.items()} == {"in_time": "done", "slow": "done", "late": "skipped"}
    assert found["late"].error == "not sent: it expired at 2026-11-22 11:45 UTC"


def test_messages_can_be_sent_to_somebody_else_only(stage):
    post = Script(Receipt(rows=1))
    stage.deliver(post.use(semantics="message"), messages=Messages(to=("me@example.com",)))
    assert post.heard[0].to == ("me@example.com",)


@pytest.mark.parametrize(("presence", "calls"), [("present", 0), ("absent", 1), ("unknown", 1)])
def test_a_delivery_that_ended_without_a_word_is_looked_for_before_it_is_repeated(stage, presence, calls):
    script = Script(Unknown("the line was cut"), Receipt(rows=2))
    use = script.use(probe=lambda _options, _run: presence)
    assert stage.deliver(use)["script"].state == "unknown"
    found = stage.again(use)["script"]
    assert (found.state, found.generation, len(script.heard) - 1) == ("done", 1, calls)
    assert found.receipt == Receipt(rows=1 + calls)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (TryLater("nobody answers"), "nobody can tell whether it arrived: nobody answers"),
        (KeyError("x"), "script raised KeyError in its probe: 'x'; this is a bug in acme"),
    ],
)
def test_a_probe_that_fails_leaves_the_delivery_unknown(stage, fault, error):
    def probe(_options, _run):
        raise fault

    use = Script(Unknown("the line was cut")).use(semantics="message", probe=probe)
    stage.deliver(use)
    found = stage.again(use)["script"]
    assert (found.state, found.error) == ("unknown", error)


def test_what_can_be_replaced_is_delivered_again_when_nobody_answers_whether_it_arrived(stage):
    def probe(_options, _run):
        raise TryLater("nobody answers")

    use = Script(Unknown("the line was cut"), Receipt(rows=1)).use(probe=probe)
    stage.deliver(use)
    assert stage.again(use)["script"].state == "done"


def test_what_a_later_run_takes_up_after_a_failure_is_the_same_generation_with_a_new_fence(stage):
    script = Script(GiveUp("no"), Receipt(rows=1), Receipt(rows=2))
    for run in ("r1", "r2", "r3"):
        stage.deliver(script.use(), run=run)
    assert [(told.generation, told.fence) for told in script.heard] == [(1, 1), (1, 2), (2, 3)]


def test_a_sink_has_a_private_place_of_its_own_and_the_clock_of_the_run(stage):
    script = Script(Receipt(rows=1))
    stage.deliver(script.use("post"))
    (told,) = script.heard
    assert told.store == stage.root / ".mmflow" / "sinks" / "daily" / "post"
    assert told.clock is stage.where.clock
