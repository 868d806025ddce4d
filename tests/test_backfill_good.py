"""Which windows need no work, which sinks would write one over another, and what the ledger keeps of all this."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.backfill import find_good
from mmflow.backfill.windows import Window
from mmflow.check.uses import SinkUse
from mmflow.deliver.places import find_shared
from mmflow.deliver.told import delivery_key
from mmflow.job import Job
from mmflow.ledger import Moved, MovedCell, NewSlot
from mmflow.options import Options, convert_values
from mmflow.sinks import Receipt, SinkType
from mmflow.testing.deliveries import make_span

NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
JOB = convert_values(
    {"job": "daily", "report": {"metrics": ["oee"]}, "window": "yesterday", "sites": ["boston"], "sinks": [{}]}, Job
)


def make_window(day):
    return Window(NOW - timedelta(days=40 - day.day), (("boston", make_span(day, day)),))


WINDOWS = [make_window(date(2026, 11, day)) for day in (2, 3)]
WINDOW = WINDOWS[0]


class PathOptions(Options):
    path: str = "{date}.csv"


class ModeOptions(PathOptions):
    mode: str = "replace"


class TableOptions(Options):
    mode: str = "replace"


def use(name="csv", semantics="transactional", options=None, **keys):
    options = options or PathOptions()
    kind = SinkType(name=name, summary="It.", options=type(options), deliver="x:y", semantics=semantics)
    return SinkUse(name, kind, options, **keys)


def deliver(ledger, run, states, *, state="ok", kind="manual", window=WINDOW):
    """A run of a window whose deliveries have come to these states."""
    ledger.begin_run(run, "daily", window.slot, kind)
    uses = [use(name) for name in states]
    ledger.note_plan(
        run, window.spans, [(one.name, "csv", delivery_key(one, "daily", NOW, window.spans)) for one in uses]
    )
    for name, found in states.items():
        taken = ledger.take_delivery(run, name)
        ledger.commit_delivery(taken, found, receipt=Receipt(rows=1) if found == "done" else None)
    ledger.finish_run(run, state)


def good(ledger, *uses):
    return find_good(ledger, "daily", uses, WINDOWS)


@pytest.mark.parametrize(("state", "expected"), [("ok", True), ("degraded", True), ("failed", False), ("held", False)])
def test_a_window_is_good_by_a_run_that_is(ledger, state, expected):
    deliver(ledger, "r1", {"csv": "done"}, state=state)
    assert good(ledger, use()) == ({WINDOW.slot: "r1"} if expected else {})


def test_it_is_not_when_one_required_sink_lacks_it(ledger):
    deliver(ledger, "r1", {"csv": "done", "excel": "failed"}, state="degraded")
    assert good(ledger, use(), use("excel")) == {}
    assert good(ledger, use(), use("excel", required=False)) == {WINDOW.slot: "r1"}
    assert good(ledger, use("excel", required=False)) == {}


def test_what_a_stand_in_has_is_delivered(ledger):
    deliver(ledger, "r1", {"csv": "failed", "spare": "done"}, state="degraded")
    assert good(ledger, use(fallback="spare"), use("spare")) == {WINDOW.slot: "r1"}


def test_sinks_may_have_it_from_different_runs(ledger):
    deliver(ledger, "r1", {"csv": "done"})
    deliver(ledger, "r2", {"excel": "done"})
    assert good(ledger, use(), use("excel")) == {WINDOW.slot: "r2"}
    deliver(ledger, "r3", {"excel": "done"}, state="failed")
    assert good(ledger, use(), use("excel")) == {}


def test_messages_say_nothing_about_it_unless_there_is_nothing_else(ledger):
    mail = use("mail", "message")
    deliver(ledger, "r1", {"csv": "done"})
    assert good(ledger, use(), mail) == {WINDOW.slot: "r1"}
    assert good(ledger, mail) == {}
    deliver(ledger, "r2", {"mail": "done"}, kind="backfill")
    assert good(ledger, mail) == {WINDOW.slot: "r2"}


@pytest.mark.parametrize(
    ("options", "shared"),
    [
        (PathOptions(), False),
        (PathOptions(path="{last_day} {job}.csv"), False),
        (PathOptions(path="{run}.csv"), False),
        (PathOptions(path="{month}.csv"), True),
        (PathOptions(path="latest.csv"), True),
        (PathOptions(path="{machine}.csv"), True),
        (ModeOptions(path="latest.csv"), True),
        (ModeOptions(path="latest.csv", mode="replace_window"), False),
        (TableOptions(), True),
        (TableOptions(mode="append"), False),
        (Options(), False),
    ],
)
def test_sinks_that_write_one_window_over_another_are_those_that_replace_one_place(options, shared):
    found = find_shared(JOB, [use(options=options)], WINDOWS)
    assert [one.name for one in found] == (["csv"] if shared else [])


def test_messages_write_over_nothing():
    assert find_shared(JOB, [use(semantics="message", options=TableOptions())], WINDOWS) == []


def test_windows_are_leased_side_by_side_in_the_order_of_time_and_never_by_a_daemon(ledger):
    slots, now = ledger.slots, ledger.slots.now()
    later, hours = now + timedelta(minutes=1), [now - timedelta(hours=number) for number in range(4)]
    slots.reopen("daily", [NewSlot(due=due, kind="backfill", next_at=now) for due in hours[:3]])
    slots.reopen("daily", [NewSlot(due=hours[3], kind="backfill", next_at=later)])
    slots.reopen("other", [NewSlot(due=hours[3], kind="backfill", next_at=now)])
    assert slots.take("daemon", later, 9) == []
    assert [slot.due for slot in slots.take_windows("daily", "me", later, 2)] == [hours[2], hours[1]]
    (last,) = slots.take_windows("daily", "me", later, 9)
    assert (last.due, last.state, last.owner, last.lease_until) == (hours[0], "running", "me", later)
    assert slots.take_windows("daily", "me", later, 9) == []
    assert slots.find("daily", hours[0], "backfill") == last
    assert slots.find("daily", hours[0], "schedule") is None


def test_the_latest_slots_of_all_jobs_are_listed_newest_first(ledger):
    for job in ("other", "daily"):
        ledger.slots.reopen(job, [NewSlot(due=NOW - timedelta(hours=number), kind="backfill") for number in range(2)])
    found = [(slot.job, slot.due) for slot in ledger.slots.list_recent(limit=3)]
    assert found == [("daily", NOW), ("other", NOW), ("daily", NOW - timedelta(hours=1))]
    assert {slot.job for slot in ledger.slots.list_recent("other")} == {"other"}


def test_what_moved_is_kept_with_its_run(ledger):
    deliver(ledger, "r1", {"csv": "done"})
    cell = MovedCell(row={"machine": "Mill 1", "shift": None}, change="changed", column="oee", before=3, after=0.5)
    moved = Moved(since="r0", total=1200, cells=(cell, MovedCell(row={}, change="gone")))
    assert ledger.read_moved("r1") is None
    ledger.note_moved("r1", moved)
    assert ledger.read_moved("r1") == moved
