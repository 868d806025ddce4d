"""Values of a workbook that are laid out crosswise."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.errors import GiveUp
from mmflow.testing.deliveries import HOUR, MACHINE, PARTS, make_run

FIRST = date(2026, 11, 21)
CROSS = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "downtime"}}


def test_pivot_lays_values_out_crosswise(tmp_path, table, deliver, cells, open_book):
    tomorrow = FIRST + timedelta(days=1)
    rows = [(tomorrow, "b", 1.0, 5.0), (FIRST, "a", 2.0, 2.0), (FIRST, "b", 3.0, None)]
    deliver(table(rows), make_run(tmp_path), sheets=[CROSS])
    assert cells("By day") == [["Machine", "2026-11-21", "2026-11-22"], ["b", None, 5], ["a", 2, None]]
    assert open_book()["By day"].tables["By_day"].ref == "A1:C3"


def test_pivot_takes_the_order_and_the_first_rows_that_are_asked_for(tmp_path, table, deliver, cells):
    rows = [(FIRST, name, 1.0, down) for name, down in zip("abc", (5.0, 9.0, 7.0), strict=True)]
    deliver(table(rows), make_run(tmp_path), sheets=[CROSS | {"sort": ["-downtime"], "limit": 2}])
    assert cells("By day") == [["Machine", "2026-11-21"], ["b", 9], ["c", 7]]


def test_pivot_of_hours_tells_equal_times_apart(tmp_path, table, deliver, cells):
    rows = [(datetime(2026, 11, 1, hour, tzinfo=UTC), "a", float(hour)) for hour in (5, 6)]
    cross = {"name": "By hour", "pivot": {"rows": "machine", "columns": "hour", "value": "goodParts"}}
    deliver(table(rows, (HOUR, MACHINE, PARTS)), make_run(tmp_path), sheets=[cross])
    assert cells("By hour") == [["Machine", "2026-11-01 01:00 EDT", "2026-11-01 01:00 EST"], ["a", 5, 6]]


def test_two_values_for_one_cell_of_a_pivot_are_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match=r"sheet 'By day' has more than one downtime for a, 2026-11-21; group the report"):
        deliver(table([(FIRST, "a", 1.0, 5.0), (FIRST, "a", 2.0, 5.0)]), make_run(tmp_path), sheets=[CROSS])


def test_pivot_without_rows_has_no_chart(tmp_path, table, deliver, cells):
    deliver(table([]), make_run(tmp_path), sheets=[CROSS | {"charts": [{"type": "line"}]}])
    assert cells("By day")[0] == ["Machine"]
