"""What of mmflow.yaml a daemon that runs takes in at once, and what waits for its next start."""

from threading import Event

import pytest

from mmflow.roster import Roster
from tests.turned import JOB, Case


@pytest.fixture
def case(desk):
    case = Case(desk)
    case.turn()
    yield case
    case.daemon.end()


def rewrite(case, more, text=None):
    """Change mmflow.yaml, and have the daemon look until the change counts."""
    text = text or (case.root / "mmflow.yaml").read_text(encoding="utf-8")
    case.change("mmflow.yaml", f"{text}{more}\n")
    return text


def test_what_counts_at_the_next_start_is_said_once_and_so_is_that_it_was_undone(case, caplog):
    text = rewrite(case, "daemon: {workers: 5, lease: 5 minutes, grace: 3 seconds}")
    waiting = "mmflow.yaml: daemon.workers, daemon.lease changed, which takes effect when the daemon is started anew"
    rewrite(case, "# a word")
    assert caplog.text.count(waiting) == 1
    assert case.reasons == []
    rewrite(case, "daemon: {grace: 3 seconds}", text)
    assert caplog.text.count("nothing waits for the next start of the daemon any more") == 1
    case.turn(60)
    assert case.states() == [("17:01", "done")]


def test_while_mmflow_yaml_names_another_ledger_nothing_is_begun(case, caplog):
    text = rewrite(case, "state: {url: postgresql://127.0.0.1/elsewhere}")
    case.turn(60)
    assert case.hands.given == []
    assert case.states() == [("17:01", "due")], "it is planned all the same"
    assert "mmflow.yaml: state changed" in caplog.text
    assert [reason.split(":")[0] for reason in case.reasons] == ["state"]
    rewrite(case, "", text)
    case.turn()
    assert case.states() == [("17:01", "done")]
    assert case.reasons == []


class SlowRoster(Roster):
    """A roster whose looks wait for a word, once there is something to wait for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.go_on, self.looking = Event(), Event()
        self.go_on.set()

    def look(self):
        found = super().look()
        self.looking.set()
        assert self.go_on.wait(60)
        return found


def test_while_files_are_read_what_is_due_is_done_and_leases_are_renewed(desk):
    case = Case(desk, jobs=("daily", "other"), roster=SlowRoster)
    case.turn()
    case.roster.looking.clear()
    case.roster.go_on.clear()
    desk.job("job: daily\nschedule: [", "daily")
    case.daemon._note_files()
    for _ in range(4):
        case.clock.sleep(60)
        case.daemon.look()
    assert case.roster.looking.wait(60)
    assert [state for _, state in case.states()] == ["done"] * 4
    (reason,) = case.reasons
    assert reason == "files: they have been read for 180 seconds, and no change counts until then"
    case.roster.go_on.set()
    case.turn()
    assert case.reasons == []
    case.daemon.end()


def test_what_comes_due_while_the_files_are_read_is_run(desk):
    case = Case(desk, roster=SlowRoster)
    case.turn()
    desk.job(JOB.format(name="new"), "new")
    case.daemon._note_files()
    case.turn(1)
    case.roster.looking.clear()
    case.roster.go_on.clear()
    case.daemon._note_files()
    case.clock.sleep(1)
    case.daemon.look()
    assert case.roster.looking.wait(60)
    case.clock.sleep(120)
    case.roster.go_on.set()
    case.turn()
    assert [due for due, _ in case.states("new")] == ["17:01", "17:02"]
    case.daemon.end()


def test_a_look_at_the_files_that_fails_is_made_again(desk, caplog):
    class Buggy(Roster):
        def look(self):
            found = super().look()
            if self.plans and found.changes and "a bug" not in caplog.text:
                raise RuntimeError("a bug in a look")
            return found

    case = Case(desk, roster=Buggy)
    case.turn()
    desk.write("jobs/daily.yaml", case.roster.text("daily").replace("* * * * *", "0 * * * *"))
    for _ in range(2):
        case.daemon._note_files()
        case.turn(1)
    assert "RuntimeError: a bug in a look" in caplog.text
    assert case.reasons == ["jobs: RuntimeError; the log has the rest"]
    case.turn(6)
    case.turn(1)
    assert case.reasons == []
    assert case.roster.plans["daily"].schedule.cron == "0 * * * *"
    case.daemon.end()
