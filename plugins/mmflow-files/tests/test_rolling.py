"""``mode: replace_window``: rows of the delivered time are replaced, all others stay, for all three kinds of file."""

import json
import random
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow.testing.deliveries import DAY, HOUR, MACHINE, PARTS, SITE, make_run
from mmflow.testing.deliveries import day_rows as rows
from mmflow.windows import Span

KINDS = ["csv", "jsonl", "parquet"]
FIRST = date(2026, 11, 1)
all_kinds = pytest.mark.parametrize("kind", KINDS)


def days(start: int, count: int, parts: float):
    return rows(FIRST + timedelta(days=start), count, parts)


def read(path):
    """Give the rows of a file of any kind as lists of texts, by independent readers."""
    if path.suffix == ".jsonl":
        return texts(json.loads(line).values() for line in path.read_text().splitlines())
    if path.suffix == ".csv":
        import csv

        with path.open(encoding="utf-8-sig", newline="") as file:
            return [[str(number(cell)) for cell in row] for row in list(csv.reader(file))[1:]]
    with duckdb.connect() as database:
        # As text, for aware times would come only with a library that nobody else needs.
        query = "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet(?)"
        return [list(row) for row in database.execute(query, [str(path)]).fetchall()]


def number(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


def texts(expected):
    return [[str(float(cell) if isinstance(cell, int) else cell) for cell in row] for row in expected]


@pytest.fixture
def roll(tmp_path, table, deliver):
    """Deliver rows of some days into one file, and give what the file then holds."""

    def call(kind, start, count, listed, columns=None, **changes):
        first = FIRST + timedelta(days=start)
        run = make_run(tmp_path, first=first, last=first + timedelta(days=count - 1), **changes)
        made = table(listed, columns) if columns else table(listed)
        receipt = deliver(kind, made, run, path=f"rolling.{kind}", mode="replace_window")
        assert receipt.rows == len(listed)
        return read(tmp_path / "out" / f"rolling.{kind}")

    return call


@all_kinds
def test_first_delivery_makes_the_file(kind, roll):
    assert roll(kind, 0, 2, days(0, 2, 100)) == texts(days(0, 2, 100))


@all_kinds
def test_rows_of_the_window_are_replaced_and_others_stay(kind, roll):
    roll(kind, 0, 5, days(0, 5, 100))
    found = roll(kind, 2, 2, days(2, 2, 7))
    assert found == texts(days(0, 2, 100) + days(2, 2, 7) + days(4, 1, 100))


@all_kinds
def test_rows_that_are_no_longer_there_go(kind, roll):
    roll(kind, 0, 3, days(0, 3, 100))
    assert roll(kind, 1, 1, []) == texts(days(0, 1, 100) + days(2, 1, 100))


@all_kinds
def test_delivering_twice_changes_nothing(kind, roll):
    roll(kind, 0, 5, days(0, 5, 100))
    once = roll(kind, 1, 2, days(1, 2, 7))
    assert roll(kind, 1, 2, days(1, 2, 7)) == once


@all_kinds
def test_five_runs_of_the_last_seven_days_leave_each_day_once(kind, roll):
    for start in range(5):
        found = roll(kind, start, 7, days(start, 7, start))
    expected = [row for start in range(4) for row in days(start, 1, start)] + days(4, 7, 4)
    assert found == texts(expected)


@all_kinds
def test_order_of_deliveries_does_not_matter(kind, roll):
    order = list(range(4))
    random.Random(4).shuffle(order)
    for start in order:
        found = roll(kind, start, 1, days(start, 1, start))
    assert found == texts([row for start in range(4) for row in days(start, 1, start)])


@all_kinds
def test_month_to_date_leaves_each_day_once(kind, roll):
    for count in (1, 2, 30):
        found = roll(kind, 0, count, days(0, count, count))
    assert found == texts(days(0, 30, 30))


@all_kinds
def test_each_site_replaces_its_own_rows(kind, roll):
    columns = (SITE, DAY, PARTS)

    def listed(site, parts):
        return [(site, FIRST + timedelta(days=number), parts) for number in range(2)]

    roll(kind, 0, 2, listed("boston", 1) + listed("reno", 2), columns, sites=("boston", "reno"))
    found = roll(kind, 0, 2, listed("reno", 3), columns, sites=("reno",))
    assert sorted(found) == sorted(texts(listed("boston", 1) + listed("reno", 3)))


@all_kinds
@pytest.mark.parametrize(
    ("group", "kept", "replaced", "later"),
    [
        ("week", "2026-10-19", "2026-10-26", "2026-11-09"),
        ("month", "2026-10", "2026-11", "2026-12"),
        ("quarter", "2026-Q3", "2026-Q4", "2027-Q1"),
    ],
)
def test_periods_that_the_window_touches_are_replaced(kind, roll, group, kept, replaced, later):
    columns = (Column(group, group.title(), "text", "group"), PARTS)
    roll(kind, 0, 1, [(kept, 1), (replaced, 1), (later, 1)], columns, time_column=group)
    found = roll(kind, 0, 7, [(replaced, 2)], columns, time_column=group)
    assert found == texts([(kept, 1), (replaced, 2), (later, 1)])


@all_kinds
def test_hours_are_told_apart_where_the_clock_is_set_back(kind, roll):
    """On 1 November 2026 the hour from one comes twice in New York; both are kept, each is replaced alone."""
    fold = datetime(2026, 11, 1, 5, tzinfo=UTC)
    hours = [fold + timedelta(hours=number) for number in range(-1, 4)]
    columns = (HOUR, PARTS)
    roll(kind, 0, 1, [(hour, 1) for hour in hours], columns, time_column="hour")
    span = Span(hours[2], hours[3], "America/New_York", FIRST, FIRST, whole_days=False, why="one hour")
    found = roll(kind, 0, 1, [(hours[2], 9)], columns, time_column="hour", spans=(("boston", span),))
    assert [row[1] for row in found] == ["1.0", "1.0", "9.0", "1.0", "1.0"]


@all_kinds
def test_hours_of_a_window_that_begins_within_one_are_refused(kind, roll, tmp_path):
    """Days from 06:30: the hour from 06:00 would be left with the half that came last."""
    start = datetime(2026, 11, 1, 11, 30, tzinfo=UTC)
    span = Span(start, start + timedelta(days=1), "America/New_York", FIRST, FIRST, whole_days=True, why="one day")
    expected = r"begin on a full hour of UTC, the one of boston begins at 11:30; put day in the place of hour"
    with pytest.raises(GiveUp, match=expected):
        roll(kind, 0, 1, [(start.replace(minute=0), 1)], (HOUR, PARTS), time_column="hour", spans=(("boston", span),))
    assert not (tmp_path / "out" / f"rolling.{kind}").exists()


@all_kinds
def test_hours_of_a_window_that_ends_within_one_are_made_whole_by_the_next(kind, roll):
    """A window up to now, at 06:40 and again at 07:10."""
    start = datetime(2026, 11, 1, 11, tzinfo=UTC)
    for minutes, parts in ((40, [4]), (70, [6, 1])):
        span = Span(start, start + timedelta(minutes=minutes), "America/New_York", FIRST, FIRST, False, "so far")
        listed = [(start + timedelta(hours=number), count) for number, count in enumerate(parts)]
        found = roll(kind, 0, 1, listed, (HOUR, PARTS), time_column="hour", spans=(("boston", span),))
    assert [row[1] for row in found] == ["6.0", "1.0"]


@all_kinds
def test_file_with_other_columns_is_refused_and_stays(kind, roll, tmp_path):
    roll(kind, 0, 1, days(0, 1, 1))
    path = tmp_path / "out" / f"rolling.{kind}"
    before = path.read_bytes()
    with pytest.raises(GiveUp, match=r"holds the columns .*, expected .*; move that file away, or use another path"):
        roll(kind, 0, 1, [(FIRST, 1)], (DAY, PARTS))
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@all_kinds
@pytest.mark.parametrize("foreign", [b"\xff\xfe\x00\x01", b"hello\nworld\n", b'{"day": 1}\n'])
def test_file_that_is_something_else_is_refused_and_stays(kind, roll, tmp_path, foreign):
    path = tmp_path / "out" / f"rolling.{kind}"
    path.parent.mkdir()
    path.write_bytes(foreign)
    with pytest.raises(GiveUp, match="move"):
        roll(kind, 0, 1, days(0, 1, 1))
    assert path.read_bytes() == foreign


@all_kinds
def test_report_without_a_time_group_is_refused(kind, roll):
    roll(kind, 0, 1, days(0, 1, 1))
    with pytest.raises(GiveUp, match="replace_window needs a time group"):
        roll(kind, 0, 1, days(0, 1, 1), time_column="")


def test_kept_csv_rows_stay_to_the_letter(tmp_path, table, deliver):
    path = tmp_path / "out" / "x.csv"
    path.parent.mkdir()
    kept = '2026-10-01,"two\nlines, and ""quotes""",007,\n'
    path.write_text(
        f"\ufeffDay,Machine,Good parts,Down (min)\r\n{kept}2026-11-01,old,1,2", encoding="utf-8", newline=""
    )
    deliver("csv", table(days(0, 1, 5)), make_run(tmp_path, first=FIRST), path="x.csv", mode="replace_window")
    text = path.read_bytes().decode("utf-8-sig")
    assert kept in text
    assert ",old," not in text
    assert text.endswith('"Mazak, 2",5,1.5\r\n')


def test_last_line_that_an_editor_left_open_is_closed(tmp_path, table, deliver):
    path = tmp_path / "out" / "x.csv"
    path.parent.mkdir()
    path.write_text("Day,Machine,Good parts,Down (min)\r\n2026-10-01,a,1,2", encoding="utf-8", newline="")
    deliver("csv", table(days(0, 1, 5)), make_run(tmp_path, first=FIRST), path="x.csv", mode="replace_window")
    assert "2026-10-01,a,1,2\r\n2026-11-01,Haas 1,5,1.5\r\n" in path.read_bytes().decode()


def test_last_json_line_that_an_editor_left_open_is_closed(roll, tmp_path):
    roll("jsonl", 0, 1, days(0, 1, 1))
    path = tmp_path / "out" / "rolling.jsonl"
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert roll("jsonl", 1, 1, days(1, 1, 2)) == texts(days(0, 1, 1) + days(1, 1, 2))


def test_csv_time_that_cannot_be_read_is_named(tmp_path, table, deliver):
    path = tmp_path / "out" / "x.csv"
    path.parent.mkdir()
    path.write_text("Day,Machine,Good parts,Down (min)\n2026-10-01,a,1,2\nyesterday,a,1,2\n", encoding="utf-8")
    with pytest.raises(GiveUp, match="record 3: expected a time as the options say"):
        deliver("csv", table(days(0, 1, 5)), make_run(tmp_path, first=FIRST), path="x.csv", mode="replace_window")


def test_csv_record_with_too_few_cells_is_named(tmp_path, table, deliver):
    path = tmp_path / "out" / "x.csv"
    path.parent.mkdir()
    path.write_text("Day,Machine,Good parts,Down (min)\n2026-10-01,a\n", encoding="utf-8")
    with pytest.raises(GiveUp, match="record 2: expected 4 cells, found 2"):
        deliver("csv", table(days(0, 1, 5)), make_run(tmp_path, first=FIRST), path="x.csv", mode="replace_window")


def test_other_dialects_roll_too(tmp_path, table, deliver):
    written = {"delimiter": ";", "decimal": ",", "date_format": "%-d.%m.%y", "encoding": "utf-16", "header": "names"}
    for start in (3, 1, 2, 2):
        run = make_run(tmp_path, first=FIRST + timedelta(days=start))
        deliver("csv", table(days(start, 1, 1.5)), run, path="x.csv", mode="replace_window", **written)
    lines = (tmp_path / "out/x.csv").read_text(encoding="utf-16").splitlines()
    assert lines == [
        "day;machine;goodParts;downtime",
        *(f"{day}.11.26;{machine};1,5;1,5" for day in (2, 3, 4) for machine in ("Haas 1", "Mazak, 2")),
    ]


def test_replace_window_drops_totals(tmp_path, table, deliver):
    from mmflow.table import FooterRow

    made = table(days(0, 1, 1), footer=[FooterRow("total", (None, "Total", 2.0, 3.0))])
    deliver("csv", made, make_run(tmp_path, first=FIRST), path="x.csv", mode="replace_window")
    assert "Total" not in (tmp_path / "out/x.csv").read_text(encoding="utf-8")


def test_empty_file_is_filled(tmp_path, table, deliver):
    path = tmp_path / "out" / "x.csv"
    path.parent.mkdir()
    path.touch()
    deliver("csv", table(days(0, 1, 1)), make_run(tmp_path, first=FIRST), path="x.csv", mode="replace_window")
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_machine_that_looks_like_a_site_is_none(roll):
    """Only a column named site tells sites apart."""
    columns = (DAY, MACHINE, PARTS)
    roll("csv", 0, 1, [(FIRST, "reno", 1)], columns)
    assert roll("csv", 0, 1, [(FIRST, "reno", 2)], columns) == texts([(FIRST, "reno", 2)])


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_rolling_file_is_in_the_order_of_time_whatever_the_order_of_the_report(kind, tmp_path, table, deliver, stand):
    days = [date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21)]
    options = {"path": f"rolling.{kind}", "mode": "replace_window"}
    for last in (20, 21):
        shown = [day for day in days if day.day in (last - 1, last)]
        rows = [(day, machine, 1.0, None) for machine in ("B", "A") for day in shown]
        deliver(kind, table(rows), make_run(tmp_path, first=shown[0], last=shown[-1]), **options)
    whole = make_run(tmp_path, first=days[0], last=days[-1])
    found = [(day.day, machine) for day, machine, *_ in stand(kind, table(rows), whole, **options)]
    assert found == [(19, "B"), (19, "A"), (20, "B"), (20, "A"), (21, "B"), (21, "A")]
