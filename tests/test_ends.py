"""How a run ends when sinks, people and disks do not do as they should, and what is on record then."""

import logging

import pytest

from mmflow.errors import GiveUp, Held
from mmflow.ledger import Ledger
from mmflow.refs import Redactor
from mmflow.run import Engine, Order
from mmflow.run.ending import record_failure
from mmflow.settings import Settings, Site
from tests.desk import NOW, FixedClock

MOODY = '''
    from mmflow import Options, Receipt, SinkType, Unknown, hookimpl

    mmflow_api = 1

    class MoodyOptions(Options):
        file: str

    def deliver(table, options, run):
        """Do as a file says, and leave a line in it; without that file all is well."""
        path = run.root / options.file
        mood = path.read_text(encoding="utf-8") if path.exists() else "calm"
        if mood == "interrupted":
            raise KeyboardInterrupt
        if mood == "unknown":
            raise Unknown("it may have arrived")
        return Receipt(rows=len(table))

    @hookimpl
    def mmflow_sinks():
        yield SinkType(name="moody", summary="A sink with moods.", options=MoodyOptions, deliver=deliver)
'''
JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine, day]}
    window: yesterday
    sinks:
      - {name: first, type: moody, file: first.txt}
      - {name: second, type: moody, file: second.txt}
      - {name: third, type: moody, file: third.txt}
"""


@pytest.fixture
def moody_desk(desk, install):
    install("moody", MOODY)
    desk.job(JOB)
    return desk


def states(data):
    return {delivery["sink"]: delivery["state"] for delivery in data["deliveries"]}


def test_an_interrupted_run_is_not_ok_before_the_sinks_that_it_never_reached_have_the_report(moody_desk):
    mood = moody_desk.write("second.txt", "interrupted")
    assert moody_desk.mmflow("run", "daily").code == 130
    (run,) = moody_desk.mmflow("runs", "--json").data["runs"]
    assert (run["state"], run["error"]) == ("failed", "interrupted")
    assert states(run) == {"first": "done", "second": "unknown", "third": "failed"}
    mood.unlink()
    part = moody_desk.mmflow("resend", run["run"], "--sink", "second", "--json")
    assert (part.code, part.data["state"], part.data["error"]) == (1, "failed", "third: the run failed")
    rest = moody_desk.mmflow("resend", run["run"], "--failed", "--json")
    assert (rest.code, rest.data["state"]) == (0, "ok")
    assert states(rest.data) == {"first": "done", "second": "done", "third": "done"}


def test_a_required_sink_that_may_have_it_or_not_fails_the_run_and_is_sent_again_by_failed(moody_desk):
    mood = moody_desk.write("second.txt", "unknown")
    done = moody_desk.mmflow("run", "daily", "--json")
    assert (done.code, done.data["state"], done.data["error"]) == (1, "failed", "second: it may have arrived")
    assert states(done.data) == {"first": "done", "second": "unknown", "third": "done"}
    mood.unlink()
    again = moody_desk.mmflow("resend", done.data["run"], "--failed", "--json")
    assert (again.code, again.data["state"]) == (0, "ok")


BY_HAND = Order(slot=NOW)


@pytest.fixture
def begun(tmp_path):
    """An engine, and its ledger in which a run has begun."""
    redactor = Redactor()
    redactor.remember("pw-7c1f93ab")
    settings = Settings(version=1, sites={"boston": Site(timezone="America/New_York")})
    engine = Engine(root=tmp_path, settings=settings, clock=FixedClock(NOW), redactor=redactor, hosts={})
    with engine.open_ledger() as ledger:
        ledger.begin_run("r1", "daily", NOW, "manual")
        yield engine, ledger


@pytest.mark.parametrize(
    ("error", "state", "recorded"),
    [
        (GiveUp("pw-7c1f93ab is refused"), "failed", "*** is refused"),
        (Held(["2 rows of pw-7c1f93ab"]), "held", "held: 2 rows of ***"),
        (ValueError("pw-7c1f93ab"), "failed", "ValueError: ***"),
        (KeyboardInterrupt(), "failed", "interrupted"),
    ],
)
def test_why_a_run_ended_is_on_record_without_secrets(begun, error, state, recorded):
    engine, ledger = begun
    with pytest.raises(type(error)), record_failure(engine, ledger, "r1", BY_HAND):
        raise error
    assert (ledger.read_run("r1").state, ledger.read_run("r1").error) == (state, recorded)


def test_a_ledger_that_cannot_be_written_does_not_hide_why_a_run_ended(begun, caplog, monkeypatch):
    engine, ledger = begun
    monkeypatch.setattr(logging.getLogger("mmflow"), "propagate", True)  # the command line turns that off
    with pytest.raises(GiveUp, match="the disk is full"), record_failure(engine, ledger, "r1", BY_HAND):  # noqa: PT012  as it comes
        ledger.close()
        raise GiveUp("the disk is full")
    assert "the end of run r1 is not on record: the ledger " in caplog.text
    with Ledger.open(engine.state / "ledger.sqlite", engine.clock) as again:
        assert again.read_run("r1").state == "running"
