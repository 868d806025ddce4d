"""Sinks that stand in, wait, attach and send, over several tries and runs; and what a run becomes by that."""

import pytest

from mmflow.clock import FixedClock
from mmflow.deliver import Messages
from mmflow.deliver.ending import judge_run
from mmflow.deliver.turns import order_uses
from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.job import WhenSpec
from mmflow.ledger import Delivery, Ledger
from mmflow.sinks import Partial, Receipt, Skip
from mmflow.table import Column, make_table
from mmflow.testing.deliveries import DAY, MACHINE, PARTS
from tests.stage import SATURDAY, SLOT, Script, Stage

SENT = Receipt(rows=1, details={"sent": 1})


@pytest.fixture
def stage(tmp_path):
    clock = FixedClock(SLOT)
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as ledger:
        yield Stage(tmp_path, ledger, clock)


def ended(sink, state, error=""):
    """Give a delivery as it is on record."""
    told = {"run": "r1", "type": "script", "key": sink, "generation": 1, "fence": 1, "attempts": 1, "receipt": None}
    return Delivery(sink=sink, state=state, error=error, updated=SLOT, **told)


def states(found):
    return {name: delivery.state for name, delivery in found.items()}


# --- stand-ins and order ----------------------------------------------------------------------------------------------


def chain(*lines):
    """Give sinks a, b and c, where each stands in for the one before it."""
    names = ("a", "b", "c", "")
    return [Script(line).use(names[at], fallback=names[at + 1]) for at, line in enumerate(lines)]


@pytest.mark.parametrize(
    ("lines", "states_", "state"),
    [
        ((SENT, SENT, SENT), ("done", "skipped", "skipped"), "ok"),
        ((GiveUp("no"), SENT, SENT), ("failed", "done", "skipped"), "degraded"),
        ((GiveUp("no"), GiveUp("no"), SENT), ("failed", "failed", "done"), "degraded"),
        ((GiveUp("no"), GiveUp("no"), GiveUp("no")), ("failed", "failed", "failed"), "failed"),
        ((Unknown("?"), SENT, SENT), ("unknown", "done", "skipped"), "degraded"),
        ((Skip("no"), SENT, SENT), ("skipped", "skipped", "skipped"), "ok"),
        ((Partial(SENT, retry=("x",), after=600), SENT, SENT), ("failed", "done", "skipped"), "degraded"),
    ],
)
def test_a_stand_in_may_have_a_stand_in_itself(stage, lines, states_, state):
    uses = chain(*lines)
    found = stage.deliver(*uses)
    assert tuple(states(found).values()) == states_
    assert judge_run(list(found.values()), uses, ())[0] == state


def test_a_stand_in_that_is_skipped_by_its_own_condition_leaves_the_run_failed(stage):
    uses = [Script(GiveUp("no")).use("a", fallback="b"), Script().use("b", when="empty")]
    found = stage.deliver(*uses)
    assert states(found) == {"a": "failed", "b": "skipped"}
    assert judge_run(list(found.values()), uses, ())[0] == "failed"


def test_a_circle_of_stand_ins_ends_and_has_no_stand_in():
    uses = [Script().use("a", fallback="b"), Script().use("b", fallback="a")]
    failed = [ended(name, "failed") for name in "ab"]
    assert judge_run(failed, uses, ())[0] == "failed"


def test_what_a_later_run_made_good_is_no_reason_to_call_a_run_degraded():
    uses = [Script().use("a"), Script().use("b")]
    made = [ended("a", "superseded", "it was gone"), ended("b", "done")]
    assert judge_run(made, uses, ()) == ("ok", "")


def test_sinks_wait_for_those_that_they_attach_and_stand_in_for_and_keep_their_order_else():
    uses = [
        Script().use("post", attach=("spare", "gone")),
        Script().use("spare"),
        Script().use("plain"),
        Script().use("first", fallback="spare"),
    ]
    assert [use.name for use in order_uses(uses)] == ["first", "spare", "post", "plain"]
    circle = [Script().use("a", attach=("b",)), Script().use("b", attach=("a",))]
    assert [use.name for use in order_uses(circle)] == ["b", "a"]


def test_a_stand_in_that_is_sent_to_by_its_name_is_not_spared(stage):
    uses = chain(SENT, SENT, SENT)
    stage.deliver(*uses)
    assert states(stage.again(uses[1]))["b"] == "done"


def test_a_stand_in_keeps_what_it_delivered_when_the_sink_works_again(stage):
    first, spare = Script(GiveUp("no"), SENT), Script(Receipt(rows=7))
    uses = [first.use("a", fallback="b"), spare.use("b")]
    stage.deliver(*uses)
    found = stage.again(*uses, messages=Messages(again=True))
    assert states(found) == {"a": "done", "b": "done"}
    assert (found["b"].receipt, len(spare.heard)) == (Receipt(rows=7), 1)


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "when", "reason"),
    [
        ([], "rows", "the report has no rows"),
        ([(SATURDAY, 1.0)], "empty", "the report has 1 row"),
        ([(SATURDAY, 1.0), (SATURDAY, 2.0)], "empty", "the report has 2 rows"),
        ([(SATURDAY, 1.0)], "partial", "no site is missing"),
        ([(SATURDAY, None)], WhenSpec(column="goodParts", below=5), "no row has goodParts below 5"),
        (
            [(SATURDAY, 7.0)],
            WhenSpec(column="goodParts", above=8, below="x"),
            "no row has goodParts above 8 or below x",
        ),
        ([(SATURDAY, 7.0)], WhenSpec(column="day", above=0), "no row has day above 0"),
    ],
)
def test_why_a_condition_does_not_hold_is_on_record(stage, rows, when, reason):
    stage.table = make_table(rows, columns=(DAY, PARTS), path=stage.root / "other.parquet")
    found = stage.deliver(Script().use(when=when))["script"]
    assert (found.state, found.error) == ("skipped", reason)


def test_one_row_beyond_the_limit_of_its_own_column_is_enough(stage):
    columns = (MACHINE, PARTS, Column("goal", "Goal", "number"))
    rows = [("A", 5.0, 4.0), ("B", 5.0, None), ("C", 5.0, 6.0)]
    stage.table = make_table(rows, columns=columns, path=stage.root / "other.parquet")
    when = WhenSpec(column="goodParts", below="goal")
    assert stage.deliver(Script(SENT).use(when=when))["script"].state == "done"
    stage.table = make_table(rows[:2], columns=columns, path=stage.root / "fewer.parquet")
    assert stage.deliver(Script().use(when=when), run="r2")["script"].state == "skipped"


def test_a_table_without_rows_holds_for_empty(stage):
    stage.table = make_table([], columns=(DAY, PARTS), path=stage.root / "other.parquet")
    assert stage.deliver(Script(SENT).use(when="empty"))["script"].state == "done"


# --- files that are attached ------------------------------------------------------------------------------------------


def test_a_file_that_another_run_has_written_since_is_not_attached(stage):
    book, post = Script(Receipt(rows=1)), Script(SENT, SENT, SENT)
    file = stage.root / "out" / "book"
    file.parent.mkdir()
    file.write_bytes(b"x")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    book.lines = [Receipt(rows=1, path="out/book", sha256=digest)]
    uses = [book.use("book"), post.use("post", attach=("book",))]
    stage.deliver(*uses)
    stage.again(uses[1])
    file.write_bytes(b"y")
    stage.again(uses[1])
    assert [run.attachments for run in post.heard] == [{"book": (file,)}, {"book": (file,)}, {}]


def test_several_files_are_attached_whatever_the_hash_of_their_hashes_and_those_of_a_part_are_not(stage):
    files = [stage.root / "out" / name for name in ("a", "b")]
    files[0].parent.mkdir()
    for file in files:
        file.touch()
    made = Receipt(rows=1, path="out/a", more=("out/b",), sha256="0" * 64)
    post = Script(SENT)
    stage.deliver(
        Script(made).use("whole"),
        Script(Partial(made, retry=("c",), after=600)).use("part"),
        post.use("post", attach=("whole", "part")),
    )
    assert post.heard[0].attachments == {"whole": tuple(files)}


# --- parts ------------------------------------------------------------------------------------------------------------


def test_what_is_done_of_a_part_is_known_to_all_later_tries(stage):
    script = Script(Partial(SENT, retry=("bob",)), TryLater("it is busy"), TryLater("still"), Receipt(rows=1))
    found = stage.deliver(script.use())["script"]
    assert (found.state, found.receipt) == ("failed", SENT)
    stage.again(script.use())
    assert [run.previous for run in script.heard] == [None, SENT, SENT, SENT]
    assert [run.generation for run in script.heard] == [1, 1, 1, 1]


def test_a_later_run_that_takes_up_a_part_is_told_of_it(stage):
    script = Script(Receipt(rows=9), Partial(SENT, retry=("bob",), after=600), Receipt(rows=3))
    for run in ("r1", "r2", "r3"):
        stage.deliver(script.use(), run=run)
    assert [run.previous for run in script.heard] == [None, Receipt(rows=9), SENT]
    assert [run.generation for run in script.heard] == [1, 2, 2]


def test_of_two_parts_the_later_is_what_is_known(stage):
    later = Receipt(rows=1, details={"sent": 2})
    script = Script(Partial(SENT, retry=("x",), after=600), Partial(later, retry=("x",), after=600), Receipt(rows=3))
    for run in ("r2", "r1", "r3"):
        stage.deliver(script.use(), run=run)
    assert [run.previous for run in script.heard] == [None, SENT, later]


def test_an_old_run_that_is_sent_again_replaces_what_stands_there_and_not_what_it_sent_once(stage):
    script = Script(Receipt(rows=1), Receipt(rows=2), TryLater("busy"), Receipt(rows=3))
    use = script.use()
    stage.deliver(use, run="r1")
    stage.deliver(use, run="r2")
    stage.again(use, run="r1", messages=Messages(again=True))
    assert [run.previous for run in script.heard[2:]] == [Receipt(rows=2), Receipt(rows=2)]
    assert [run.generation for run in script.heard] == [1, 2, 3, 3]


def test_an_old_run_that_fails_when_it_is_sent_again_has_no_receipt_of_before(stage):
    script = Script(Receipt(rows=1), Receipt(rows=2), GiveUp("no"), Receipt(rows=3))
    use = script.use()
    stage.deliver(use, run="r1")
    stage.deliver(use, run="r2")
    assert stage.again(use, run="r1", messages=Messages(again=True))["script"].receipt is None
    stage.deliver(use, run="r3")
    assert script.heard[-1].previous == Receipt(rows=2)


# --- messages ---------------------------------------------------------------------------------------------------------


def doubtful(stage, presence=None):
    """Give a message of which nobody can tell whether it arrived, as a killed process leaves it."""
    script = Script(KeyboardInterrupt(), SENT)
    use = script.use(semantics="message", probe=presence and (lambda _options, _run: presence))
    with pytest.raises(KeyboardInterrupt):
        stage.deliver(use)
    return script, use


@pytest.mark.parametrize(
    ("presence", "state", "calls"),
    [("present", "done", 0), ("absent", "done", 1), ("unknown", "unknown", 0), (None, "unknown", 0)],
)
@pytest.mark.parametrize("run", ["r1", "r2"])
def test_a_message_that_may_be_out_is_not_sent_again_by_itself(stage, presence, state, calls, run):
    script, use = doubtful(stage, presence)
    if run == "r1":
        stage.ledger.begin_resend("r1", "daily", [("script", "script", stage.ledger.delivery("r1", "script").key)])
        found = stage.again(use)["script"]
    else:
        found = stage.deliver(use, run="r2")["script"]
    assert (found.state, len(script.heard) - 1) == (state, calls)
    if state == "unknown":
        assert found.error == (
            f"nobody can tell whether an earlier try of it arrived; 'mmflow resend {run} --sink script' sends it again"
        )
        assert stage.again(use, run=run, messages=Messages(again=True))["script"].state == "done"
        assert len(script.heard) == 2


def test_a_doubt_is_looked_into_before_the_first_try_alone(stage):
    asked = []

    def probe(_options, _run):
        asked.append(1)
        return "absent"

    use = Script(Unknown("the line was cut"), TryLater("it is busy"), SENT).use(probe=probe)
    stage.deliver(use)
    assert stage.again(use)["script"].state == "done"
    assert asked == [1]


def test_other_deliveries_of_a_killed_run_are_delivered_by_the_next_without_asking(stage):
    script = Script(KeyboardInterrupt(), SENT)
    use = script.use(probe=lambda _options, _run: "present")
    with pytest.raises(KeyboardInterrupt):
        stage.deliver(use)
    assert stage.deliver(use, run="r2")["script"].state == "done"
    assert len(script.heard) == 2, "the rows of the next run are others"


def test_a_message_that_is_out_stays_so_when_a_run_may_not_send(stage):
    script = Script(SENT)
    use = script.use(semantics="message")
    stage.deliver(use)
    assert stage.again(use, messages=Messages(send=False))["script"].state == "done"


def test_a_doubt_ends_when_the_message_was_sent_for_certain(stage):
    _script, use = doubtful(stage)
    assert stage.deliver(use, run="r3", messages=Messages(again=True))["script"].state == "done"
    assert stage.ledger.delivery("r1", "script").state == "superseded"
    assert stage.ledger.doubtful_run(stage.ledger.delivery("r1", "script").key) == ""


def test_a_failed_message_is_sent_by_the_next_run_of_its_slot(stage):
    script = Script(GiveUp("no"), SENT)
    use = script.use(semantics="message")
    assert [stage.deliver(use, run=run)["script"].state for run in ("r1", "r2")] == ["failed", "done"]
