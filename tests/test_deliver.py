"""What the engine makes of a sink: retries, outcomes, what it tells the sink, and what it writes down."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.check.uses import SinkUse
from mmflow.clock import FixedClock
from mmflow.deliver import Destination, Means, attempt_delivery, deliver, delivery_key
from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.ledger import Ledger
from mmflow.options import Options
from mmflow.refs import Redactor
from mmflow.sinks import CONSOLE, ConsoleOptions, Partial, Receipt, SinkType
from mmflow.table import make_table
from mmflow.testing.deliveries import DAY, PARTS, make_run, make_span

SLOT = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
PASSWORD = "pw-7c1f93ab"
FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)
SPANS = (("boston", make_span(SATURDAY, SATURDAY)), ("austin", make_span(FRIDAY, FRIDAY)))


class Script:
    """A sink that does as it is told, one line for each attempt, and remembers what it was told itself."""

    def __init__(self, *lines):
        self.lines = list(lines)
        self.heard = []

    def __call__(self, _table, _options, run):
        self.heard.append(run)
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    def use(self, name="script", semantics="transactional"):
        kind = SinkType(
            name="script", summary="A script.", options=Options, deliver=self, semantics=semantics, distribution="acme"
        )
        return SinkUse(name, kind, Options())


class Stage:
    """A run that has a table, and everything that delivering it needs."""

    def __init__(self, root, ledger, clock):
        self.root, self.ledger, self.clock = root, ledger, clock
        self.redactor = Redactor()
        self.redactor.remember(PASSWORD)
        self.where = Destination(root, root / "out", 0o644, root / "jobs")
        self.table = make_table([(SATURDAY, 5.0)], columns=(DAY, PARTS), path=root / "table.parquet")
        self.waits = []
        clock.sleep = self.waits.append

    def deliver(self, *uses, run="r1", spans=SPANS, missing=()):
        """Deliver to these sinks and give what is on record, by sink."""
        self.ledger.begin_run(run, "daily", SLOT, "manual")
        keys = [(use.name, use.type.name, delivery_key(use, "daily", SLOT, spans)) for use in uses]
        self.ledger.note_plan(run, spans, keys)
        self.ledger.note_table(run, 1, (), SLOT, "table.parquet", missing)
        means = Means(self.where, self.ledger, self.clock, self.redactor)
        deliver(self.table, uses, self.ledger.read_run(run), means)
        return {delivery.sink: delivery for delivery in self.ledger.deliveries(run)}


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


@pytest.mark.parametrize(
    ("line", "state", "error"),
    [
        (Receipt(rows=1), "done", ""),
        (GiveUp("no right to write"), "failed", "no right to write"),
        (Unknown("it may have arrived"), "unknown", "it may have arrived"),
        (Partial(Receipt(rows=1), retry=("ann", "bob")), "failed", "partly delivered; 2 left to retry: ann, bob"),
        (ValueError("oops"), "failed", f"script raised ValueError: oops{BUG}"),
        (SystemExit(2), "failed", f"script raised SystemExit: 2{BUG}"),
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
    ],
    ids=["receipt", "give up", "unknown", "partial", "bug", "exit", "nothing", "text", "odd receipt"],
)
def test_whatever_a_sink_does_is_an_outcome_and_the_next_sink_has_its_turn(stage, line, state, error):
    found = stage.deliver(Script(line).use("first"), Script(Receipt(rows=2)).use("second"))
    assert (found["first"].state, found["first"].error, found["first"].attempts) == (state, error, 1)
    assert (found["second"].state, found["second"].receipt) == ("done", Receipt(rows=2))


def test_an_interrupt_is_nobodys_outcome(stage):
    with pytest.raises(KeyboardInterrupt):
        stage.deliver(Script(KeyboardInterrupt()).use())


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
