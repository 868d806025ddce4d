"""A job that prints what it finds shows no secret of another one, in whichever process it runs."""

from __future__ import annotations

import pytest

from mmflow.logs import list_files
from mmflow.notices.office import open_office
from mmflow.refs import Redactor, Resolver
from mmflow.roster import Roster
from tests.desk import KEY
from tests.leased import CSV, Bench, plan
from tests.ledgers import wait_until
from tests.test_daemon import look

# By name a secret, by its place alone (a name like any other), in a file, in an address, and of a job's own sink.
SECRETS = {
    "OTHERPW": "0ther-pass",
    "OTHER_DOOR": "by-its-place",
    "OTHER_BEAT": "https://beats.example.com/7f3a",
    "OTHER_TOKEN": "t0ken-of-a-job",
}
IN_FILE, LATER = "kept-in-a-file", "came-l4ter"
ALL = (KEY, *SECRETS.values(), IN_FILE)

DUMP = """
    from mmflow import Options, Receipt, SinkType, hookimpl
    from mmflow.refs import Secret


    class Door(Options):
        password: Secret


    class DumpOptions(Options):
        token: str = ""


    def dump(table, options, run):
        found = (run.root / "found.txt").read_text()
        print(found)
        run.log.warning("found %s", found)
        return Receipt(rows=len(table))


    def check(options, run):
        run.log.warning("found %s", (run.root / "found.txt").read_text())


    @hookimpl
    def mmflow_sinks():
        yield SinkType(name="dump", summary="Prints what it finds.", options=DumpOptions, deliver=dump)
        yield SinkType(
            name="door", summary="A password.", options=DumpOptions, deliver=dump, check=check, connection=Door
        )
"""
CONNECTIONS = """
connections:
  by-name: {type: door, password: "${env:OTHERPW}"}
  by-place: {type: door, password: "${env:OTHER_DOOR}"}
  in-file: {type: door, password: "${file:other.key}"}
  not-here: {type: door, password: "${env:NOT_SET}"}
daemon: {workers: 1, heartbeat: "${env:OTHER_BEAT}"}
"""
SHOUT = """
    job: shout
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {cron: "40 6 * * *"}
    sinks: [{type: dump}]
"""
OWN = 'sinks: [{type: dump, token: "${env:OTHER_TOKEN}"}]'


@pytest.fixture
def crowd(desk, install):
    """A desk with a job that prints all secrets, of which it uses none but the site's key."""
    install("dump-sink", DUMP, sink="dump")
    desk.environ |= SECRETS
    desk.write("other.key", f"{IN_FILE}\n").chmod(0o600)
    desk.write("found.txt", " ".join((*ALL, LATER)))
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + CONNECTIONS)
    desk.job(SHOUT, "shout")
    desk.job(CSV.replace("sinks: [{type: csv, path: daily.csv}]", OWN).replace("daily", "other"), "other")
    return desk


def read_log(desk):
    return "".join(path.read_text(encoding="utf-8") for path in list_files(desk.root / ".mmflow" / "logs"))


def shown(text, secrets):
    return [secret for secret in secrets if secret in text]


@pytest.mark.row("S51")
def test_a_job_of_the_daemon_shows_no_secret_that_another_one_uses(crowd):
    look(crowd)
    done = look(crowd, days=1)
    log = read_log(crowd)
    assert "found *** ***" in log, done.err
    assert "printed: *** ***" in log
    assert shown(log + done.err, ALL) == []
    assert LATER in log  # which nobody knows for one


@pytest.mark.row("S51")
def test_a_job_by_hand_shows_no_secret_that_another_one_uses(crowd):
    done = crowd.mmflow("run", "shout", "--verbose")
    assert (done.code, "found *** ***" in done.err) == (0, True)
    assert shown(done.out + done.err, [one for one in ALL if one != SECRETS["OTHER_TOKEN"]]) == []


def test_the_doctor_shows_no_secret_of_another_connection_than_the_one_it_tries(crowd):
    crowd.job(SHOUT.replace("{type: dump}", "{type: door, connection: by-name}"), "shout")
    done = crowd.mmflow("doctor")
    assert "found *** ***" in done.err
    assert shown(done.out + done.err, [one for one in ALL if one != SECRETS["OTHER_TOKEN"]]) == []


@pytest.mark.parametrize(
    "odd", ["5", "[1]", "null", "{a: 5}", "{a: {type: 5}}", '{a: {type: door, password: "${env:"}}']
)
@pytest.mark.parametrize("key", ["connections", "daemon", "sites", "state"])
def test_what_is_broken_in_mmflow_yaml_is_said_as_ever(desk, key, odd):
    settings = desk.text("mmflow.yaml") if key != "sites" else "version: 1\n"
    desk.write("mmflow.yaml", f"{settings}\n{key}: {odd}\n")
    desk.job(CSV)
    assert desk.mmflow("run", "daily").code == 2
    assert desk.mmflow("doctor").code == 1


@pytest.mark.row("S51", "R82")
def test_a_worker_hides_also_what_mmflow_yaml_or_a_file_says_later(crowd, request):
    bench = Bench(crowd)
    request.addfinalizer(bench.worker.close)
    bench.worker.log_to(crowd.root / ".mmflow" / "logs")
    plan(crowd, "shout")
    assert [one.run_state for one in bench.work()] == ["ok"]
    wait_until(lambda: LATER in read_log(crowd))  # a thread writes it
    crowd.write("found.txt", f"now: {LATER} and th3-n3xt-one")
    crowd.environ["NOT_SET"] = LATER
    crowd.write("other.key", "th3-n3xt-one\n")
    crowd.clock.sleep(60)
    plan(crowd, "shout", due=crowd.clock.now())
    assert [one.run_state for one in bench.work()] == ["ok"]
    wait_until(lambda: "found now: *** and ***" in read_log(crowd))


def test_the_log_of_the_daemon_hides_the_secrets_of_all_that_is_in_force(crowd):
    redactor = Redactor()
    roster = Roster(crowd.root, crowd.clock, crowd.environ, redactor=redactor)
    roster.refresh()
    assert redactor.redact(" ".join(ALL)) == " ".join(["***"] * len(ALL))
    assert "${env:OTHER_TOKEN}" in roster.references
    crowd.environ["NEWER"] = LATER
    text = crowd.text("mmflow.yaml").replace("${env:NOT_SET}", "${env:NEWER}")
    crowd.write("mmflow.yaml", text)
    roster.refresh()
    crowd.clock.sleep(0.5)
    assert roster.refresh().settings
    assert redactor.redact(LATER) == "***"


def test_who_sends_notices_hides_the_secrets_of_all(crowd):
    redactor = Redactor()
    open_office(crowd.root, crowd.text("mmflow.yaml"), crowd.clock, crowd.environ, redactor)
    known = [one for one in ALL if one != SECRETS["OTHER_TOKEN"]]
    assert redactor.redact(" ".join(known)) == " ".join(["***"] * len(known))


def test_references_without_a_value_keep_no_others_from_being_hidden(tmp_path):
    (tmp_path / "a.key").write_text("in-the-file")
    resolver = Resolver({"A_KEY": "in-a-variable"}, tmp_path, Redactor())
    resolver.learn(["${env:NONE_KEY} and ${env:A_KEY}", "${file:none.key}", "${file:a.key}", "${env:", "plain"])
    assert resolver.redactor.redact("in-a-variable in-the-file plain") == "*** *** plain"
    outside = tmp_path / "root"
    outside.mkdir()
    confined = Resolver({}, outside, Redactor())
    confined.learn([f"${{file:{tmp_path / 'a.key'}}}"], confined=True)
    assert confined.redactor.redact("in-the-file") == "in-the-file"


@pytest.mark.row("S51")
@pytest.mark.parametrize("count", [1, 100])
def test_of_very_many_secrets_each_is_hidden_wherever_it_stands(count):
    redactor = Redactor()
    for number in range(count):
        redactor.remember(f"s3cr3t+{number:03}")
    for number in range(count):
        secret = f"s3cr3t+{number:03}"
        for text in (secret, f"{secret}!", f"it was {secret}", secret.encode().hex(), secret.encode().hex().upper()):
            assert redactor.redact(text) == text.replace(text.strip("!").removeprefix("it was "), "***")
    assert redactor.redact("cut: s3cr3t…") == "cut: ***…"
    assert redactor.redact("nothing of the kind, s3cr3t") == "nothing of the kind, s3cr3t"
    assert [redactor.redact(text) for text in ("", "s3c")] == ["", "s3c"]
