"""Canaries: secrets are planted, every command meets every kind of failure, and all that was written is searched."""

import base64
import html
import io
import json
import shutil
import tempfile
from urllib.parse import quote, quote_plus

import pytest

from mmflow.cli import Surroundings, command_names
from mmflow.clock import FixedClock
from mmflow.plants import open_hosts
from mmflow.refs import Redactor, Resolver
from mmflow.resolve import resolve_job, resolve_settings
from mmflow.run import Engine
from mmflow.simulator import Plant, Simulator
from mmflow.workspace import open_workspace
from tests.desk import NOW, Desk
from tests.parrot import REPLIES, open_parrot

CANARIES = {
    "MM_BOSTON_KEY": "boston+K3y/with=odd&signs\"<'>\\7f3a",
    "austin.key": "austin-0b5e-c4n4ry",
    "VAULT_PASSWORD": "vält pässwörd \"with' breaks\\and\nlines",
    "VAULT_URL": "https://robot:p4r%2Ft-of-url@vault.example.com/",
    "TOKEN": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "MM_PROXY": "http://proxy-user:pr0xy-c4n4ry@127.0.0.1:9",
}
PARTS = {"p4r%2Ft-of-url", "p4r/t-of-url", "pr0xy-c4n4ry"}

SETTINGS = """
    version: 1
    sites:
      boston: {{base_url: "{url}", api_key: "${{env:MM_BOSTON_KEY}}", timezone: Europe/Berlin, start_of_day: "06:00"}}
      austin: {{base_url: "{url}", api_key: "${{file:austin.key}}", timezone: Europe/Berlin, start_of_day: "06:00"}}
    connections:
      safe: {{type: vault, url: "${{env:VAULT_URL}}", password: "${{env:VAULT_PASSWORD}}"}}
    defaults: {{owner: ops@example.com}}
    network: {{deadline: 20 seconds, proxy: "{proxy}"}}
"""
JOB = """
    job: daily
    sites: [boston, austin]
    report: {metrics: [goodParts], group_by: [site, machine, day]}
    window: yesterday
    schedule: {every: weekday, at: "06:40"}
    shape: {sort: [machine], limit: 5}
    sinks:
      - {type: csv, path: "{date}.csv"}
      - {type: vault, connection: safe, mood: calm, token: "${env:VAULT_PASSWORD}"}
"""
# A stranger's sink, as careless with its password as code can be.
VAULT = """
import logging, sys
from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.hookspecs import hookimpl
from mmflow.options import Options
from mmflow.refs import Secret
from mmflow.sinks import Partial, Receipt, SinkType

class VaultOptions(Options):
    mood: str
    token: Secret

class VaultConnection(Options):
    url: str
    password: Secret

def fail(error):
    raise error

MOODS = {
    "calm": lambda said, _: Receipt(rows=1, path=said, details={"login": said, said: 1}),
    "raise": lambda said, _: fail(RuntimeError(f"cannot log in with {said}")),
    "noted": lambda said, _: note(said),
    "chain": lambda said, _: chain(said),
    "give up": lambda said, _: fail(GiveUp(f"login {said} refused")),
    "later": lambda said, _: fail(TryLater(f"{said} is busy", after=-1)),
    "unknown": lambda said, _: fail(Unknown(f"{said} may be in")),
    "partial": lambda said, _: fail(Partial(Receipt(rows=1, details={"a": said}), retry=(said,))),
    "exit": lambda said, _: sys.exit(said),
    "no receipt": lambda said, _: said,
    "secret receipt": lambda said, secret: Receipt(rows=1, details={"login": secret}),
}

def note(said):
    error = ValueError("see the note")
    error.add_note(f"it was {said}")
    raise error

def chain(said):
    try:
        {}[said]
    except KeyError as error:
        raise OSError(5, said, said) from error

def deliver(table, options, run):
    said = f"{run.connection.url} {run.connection.password.reveal()} {options.token.reveal()}"
    run.log.info("info: %s", said)
    run.log.warning("warning: %r", said)
    logging.getLogger("a.library").warning("library: %s", said)
    return MOODS[options.mood](said, run.connection.password)

def render(table, options, run):
    return deliver(table, options, run).path

@hookimpl
def mmflow_sinks():
    yield SinkType(name="vault", summary="A vault.", options=VaultOptions, connection=VaultConnection,
                   deliver=deliver, render=render)
"""
MOODS = (
    "calm", "raise", "noted", "chain", "give up", "later", "unknown", "partial", "exit", "no receipt", "secret receipt"
)  # fmt: skip
# Every command, as it is met by a failure; None where it has nothing to do with a root (its help is printed).
COMMANDS: dict[str, tuple[str, ...] | None] = {
    "backfill": ("daily", "--from", "2026-11-20", "--to", "2026-11-20", "--plan"),
    "cancel": None,
    "catalogue": (),
    "clock": (),
    "completion": None,
    "daemon": None,
    "demo": None,
    "doctor": (),
    "explain": ("daily",),
    "init": None,
    "jobs": (),
    "logs": (),
    "machines": ("--refresh",),
    "next": ("daily",),
    "operators": ("--refresh",),
    "pause": ("daily",),
    "plugins": (),
    "preview": ("daily",),
    "resend": ("RUN",),
    "resume": ("daily",),
    "run": ("daily",),
    "runs": (),
    "schema": (),
    "service": ("install", "--print", "--run-as", "nobody"),
    "shifts": ("--refresh",),
    "simulate": None,
    "state": ("show",),
    "validate": (),
    "watch": ("--once",),
    "window": ("daily",),
}
MORE = (("preview", "daily", "--sink", "vault"), ("preview", "daily", "--plan"), ("runs", "show", "RUN"))
STYLES = ((), ("--json",), ("--verbose",))
# Those that look secrets up, ask the service, or show what others kept of its answers: all that a way in which a secret
# is malformed, or an answer is bad, can make a difference to.
ASKING = frozenset({"doctor", "jobs", "logs", "machines", "operators", "preview", "resend", "run", "runs", "shifts"})


def forms(secret):
    """The ways in which a secret is recognized by somebody who finds it, written without the product's own list."""
    raw = secret.encode()
    yield from (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1])
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret))
    yield from (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex(), raw.hex().upper())
    # Inside a longer text, such as user:password of basic authentication, at each of the three offsets.
    yield from (base64.b64encode(before + raw + b"..").decode()[4:-8] for before in (b"abc", b"abcd", b"abcde"))


ALL_FORMS = {form.encode() for secret in {*CANARIES.values(), *PARTS} for form in forms(secret)}


def find_canaries(data):
    return [form for form in ALL_FORMS if form in data]


class Search:
    """Runs commands at a desk and keeps everything that they print."""

    def __init__(self, desk):
        self.desk = desk
        self.printed = []

    def run(self, *words):
        done = self.desk.mmflow(*words)
        self.printed.append((words, done))
        return done

    def run_everything(self, *styles, only=frozenset(COMMANDS)):
        """Run every command in each of the styles."""
        last = self.last_run()
        lines = [(name, *rest) for name, rest in COMMANDS.items() if rest is not None and name in only]
        for line in (*lines, *MORE):
            for style in styles:
                self.run(*(last if word == "RUN" else word for word in line), *style)

    def last_run(self):
        done = self.desk.mmflow("runs", "-n", "1", "--json")
        runs = done.data["runs"] if done.code == 0 else []
        return runs[0]["run"] if runs else "none"

    def check(self, *, but=()):
        """Find nothing in what was printed, nor in any file below the root."""
        for words, done in self.printed:
            assert not find_canaries((done.out + done.err).encode()), f"mmflow {' '.join(words)} shows a secret"
        for path in self.desk.root.rglob("*"):
            if path.is_file() and path.name not in {"austin.key", *but}:
                assert not find_canaries(path.read_bytes()), f"{path.relative_to(self.desk.root)} holds a secret"
                assert not find_canaries(str(path).encode())

    @property
    def text(self):
        return "".join(done.out + done.err for _, done in self.printed)


@pytest.fixture
def vault(install):
    install("vault-sink", VAULT, sink="vault")


def furnish(root, url, simulator=None, *, proxy="", job=JOB):
    """A root whose sites answer at an address, with every canary in its place."""
    environ = {name: value for name, value in CANARIES.items() if name.isupper()}
    desk = Desk(root, simulator, FixedClock(NOW), environ)
    desk.write("mmflow.yaml", SETTINGS.format(url=url, proxy=proxy))
    desk.write("austin.key", CANARIES["austin.key"] + "\n")
    desk.job(job)
    return desk


@pytest.fixture(scope="module")
def plants():
    plant = Plant(seed=1, zone="Europe/Berlin", start_of_day="06:00", week_starts="monday")
    keys = (CANARIES["MM_BOSTON_KEY"], CANARIES["austin.key"])
    with Simulator(plants=dict.fromkeys(keys, plant), now=NOW) as simulator:
        yield simulator


@pytest.fixture
def search(tmp_path, vault, plants, monkeypatch):
    """A desk at which everything works; logs of bugs go to its root."""
    root = tmp_path / "root"
    (root / "bugs").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(root / "bugs"))
    return Search(furnish(root, plants.url, plants))


def test_every_command_is_searched():
    assert sorted(COMMANDS) == command_names()


def test_the_search_finds_what_is_planted(search):
    for number, form in enumerate(sorted(ALL_FORMS)):
        path = search.desk.root / f"planted-{number}"
        path.write_bytes(b"\0..." + form + b"...")
        with pytest.raises(AssertionError, match="holds a secret"):
            search.check()
        path.unlink()
    search.check()


@pytest.mark.row("S51")
def test_nothing_is_shown_when_all_goes_well(search):
    assert search.run("run", "daily", "--json").data["state"] == "ok"
    search.run_everything(*STYLES[1:])  # what is said without a style, --verbose says too
    assert {words: done.code for words, done in search.printed if words[0] != "explain" and done.code} == {}
    search.check()
    # The vault's receipt and its log lines did hold secrets.
    assert '"login": "***' in search.text
    assert "warning: '***" in search.text


@pytest.mark.row("S51")
@pytest.mark.parametrize("name", [name for name, words in COMMANDS.items() if words is None])
def test_the_help_of_commands_without_a_root_shows_no_environment(search, name, capsys):
    with pytest.raises(SystemExit):
        search.desk.mmflow(name, "--help")
    assert not find_canaries(capsys.readouterr().out.encode())


@pytest.mark.row("S51")
@pytest.mark.parametrize("reply", REPLIES)
def test_nothing_is_shown_when_the_service_repeats_the_key(tmp_path, vault, reply):
    with open_parrot() as parrot:
        parrot.reply = REPLIES[reply]
        search = Search(furnish(tmp_path / "root", parrot.url))
        assert search.run("run", "daily").code in (1, 2)
        search.run_everything(STYLES[2], only=ASKING)
    search.check()
    (run, *_) = search.desk.mmflow("runs", "--json").data["runs"]
    assert run["state"] == "failed"


@pytest.mark.row("S51")
@pytest.mark.parametrize("mood", MOODS)
def test_nothing_is_shown_when_a_sink_shouts_its_password(search, mood):
    search.desk.job(JOB.replace("calm", mood))
    done = search.run("run", "daily", "--json", "--verbose")
    state = {d["sink"]: d["state"] for d in done.data["deliveries"]}
    good = {"calm": "done", "unknown": "unknown", "no receipt": "unknown", "secret receipt": "unknown"}
    assert state == {"csv": "done", "vault": good.get(mood, "failed")}
    search.run("runs", "show", done.data["run"])
    search.run("resend", done.data["run"], "--verbose")
    search.run("preview", "daily", "--sink", "vault", "--json")
    search.check()


@pytest.mark.row("S51")
def test_nothing_is_shown_by_the_log_of_a_bug(search, monkeypatch):
    def break_down(*_, **__):
        error = RuntimeError(CANARIES["MM_BOSTON_KEY"], repr(CANARIES["VAULT_PASSWORD"]))
        error.add_note(base64.b64encode(CANARIES["austin.key"].encode()).decode())
        raise error

    monkeypatch.setattr("mmflow.run.load", break_down)
    for style in STYLES:
        assert search.run("run", "daily", *style).code == 3
    assert search.run("preview", "daily").code == 3
    assert len(list((search.desk.root / "bugs").glob("*.log"))) == 4
    monkeypatch.setattr(tempfile, "tempdir", str(search.desk.root / "nowhere"))
    assert "please report it with this:" in search.run("run", "daily").err
    search.run("runs")
    search.check()


@pytest.mark.row("S51", "S50")
@pytest.mark.parametrize(
    "change",
    [
        {"MM_BOSTON_KEY": None},
        {"VAULT_PASSWORD": None},
        {"VAULT_URL": ""},
        {"MM_BOSTON_KEY": CANARIES["MM_BOSTON_KEY"] + "\nX-Header: 1"},
        {"MM_BOSTON_KEY": CANARIES["VAULT_PASSWORD"]},
        {"VAULT_PASSWORD": CANARIES["VAULT_PASSWORD"] + "\x07"},
        {"VAULT_PASSWORD": CANARIES["VAULT_PASSWORD"] + "\udcff"},
    ],
    ids=["no key", "no password", "empty", "key with a line", "key with umlauts", "control sign", "no UTF-8"],
)
def test_nothing_is_shown_when_a_secret_is_missing_or_malformed(search, change):
    environ = search.desk.environ | change
    search.desk.environ = {name: value for name, value in environ.items() if value is not None}
    done = search.run("run", "daily")
    assert done.code == 2
    assert next(iter(change)) in done.err or "boston" in done.err
    missing = None in change.values()
    search.run_everything(STYLES[2], only=frozenset(COMMANDS) if missing else ASKING)
    search.check()


@pytest.mark.row("S51", "S46")
def test_nothing_is_shown_of_a_proxy_that_does_not_answer(tmp_path, vault):
    search = Search(furnish(tmp_path / "root", "http://localhost:9", proxy="${env:MM_PROXY}"))
    assert search.run("run", "daily").code == 1
    search.run_everything(STYLES[2])
    search.check()


@pytest.mark.row("S49")
@pytest.mark.parametrize(
    ("where", "old"),
    [
        ("mmflow.yaml", "${env:MM_BOSTON_KEY}"),
        ("mmflow.yaml", "${env:VAULT_PASSWORD}"),
        ("mmflow.yaml", "${env:VAULT_URL}"),
        ("mmflow.yaml", 'proxy: ""'),
        ("jobs/daily.yaml", "${env:VAULT_PASSWORD}"),
    ],
)
def test_a_secret_in_a_file_is_refused_and_not_repeated(search, where, old):
    literal = {"${env:VAULT_URL}": CANARIES["VAULT_URL"], 'proxy: ""': f'proxy: "{CANARIES["MM_PROXY"]}"'}
    path = search.desk.root / where
    path.write_text(path.read_text(encoding="utf-8").replace(old, literal.get(old, CANARIES["TOKEN"])))
    # No variable is set, so that nothing is known to be a secret but by its place and its looks.
    search.desk.environ = {}
    shutil.move(search.desk.root / "austin.key", search.desk.root / "gone.key")
    assert search.run("validate").code == 2
    search.run_everything(STYLES[2])
    search.check(but={"gone.key", path.name})


@pytest.mark.row("S51")
@pytest.mark.parametrize("content", ["canary", "header"])
def test_nothing_is_shown_when_the_ledger_is_damaged(search, content):
    search.run("run", "daily")
    ledger = search.desk.root / ".mmflow" / "ledger.sqlite"
    ledger.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000 if content == "header" else b"not a ledger" * 500)
    assert search.run("run", "daily").code == 4
    search.run_everything(STYLES[2])
    search.check()


@pytest.mark.row("S51")
def test_no_object_of_a_run_shows_a_secret(search, plants):
    desk = search.desk
    resolver = Resolver(desk.environ, desk.root, Redactor())
    workspace = open_workspace(desk.root, NOW)
    desk.write("mmflow.yaml", SETTINGS.format(url=plants.url, proxy="${env:MM_PROXY}"))
    workspace = open_workspace(desk.root, NOW)
    settings = resolve_settings(workspace.checked, resolver)
    checked = resolve_job(workspace.read_job("daily"), workspace.checked, workspace.registry, resolver)
    with open_hosts(workspace.checked, settings, settings.sites, desk.clock) as hosts:
        engine = Engine(
            root=desk.root,
            settings=settings,
            clock=desk.clock,
            redactor=resolver.redactor,
            hosts=hosts,
        )
        around = Surroundings(environ=desk.environ, cwd=desk.root, clock=desk.clock, stdout=io.StringIO())
        objects = (resolver, workspace, settings, checked, hosts, engine, around, resolver.redactor)
        for thing in objects:
            assert not find_canaries(f"{thing!r} {thing}".encode()), f"{type(thing).__name__} shows a secret"
    assert settings.network.proxy == CANARIES["MM_PROXY"]
    assert settings.sites["boston"].api_key.reveal() == CANARIES["MM_BOSTON_KEY"]
