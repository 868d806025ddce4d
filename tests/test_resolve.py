"""References get their values when a run needs them, and only those that it needs; no secret shows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmflow.check import check_job, check_settings
from mmflow.document import read_text
from mmflow.errors import ProblemsError, UserError
from mmflow.options import Options
from mmflow.plugins import Registry, load
from mmflow.refs import Redactor, Resolver, Secret
from mmflow.resolve import resolve_job, resolve_question, resolve_settings
from mmflow.sinks import SinkType

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = "4f0c9d1e-boston-key"
SETTINGS = """
version: 1
sites:
  boston: {environment: demo, api_key: "${env:MM_BOSTON_KEY}", timezone: Asia/Tokyo, start_of_day: "${env:DAWN:-06:00}"}
  berlin: {environment: standard, api_key: "${env:MM_BERLIN_KEY}", timezone: "${env:ZONE}", start_of_day: "06:00"}
connections:
  hall: {type: lamp, token: "${file:token}", port: "${env:PORT:-99}"}
  cellar: {type: lamp, token: "${env:CELLAR}"}
defaults: {owner: "${env:OWNER:-ops@example.com}"}
"""
JOB = """
job: morning
sites: [boston]
report: {metrics: [oee], group_by: [machine]}
window: "${env:WINDOW:-yesterday}"
shape: {limit: "${env:LIMIT}", totals: "${env:TOTALS:-true}"}
sinks: [{type: lamp, connection: hall, colour: "red $${x}", watts: "${env:WATTS:-5}"}]
"""


class LampOptions(Options):
    colour: str
    watts: int
    code: Secret | None = None


class LampServer(Options):
    token: Secret
    port: int = 1


LAMP = SinkType(name="lamp", summary="A lamp.", options=LampOptions, connection=LampServer, deliver="nowhere:deliver")


class Desk:
    """A root in a folder, with its environment."""

    def __init__(self, root: Path) -> None:
        (root / "token").write_text("tok-93c1f0a7\n", encoding="utf-8")
        self.environ = {"MM_BOSTON_KEY": KEY, "LIMIT": "20"}
        self.redactor = Redactor()
        self.resolver = Resolver(self.environ, root, self.redactor)
        installed = load()
        self.registry = Registry({**installed.sinks, "lamp": LAMP}, installed.plugins, installed.packages)
        self.root = root

    def check_settings(self, text=SETTINGS):
        return check_settings(read_text(text, "mmflow.yaml"), self.registry, self.root, NOW)

    def resolve_job(self, text=JOB, settings=SETTINGS):
        settings = self.check_settings(settings)
        checked = check_job(read_text(text, "jobs/morning.yaml"), settings, self.registry)
        return resolve_job(checked, settings, self.registry, self.resolver)

    def problems_of(self, text=JOB, settings=SETTINGS):
        with pytest.raises(ProblemsError) as caught:
            self.resolve_job(text, settings)
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_job_with_references_is_checked_without_their_values(desk):
    settings = desk.check_settings()
    checked = check_job(read_text(JOB, "jobs/morning.yaml"), settings, desk.registry)
    assert not settings.problems
    assert not checked.problems
    assert checked.name == "morning"
    with pytest.raises(UserError, match="references"):
        _ = checked.job


def test_references_become_what_is_expected_where_they_stand(desk):
    checked = desk.resolve_job()
    job = checked.job
    assert (job.shape.limit, job.shape.totals, job.window, job.owner) == (20, True, "yesterday", "ops@example.com")
    use = checked.sinks[0]
    assert use.options == LampOptions(colour="red ${x}", watts=5)
    assert use.connection == LampServer(token=Secret("tok-93c1f0a7"), port=99)


def test_only_the_connection_that_is_used_is_resolved(desk):
    desk.environ.pop("CELLAR", None)
    assert desk.resolve_job().sinks[0].connection_name == "hall"


def test_everything_that_has_no_value_is_named_at_once_with_its_place(desk):
    del desk.environ["LIMIT"]
    text = JOB.replace("${env:WATTS:-5}", "${env:WATTS}")
    assert desk.problems_of(text) == [
        "jobs/morning.yaml:6:16: shape.limit: the environment variable LIMIT is not set; set it",
        "jobs/morning.yaml:7:68: sinks[0].watts: the environment variable WATTS is not set; set it",
    ]


def test_a_default_in_the_settings_is_named_where_it_stands(desk):
    problems = []
    settings = desk.check_settings(SETTINGS.replace("${env:OWNER:-ops@example.com}", "${env:OWNER}"))
    checked = check_job(read_text(JOB, "jobs/morning.yaml"), settings, desk.registry)
    with pytest.raises(ProblemsError) as caught:
        resolve_job(checked, settings, desk.registry, desk.resolver)
    problems = [str(problem) for problem in caught.value.problems]
    assert problems == ["mmflow.yaml:9:19: defaults.owner: the environment variable OWNER is not set; set it"]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("LIMIT", "many", "6:16: shape.limit: found text, expected a whole number"),
        ("LIMIT", "0", "6:16: shape.limit: found 0, expected at least 1"),
        ("WINDOW", "yesterdy", "5:9: window: 'yesterdy' is not a window; did you mean 'yesterday'?"),
        ("WATTS", "five", "7:68: sinks[0].watts: found text, expected a whole number"),
    ],
)
def test_a_value_that_does_not_fit_is_explained_where_the_reference_stands(name, value, problem, desk):
    desk.environ[name] = value
    assert desk.problems_of() == [f"jobs/morning.yaml:{problem}"]


def test_a_job_with_mistakes_is_not_resolved_at_all(desk):
    assert desk.problems_of(JOB.replace("metrics: [oee]", "metrics: []"))[0].startswith("jobs/morning.yaml:4:19")


def test_only_the_sites_that_are_asked_for_need_their_keys(desk):
    settings = resolve_settings(desk.check_settings(), desk.resolver, ["boston"])
    assert list(settings.sites) == ["boston"]
    assert settings.sites["boston"].api_key == Secret(KEY)
    assert settings.sites["boston"].start_of_day == "06:00"


@pytest.mark.parametrize("folder", ["certs", "{root}/certs"])
def test_a_relative_ca_bundle_starts_at_the_root(desk, folder):
    bundle = desk.root / "certs" / "company.pem"
    bundle.parent.mkdir()
    bundle.write_text("-----BEGIN CERTIFICATE-----", encoding="ascii")
    network = f'network: {{ca_bundle: "{folder.format(root=desk.root.as_posix())}/company.pem"}}\n'
    settings = resolve_settings(desk.check_settings(SETTINGS + network), desk.resolver, ["boston"])
    assert Path(settings.network.ca_bundle) == bundle


@pytest.mark.row("R81")
def test_a_site_whose_key_is_missing_is_named_when_it_is_asked_for(desk):
    with pytest.raises(ProblemsError) as caught:
        resolve_settings(desk.check_settings(), desk.resolver)
    assert [str(problem) for problem in caught.value.problems] == [
        "mmflow.yaml:5:44: sites.berlin.api_key: the environment variable MM_BERLIN_KEY is not set; set it",
        "mmflow.yaml:5:78: sites.berlin.timezone: the environment variable ZONE is not set; set it",
    ]


def test_a_resolved_zone_is_checked_like_a_written_one(desk):
    desk.environ |= {"MM_BERLIN_KEY": "another-key-77", "ZONE": "Europe/Berln"}
    with pytest.raises(ProblemsError) as caught:
        resolve_settings(desk.check_settings(), desk.resolver, ["berlin"])
    assert "did you mean 'Europe/Berlin'?" in str(caught.value)


@pytest.mark.row("S51")
def test_every_resolved_secret_is_hidden_from_output(desk):
    resolve_settings(desk.check_settings(), desk.resolver, ["boston"])
    desk.resolve_job()
    assert desk.redactor.redact(f"{KEY} and tok-93c1f0a7") == "*** and ***"


PLAIN_JOB = """
job: morning
owner: ops@example.com
sites: [boston]
report: {metrics: [oee], group_by: [machine]}
window: yesterday
sinks: [{type: lamp, connection: cellar, colour: red, watts: 5}]
"""


@pytest.mark.row("S51")
@pytest.mark.parametrize("holder", ["site", "connection", "sink"])
def test_what_stands_where_a_secret_belongs_is_hidden_whatever_its_variable_is_called(desk, holder):
    """Neither the names of the variables nor the value look like a secret."""
    desk.environ |= {"CELLAR": "an open door", "BOSTON": "northern-lights", "WORD": "cold harbour"}
    if holder == "site":
        text = SETTINGS.replace("${env:MM_BOSTON_KEY}", "${env:BOSTON}")
        resolve_settings(desk.check_settings(text), desk.resolver, ["boston"])
    else:
        desk.resolve_job(PLAIN_JOB.replace("watts: 5", "watts: 5" + ', code: "${env:WORD}"' * (holder == "sink")))
    value = {"site": "northern-lights", "connection": "an open door", "sink": "cold harbour"}[holder]
    assert desk.redactor.redact(f"it is {value}.") == "it is ***."


def test_a_connection_may_be_named_by_a_reference(desk):
    text = JOB.replace("connection: hall", 'connection: "${env:ROOM}"')
    checked = check_job(read_text(text, "jobs/morning.yaml"), desk.check_settings(), desk.registry)
    assert checked.problems == ()
    desk.environ["ROOM"] = "hall"
    (use,) = desk.resolve_job(text).sinks
    assert (use.connection_name, use.connection.port) == ("hall", 99)
    desk.environ["ROOM"] = "hal"
    assert desk.problems_of(text) == [
        "jobs/morning.yaml:7:34: sinks[0].connection: mmflow.yaml has no connection 'hal'; did you mean 'hall'?"
    ]


@pytest.mark.row("S51")
def test_no_secret_shows_in_what_is_resolved(desk):
    settings = resolve_settings(desk.check_settings(), desk.resolver, ["boston"])
    checked = desk.resolve_job()
    shown = f"{settings!r} {settings} {checked.sinks!r}"
    assert KEY not in shown
    assert "tok-93c1f0a7" not in shown


@pytest.mark.row("S14")
def test_what_a_reference_gives_is_never_read_as_yaml(desk):
    desk.environ["WINDOW"] = "{last: 7 days}"
    assert "'{last: 7 days}' is not a window" in desk.problems_of()[0]


@pytest.mark.row("S50")
def test_a_job_reads_no_file_outside_of_the_root(desk, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "passwd"
    outside.write_text("root:x:0:0", encoding="utf-8")
    (desk.root / "link").symlink_to(outside)
    words = {"absolute": outside.as_posix(), "above": f"../{outside.parent.name}/passwd", "link": "link"}
    for word in words.values():
        problem = desk.problems_of(JOB + f'description: "${{file:{word}}}"\n')[0]
        assert problem.startswith("jobs/morning.yaml:8:14: description: ")
        assert "absolute path" in problem
        assert "root:x" not in problem
    named = SETTINGS.replace("${env:OWNER:-ops@example.com}", f"${{file:{outside.as_posix()}}}")
    assert desk.resolve_job(settings=named).job.owner == "root:x:0:0", "mmflow.yaml may name any file"


@pytest.mark.row("S50")
@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("${env:MM_BOSTON_KEY}", "the api_key of site boston"),
        ("${env:MM_BERLIN_KEY}", "the api_key of site berlin"),
        ("${file:token}", "a secret of connection hall"),
        ("${env:CELLAR}", "a secret of connection cellar"),
    ],
)
def test_no_secret_of_the_settings_gets_into_a_report(desk, reference, name):
    desk.environ |= {"MM_BERLIN_KEY": "another-key-77", "CELLAR": "c3ll4r-d00r"}
    places = {
        "report": f'{{metrics: [{{metric: oee, label: "x {reference}"}}], group_by: [machine]}}',
        "shape": f"{{columns: {{x: {{expr: \"'{reference}'\"}}}}}}",
        "sinks": f'[{{type: lamp, connection: hall, colour: "{reference}", watts: 5}}]',
    }
    for key, value in places.items():
        lines = [line for line in JOB.strip().splitlines() if not line.startswith(key)]
        problems = desk.problems_of("\n".join([*lines, f"{key}: {value}"]))
        assert len(problems) == 1
        assert problems[0].endswith(f": this would put {name} into the report; remove this reference")
        assert not [value for value in desk.environ.values() if len(value) > 4 and value in problems[0]]


def test_a_place_that_is_made_for_secrets_may_hold_one_of_the_settings(desk):
    sinks = 'sinks: [{type: lamp, connection: hall, colour: red, watts: 5, code: "${file:token}"}]'
    lines = [line for line in JOB.strip().splitlines() if not line.startswith("sinks")]
    assert desk.resolve_job("\n".join([*lines, sinks])).sinks[0].options.code == Secret("tok-93c1f0a7")


def test_a_question_is_not_about_a_secret_either(desk):
    settings = desk.check_settings()
    text = JOB.replace("${env:WINDOW:-yesterday}", "${env:MM_BOSTON_KEY}")
    checked = check_job(read_text(text, "jobs/morning.yaml"), settings, desk.registry)
    with pytest.raises(ProblemsError, match="this would put the api_key of site boston into the report"):
        resolve_question(checked, settings, desk.registry, desk.resolver)


@pytest.mark.row("S45")
def test_a_key_that_cannot_be_sent_is_named_where_it_stands(desk):
    desk.environ["MM_BOSTON_KEY"] = "two words"
    with pytest.raises(ProblemsError) as caught:
        resolve_settings(desk.check_settings(), desk.resolver, ["boston"])
    what = "sites.boston.api_key: the key that ${env:MM_BOSTON_KEY} gives holds a space, a line break or a sign"
    assert str(caught.value).startswith(f"mmflow.yaml:4:40: {what} outside of ASCII; copy it again")
    assert "two words" not in str(caught.value)


def test_an_output_folder_is_looked_at_once_its_reference_has_a_value(desk):
    checked = desk.check_settings(SETTINGS + 'output: "${env:OUT}"\n')
    assert not checked.problems
    desk.environ["OUT"] = "out/../jobs"
    with pytest.raises(ProblemsError, match=r"output: a report in '.*' could take the place of a file in jobs/"):
        resolve_settings(checked, desk.resolver, ("boston",))
