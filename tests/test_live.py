"""What ``validate --live`` finds by asking: keys, metrics, groups, names, calendars, sinks."""

import json
import sys

import pytest

from mmflow.cli.listing import note_failures
from mmflow.cli.output import Output
from mmflow.clock import FixedClock
from mmflow.errors import GiveUp, TryLater
from mmflow.refs import Redactor
from mmflow.simulator import PROFILES, Access, Plant, Simulator
from tests.desk import KEY, NOW, open_desk

JOB = """
    job: daily
    sites: [boston]
    report:
      metrics: [oee, {metric: downtime, unit: min}]
      group_by: [machine, week]
      filter: {machine: ["Mill 0*"], shift: [First]}
    window: yesterday
    shape: {columns: {scrap: "rejectedParts / nullif(totalParts, 0)"}, totals: true}
    sinks: [{type: console}]
"""
NEAR = "did you mean 'Mill 01'?"
GONE = "was decommissioned on 2026-04-01, before the window begins; remove it, or ask for an earlier window"


def make_plant(seed, zone, *machines):
    """A plant of a few machines, which answers sooner."""
    plant = Plant(seed=seed, zone=zone, start_of_day="06:00")
    plant.machines = tuple(machine for machine in plant.machines if machine.name in machines)
    return plant


PLANT = make_plant(1, "America/New_York", "Mill 01", "Mill 02", "Grinder 1", "Swiss 1", "Lathe 18")
AUSTIN = make_plant(2, "America/Chicago", "Mill 02", "Lathe 01")
KEYS = {KEY: PLANT, "key-austin": AUSTIN, "key-erp": Access(PLANT, {"erp"})}


@pytest.fixture(scope="module", params=PROFILES)
def plants(request):
    """Companies whose service settles the unpublished in one way or the other."""
    with Simulator(KEYS, now=NOW, profile=request.param) as simulator:
        yield simulator


@pytest.fixture
def desk(tmp_path, plants):
    """A root with one site, answered by either."""
    return open_desk(tmp_path, plants)


def change(desk, *pairs):
    """Change words of mmflow.yaml."""
    text = desk.text("mmflow.yaml")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (desk.root / "mmflow.yaml").write_text(text, encoding="utf-8")


def add_austin(desk, key="AUSTIN_KEY", url=""):
    """Add a second site to mmflow.yaml."""
    head = f'base_url: "{url or desk.simulator.url}", api_key: "${{env:{key}}}"'
    site = f'  austin: {{{head}, timezone: America/Chicago, start_of_day: "06:00"}}\n'
    change(desk, ("defaults:", site + "defaults:"))
    desk.environ["AUSTIN_KEY"] = "key-austin"


def find(desk, *words):
    """Give the exit code and the problems by their path."""
    done = desk.mmflow("validate", *words, "--live", "--json")
    assert done.err == ""
    return done.code, {problem["path"]: problem for problem in done.data["problems"]}


def test_right_files_give_one_line_and_nothing_but_names_is_written(desk):
    desk.job(JOB)
    done = desk.mmflow("validate", "--live")
    assert (done.code, done.out, done.err) == (0, "1 job, no problems\n", "")
    assert sorted(path.relative_to(desk.root).as_posix() for path in desk.root.rglob("*") if path.is_file()) == [
        ".mmflow/cache/boston.json",
        "jobs/daily.yaml",
        "mmflow.yaml",
    ]


def test_equal_reports_are_asked_once_and_about_one_day(desk):
    desk.job(JOB)
    desk.job(JOB.replace("job: daily", "job: other").replace("{metric: downtime, unit: min}", "downtime"), "other")
    before = len(desk.simulator.requests)
    assert desk.mmflow("validate", "--live").code == 0
    bodies = [request.body for request in list(desk.simulator.requests)[before:]]
    reports = [body for body in bodies if body.get("filter")]
    assert len(reports) == 1
    assert reports[0]["startDay"] == reports[0]["endDay"] == "2026-11-20"
    assert {item["metric"] for item in reports[0]["data"]} >= {"oee", "downtime", "rejectedParts", "totalParts"}


def test_refused_metrics_and_unknown_names_are_shown_at_their_words_all_at_once(desk):
    """The service is asked about the metrics although the names are wrong."""
    desk.job(JOB.replace("[oee,", "[oee, ooee,").replace('["Mill 0*"]', '["Mil 01", "Lathe 18", "Mill 01"]'))
    done = desk.mmflow("validate", "--live")
    assert done.code == 2
    assert done.out.splitlines()[1:] == [
        "jobs/daily.yaml:4:18: report.metrics[1]: refused by the service: Metric 'ooee' is not valid",
        f"jobs/daily.yaml:6:22: report.filter.machine[0]: no machine of boston is named 'Mil 01'; {NEAR}",
        f"jobs/daily.yaml:6:32: report.filter.machine[1]: 'Lathe 18' of boston {GONE}",
        "4 problems in 1 file",
    ]
    assert desk.mmflow("validate").code == 0, "offline an unknown metric is a warning"


def test_whether_an_unlisted_metric_exists_only_the_service_says(desk):
    desk.job(JOB.replace("rejectedParts /", "goodParts * scrapRate /").replace("[oee,", "[oee, scrapRate,"))
    known = desk.simulator.service.profile.unlisted_metrics
    code, found = find(desk)
    assert code == (0 if known else 2)
    assert found["report.metrics[1]"]["id"] == ("unknown-metric" if known else "")


def test_a_machine_that_was_there_when_the_window_begins_is_fine(desk):
    desk.job(JOB.replace('["Mill 0*"], shift: [First]', '["Lathe 18"]').replace("yesterday", "year_to_date"))
    assert find(desk) == (0, {})


def test_a_window_that_is_empty_now_is_no_problem(desk):
    """On a Sunday morning there was no third shift yesterday."""
    desk.job(JOB.replace("window: yesterday", "window: {shift: Third, on: yesterday}"))
    assert find(desk) == (0, {})


@pytest.mark.parametrize(
    ("change_of", "fits"),
    [
        (("America/New_York", "America/Chicago"), "begins at 05:00 in America/Chicago"),
        (('start_of_day: "06:00"', 'start_of_day: "05:00"'), "begins at 06:00 in America/New_York"),
        (('start_of_day: "06:00"', 'start_of_day: "14:00"'), "begins at 06:00 in America/New_York"),
        (("America/New_York", "Asia/Kolkata"), ""),
    ],
)
def test_a_wrong_zone_or_start_of_day_is_found_and_the_hour_that_fits_is_named(desk, change_of, fits):
    change(desk, change_of)
    code, found = find(desk)
    problem = found["sites.boston.timezone"]
    assert code == 0
    assert (problem["file"], problem["line"], problem["severity"]) == ("mmflow.yaml", 6, "warning")
    assert problem["id"] == "calendar-differs"
    assert problem["message"].startswith("the service counts ")
    assert problem["hint"] == "check timezone and start_of_day" + (
        f": the figures fit a day that {fits}" if fits else ""
    )
    assert desk.mmflow("validate", "--live", "--strict").code == 2


def test_a_difference_that_is_known_can_be_silenced(desk):
    change(desk, ("timezone: America/New_York", "timezone: America/Chicago  # mmflow: ignore[calendar-differs]"))
    assert find(desk) == (0, {})


def test_a_plant_that_made_nothing_leaves_the_calendar_open(desk):
    desk.clock = FixedClock(NOW.replace(year=2014))
    code, found = find(desk)
    assert (code, found["sites.boston.timezone"]["id"]) == (0, "calendar-unchecked")


def test_a_revoked_key_is_a_problem_at_the_key(desk):
    desk.environ["MM_BOSTON_KEY"] = "key-of-nobody"
    code, found = find(desk)
    assert code == 2
    assert found["sites.boston.api_key"]["line"] == 5
    assert "(${env:MM_BOSTON_KEY}) is unknown there, revoked" in found["sites.boston.api_key"]["message"]
    assert list(found) == ["sites.boston.api_key"]


def test_a_missing_scope_is_a_problem_at_the_key_that_names_the_scope(desk):
    desk.environ["MM_BOSTON_KEY"] = "key-erp"
    _, found = find(desk)
    assert "answered 403" in found["sites.boston.api_key"]["message"]
    assert found["sites.boston.api_key"]["hint"].startswith("give it the scope 'reporting'")


@pytest.mark.row("S51")
@pytest.mark.parametrize("key", ["key of\u00a0nobody", ""])
def test_a_key_that_cannot_be_sent_is_a_problem_of_its_site_alone(desk, key):
    add_austin(desk)
    desk.environ["MM_BOSTON_KEY"] = key
    code, found = find(desk)
    assert (code, list(found)) == (2, ["sites.boston.api_key"])
    assert not key or key not in json.dumps(found, ensure_ascii=False)


def test_a_variable_that_is_not_set_hides_no_other_site(desk):
    add_austin(desk, "UNSET_KEY")
    change(desk, ("America/New_York", "America/Chicago"))
    code, found = find(desk)
    assert (code, set(found)) == (2, {"sites.austin.api_key", "sites.boston.timezone"})
    assert "UNSET_KEY" in found["sites.austin.api_key"]["message"]


def test_a_site_that_is_down_hides_no_other_site(desk):
    add_austin(desk, url="http://127.0.0.1:1")
    desk.job(JOB.replace("[oee,", "[oee, ooee,").replace("[boston]", "[boston, austin]"))
    code, found = find(desk)
    assert code == 2
    assert "cannot be reached" in found["sites.austin"]["message"]
    assert found["report.metrics[1]"]["severity"] == "error"


def test_when_only_a_site_does_not_answer_it_is_no_mistake_of_the_files(desk):
    add_austin(desk, url="http://127.0.0.1:1")
    desk.job(JOB)
    code, found = find(desk)
    assert (code, found["sites.austin"]["id"]) == (1, "no-answer")
    assert "see that this machine reaches it" in found["sites.austin"]["hint"]
    desk.environ["AUSTIN_KEY"] = "x"
    change(desk, ("http://127.0.0.1:1", desk.simulator.url))
    assert find(desk)[0] == 2, "a key that is refused is to be mended"


def test_where_names_are_listed_what_to_do_about_a_site_that_is_down_is_said(capsys):
    out = Output(sys.stdout, sys.stderr, Redactor(), as_json=False)
    assert note_failures(out, {"austin": TryLater("it cannot be reached"), "boston": GiveUp("no")}) == 1
    assert capsys.readouterr().err == "austin: it cannot be reached; see why: mmflow doctor\nboston: no\n"


def test_a_name_of_one_site_is_enough_and_a_site_without_any_is_warned_of(desk):
    add_austin(desk)
    desk.job(JOB.replace("[boston]", "[boston, austin]").replace('["Mill 0*"]', '["Mill 01"]'))
    code, found = find(desk)
    assert (code, found["report.filter"]["id"]) == (0, "filter-void")
    assert found["report.filter"]["message"].startswith("austin will be missing from every report: no machine there")


def test_one_job_asks_its_own_sites_alone(desk):
    add_austin(desk, "UNSET_KEY")
    desk.job(JOB)
    assert find(desk, "daily") == (0, {})
    assert find(desk)[0] == 2


def test_jobs_with_mistakes_are_not_asked_about_and_stop_no_other(desk):
    desk.job(JOB.replace("yesterday", "yesterdy"))
    desk.job(JOB.replace("job: daily", "job: other").replace("[oee,", "[oee, ooee,"), "other")
    code, found = find(desk)
    assert code == 2
    assert set(found) == {"window", "report.metrics[1]"}


def test_nothing_is_asked_while_the_settings_have_mistakes(desk):
    change(desk, ("version: 1", "version: 2"))
    before = len(desk.simulator.requests)
    done = desk.mmflow("validate", "--live")
    assert (done.code, done.err) == (2, "the service is not asked, because mmflow.yaml has mistakes\n")
    assert len(desk.simulator.requests) == before


def test_references_in_a_job_get_their_values_first(desk):
    desk.job(JOB.replace('"Mill 0*"', '"${env:MACHINE}"'))
    code, found = find(desk)
    assert (code, "MACHINE" in found["report.filter.machine[0]"]["message"]) == (2, True)
    desk.environ["MACHINE"] = "Mill 99"
    assert "named 'Mill 99'" in find(desk)[1]["report.filter.machine[0]"]["message"]


SINK = """
    from typing import Annotated
    from mmflow import GiveUp, Options, SinkType, hookimpl

    mmflow_api = 1

    class DoorOptions(Options):
        door: str = "open"

    def check_door(options, run):
        if options.door == "stuck":
            raise ValueError("no handle")
        if options.door != "open":
            raise GiveUp(f"the {options.door} door of {run.job} lets nobody in; open it")
        assert run.names["date"] == "2026-11-20"
        assert run.time_column == "week"
        assert run.spans[0][0] == "boston"

    def deliver_nothing(table, options, run):
        raise AssertionError("a check delivers nothing")

    @hookimpl
    def mmflow_sinks():
        yield SinkType(
            name="door", summary="A door.", options=DoorOptions, check=check_door, deliver=deliver_nothing
        )
"""


def test_sinks_are_tried_by_their_own_check(desk, install):
    install("door", SINK)
    sinks = "[{type: door}, {type: door, name: b, door: locked}, {type: door, name: c, door: stuck}, {type: console}]"
    desk.job(JOB.replace("[{type: console}]", sinks))
    done = desk.mmflow("validate", "--live", "--json")
    assert done.code == 2
    assert [(problem["path"], problem["message"], problem["hint"]) for problem in done.data["problems"]] == [
        ("sinks[1]", "the locked door of daily lets nobody in", "open it"),
        ("sinks[2]", "door raised ValueError in its check: no handle", "this is a bug in door"),
    ]
    assert desk.mmflow("validate").code == 0
