"""What commands print with ``--json`` has the shape that docs/commands.md promises."""

import json
import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest

from mmflow.cli import command_names
from tests.desk import open_desk

PAGE = (Path(__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")

KINDS = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "yes or no": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "anything": lambda _value: True,
    "day": date.fromisoformat,
    "time": lambda value: value.endswith("Z") and datetime.fromisoformat(value),
    "local time": lambda value: not value.endswith("Z") and datetime.fromisoformat(value).tzinfo,
}
JOB = """
    job: daily
    description: Two numbers.
    report: {metrics: [oee, goodParts], group_by: [machine, day]}
    window: yesterday
    schedule: {every: day, at: "06:40"}
    shape: {totals: true}
    sinks: [{type: csv, path: "{date}.csv"}]
"""
# A command line for each row; RUN stands for the id of a run.
LINES = {
    "validate": "validate",
    "jobs": "jobs",
    "explain JOB": "explain daily",
    "window JOB": "window daily",
    "next JOB": "next daily",
    "next": "next",
    "preview JOB": "preview daily",
    "preview JOB --plan": "preview daily --plan",
    "run JOB": "run daily",
    "runs show ID": "runs show RUN",
    "resend RUN": "resend RUN",
    "runs": "runs",
    "runs --all": "runs --all",
    "runs show ID --moved": "runs show RUN --moved",
    "backfill JOB": "backfill daily --from 2026-11-21 --to 2026-11-21",
    "backfill JOB --plan": "backfill daily --from 2026-11-20 --to 2026-11-22 --plan",
    "daemon --once": "daemon --once",
    "pause JOB": "pause daily --until 2027-01-01",
    "resume JOB": "resume daily",
    "clock": "clock",
    "clock accept": "clock accept",
    "logs": "logs",
    "watch --once": "watch --once",
    "demo": "demo elsewhere",
    "catalogue metrics": "catalogue metrics",
    "catalogue groups": "catalogue groups",
    "machines": "machines",
    "shifts": "shifts",
    "operators": "operators",
    "plugins": "plugins",
    "plugins info NAME": "plugins info csv",
    "init": "init new",
    "schema --write": "schema --write",
    "state show": "state show",
    "state export FILE": "state export rows.jsonl",
    "state backup": "state backup",
    "state restore FILE": "state restore copy.sqlite",
    "state clear": "state clear --job spare --yes",
    "state init": "state init --root fresh",
    "completion SHELL": "completion bash",
}
# Rows that are held to by the tests of their own commands: they end with another exit code here, or wait for somebody.
ELSEWHERE = {
    "simulate",
    "cancel RUN",
    "doctor",
    "doctor --health URL",
    "service status",
    "service install",
    "service install --print",
    "service uninstall",
}


def documented_shapes():
    """The rows of the table by each name that stands in their first cell."""
    section = PAGE.partition("## JSON")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| `(.+)` \|$", section, re.MULTILINE)
    return {name.strip(" `"): json.loads(shape) for names, shape in rows for name in names.split(",")}


SHAPES = documented_shapes()


def assert_fits(value, shape, where):
    """Hold a value against a documented shape."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        assert set(value) == set(shape), where
        for key, inner in shape.items():
            assert_fits(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for place, item in enumerate(value):
            assert_fits(item, shape[0], f"{where}[{place}]")
    elif shape in SHAPES:
        assert_fits(value, SHAPES[shape], where)
    elif shape.endswith(" or null"):
        if value is not None:
            assert_fits(value, shape.removesuffix(" or null"), where)
    else:
        assert KINDS[shape](value), f"{where} is {value!r}, expected {shape}"


@pytest.fixture(scope="module")
def worked_desk(tmp_path_factory, service):
    """A desk at which a job has run and a file is wrong."""
    desk = open_desk(tmp_path_factory.mktemp("worked"), service)
    desk.job(JOB)
    desk.job(JOB.replace("daily", "spare").replace("{date}", "spare"), "spare")
    assert desk.mmflow("run", "spare").code == 0
    run = desk.mmflow("run", "daily", "--json").data["run"]
    assert desk.mmflow("state", "backup", "copy.sqlite").code == 0
    desk.write("fresh/mmflow.yaml", desk.text("mmflow.yaml"))
    desk.job(JOB.replace("goodParts", "goodPart").replace("daily", "wrong"), "wrong")
    return desk, run


@pytest.mark.parametrize("row", LINES)
def test_json_has_the_documented_shape(worked_desk, row):
    desk, run = worked_desk
    done = desk.mmflow(*LINES[row].replace("RUN", run).split(), "--json")
    assert done.code == 0, done.err
    assert done.data
    assert_fits(done.data, SHAPES[row], row)


def test_json_of_the_simulator_has_the_documented_shape():
    command = [sys.executable, "-m", "mmflow", "simulate", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as simulator:
        lines = iter(simulator.stdout.readline, "}\n")
        assert_fits(json.loads("".join(lines) + "}"), SHAPES["simulate"], "simulate")
        simulator.terminate()


def test_every_command_has_a_documented_shape():
    rows = {row for row in SHAPES if not row.isupper()}
    assert {row.split()[0] for row in rows} == set(command_names())
    assert rows == {*LINES, *ELSEWHERE}
