"""The commands that look at files: validate, jobs, explain, schema."""

import json
import subprocess
import sys

import pytest

from tests.desk import KEY

GOOD = """
    job: NAME
    sites: [boston]
    report:
      metrics: [oee, goodParts, {metric: downtime, unit: min, label: "Down (min)"}]
      group_by: [machine, day]
    window: yesterday
    schedule: {cron: "40 6 * * mon-fri"}
    shape: {columns: {scrap: "rejectedParts / nullif(totalParts, 0)"}, where: "downtime > 0", sort: [-downtime]}
    checks: [{rows: ">= 1"}]
    sinks: [{type: csv, path: "out/{date}.csv"}]
"""


def good(name="daily"):
    return GOOD.replace("NAME", name)


def test_good_files_end_with_0_and_one_line(desk):
    desk.job(good())
    done = desk.mmflow("validate")
    assert (done.code, done.out, done.err) == (0, "1 job, no problems\n", "")


def test_the_settings_alone_can_be_checked(desk):
    assert desk.mmflow("validate").out == "0 jobs, no problems\n"


def test_problems_of_all_files_come_sorted_with_a_sum_and_exit_code_2(desk):
    desk.job(good("b").replace("yesterday", "yesterdy"), "b")
    desk.job(good("a").replace("oee", "ooee").replace("machine,", "machin,"), "a")
    done = desk.mmflow("validate")
    assert done.code == 2
    first, *others = done.out.splitlines()
    assert first.startswith("jobs/a.yaml:4:13: warning: report.metrics[0]: 'ooee' is not a known metric; did you mean")
    assert others == [
        "jobs/a.yaml:5:14: report.group_by[0]: 'machin' is not a group; did you mean 'machine'?",
        "jobs/b.yaml:6:9: window: 'yesterdy' is not a window; did you mean 'yesterday'?",
        "3 problems in 2 files",
    ]


def test_json_has_the_documented_shape(desk):
    desk.job(good().replace("yesterday", "yesterdy"))
    done = desk.mmflow("validate", "--json")
    assert done.code == 2
    assert done.data == {
        "jobs": 1,
        "problems": [
            {
                "file": "jobs/daily.yaml",
                "line": 6,
                "column": 9,
                "path": "window",
                "message": "'yesterdy' is not a window",
                "hint": "did you mean 'yesterday'?",
                "severity": "error",
                "id": "",
            }
        ],
    }


def test_warnings_fail_only_when_strict(desk):
    desk.job(good().replace("oee", "oeee"))
    assert desk.mmflow("validate").code == 0
    assert desk.mmflow("validate", "--strict").code == 2


def test_one_job_can_be_checked_without_the_others(desk):
    desk.job(good("a"), "a")
    desk.job("job: [", "broken")
    assert desk.mmflow("validate", "a").code == 0
    assert desk.mmflow("validate", "jobs/a.yaml").code == 0
    assert desk.mmflow("validate").code == 2
    done = desk.mmflow("validate", "aa")
    assert (done.code, "did you mean 'a'?" in done.err) == (2, True)


def test_settings_that_are_not_yaml_are_a_problem_like_others(desk):
    desk.write("mmflow.yaml", "version: [")
    done = desk.mmflow("validate", "--json")
    assert done.code == 2
    assert done.data["jobs"] == 0
    assert done.data["problems"][0]["file"] == "mmflow.yaml"


def test_no_network_and_no_secret_is_needed(desk):
    desk.job(good())
    desk.environ.clear()
    assert desk.mmflow("validate").code == 0


def test_a_simulated_plant_begins_its_day_at_a_quarter_of_an_hour(desk):
    """Said of what is written, and of what a reference stands for when it is needed."""
    desk.job(good().replace('type: csv, path: "out/{date}.csv"', "type: console"))
    site = '{environment: simulator, timezone: Europe/Berlin, start_of_day: "START"}'
    for start in ("06:10", "${env:START}"):
        desk.write("mmflow.yaml", "version: 1\nsites:\n  boston: " + site.replace("START", start))
        desk.environ["START"] = "06:10"
        done = desk.mmflow("run", "daily")
        assert done.code == 2
        assert "sites.boston.start_of_day: found '06:10', expected a quarter of an hour" in done.err


@pytest.mark.parametrize("words", [["validate"], ["jobs"], ["explain", "daily"], ["schema"]])
def test_looking_at_files_imports_nothing_heavy(words, desk):
    desk.job(good())
    code = (
        "import sys\nfrom mmflow.__main__ import main\nassert main(sys.argv[1:]) == 0\n"
        "heavy = {'duckdb', 'httpx', 'sqlalchemy', 'jsonschema', 'icalendar'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=desk.root, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_jobs_are_listed_with_owner_schedule_and_mistakes(desk):
    desk.job(good("a"), "a")
    desk.job(good("b").replace("yesterday", "yesterdy"), "b")
    listed = desk.mmflow("jobs", "--json").data["jobs"]
    assert [(job["job"], job["owner"], job["schedule"], job["problems"], job["last"]) for job in listed] == [
        ("a", "ops@example.com", "at 06:40, Monday to Friday, America/New_York", 0, ""),
        ("b", "ops@example.com", "at 06:40, Monday to Friday, America/New_York", 1, ""),
    ]
    assert "2026-11-23 06:40 EST" in desk.mmflow("jobs").out
    assert not (desk.root / ".mmflow").exists(), "looking must not write"


def test_jobs_show_what_came_of_them_last(desk):
    desk.job(good("a").replace('type: csv, path: "out/{date}.csv"', "type: console"), "a")
    assert desk.mmflow("run", "a").code == 0
    (listed,) = desk.mmflow("jobs", "--json").data["jobs"]
    assert listed["last"] in ("ok", "degraded")
    assert listed["at"].startswith("2026-11-22T")


def test_a_job_file_that_cannot_be_read_is_named_beside_the_list(desk):
    desk.job(good("a"), "a")
    desk.job("job: [", "broken")
    done = desk.mmflow("jobs")
    assert done.code == 2
    assert "jobs/broken.yaml:" in done.err


def test_explain_says_where_each_value_comes_from(desk):
    desk.job(good() + "    description: ${env:WHAT}\n")
    origins = {
        one["path"]: (one["value"], one["source"]) for one in desk.mmflow("explain", "daily", "--json").data["values"]
    }
    assert origins["owner"] == ("ops@example.com", "mmflow.yaml:12")
    assert origins["window"] == ("yesterday", "jobs/daily.yaml:6")
    assert origins["report.metrics[2].unit"] == ("min", "jobs/daily.yaml:4")
    assert origins["report.group_by"] == (["machine", "day"], "jobs/daily.yaml:5")
    assert origins["shape.columns.scrap"] == ("rejectedParts / nullif(totalParts, 0)", "jobs/daily.yaml:8")
    assert origins["on_empty"] == ("deliver", "built in")
    assert origins["sinks[0].type"] == ("csv", "jobs/daily.yaml:10")
    assert origins["sinks[0].encoding"] == ("utf-8-sig", "built in")
    assert origins["description"] == (
        "${env:WHAT}",
        "jobs/daily.yaml:11 (the environment variable WHAT is not set)",
    )


@pytest.mark.row("S51")
def test_explain_shows_no_secret(desk):
    token = "ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"
    desk.job(good() + f"    description: ${{env:MM_BOSTON_KEY}}\n    owner: {token}\n")
    for words in (["explain", "daily"], ["explain", "daily", "--json"], ["validate"], ["jobs"]):
        done = desk.mmflow(*words)
        assert KEY not in done.out + done.err
        assert token not in done.out + done.err


def test_explain_shows_the_mistakes_too(desk):
    desk.job(good().replace("yesterday", "yesterdy"))
    done = desk.mmflow("explain", "daily")
    assert done.code == 2
    assert "did you mean 'yesterday'?" in done.err
    assert "yesterdy" in done.out


def test_schema_prints_json_and_writes_what_the_first_line_of_files_points_to(desk):
    printed = json.loads(desk.mmflow("schema").out)
    assert printed["title"] == "A job of mmflow"
    assert "owner" in printed["properties"]
    assert json.loads(desk.mmflow("schema", "settings").out)["title"] == "The settings of mmflow"
    assert desk.mmflow("schema", "--write").out == "wrote .mmflow/job.schema.json\nwrote .mmflow/settings.schema.json\n"
    assert json.loads(desk.text(".mmflow/job.schema.json")) == printed


def test_plugin_rules_that_cannot_be_read_hide_nothing_from_the_check_and_stop_everything_else(desk):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + 'plugins: {allow: ["=1.0"]}\n')
    desk.job(good().replace("yesterday", "yesterdy"))
    checked = desk.mmflow("validate")
    assert checked.code == 2
    first, second, last = checked.out.splitlines()
    assert first.startswith("jobs/daily.yaml:6:9: window: ")
    assert second.endswith(
        "plugins.allow[0]: '=1.0' names no package; write one such as 'mmflow-files', 'mmflow-files==0.1.0' or "
        "'mmflow-files==0.1.0 sha256:…'"
    )
    assert last == "2 problems in 2 files"
    for words in (["run", "daily"], ["plugins"], ["jobs"]):
        done = desk.mmflow(*words)
        assert (done.code, "plugins.allow[0]" in done.err) == (2, True)
