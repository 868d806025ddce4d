"""The gate: what holds a report, what skips it, and what its readers are told."""

import pytest

from mmflow.errors import UserError
from mmflow.gate import compare_count
from mmflow.shape.facts import Breach, show_figure

REPORT = {"metrics": ["goodParts"], "group_by": ["machine"]}


@pytest.mark.parametrize(
    ("bound", "fits"),
    [
        (">= 1", {1, 2, 3}),
        (">=2", {2, 3}),
        ("> 1", {2, 3}),
        (" <= 1 ", {0, 1}),
        ("< 2", {0, 1}),
        ("= 2", {2}),
    ],
)
def test_rows_are_compared_as_written(bound, fits):
    assert {count for count in range(4) if compare_count(count, bound)} == fits


@pytest.mark.parametrize("bound", ["1", "=> 1", ">= one", ">= 1.5", ">= -1", "", ">= 1 and < 5"])
def test_other_texts_are_refused(bound):
    with pytest.raises(UserError, match="expected a comparison such as '>= 1'"):
        compare_count(1, bound)


@pytest.mark.row("R38")
@pytest.mark.parametrize(("on_empty", "state"), [("deliver", "deliver"), ("skip", "skip"), ("fail", "hold")])
def test_no_rows_are_delivered_skipped_or_held_as_the_job_says(workshop, make_case_job, on_empty, state):
    _, verdict = workshop.shape(make_case_job(report=REPORT, on_empty=on_empty))
    assert (verdict.state, verdict.reasons) == (state, () if state == "deliver" else ("the report has no rows",))


@pytest.mark.row("R46")
@pytest.mark.parametrize(("on_partial", "state"), [("deliver", "deliver"), ("wait", "hold"), ("fail", "hold")])
def test_a_missing_site_is_told_or_holds_the_report(workshop, make_case_job, on_partial, state):
    workshop.missing = ("austin",)
    workshop.answers = {("rows", "boston"): [{"machine": "A", "goodParts": 1}]}
    job = make_case_job(report=REPORT, sites=["boston", "austin"], on_partial=on_partial)
    shaped, verdict = workshop.shape(job)
    told = ("austin is missing: the key was refused",)
    assert verdict.state == state
    assert verdict.reasons == (() if state == "deliver" else told)
    assert shaped.table.notices == told


@pytest.mark.row("R46")
def test_a_missing_site_is_never_skipped_as_an_empty_report(workshop, make_case_job):
    workshop.missing = ("austin",)
    _, verdict = workshop.shape(make_case_job(report=REPORT, sites=["boston", "austin"], on_empty="skip"))
    assert verdict.state == "deliver"
    assert verdict.reasons == ()


def test_all_reasons_are_given_at_once(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): [{"machine": "A", "goodParts": 5}, {"machine": "B", "goodParts": -1}]}
    checks = [{"rows": "> 2"}, {"column": "goodParts", "min": 0, "max": 4.5}]
    _, verdict = workshop.shape(make_case_job(report=REPORT, checks=checks))
    assert verdict.reasons == (
        "the report has 2 rows, expected > 2",
        "goodParts is -1 for machine B, below 0",
        "goodParts is 5 for machine A, above 4.5",
    )


def test_a_reason_is_one_short_line_whatever_a_machine_is_called(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): [{"machine": "M\x1b[2J\nok " + "x" * 40_000, "goodParts": 5}]}
    _, verdict = workshop.shape(make_case_job(report=REPORT, checks=[{"column": "goodParts", "max": 4}]))
    assert verdict.reasons[0].startswith("goodParts is 5 for machine M [2J ok xxx")
    assert len(verdict.reasons[0]) < 300


def test_one_row_is_not_called_rows(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): [{"machine": "A", "goodParts": 5}]}
    _, verdict = workshop.shape(make_case_job(report=REPORT, checks=[{"rows": "> 2"}]))
    assert verdict.reasons == ("the report has 1 row, expected > 2",)


def test_a_check_speaks_of_own_columns_and_of_the_only_row(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): {"goodParts": 9, "totalParts": 10}}
    columns = {"scrap": "1 - goodParts / totalParts"}
    checks = [{"column": "scrap", "max": 0.05}]
    job = make_case_job(report={"metrics": ["goodParts"]}, shape={"columns": columns}, checks=checks)
    _, verdict = workshop.shape(job)
    assert verdict.reasons == ("scrap is 0.1, above 0.05",)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.0, "5"), (-0.25, "-0.25"), (1793620800000.0, "1793620800000"), (2 / 3, "0.666667"), (0.0, "0")],
)
def test_figures_are_short(value, text):
    assert show_figure(value) == text


def test_a_breach_of_several_rows_names_the_first():
    breach = Breach("goodParts", 3, "machine A", 12.0, "above", 10.0, "totalParts")
    assert str(breach) == "goodParts is 12 for machine A, above totalParts (10), the first of 3 such rows"
