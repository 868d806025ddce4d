"""What was refused is shown at the word of the job that is meant."""

import pytest

from mmflow.check.layers import Layers, lay_over
from mmflow.document import read_text
from mmflow.errors import Complaint
from mmflow.fetch.complaints import locate_errors

TEXT = """\
job: test
report:
  metrics:
    - {metric: downtime, label: "oee of nothing"}
    - oee
    - goodParts
  group_by: [machine, wek]
  filter:
    machine: [Mill 01, Mil 2]
    machineGroup: [Lathe]
  exclude: {operator: ["Ana Garcia", "Frank O'Neal"]}
window: {from: 2026-11-01, to: 2026-11-02}
shape:
  columns: {ratio: "glitterParts / nullif(goodParts, 0)"}
sinks: [{type: console}]
"""
DEFAULTS = """\
version: 1
defaults:
  checks:
    - {column: sparkle, max: 5}
"""


@pytest.fixture(scope="module")
def layers() -> Layers:
    return lay_over(read_text(TEXT, "jobs/test.yaml"), read_text(DEFAULTS, "mmflow.yaml"))


@pytest.mark.parametrize(
    ("field", "word", "place"),
    [
        ("data", "downtime", "jobs/test.yaml:4:16: report.metrics[0].metric"),
        ("data", "oee", "jobs/test.yaml:5:7: report.metrics[1]"),  # not the label that merely speaks of it
        ("data", "goodParts", "jobs/test.yaml:6:7: report.metrics[2]"),  # not the expression
        ("data", "glitterParts", "jobs/test.yaml:14:20: shape.columns.ratio"),
        ("data", "glitter", "jobs/test.yaml:4:5: report.metrics"),  # half a word is none
        ("data", "Parts", "jobs/test.yaml:4:5: report.metrics"),
        ("data", "sparkle", "mmflow.yaml:4:16: defaults.checks[0].column"),
        ("data", "", "jobs/test.yaml:4:5: report.metrics"),
        ("groupBy", "wek", "jobs/test.yaml:7:23: report.group_by[1]"),
        ("groupBy", "day", "jobs/test.yaml:7:13: report.group_by"),  # asked for in place of something else
        ("filter.machine", "Mil 2", "jobs/test.yaml:9:24: report.filter.machine[1]"),
        ("filter.machineGroup", "Lathe", "jobs/test.yaml:10:20: report.filter.machineGroup[0]"),
        ("exclude.operator", "Frank O'Neal", "jobs/test.yaml:11:38: report.exclude.operator[1]"),
        ("startDay", "2026-11-01", "jobs/test.yaml:12:16: window.from"),
        ("end", "", "jobs/test.yaml:12:9: window"),
        ("something.new", "wek", "jobs/test.yaml:7:23: report.group_by[1]"),
        ("", "", "jobs/test.yaml:3:3: report"),
    ],
)
def test_a_complaint_is_shown_at_its_word_else_at_its_block(layers: Layers, field: str, word: str, place: str) -> None:
    (problem,) = locate_errors([Complaint(field, "it is refused", word, "do something")], layers)
    assert str(problem) == f"{place}: it is refused; do something"


def test_a_metric_that_is_asked_for_to_skip_idle_times_is_shown_at_that_key():
    text = TEXT.replace("window:", "schedule: {every: day, at: '06:40', skip_when_idle: true}\nwindow:")
    layers = lay_over(read_text(text, "jobs/test.yaml"), read_text(DEFAULTS, "mmflow.yaml"))
    (problem,) = locate_errors([Complaint("data", "it is refused", "nonOptionalTime")], layers)
    assert str(problem) == "jobs/test.yaml:12:53: schedule.skip_when_idle: it is refused"


def test_all_complaints_are_shown_in_the_order_of_the_file(layers: Layers) -> None:
    found = locate_errors([Complaint("groupBy", "b", "wek"), Complaint("data", "a", "oee")], layers)
    assert [problem.line for problem in found] == [5, 7]
