"""``mode: replace_window`` in a workbook that is there: rows of the delivered time are replaced, all others stay."""

import random
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow.testing.deliveries import make_run

FIRST = date(2026, 11, 1)
DAY = Column("day", "Day", "date", "group")
HOUR = Column("hour", "Day", "datetime", "group", zone="America/New_York")
WEEK = Column("week", "Day", "text", "group")
REST = (
    Column("machine", "Machine", "text", "group"),
    Column("downtime", "Down (min)", "number", unit="min"),
    Column("oee", "OEE", "number", unit="%"),
)


def days(start, count, down):
    return [
        (FIRST + timedelta(days=start + number), machine, down, 50.0)
        for number in range(count)
        for machine in ("Haas 1", "Mazak & <2>")
    ]


@pytest.fixture
def roll(template, table, fill, tmp_path):
    """Deliver rows of some days into one workbook: first from the template, then into what is there."""

    def call(start, count, rows, columns=(DAY, *REST), **changes):
        first = FIRST + timedelta(days=start)
        run = make_run(tmp_path, first=first, last=first + timedelta(days=count - 1), **changes)
        there = tmp_path / "rolled.xlsm"
        source = there if there.exists() else template()
        return fill(source, table(rows, columns), name="rolled.xlsm", mode="replace_window", run=run)

    return call


@pytest.fixture
def rows_of(cells):
    """Give the rows of the table without its formula, and the totals below."""

    def read(path, columns="A4:D60"):
        found = [row for row in cells(path, "Data", columns) if any(cell is not None for cell in row)]
        return [row for row in found if row[1] != "Total"]

    return read


def shown(rows):
    return [[datetime.combine(day, datetime.min.time()), machine, down, oee / 100] for day, machine, down, oee in rows]


def test_the_example_rows_of_the_template_do_not_stay(roll, rows_of):
    assert rows_of(roll(0, 2, days(0, 2, 1.0))) == shown(days(0, 2, 1.0))


def test_rows_of_other_days_stay_on_both_sides(roll, rows_of):
    roll(0, 2, days(0, 2, 1.0))
    roll(4, 2, days(4, 2, 2.0))
    assert rows_of(roll(1, 4, days(1, 4, 3.0))) == shown([*days(0, 1, 1.0), *days(1, 4, 3.0), *days(5, 1, 2.0)])


def test_thirty_days_in_any_order_leave_each_day_once(roll, rows_of):
    starts = list(range(12))
    random.Random(3).shuffle(starts)
    for start in starts:
        roll(start, 3, days(start, 3, 1.0))
    assert rows_of(roll(5, 1, days(5, 1, 1.0))) == shown(days(0, 14, 1.0))


def test_the_same_window_twice_is_the_same_file(roll):
    roll(0, 3, days(0, 3, 1.0))
    once = roll(1, 1, days(1, 1, 2.0)).read_bytes()
    assert roll(1, 1, days(1, 1, 2.0)).read_bytes() == once


def test_a_window_without_rows_removes_those_that_were_there(roll, rows_of):
    roll(0, 3, days(0, 3, 1.0))
    assert rows_of(roll(1, 1, [])) == shown([*days(0, 1, 1.0), *days(2, 1, 1.0)])
    assert rows_of(roll(0, 3, [])) == []


def test_formulas_and_totals_follow_and_cells_beside_stay(roll, cells):
    roll(0, 2, days(0, 2, 1.0))
    path = roll(1, 3, days(1, 3, 1.0))
    assert {row[0] for row in cells(path, "Data", "E4:E11")} == {"=Downtimes[[#This Row],[Down (min)]]/60"}
    assert cells(path, "Data", "B12:C12") == [["Total", "=SUBTOTAL(109,Downtimes[Down (min)])"]]
    assert cells(path, "Data", "G4:G5") == [["beside 3"], ["beside 4"]]


def test_rows_that_people_changed_stay_as_they_are(roll, rows_of, open_book):
    path = roll(0, 2, days(0, 2, 1.0))
    book = open_book(path)
    book["Data"]["C4"], book["Data"]["B5"] = "=C5*2", "Typed = by hand"
    book.save(path)
    assert rows_of(roll(-1, 1, days(-1, 1, 9.0)))[2:4] == [
        [datetime(2026, 11, 1), "Haas 1", "=C7*2", 0.5],
        [datetime(2026, 11, 1), "Typed = by hand", 1, 0.5],
    ]


def test_formulas_as_libreoffice_writes_them_move_and_those_of_many_cells_are_refused(roll, rows_of, rewrite, parts):
    sheet = "xl/worksheets/sheet1.xml"
    path = roll(0, 2, days(0, 2, 1.0))
    written = parts(path)
    formula = rb'\1<f aca="false">C5*2</f></c>'
    rewrite(path, written | {sheet: re.sub(rb'(<c r="C4"[^>]*>).*?</c>', formula, written[sheet])})
    path = roll(-1, 1, days(-1, 1, 9.0))
    assert rows_of(path)[2][2] == "=C7*2"
    written = parts(path)
    shared = rb'\1<f t="shared" ref="C6:C7" si="0">C5*2</f></c>'
    rewrite(path, written | {sheet: re.sub(rb'(<c r="C6"[^>]*>).*?</c>', shared, written[sheet])})
    with pytest.raises(GiveUp, match=r"holds a formula in Data!C6 that cannot be moved; enter a value there"):
        roll(-2, 1, days(-2, 1, 9.0))


def test_rows_of_other_sites_stay(roll, rows_of):
    columns = (DAY, Column("site", "Machine", "text", "group"), *REST[1:])
    both = [(FIRST, site, 1.0, 50.0) for site in ("austin", "boston")]
    roll(0, 1, both, columns, sites=("austin", "boston"))
    found = rows_of(roll(0, 1, [(FIRST, "boston", 2.0, 50.0)], columns, sites=("boston",)))
    assert [row[1:3] for row in found] == [["boston", 2], ["austin", 1]]


@pytest.mark.parametrize(("typed", "left"), [(100, [["100", 2]]), (None, [[None, 1], ["100", 2]])])
def test_site_that_somebody_typed_as_a_number_is_known(roll, rows_of, open_book, typed, left):
    columns = (DAY, Column("site", "Machine", "text", "group"), *REST[1:])
    path = roll(0, 1, [(FIRST, "100", 1.0, 50.0)], columns, sites=("100",))
    book = open_book(path)
    book["Data"]["B4"] = typed
    book.save(path)
    found = rows_of(roll(0, 1, [(FIRST, "100", 2.0, 50.0)], columns, sites=("100",)))
    assert sorted((row[1:3] for row in found), key=str, reverse=True) == left


def test_row_that_somebody_began_without_a_day_stays(roll, rows_of, open_book):
    path = roll(0, 2, days(0, 2, 1.0))
    book = open_book(path)
    book["Data"]["A5"] = None
    book.save(path)
    found = rows_of(roll(0, 2, days(0, 1, 2.0)))
    assert [row[:3] for row in found] == [[None, "Mazak & <2>", 1], *[row[:3] for row in shown(days(0, 1, 2.0))]]


def test_weeks_are_texts(roll, rows_of):
    columns = (WEEK, *REST)
    roll(0, 7, [("2026-10-26", "Haas 1", 1.0, 50.0), ("2026-11-02", "Haas 1", 1.0, 50.0)], columns, time_column="week")
    found = rows_of(roll(1, 7, [("2026-11-02", "Haas 1", 2.0, 50.0)], columns, time_column="week"))
    assert [(row[0], row[2]) for row in found] == [("2026-10-26", 1), ("2026-11-02", 2)]
    found = rows_of(roll(22, 7, [("2026-11-23", "Haas 1", 2.0, 50.0)], columns, time_column="week"))
    assert [row[0] for row in found] == ["2026-10-26", "2026-11-02", "2026-11-23"]


def hours(start, count):
    return [(start + timedelta(hours=number), "Haas 1", 1.0, 50.0) for number in range(count)]


def test_hours_on_both_sides_of_the_change_of_clocks_are_told_apart_by_days(roll, rows_of):
    columns = (HOUR, *REST)
    midnight = datetime(2026, 11, 1, 4, tzinfo=UTC)
    roll(-1, 1, hours(midnight - timedelta(days=1), 24), columns, time_column="hour")
    roll(0, 1, hours(midnight, 25), columns, time_column="hour")
    found = rows_of(roll(0, 1, hours(midnight, 25), columns, time_column="hour"), "A4:D70")
    local = [hour.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None) for hour, *_ in
             hours(midnight - timedelta(days=1), 49)]  # fmt: skip
    assert [row[0] for row in found] == local


def test_half_of_an_hour_that_comes_twice_is_not_guessed(roll, table, fill, tmp_path):
    columns = (HOUR, *REST)
    midnight = datetime(2026, 11, 1, 4, tzinfo=UTC)
    path = roll(0, 1, hours(midnight, 25), columns, time_column="hour")
    run = make_run(tmp_path, first=FIRST, time_column="hour")
    site, span = run.spans[0]
    later = replace(run, spans=((site, replace(span, start=midnight + timedelta(hours=2))),))
    with pytest.raises(GiveUp, match="clocks of America/New_York showed twice, and only one of both is to be replaced"):
        fill(path, table(hours(midnight + timedelta(hours=2), 23), columns), mode="replace_window", run=later)


def test_a_row_without_a_day_is_named(roll, open_book):
    path = roll(0, 2, days(0, 2, 1.0))
    book = open_book(path)
    book["Data"]["A5"] = "yesterday"
    book.save(path)
    with pytest.raises(GiveUp, match=r"holds 'yesterday' in Data!A5, expected a day by which replace_window places"):
        roll(1, 1, days(1, 1, 2.0))


def test_what_people_entered_beside_rows_stays_with_them_or_is_not_lost_silently(
    roll, cells, open_book, rewrite, parts
):
    path = roll(0, 2, days(0, 2, 1.0))
    changed = parts(path)
    table = "xl/tables/table1.xml"
    changed[table] = re.sub(rb"<calculatedColumnFormula>.*?</calculatedColumnFormula>", b"", changed[table])
    sheet = "xl/worksheets/sheet1.xml"
    changed[sheet] = re.sub(rb"<f>Downtimes.*?</f>", b"", changed[sheet])
    rewrite(path, changed)
    book = open_book(path)
    book["Data"]["E6"] = "why?"
    book.save(path)
    roll(-1, 1, days(-1, 1, 1.0))
    assert [row[0] for row in cells(path, "Data", "E4:E9")] == [None, None, None, None, "why?", None]
    with pytest.raises(GiveUp, match=r"holds something in Data!E8, in a column of 'Downtimes' that the report has not"):
        roll(1, 1, days(1, 1, 2.0))
