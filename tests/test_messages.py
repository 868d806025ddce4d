"""Who gets messages of a command, who is asked before, and what is sent again."""

import io
from argparse import Namespace

import pytest

from mmflow.cli import Surroundings
from mmflow.cli.session import open_engine, open_session
from mmflow.run import Order, run_job
from mmflow.run.again import resend_run
from tests.acme import ACME, JOB, answer, sent, states


@pytest.fixture
def acme(desk, install):
    """A desk with the package, and a job that mails a book."""
    install("acme", ACME)
    desk.job(JOB)
    return desk


def test_files_of_a_run_travel_with_its_message(acme):
    done = acme.mmflow("run", "daily", "--json")
    assert states(done.data) == {"post": "done", "book": "done", "csv": "done"}
    assert sent(acme) == ['{"to": ["ann@example.com", "bob@example.com"], "files": {"book": ["book.json"]}}']
    assert "messages go to ann@example.com, bob@example.com\n" in done.err


def test_a_message_can_be_sent_to_oneself_and_nothing_else_is_delivered(acme):
    done = acme.mmflow("run", "daily", "--to", "me@example.com", "--json")
    assert states(done.data) == {"post": "done", "book": "done"}, "and what it attaches"
    assert sent(acme) == ['{"to": ["me@example.com"], "files": {"book": ["book.json"]}}']
    assert not (acme.root / "out" / "daily.csv").exists()


def test_a_last_day_and_an_address_are_told_apart(acme):
    done = acme.mmflow("run", "daily", "--from", "2026-11-02", "--to", "2026-11-03", "--to", "me@example.com", "--json")
    assert [span["last_day"] for span in done.data["spans"]] == ["2026-11-03"]
    assert '"me@example.com"' in sent(acme)[0]


def test_a_job_without_messages_takes_no_address(desk):
    desk.job("{job: daily, report: {metrics: [oee]}, window: yesterday, sinks: [{type: csv}]}")
    done = desk.mmflow("run", "daily", "--to", "me@example.com")
    assert (done.code, done.err) == (2, "the job sends no messages; leave --to and its address out\n")


def test_nobody_is_mailed_when_the_command_line_says_so(acme):
    done = acme.mmflow("run", "daily", "--no-send", "--json")
    assert states(done.data) == {"post": "skipped", "book": "done", "csv": "done"}
    assert (done.code, done.data["state"], sent(acme)) == (0, "ok", [])


@pytest.mark.parametrize(("typed", "messages"), [("y\n", 1), ("yes\n", 1), ("n\n", 0), ("\n", 0), ("", 0)])
def test_on_a_terminal_somebody_is_asked_before_messages_go_out(acme, typed, messages):
    code, told = answer(acme, typed, "run", "daily", "--json")
    assert "send them? [y/N]" in told
    assert (code, len(sent(acme))) == (0, messages)


def test_who_is_sure_is_not_asked(acme):
    code, told = answer(acme, "", "run", "daily", "--yes")
    assert "[y/N]" not in told
    assert (code, len(sent(acme))) == (0, 1)


def test_a_second_run_of_a_slot_sends_nothing_again_and_resend_does(acme):
    at = ("--at", "2026-11-21T07:00")
    first = acme.mmflow("run", "daily", *at, "--json").data["run"]
    again = acme.mmflow("run", "daily", *at, "--json").data
    assert (states(again)["post"], again["state"], len(sent(acme))) == ("skipped", "ok", 1)
    assert acme.mmflow("resend", first, "--failed").code == 2, "nothing is left"
    acme.mmflow("resend", first, "--sink", "post")
    assert len(sent(acme)) == 2


def test_a_run_whose_message_went_out_before_and_not_to_everybody_is_no_better_than_that(acme):
    acme.job(JOB.replace("bob@", "nobody@"))
    at = ("--at", "2026-11-21T07:00")
    first, again = (acme.mmflow("run", "daily", *at, "--json").data for _ in range(2))
    assert (first["state"], first["error"]) == ("degraded", "post: nobody@example.com is unknown there")
    assert (states(again)["post"], again["state"]) == ("skipped", "degraded")
    assert again["error"] == f"post, sent by run {first['run']}: nobody@example.com is unknown there"


def test_a_message_is_not_sent_before_it_is_due(acme):
    at = ("--at", "2027-01-04T07:00")
    done = acme.mmflow("run", "daily", *at)
    assert (done.code, sent(acme)) == (2, [])
    assert "2027-01-04T07:00 is still to come: what post sent now would be the message that is due then" in done.err
    assert acme.mmflow("run", "daily", *at, "--sink", "csv").code == 0
    assert acme.mmflow("run", "daily", *at, "--no-send").code == 0
    assert acme.mmflow("run", "daily", *at, "--to", "me@example.com").code == 0
    assert len(sent(acme)) == 1


def test_a_message_to_oneself_is_not_that_of_the_slot(acme):
    at = ("--at", "2026-11-21T07:00")
    acme.mmflow("run", "daily", *at, "--to", "me@example.com")
    assert states(acme.mmflow("run", "daily", *at, "--json").data)["post"] == "done"
    assert len(sent(acme)) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sink", "csv"), "csv sends no messages; leave --to and its address out"),
        (("--no-send",), "--to and --no-send contradict each other; give one of them"),
    ],
)
def test_an_address_for_which_there_is_no_message_delivers_nothing(acme, words, message):
    done = acme.mmflow("run", "daily", "--to", "me@example.com", *words)
    assert (done.code, done.err) == (2, f"{message}\n")
    assert not (acme.root / "out").exists()


def test_a_message_that_is_sent_alone_has_no_files(acme):
    acme.mmflow("run", "daily", "--sink", "post", "--to", "me@example.com", "--to", "you@example.com")
    assert sent(acme) == ['{"to": ["me@example.com", "you@example.com"], "files": {}}']


def test_a_run_without_messages_names_nobody_and_asks_nobody(acme):
    code, told = answer(acme, "n\n", "run", "daily", "--sink", "csv")
    assert (code, "messages go to" in told, "[y/N]" in told) == (0, False, False)


def test_a_sink_that_does_not_say_whom_it_mails_is_named(desk, install):
    install("acme", ACME.replace("recipients=lambda options: options.to,", ""))
    desk.job(JOB)
    assert "messages go to whom post names" in desk.mmflow("run", "daily").err


def test_a_sink_that_cannot_say_whom_it_mails_ends_the_command_before_anything_is_sent(desk, install):
    install("acme", ACME.replace("lambda options: options.to", "lambda options: options.too"))
    desk.job(JOB)
    done = desk.mmflow("run", "daily")
    assert done.code == 1
    assert "post raised AttributeError when it named who gets messages: " in done.err
    assert done.err.endswith("this is a bug in acme\n")
    assert not (desk.root / "out").exists()


def test_a_backfill_mails_nobody_until_somebody_names_the_sink(acme):
    around = Surroundings(
        environ=acme.environ, cwd=acme.root, clock=acme.clock, stdout=io.StringIO(), stderr=io.StringIO()
    )
    session = open_session(Namespace(around=around, json=False, verbose=False, root=None, job="daily"))
    checked = session.resolve_job(session.read_job("daily"))
    with open_engine(session, checked.job.sites) as engine:
        done = run_job(engine, checked, Order(slot=acme.clock.now(), kind="backfill"))
        assert {one.sink: one.state for one in done.deliveries} == {"post": "skipped", "book": "done", "csv": "done"}
        resend_run(engine, checked, done.run.id, None, failed=False)
        assert sent(acme) == []
        resend_run(engine, checked, done.run.id, frozenset({"post"}), failed=False)
        assert len(sent(acme)) == 1


def test_resend_mails_everybody_once_more_with_the_files_of_then(acme):
    run = acme.mmflow("run", "daily", "--json").data["run"]
    acme.mmflow("resend", run)
    (acme.root / "out" / "book.json").write_text("of another run")
    acme.mmflow("resend", run, "--sink", "post")
    assert [line.partition("files")[2] for line in sent(acme)] == ['": {"book": ["book.json"]}}'] * 2 + ['": {}}']


@pytest.mark.parametrize(("typed", "copies"), [("y\n", 2), ("n\n", 1)])
def test_resend_says_who_gets_mail_and_asks_on_a_terminal(acme, typed, copies):
    run = acme.mmflow("run", "daily", "--json").data["run"]
    code, told = answer(acme, typed, "resend", run)
    assert (code, len(sent(acme))) == (0, copies)
    assert "messages go to ann@example.com, bob@example.com\nsend them? [y/N]" in told


def test_resend_of_what_failed_asks_nobody_about_messages_that_are_out(acme):
    (acme.root / "out" / "daily.csv").mkdir(parents=True)
    run = acme.mmflow("run", "daily", "--json").data["run"]
    (acme.root / "out" / "daily.csv").rmdir()
    code, told = answer(acme, "", "resend", run, "--failed")
    assert (code, len(sent(acme)), "messages go to" in told) == (0, 1, False)


def test_resend_can_leave_messages_out(acme):
    run = acme.mmflow("run", "daily", "--json").data["run"]
    done = acme.mmflow("resend", run, "--no-send", "--json")
    assert (done.code, len(sent(acme)), states(done.data)["csv"]) == (0, 1, "done")
