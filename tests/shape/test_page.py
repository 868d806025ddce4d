"""docs/shape.md says what is so: its job runs, and its table of functions is the one in the code."""

import re
from pathlib import Path

from mmflow.document import read_text
from mmflow.expressions import FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "shape.md").read_text(encoding="utf-8")


def write_call(function):
    """How a function is called, with as many dots as it needs and brackets around those it may have."""
    given = ", ".join("abc"[: function.least])
    more = ", …" if function.most < 0 else "".join(f", {name}" for name in "abc"[function.least : function.most])
    return f"`{function.name}({given}{f'[{more}]' if more else ''})`"


def test_functions_of_the_page_are_those_of_the_code():
    table = "\n".join(f"| {write_call(function)} | {function.summary} |" for function in FUNCTIONS.values())
    assert PAGE.split("| Function | Gives |\n|---|---|\n")[1].startswith(table + "\n\n")


def test_the_job_of_the_page_runs(workshop, make_case_job):
    """Two machines down longer than another, of which limit and rest leave one line each."""
    block = re.search(r"```yaml\n(.+?)```", PAGE, re.DOTALL)[1]
    numbers = {"oee": 0.5, "goodParts": 9, "rejectedParts": 1, "totalParts": 10}
    rows = [{"machine": f"Mill {at}", "downtime": at * 60_000} | numbers for at in range(12)]
    workshop.answers = {("rows", "boston"): rows, ("previous", "boston"): rows}
    shaped, verdict = workshop.shape(make_case_job(**read_text(block, "jobs/page.yaml").values))
    assert verdict.state == "deliver"
    assert next(shaped.table.rows())[:5] == ("Mill 11", 11.0, 0.5, 9.0, 10.0)
    assert {row.kind: row.values[:5] for row in shaped.table.footer} == {
        "rest": ("Rest", 1.0, 0.5, 9.0, 10.0),
        "total": ("Total", 66.0, None, 99.0, 10.0),
    }
