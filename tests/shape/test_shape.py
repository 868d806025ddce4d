"""Shaping: errors point at their lines, the database is shut off, and order and sums are what they must be."""

import random
from math import fsum, isclose
from textwrap import dedent

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow.document import read_text
from mmflow.errors import GiveUp, ProblemsError, TryLater, UserError
from mmflow.load import explain_limits
from mmflow.shape import shape, shut_off
from mmflow.table import open_database

QUICK = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROWS = [
    {"machine": "Mill 1", "day": "2026-11-02", "goodParts": 5, "totalParts": 6},
    {"machine": "Lathe 2", "day": "2026-11-03", "goodParts": 0, "totalParts": 0},
]


def write_job(shape_lines):
    """A whole job as its owner writes it, and the number of the line on which shape begins."""
    head = """\
        job: case
        sites: [boston]
        report:
          metrics: [goodParts]
          group_by: [machine, day]
        window: {from: "2026-11-02", to: "2026-11-03"}
        sinks: [{type: console}]
        shape:
        """
    return dedent(head) + shape_lines


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('  where: "goodPart > 0"', "9:10: shape.where: 'goodPart' is not a column here; did you mean 'goodParts'?"),
        ("  where: machine", "9:10: shape.where: where gives a text, expected true or false, as in 'downtime > 0'"),
        ('  where: "machine > 5"', "9:10: shape.where: a text cannot be compared with a number"),
        ('  where: "machine like 5"', "9:10: shape.where: like cannot be used with a text and a number"),
        ('  columns:\n    a: "machine + 1"', "10:8: shape.columns.a: + cannot be used with a text and a number"),
        (
            '  columns:\n    a: {expr: "upper(goodParts)"}',
            "10:15: shape.columns.a.expr: upper cannot be used with a number",
        ),
        (
            '  columns:\n    a: "coalesce(goodParts, machine)"',
            "10:8: shape.columns.a: a number and a text cannot stand for one value",
        ),
        (
            '  columns:\n    GoodParts: "1"',
            "10:16: shape.columns.GoodParts: there is a column 'GoodParts' already; choose",
        ),
        (
            '  columns:\n    goodParts_change: "1"\n  compare: {to: previous}',
            "10:23: shape.columns.goodParts_change: there is a column 'goodParts_change' already; choose another name",
        ),
        ('  columns:\n    a: "b + 1"\n    b: "1"', "10:8: shape.columns.a: 'b' is not a column here"),
        ("  sort: [machine, -goodpart]", "9:19: shape.sort[1]: 'goodpart' is not a column here; did you mean"),
        ("checks: [{column: machine, max: 5}]", "9:19: checks[0].column: 'machine' is not a column of numbers here"),
        (
            "checks: [{column: goodParts, max: totlParts}]",
            "9:35: checks[0].max: 'totlParts' is not a column of numbers",
        ),
    ],
)
def test_problem_points_at_its_place_in_the_job(workshop, make_case_job, lines, message):
    text = write_job(lines)
    workshop.answers = {("rows", "boston"): []}
    keys = {key: value for key, value in read_text(text, "x").values.items() if value is not None}
    with pytest.raises(ProblemsError) as caught:
        workshop.shape(make_case_job(**keys), text)
    assert str(caught.value.problems[0]).startswith(f"jobs/case.yaml:{message}")


@pytest.mark.parametrize("side", ["rows", "previous"])
def test_data_that_does_not_fit_is_blamed_on_its_expression_without_showing_it(workshop, make_case_job, side):
    """The database would show the text that it could not convert; a text may be somebody's name."""
    text = write_job(
        '  columns:\n    fine: "goodParts + 1"\n    bad: "case when machine and true then 1 end"\n'
        "  compare: {to: previous}"
    )
    days = {"rows": "2026-11-02", "previous": "2026-10-31"}
    for query, day in days.items():
        name = "secret" if query == side else "true"
        workshop.answers[query, "boston"] = [ROWS[0] | {"machine": name, "day": day}]
    with pytest.raises(ProblemsError) as caught:
        workshop.shape(make_case_job(**read_text(text, "x").values), text)
    assert "jobs/case.yaml:11:10: shape.columns.bad: a value cannot be read as what the expression" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("side", ["rows", "previous"])
def test_values_too_large_for_memory_are_blamed_on_their_expression(workshop, make_case_job, side):
    names = {"rows": "A", "previous": "A"} | {side: "A" * 1_000}
    for query, day in {"rows": "2026-11-02", "previous": "2026-10-31"}.items():
        workshop.answers[query, "boston"] = [ROWS[0] | {"machine": names[query], "day": day}]
    columns = "".join(f'    c{i}: "{" || ".join([f"c{i - 1}" if i else "machine"] * 8)}"\n' for i in range(6))
    text = write_job(f"  columns:\n{columns}    long: length(c5)\n  compare: {{to: previous}}")
    with pytest.raises(ProblemsError) as caught:
        workshop.shape(make_case_job(**read_text(text, "x").values), text)
    (problem,) = caught.value.problems
    assert problem.message == "its values are too large for the memory that they may use"
    assert problem.line in (14, 15)


def test_without_a_document_the_path_is_named(workshop, make_case_job):
    report = {"metrics": ["goodParts"], "group_by": ["machine"]}
    with pytest.raises(UserError, match=r"^shape\.where: 'goodPart' is not a column"):
        workshop.shape(make_case_job(report=report, shape={"where": "goodPart > 1"}))


def test_an_own_column_is_a_number_a_text_a_date_or_a_truth(workshop, make_case_job):
    report = {"metrics": ["minStartTime", "maxEndTime"]}
    with pytest.raises(UserError, match="the result is of type interval; expected a number, a text, a date"):
        workshop.shape(make_case_job(report=report, shape={"columns": {"length": "maxEndTime - minStartTime"}}))


ESCAPES = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM '{secret}'",
    "COPY (SELECT 1) TO '{outside}/new.csv'",
    "ATTACH '{outside}/new.db'",
    "INSTALL httpfs",
    "LOAD '{outside}/evil.duckdb_extension'",
    "SET enable_external_access = true",
    "SET memory_limit = '64GB'",
    "SET allowed_directories = ['/']",
    "EXPORT DATABASE '{outside}/dump'",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_a_shut_off_database_reaches_nothing_outside(tmp_path, statement):
    """Even a statement that got past both walls could not read, write, load or unlock anything."""
    secret = tmp_path / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("secret", encoding="utf-8")
    with open_database(tmp_path / "spill") as connection:
        shut_off(connection, tmp_path / "out")
        with pytest.raises(duckdb.Error):
            connection.execute(statement.format(secret=secret.as_posix(), outside=secret.parent.as_posix())).fetchall()
    assert [path.name for path in secret.parent.iterdir()] == ["secret.txt"]


def test_what_cannot_be_computed_is_null(workshop, make_case_job):
    columns = {"a": "goodParts / 0", "b": "goodParts % 0", "c": "0 / 0", "d": "goodParts * 1e308 * 10", "e": "-(0 / 1)"}
    workshop.answers = {("rows", "boston"): [{"goodParts": 5}]}
    report = {"metrics": ["goodParts"], "group_by": []}
    workshop.answers = {("rows", "boston"): {"goodParts": 5}}
    shaped, _ = workshop.shape(make_case_job(report=report, shape={"columns": columns}))
    assert list(shaped.table.rows()) == [(5.0, None, None, None, None, 0.0)]


def test_a_report_too_large_for_its_memory_says_so(workshop, make_case_job, monkeypatch):
    """The memory limit is real, and the database's own words do not come through."""
    monkeypatch.setattr("mmflow.table.database.MEMORY_LIMIT", "6MB")
    workshop.answers = {("rows", "boston"): [{"machine": "A", "goodParts": 1}]}
    with pytest.raises(GiveUp, match="too large for the memory"):
        workshop.load(make_case_job(report={"metrics": ["goodParts"], "group_by": ["machine"]}))


def shrink_disk(connection):
    """Leave the database little memory and next to no disk."""
    connection.execute("SET memory_limit = '20MB'; SET max_temp_directory_size = '1MB'")


def fill_disk(connection, *_others):
    """Compute what needs far more than that."""
    connection.execute("CREATE TABLE t AS SELECT repeat(md5(i::VARCHAR), 20) AS x FROM range(100_000) r(i)")


@pytest.mark.row("R49")
@pytest.mark.parametrize("step", ["load", "shape"])
def test_a_disk_that_is_full_when_a_report_is_loaded_or_shaped_is_no_bug(workshop, make_case_job, monkeypatch, step):
    def end_load(connection, _form):
        shrink_disk(connection)
        if step == "load":
            fill_disk(connection)
        return ()

    monkeypatch.setattr("mmflow.load.drop_repeated", end_load)
    monkeypatch.setattr("mmflow.shape.find_facts", fill_disk)
    workshop.answers = {("rows", "boston"): [{"machine": "A", "goodParts": 1}]}
    with pytest.raises(TryLater, match=r"cannot write to .*spill: the disk is full; make room"):
        workshop.shape(make_case_job(report={"metrics": ["goodParts"], "group_by": ["machine"]}))


@pytest.mark.row("R49")
def test_a_full_disk_is_not_blamed_on_an_expression(workshop, make_case_job, monkeypatch):
    """Nor is it when the expression needs much memory itself."""
    monkeypatch.setattr("mmflow.load.drop_repeated", lambda connection, _form: shrink_disk(connection) or ())
    monkeypatch.setattr("mmflow.shape.find_facts", fill_disk)
    workshop.answers = {("rows", "boston"): [{"machine": "A" * 1_000, "goodParts": 1}]}
    eightfold = {f"c{i}": " || ".join([f"c{i - 1}" if i else "machine"] * 8) for i in range(5)}
    job = make_case_job(report={"metrics": ["goodParts"], "group_by": ["machine"]}, shape={"columns": eightfold})
    with pytest.raises(TryLater, match="the disk is full; make room"):
        workshop.shape(job)


def test_a_folder_that_the_database_cannot_work_in_is_named(tmp_path):
    spill = tmp_path / "file" / "spill"
    spill.parent.write_bytes(b"no folder")
    with open_database(spill) as connection:
        shrink_disk(connection)
        with pytest.raises(GiveUp, match=r"cannot work in .*file; check the folder"), explain_limits(spill):
            fill_disk(connection)


NUMBERS = st.none() | st.integers(0, 10**9) | st.floats(0, 1e9, allow_nan=False)
GRID = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "C", "D"]), st.sampled_from(["2026-11-02", "2026-11-03"])),
    st.tuples(NUMBERS, st.integers(0, 100), st.integers(1, 100)),
    max_size=8,
)


def list_rows(grid):
    return [
        {
            "machine": machine,
            "day": day,
            "downtime": downtime,
            "timeInCycle": cycle,
            "allTime": whole,
            "utilizationRate": cycle / whole,
        }
        for (machine, day), (downtime, cycle, whole) in grid.items()
    ]


FULL = {
    "report": {"metrics": ["downtime", "utilizationRate", "timeInCycle"], "group_by": ["machine", "day"]},
    "shape": {"totals": True, "rest": True, "limit": 2, "sort": ["-downtime"]},
}


@QUICK
@given(grid=GRID)
def test_totals_of_sums_are_sums_of_rows_and_ratios_come_from_sums(workshop, make_case_job, grid):
    """Rows shown and rest together make the total; a ratio of the total is the ratio of the sums, never a mean."""
    workshop.answers = {("rows", "boston"): list_rows(grid)}
    table = workshop.shape(make_case_job(**FULL))[0].table
    footer = {row.kind: row.values for row in table.footer}
    known = [downtime for downtime, _, _ in grid.values() if downtime is not None]
    _, _, downtime, utilization, cycle = footer["total"]
    assert isclose(downtime, fsum(known), abs_tol=1e-8) if known else downtime is None
    if grid:
        assert cycle == sum(part for _, part, _ in grid.values())
        assert isclose(utilization, cycle / sum(whole for _, _, whole in grid.values()))
        parts = [row[4] for row in [*table.rows(), *([footer["rest"]] if "rest" in footer else [])]]
        assert sum(parts) == cycle
    assert ("rest" in footer) == (len(grid) > 2)


@QUICK
@given(grid=GRID, seed=st.integers(0, 10))
def test_the_order_of_the_answer_does_not_matter(workshop, make_case_job, grid, seed):
    rows = list_rows(grid)
    workshop.answers = {("rows", "boston"): rows}
    first = workshop.shape(make_case_job(**FULL))[0].table
    found = list(first.rows()), first.footer, first.notices
    random.Random(seed).shuffle(rows)
    second = workshop.shape(make_case_job(**FULL))[0].table
    assert (list(second.rows()), second.footer, second.notices) == found


@QUICK
@given(grid=GRID)
def test_a_comparison_with_the_same_rows_shows_no_change(workshop, make_case_job, grid):
    """Every row finds exactly its partner: all differences are zero, or empty where nothing is known."""
    earlier = {"2026-11-02": "2026-10-31", "2026-11-03": "2026-11-01"}
    rows = list_rows(grid)
    workshop.answers = {
        ("rows", "boston"): rows,
        ("previous", "boston"): [r | {"day": earlier[r["day"]]} for r in rows],
    }
    job = make_case_job(report=FULL["report"], shape={"compare": {"to": "previous"}, "totals": True})
    table = workshop.shape(job)[0].table
    changes = [at for at, column in enumerate(table.columns) if column.name.endswith("_change")]
    assert len(table) == len(grid)
    for row in [*table.rows(), *(line.values for line in table.footer)]:
        assert [row[at] for at in changes] == [None if row[at - 1] is None else 0.0 for at in changes]


def test_one_raw_table_is_shaped_once(workshop, make_case_job):
    """The database is locked by the first shaping, so a second is refused rather than run in the open."""
    workshop.answers = {("rows", "boston"): ROWS}
    job = make_case_job(report={"metrics": ["goodParts"], "group_by": ["machine", "day"]})
    plan = workshop.plan(job)
    with workshop.load(job) as raw:
        shape(raw, job, plan, workshop.folder / "one.parquet")
        with pytest.raises(duckdb.Error, match="locked"):
            shape(raw, job, plan, workshop.folder / "two.parquet")
