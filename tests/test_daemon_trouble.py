"""The daemon's loop when something around it goes wrong: it goes on, says so, and is well again afterwards."""

import sys
import threading
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from mmflow.ledger import Ledger
from mmflow.tasks import Outcome
from tests.daemons import ask, slots
from tests.turned import begin_nothing, do_it, give_cases

make_case = pytest.fixture(give_cases)


@pytest.mark.row("R18")
def test_a_part_that_raises_is_logged_and_counted_and_the_others_go_on(make_case, caplog):
    bugs = [RuntimeError("a bug in a queue")]

    def work(ledger, task):
        if bugs and task.slot.job == "daily":
            raise bugs.pop()
        return do_it(ledger, task)

    case = make_case(work, jobs=("daily", "other"))
    case.turn()
    case.turn(60)
    assert "RuntimeError: a bug in a queue" in caplog.text
    assert case.health.counts[("pass_errors",)] == 1
    assert case.reasons == ["work: RuntimeError; the log has the rest"]
    assert case.states()[0] == ("17:01", "running")
    for _ in range(8):
        case.turn(10)
    assert [state for _, state in case.states() + case.states("other")] == ["done"] * 4
    assert case.reasons == []


@pytest.mark.row("R22")
def test_without_its_ledger_the_daemon_begins_nothing_and_goes_on_when_it_is_there_again(make_case, caplog):
    case = make_case()
    case.turn()
    case.refusal = "the ledger cannot be written: database or disk is full; make room"
    case.daemon._ledger.close()
    case.turn(60)
    for _ in range(5):
        case.turn(10)
    assert case.hands.given == []
    assert caplog.text.count("nothing new is begun: the ledger cannot be written") == 1, "it is said once"
    assert [reason.split(":")[0] for reason in case.reasons] == ["ledger"]
    case.refusal = ""
    case.turn(10)
    case.turn(5)
    assert case.states() == [("17:01", "done"), ("17:02", "done")], "work goes on at once"
    assert "can be used again" not in caplog.text
    case.turn(60)
    assert case.reasons == []
    assert caplog.text.count("can be used again") == 1
    ((content,),) = ask(case.root, "SELECT content FROM notice WHERE kind = 'state'")
    assert "the ledger could be used again, after: the ledger cannot be written" in content


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted there")
@pytest.mark.row("R24")
def test_a_ledger_that_is_deleted_while_it_is_in_use_is_said_and_nothing_is_begun(make_case, caplog):
    case = make_case()
    case.turn(60)
    assert case.states() == [("17:01", "done")]
    folder = case.root / ".mmflow"
    for file in folder.glob("ledger.sqlite*"):
        file.rename(folder / f"away-{file.name}")
    (folder / "snapshots").mkdir(exist_ok=True)
    (folder / "snapshots" / "r1.parquet").touch()
    case.turn(60)
    case.turn(60)
    assert len(case.hands.given) == 1
    (reason,) = case.reasons
    assert "is missing" in reason
    assert "state restore" in reason
    assert caplog.text.count("nothing new is begun: the ledger") == 1
    for file in folder.glob("away-*"):
        file.rename(folder / file.name.removeprefix("away-"))
    case.turn(10)
    case.turn(10)
    assert [state for _, state in case.states()][-1] == "done"
    case.turn(60)
    assert case.reasons == []


@pytest.mark.row("R24")
def test_a_ledger_that_is_replaced_while_it_is_in_use_is_opened_anew(make_case, caplog):
    case = make_case()
    case.turn(60)
    file = case.root / ".mmflow" / "ledger.sqlite"
    with closing(Ledger.open(file, case.clock)) as ledger:
        ledger.back_up(case.root / "copy")
    for name in ("-wal", "-shm"):
        file.with_name(file.name + name).unlink(missing_ok=True)
    (case.root / "copy").replace(file)
    case.turn(60)
    assert "was deleted or replaced while it was in use" in caplog.text
    case.turn(10)
    case.turn(60)
    assert case.states()[-1] == ("17:03", "done")


def test_a_slot_whose_process_died_is_tried_again_and_given_up_after_three_deaths(make_case):
    def die(ledger, task):
        run = f"r{len(case.hands.given)}"
        ledger.begin_run(run, task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)
        return Outcome(state="died", error="its process ended without a word")

    case = make_case(die)
    case.turn()
    case.turn(60)
    case.turn()
    assert case.states() == [("17:01", "due")]
    for _ in range(40):
        case.turn(3)
    state, reason = next((state, reason) for due, state, reason in slots(case.root) if "17:01" in due)
    assert state == "failed"
    assert reason == "quarantined: its process died 3 times; the last time its process ended without a word"
    assert [task.slot.deaths for task in case.hands.given if task.slot.due.minute == 1] == [0, 1, 2]


def test_leases_are_renewed_while_the_work_lasts(make_case):
    case = make_case(begin_nothing)
    case.turn()
    case.turn(60)
    for _ in range(30):
        case.turn(10)
    ((until,),) = ask(case.root, "SELECT lease_until FROM slot WHERE state = 'running'")
    assert datetime.fromisoformat(until) > case.clock.now() + timedelta(seconds=30)
    assert len(case.hands.given) == 1
    assert {state for _, state in case.states()[1:]} == {"skipped"}, "the others came while it was running"


def test_what_another_daemon_left_is_taken_up_at_once_when_there_can_be_no_other(make_case):
    killed = make_case(begin_nothing)
    killed.turn()
    killed.turn(60)
    assert killed.states() == [("17:01", "running")]
    fresh = make_case()
    fresh.clock.set(killed.clock.now())
    fresh.turn()
    assert fresh.states() == [("17:01", "done")]
    assert ask(fresh.root, "SELECT deaths, tries FROM slot") == [(0, 1)], "no run had begun"


def test_a_run_whose_daemon_died_goes_on_at_once_the_first_time_and_a_minute_later_the_next(make_case):
    def begin(ledger, task):
        ledger.begin_run(f"r{task.slot.fence}", task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)

    killed = make_case(begin)
    killed.turn()
    killed.turn(60)
    for deaths, wait in ((1, 0), (2, 60)):
        at = killed.clock.now()
        killed = make_case(begin)
        killed.clock.set(at)
        for _ in range(30):
            killed.turn(3 if killed.hands.given == [] and killed.clock.now() > at else 1)
            if killed.hands.given:
                break
        (task,) = killed.hands.given
        assert task.slot.deaths == deaths
        assert wait <= (killed.clock.now() - at).total_seconds() <= wait + 5


def test_a_run_is_cancelled_by_the_wish_in_the_ledger(make_case):
    def begin(ledger, task):
        ledger.begin_run("r1", task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)

    case = make_case(begin)
    case.turn()
    case.turn(60)
    case.daemon._ledger.slots.wish("r1", "cancel")
    case.turn(2)
    case.turn(2)
    (task,) = case.hands.given
    assert case.hands.cancelled == [task.key], "once"
    case.daemon._leases._note_end(task, Outcome(state="cancelled"))
    case.turn()
    assert slots(case.root)[0][1:] == ("failed", "cancelled by hand")
    assert case.daemon._ledger.read_run("r1").state == "failed"


def test_a_run_that_ended_just_before_it_was_cancelled_stays_as_it_ended(make_case):
    def begin(ledger, task):
        ledger.begin_run("r1", task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)

    case = make_case(begin)
    case.turn()
    case.turn(60)
    ledger = case.daemon._ledger
    ledger.slots.wish("r1", "cancel")
    case.turn(2)
    ledger.finish_run("r1", "ok")
    (task,) = case.hands.given
    case.daemon._leases._note_end(task, Outcome(state="cancelled"))
    case.turn()
    assert (case.states()[0], ledger.read_run("r1").state) == (("17:01", "done"), "ok")


def test_deliveries_that_wait_in_line_are_cancelled_with_their_run(make_case):
    def put_off(ledger, task):
        if not task.slot.resume:
            ledger.begin_run("r1", task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)
            ledger.postpone_run("r1", task.slot, task.slot.due, "it is busy")
            return Outcome(state="again", run="r1")
        return None

    case = make_case(put_off)
    case.turn()
    case.turn(60)
    case.turn()
    assert [task.slot.resume for task in case.hands.given] == ["", "r1"]
    case.daemon._ledger.slots.wish("r1", "cancel")
    case.turn(2)
    case.daemon._leases._note_end(case.hands.given[-1], Outcome(state="cancelled", error="not begun"))
    case.turn()
    assert slots(case.root)[0][1:] == ("failed", "cancelled by hand")
    assert case.daemon._ledger.read_run("r1").state == "failed"


def test_the_end_of_an_earlier_lease_is_not_that_of_the_one_that_is_held(make_case):
    case = make_case(begin_nothing)
    case.turn()
    case.turn(60)
    (old,) = case.hands.given
    case.daemon._ledger.slots.put_back(old.slot, case.clock.now(), "another daemon thought this one dead")
    case.turn()
    assert [task.slot.fence for task in case.hands.given] == [1, 2]
    case.daemon._leases._note_end(old, Outcome(state="lost", error="taken over"))
    for _ in range(4):
        case.turn(10)
    assert len(case.hands.given) == 2, "nothing is begun a third time"
    assert case.states()[0] == ("17:01", "running")


@pytest.mark.parametrize(
    ("outcome", "reason", "wait"),
    [
        (Outcome(state="cancelled"), "the daemon was stopped; it goes on when one runs again", 0),
        (Outcome(state="lost", error="the disk is full"), "the disk is full", 30),
    ],
)
def test_what_was_ended_with_the_daemon_or_lost_is_put_back_and_is_nobodys_death(make_case, outcome, reason, wait):
    def begin(ledger, task):
        ledger.begin_run("r1", task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)
        return outcome

    case = make_case(begin)
    case.turn()
    case.turn(60)
    case.daemon._settle(case.daemon._ledger)
    assert slots(case.root)[0][1:] == ("due", reason)
    ((deaths, next_at),) = ask(case.root, "SELECT deaths, next_at FROM slot")
    assert (deaths, datetime.fromisoformat(next_at) - case.clock.now()) == (0, timedelta(seconds=wait))


def test_at_its_end_what_did_not_end_in_time_is_put_back(make_case):
    case = make_case(begin_nothing)
    case.turn()
    case.turn(60)
    case.daemon.end()
    assert slots(case.root)[0][1:] == ("due", "the daemon was stopped; it goes on when one runs again")
    assert ask(case.root, "SELECT owner, deaths FROM slot") == [("", 0)]


def test_a_job_that_cannot_be_planned_is_told_once(make_case):
    case = make_case()
    case.turn()
    times = case.daemon._planner._entries["daily"].timetable
    object.__setattr__(times, "_times", None)  # stands for a bug of ours
    for _ in range(100):
        case.turn(40)  # over an hour, after which the same would be told again
    (told,) = ask(case.root, "SELECT content FROM notice WHERE kind = 'broken'")
    assert "daily is not planned: AttributeError" in told[0]


def test_at_its_end_a_run_that_had_begun_to_deliver_is_put_back_to_go_on_from_there(make_case):
    def deliver(ledger, task):
        ledger.begin_run("r1", task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)
        ledger.note_plan("r1", (), [("csv", "csv", "a"), ("more", "csv", "b")])
        ledger.note_table("r1", 5, (), task.slot.due, "r1.parquet")
        ledger.commit_delivery(ledger.take_delivery("r1", "csv"), "done")

    case = make_case(deliver)
    case.turn()
    case.turn(60)
    case.daemon.end()
    assert ask(case.root, "SELECT state, resume, deaths FROM slot") == [("due", "r1", 0)]
    again = make_case(begin_nothing)
    again.turn(60)
    again.turn(1)
    (task,) = again.hands.given
    assert (task.slot.run, task.slot.resume) == ("r1", "r1")
    assert ask(case.root, "SELECT sink, state FROM delivery ORDER BY sink") == [("csv", "done"), ("more", "pending")]


@pytest.mark.parametrize("part", ["leases", "ledger"])
def test_at_its_end_nothing_rests(make_case, part):
    case = make_case(begin_nothing)
    case.turn()
    case.turn(60)
    case.daemon._rest(part)
    case.daemon.end()
    assert slots(case.root)[0][1:] == ("due", "the daemon was stopped; it goes on when one runs again")


def test_after_a_long_outage_all_is_planned_and_told_in_parts(make_case, monkeypatch):
    monkeypatch.setattr("mmflow.daemon.ends.MOST", 60)  # so that two jobs are many
    case = make_case(jobs=("daily", "other"))
    case.turn()
    case.daemon._planner._most = 50
    case.clock.sleep(86_400)
    assert case.daemon.run(once=True) == 0
    assert ask(case.root, "SELECT job, count(*), sum(told) FROM slot GROUP BY job ORDER BY job") == [
        ("daily", 101, 101),
        ("other", 101, 101),
    ]
    assert [case.states(job)[-1][1] for job in ("daily", "other")] == ["done", "done"]


def test_once_ends_when_all_that_passed_is_written_down_and_told(make_case, monkeypatch):
    monkeypatch.setattr("mmflow.daemon.ends.MOST", 60)
    case = make_case(jobs=[f"job{number}" for number in range(5)])
    case.turn()
    for number in range(5):
        case.daemon._ledger.slots.pause(f"job{number}", None, "nothing is due by that")
    case.daemon._planner._most = 300
    case.clock.sleep(86_400)
    assert case.daemon.run(once=True) == 0
    assert ask(case.root, "SELECT count(*), sum(told) FROM slot WHERE state = 'skipped'") == [(505, 505)]


def test_a_part_that_could_not_do_its_work_is_the_exit_code_of_once(make_case, caplog):
    case = make_case()
    case.clock.sleep(60)
    case.daemon._planner.plan = None  # stands for a bug of ours
    assert case.daemon.run(once=True) == 1
    assert "the part planner failed" in caplog.text
    assert case.states() == []


def test_other_threads_only_wake_it(make_case):
    case = make_case(begin_nothing)
    case.turn()
    case.turn(60)
    (task,) = case.hands.given
    with closing(case.open_ledger()) as ledger:
        outcome = do_it(ledger, task)
    thread = threading.Thread(target=case.daemon._leases._note_end, args=(task, outcome))
    thread.start()
    thread.join()
    assert case.daemon._leases.tasks
    case.turn()
    assert not case.daemon._leases.tasks
