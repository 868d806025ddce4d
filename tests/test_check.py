"""Files with mistakes beside the exact text they give, and the promise that both ways of checking say the same."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec import Meta
from msgspec.structs import fields

from mmflow.check import CheckedSettings, check_job, check_settings
from mmflow.document import format_path, read_text
from mmflow.errors import Problem, ProblemsError, describe_problems
from mmflow.options import Options
from mmflow.plugins import Registry, load
from mmflow.refs import Secret
from mmflow.sinks import SinkType
from tests.changes import ANYTHING, GOOD_JOB, GOOD_SETTINGS, list_places, put
from tests.golden import hold_against

JOBS = Path(__file__).parent / "jobs"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class MailOptions(Options):
    to: Annotated[tuple[str, ...], Meta(description="Who gets it.", examples=[["plant@example.com"]])]
    subject: str = ""


class MailServer(Options):
    host: Annotated[str, Meta(description="The server.", examples=["smtp.example.com"])]
    port: int = 587
    password: Secret | None = None


class BaseOptions(Options):
    table: str


class BaseServer(Options):
    url: Secret


class HookOptions(Options):
    url: str
    token: Secret


class ShelfOptions(Options):
    height: int


def validate_shelf(options: ShelfOptions, outline: str) -> Iterator[tuple[str, str]]:
    yield "height", f"is {options.height}, too high for a report by {outline.time_column or 'nothing'}"


def refuse_delivery(*_arguments: object) -> None:
    raise AssertionError("a check delivers nothing")


TOYS = (
    SinkType(name="mail", summary="Mail.", options=MailOptions, connection=MailServer, deliver=refuse_delivery),
    SinkType(name="base", summary="A base.", options=BaseOptions, connection=BaseServer, deliver=refuse_delivery),
    SinkType(name="shelf", summary="A shelf.", options=ShelfOptions, validate=validate_shelf, deliver=refuse_delivery),
    SinkType(name="hook", summary="A hook.", options=HookOptions, deliver=refuse_delivery),
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    """Sinks that write files, and toys with connections and secrets; what else is installed changes no text."""
    installed = load()
    files = {name: installed.sinks[name] for name in ("console", "csv", "jsonl")}
    return Registry({**files, **{sink.name: sink for sink in TOYS}}, (), {"excel": "mmflow-excel"})


@pytest.fixture(scope="module")
def settings(registry: Registry) -> CheckedSettings:
    return check_settings(read_text((JOBS / "mmflow.yaml").read_bytes(), "mmflow.yaml"), registry, JOBS, NOW)


def list_cases(folder: str) -> list[str]:
    return sorted(path.stem for path in (JOBS / folder).glob("*.yaml"))


def describe(problems: tuple[Problem, ...]) -> str:
    return describe_problems(problems) + "\n"


def problems_of_job(path: Path, settings: CheckedSettings, registry: Registry) -> tuple[Problem, ...]:
    try:
        return check_job(read_text(path.read_bytes(), f"jobs/{path.name}"), settings, registry).problems
    except ProblemsError as error:
        return error.problems


@pytest.mark.parametrize("case", list_cases("invalid"))
def test_a_job_with_mistakes_gives_exactly_this_text(case, settings, registry):
    problems = problems_of_job(JOBS / "invalid" / f"{case}.yaml", settings, registry)
    hold_against(JOBS / "invalid" / f"{case}.txt", describe(problems))


@pytest.mark.parametrize("case", list_cases("settings"))
def test_settings_with_mistakes_give_exactly_this_text(case, registry):
    document = read_text((JOBS / "settings" / f"{case}.yaml").read_bytes(), "mmflow.yaml")
    problems = check_settings(document, registry, JOBS, NOW).problems
    hold_against(JOBS / "settings" / f"{case}.txt", describe(problems))


@pytest.mark.row("S12")
@pytest.mark.parametrize("name", ["Ä", "\N{CYRILLIC SMALL LETTER A}a", "a\n", "-a", "a" * 64, "a b", "A", "../a", ""])
def test_names_of_jobs_are_plain(name, settings, registry):
    text = json.dumps(GOOD_JOB | {"job": name})
    (problem,) = check_job(read_text(text, "jobs/x.yaml"), settings, registry).problems
    assert (problem.path, problem.severity) == ("job", "error")


@pytest.mark.parametrize(
    ("when", "warned"),
    [
        ({"every": "day", "at": "02:00"}, ["schedule.at"]),  # the first time that is skipped
        ({"every": "day", "at": "03:00"}, []),
        ({"every": "weekday", "at": "02:30"}, []),  # clocks change on Sundays
        ({"at": "2027-03-14 02:30"}, ["schedule.at"]),
        ({"at": "2027-03-14T02:30-05:00"}, []),
    ],
)
def test_a_time_is_warned_of_where_the_clocks_skip_it_and_needs_no_second_zone(when, warned, settings, registry):
    """The sites lie in two zones, of which the schedule names one."""
    text = json.dumps(GOOD_JOB | {"sites": [], "schedule": when | {"timezone": "America/New_York"}})
    problems = check_job(read_text(text, "jobs/x.yaml"), settings, registry).problems
    assert [problem.path for problem in problems if problem.path.startswith("schedule")] == warned


def test_a_good_job_has_no_problem(settings, registry):
    checked = check_job(read_text(json.dumps(GOOD_JOB), "jobs/x.yaml"), settings, registry)
    assert not checked.problems
    assert checked.job.sites == ("boston",)
    assert [use.name for use in checked.sinks] == ["csv"]


@pytest.mark.parametrize("column", ["machine", "oee", "oee_previous", "scrap", "scrap_previous", "downtime"])
def test_rows_may_be_sorted_by_any_column_that_there_will_be(column, settings, registry):
    report = {"metrics": ["oee"], "group_by": ["machine"]}
    shape = {"columns": {"scrap": "1 - oee"}, "compare": {"to": "previous"}, "sort": [f"-{column}"]}
    values = GOOD_JOB | {"report": report, "shape": shape}
    assert not check_job(read_text(json.dumps(values), "jobs/x.yaml"), settings, registry).problems


def test_a_sink_with_a_warning_is_still_one_of_the_job(settings, registry):
    values = GOOD_JOB | {"window": {"last": "3 hours"}, "sinks": [{"type": "csv", "path": "{date}.csv"}]}
    checked = check_job(read_text(json.dumps(values), "jobs/x.yaml"), settings, registry)
    assert [(problem.path, problem.severity) for problem in checked.problems] == [("sinks[0].path", "warning")]
    assert [use.name for use in checked.sinks] == ["csv"]


def test_settings_without_sites_are_one_mistake_and_not_one_in_every_job(registry):
    broken = check_settings(read_text("version: 1", "mmflow.yaml"), registry, JOBS, NOW)
    assert [str(problem) for problem in broken.problems] == [
        "mmflow.yaml:1:1: sites: this key is missing; the plants, by the name that jobs use"
    ]
    assert not check_job(read_text(json.dumps(GOOD_JOB), "jobs/x.yaml"), broken, registry).problems


def test_the_job_of_the_reference_page_is_right(settings, registry):
    page = (JOBS.parents[1] / "docs" / "jobs.md").read_text(encoding="utf-8")
    text = page.split("```yaml\n")[1].split("```")[0]
    assert not check_job(read_text(text, "jobs/x.yaml"), settings, registry).problems


@hypothesis.settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_job_holds_the_check_only_ever_answers_with_problems(data, settings, registry):
    """And a job without an error can be had as a typed one, unless it waits for its references."""
    values = GOOD_JOB
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(list_places(values))))
        values = put(values, path, data.draw(ANYTHING))
    try:
        document = read_text(json.dumps(values), "jobs/x.yaml")
    except ProblemsError:
        return
    checked = check_job(document, settings, registry)
    if any(problem.severity == "error" for problem in checked.problems):
        with pytest.raises(ProblemsError):
            _ = checked.job
    elif "${" not in json.dumps(values):
        assert checked.job.job == checked.name


@hypothesis.settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_settings_hold_the_check_only_ever_answers_with_problems(data, registry):
    values = GOOD_SETTINGS
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(list_places(values))))
        values = put(values, path, data.draw(ANYTHING))
    try:
        document = read_text(json.dumps(values), "mmflow.yaml")
    except ProblemsError:
        return
    checked = check_settings(document, registry, JOBS, NOW)
    if not any(problem.severity == "error" for problem in checked.problems) and "${" not in json.dumps(values):
        assert checked.settings.version == 1


def test_a_problem_of_a_default_is_the_same_in_the_settings_and_in_every_job(registry):
    text = (JOBS / "settings" / "defaults.yaml").read_text(encoding="utf-8")
    checked = check_settings(read_text(text, "mmflow.yaml"), registry, JOBS, NOW)
    job = check_job(read_text(json.dumps(GOOD_JOB | {"sites": []}), "jobs/x.yaml"), checked, registry)
    assert {problem for problem in job.problems if problem.file == "mmflow.yaml"} <= set(checked.problems)


TOKEN = "ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"
MAIL_JOB = GOOD_JOB | {
    "sinks": [{"type": "mail", "name": "a", "connection": "office_mail", "to": ["x"], "subject": "x"}]
}


@pytest.mark.row("S51")
@pytest.mark.parametrize("path", list(list_places(MAIL_JOB)), ids=format_path)
def test_a_secret_pasted_anywhere_into_a_job_is_an_error_and_shown_nowhere(path, settings, registry):
    assert_hidden(put(MAIL_JOB, path, TOKEN), lambda document: check_job(document, settings, registry).problems)


@pytest.mark.row("S51")
@pytest.mark.parametrize("path", list(list_places(GOOD_SETTINGS)), ids=format_path)
def test_a_secret_pasted_anywhere_into_the_settings_is_an_error_and_shown_nowhere(path, registry):
    values = put(GOOD_SETTINGS, path, TOKEN)
    assert_hidden(values, lambda document: check_settings(document, registry, JOBS, NOW).problems)


@pytest.mark.row("S51")
@pytest.mark.parametrize("path", list(list_places(MAIL_JOB))[1:], ids=format_path)
def test_a_secret_pasted_as_a_key_is_shown_nowhere_but_in_the_path(path, settings, registry):
    """The path has to say which key is meant."""
    values = put(MAIL_JOB, path, {TOKEN: 1})
    problems = check_job(read_text(json.dumps(values), "jobs/x.yaml"), settings, registry).problems
    assert TOKEN not in "".join(problem.message + problem.hint for problem in problems)


def assert_hidden(values, check):
    text = describe(check(read_text(json.dumps(values), "x.yaml")))
    assert "x.yaml:1:" in text
    assert TOKEN not in text


def test_every_option_of_a_sink_can_be_written_without_quotes():
    """YAML takes some words, such as null and true, for something else than text."""
    for sink in load().sinks.values():
        for model in filter(None, (sink.options, sink.connection)):
            names = [field.encode_name for field in fields(model)]
            text = "\n".join(f"{name}: x" for name in names) or "{}"
            assert read_text(text, "x.yaml").values == dict.fromkeys(names, "x")


@pytest.mark.row("S56")
@pytest.mark.parametrize(
    ("output", "taken"),
    [
        (".", "mmflow.yaml"),
        ("", "mmflow.yaml"),
        ("..", "mmflow.yaml"),
        ("/", "mmflow.yaml"),
        ("out/..", "mmflow.yaml"),
        ("jobs", "a file in jobs/"),
        ("jobs/out", "a file in jobs/"),
        ("link", "a file in jobs/"),
        (".mmflow", "a file in .mmflow/"),
        ("./.mmflow/snapshots", "a file in .mmflow/"),
    ],
)
def test_an_output_folder_where_a_report_could_replace_what_is_read_is_refused(output, taken, registry, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "link").symlink_to("jobs", target_is_directory=True)
    (problem,) = problems_of_output(output, tmp_path, registry)
    assert problem.path == "output"
    assert problem.message.endswith(f"could take the place of {taken}")


def test_an_output_folder_may_lie_anywhere_else(registry, tmp_path):
    for output in ("out", "jobs-out", "a/b", str(tmp_path.parent / "reports"), "../reports"):
        assert not problems_of_output(output, tmp_path, registry)


def problems_of_output(output: str, root: Path, registry: Registry) -> tuple[Problem, ...]:
    text = (JOBS / "mmflow.yaml").read_text(encoding="utf-8") + f"\noutput: {json.dumps(output)}\n"
    return check_settings(read_text(text, "mmflow.yaml"), registry, root, NOW).problems
