"""A ledger that is lost under a daemon, or works now and then: nothing is begun anew, and it is said once."""

import sys

import pytest

from mmflow.ledger import Ledger
from tests.daemons import ask, running_daemon
from tests.turned import JOB, MONDAY, give_cases

make_case = pytest.fixture(give_cases)


@pytest.mark.row("R22")
def test_a_ledger_that_works_now_and_then_is_in_trouble_and_that_is_said_once(make_case, caplog):
    case = make_case()
    case.turn()
    for number in range(20):  # a full disk has room for a row now and then
        case.refusal = "the ledger cannot be written: database or disk is full; make room" if number % 2 else ""
        if case.refusal:
            case.daemon._ledger.close()
        case.turn(6)
    assert caplog.text.count("the ledger cannot be used") == 1
    assert "can be used again" not in caplog.text
    assert [reason.split(":")[0] for reason in case.reasons] == ["ledger"]
    case.refusal = ""
    case.turn(6)
    case.turn(60)
    assert caplog.text.count("can be used again") == 1
    assert case.reasons == []


def lose(case, how):
    """Take the ledger away under a daemon, and give what puts it back."""
    file, away = case.root / ".mmflow" / "ledger.sqlite", case.root / "away"
    away.mkdir()
    gone = [file] if how == "swapped" else list(file.parent.glob("ledger.sqlite*"))
    for part in gone:
        part.rename(away / part.name)
    if how != "removed":
        file.touch()
    if how == "other":
        file.unlink()
        Ledger.open(file, case.clock).close()

    def put_back():
        for part in gone:
            part.with_name(f"{part.name}").unlink(missing_ok=True)
            (away / part.name).rename(part)

    return put_back


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted there")
@pytest.mark.row("R24")
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("removed", "is missing, and it was in use before"),
        ("emptied", "is missing, and it was in use before"),
        ("swapped", "is missing, and it was in use before"),
        ("other", "is another one than this process has worked with"),
    ],
)
def test_a_ledger_that_is_lost_under_a_daemon_is_never_made_anew(make_case, caplog, how, told):
    case = make_case()
    case.turn(60)
    assert case.states() == [("17:01", "done")]
    log = case.root / ".mmflow" / "ledger.sqlite-wal"
    size = log.stat().st_size
    assert size
    put_back = lose(case, how)
    for _ in range(6):
        case.turn(60)
    assert len(case.hands.given) == 1
    (reason,) = case.reasons
    assert told in reason
    assert caplog.text.count("cannot be used") == 1
    assert how != "swapped" or log.stat().st_size == size, "what is not yet in the ledger's file is left to it"
    put_back()
    case.turn(10)
    case.turn(60)
    for _ in range(3):
        case.turn(1)
    assert case.reasons == []
    assert ("17:01", "done") in case.states()
    assert case.states()[-1][1] == "done"
    assert [task.slot.due.minute for task in case.hands.given].count(1) == 1
    assert ask(case.root, "PRAGMA integrity_check") == [("ok",)]


RUNS = "SELECT due, count(*) FROM mmflow.run WHERE state = 'ok' GROUP BY due ORDER BY due"


@pytest.mark.row("R24")
def test_a_database_that_lost_its_ledger_under_a_daemon_gets_no_other(stormy_desk, database, postgres):
    desk = stormy_desk
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f'state: {{url: "{postgres.url("ledger")}"}}\n')
    desk.job(JOB.format(name="daily"))
    Ledger.open(database, desk.clock).close()
    with running_daemon(desk.root, start=MONDAY, speed=10) as daemon:
        daemon.wait_for(lambda: postgres.execute(RUNS, "ledger"))
        postgres.execute("ALTER SCHEMA mmflow RENAME TO away", "ledger")
        daemon.wait_text("nothing new is begun: the ledger postgresql://postgres@127.0.0.1")
        daemon.wait_text("is missing, and it was in use before")
        postgres.execute("ALTER SCHEMA away RENAME TO mmflow", "ledger")  # fails where there is a new one
        known = len(postgres.execute(RUNS, "ledger"))
        daemon.wait_for(lambda: len(postgres.execute(RUNS, "ledger")) > known)
        daemon.wait_text("the ledger can be used again")
        assert {count for _, count in postgres.execute(RUNS, "ledger")} == {1}
        assert daemon.stop() == 0


DONE = "SELECT due, count(*) FROM run WHERE state = 'ok' GROUP BY due ORDER BY due"


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be moved there")
@pytest.mark.row("R24")
def test_a_file_that_is_swapped_for_an_empty_one_for_a_while_is_as_good_as_before(stormy_desk):
    desk = stormy_desk
    desk.job(JOB.format(name="daily"))
    with running_daemon(desk.root, start=MONDAY, speed=10) as daemon:
        daemon.wait_for(lambda: ask(desk.root, DONE))
        file, good = desk.root / ".mmflow" / "ledger.sqlite", desk.root / "good"
        file.rename(good)
        file.touch()
        daemon.wait_text("nothing new is begun: the ledger")
        daemon.wait_text("is missing, and it was in use before")
        refused = desk.mmflow("runs")
        assert (refused.code, "is missing, and" in refused.err) == (4, True)
        assert file.stat().st_size == 0
        good.rename(file)
        known = len(ask(desk.root, DONE))
        assert known
        daemon.wait_for(lambda: len(ask(desk.root, DONE)) > known)
        daemon.wait_text("the ledger can be used again")
        assert daemon.stop() == 0
    assert {count for _, count in ask(desk.root, DONE)} == {1}
    assert ask(desk.root, "PRAGMA integrity_check") == [("ok",)]
