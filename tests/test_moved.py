"""Which cells moved between two tables about the same time."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from mmflow.restate import compare_run
from mmflow.table import Column, make_table
from mmflow.table.moves import Move, can_compare, find_moves

MONDAY, TUESDAY = date(2026, 11, 2), date(2026, 11, 3)
COLUMNS = (
    Column("machine", "Machine", "text", "group"),
    Column("day", "Day", "date", "group"),
    Column("oee", "OEE", "number"),
    Column("since", "Since", "datetime", "derived"),
    Column("light", "Light", "text", "derived"),
)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ROW = ("Mill 1", MONDAY, 0.5, NOON, "green")


@pytest.fixture
def moves(tmp_path):
    """Compare rows of the columns above, or of others."""

    def compare(before, after, columns=COLUMNS):
        tables = [make_table(rows, columns=columns, path=tmp_path / f"{name}[1].parquet")
                  for name, rows in (("before", before), ("after", after))]  # fmt: skip
        return list(find_moves(*tables, tmp_path / "spill"))

    return compare


def changed(row, column, before, after):
    return Move(row[:2], "changed", column, before, after)


def test_equal_tables_have_no_moves_in_whatever_order_their_rows_are(moves):
    other = ("Mill 2", MONDAY, None, None, None)
    assert moves([ROW, other], [other, ROW]) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("oee", 0.6),
        ("oee", None),
        ("since", NOON.replace(minute=1)),
        ("since", None),
        ("light", "red"),
        ("light", None),
    ],
)
def test_a_cell_that_holds_something_else_is_named_by_its_row_and_column(moves, column, value):
    place = [one.name for one in COLUMNS].index(column)
    after = (*ROW[:place], value, *ROW[place + 1 :])
    assert moves([ROW], [after]) == [changed(ROW, column, ROW[place], value)]
    assert moves([after], [ROW]) == [changed(ROW, column, value, ROW[place])]


@pytest.mark.parametrize(("before", "after"), [(0.1 + 0.2, 0.3), (1e9, 1e9 + 0.5), (0.0, 1e-13)])
def test_noise_of_adding_up_is_no_move(moves, before, after):
    assert moves([(*ROW[:2], before, *ROW[3:])], [(*ROW[:2], after, *ROW[3:])]) == []


@pytest.mark.parametrize(("before", "after"), [(0.3, 0.3000001), (0.0, 1e-9), (1e9, 1e9 + 2)])
def test_what_nobody_is_shown_is_a_move_all_the_same(moves, before, after):
    assert len(moves([(*ROW[:2], before, *ROW[3:])], [(*ROW[:2], after, *ROW[3:])])) == 1


def test_rows_that_come_and_go_are_one_move_each_and_those_that_are_gone_stand_last(moves):
    gone, new = ("Mill 1", TUESDAY, 0.1, NOON, "red"), ("Mill 9", MONDAY, 0.2, NOON, "red")
    moved = ("Mill 0", MONDAY, 0.3, NOON, "red")
    assert moves([gone, ROW, moved], [new, ROW, (*moved[:2], 0.4, *moved[3:])]) == [
        Move(new[:2], "new"),
        changed(moved, "oee", 0.3, 0.4),
        Move(gone[:2], "gone"),
    ]


def test_a_row_without_a_name_is_known_by_that(moves):
    nobody = (None, MONDAY, 0.5, NOON, "green")
    assert moves([nobody], [nobody]) == []
    assert moves([nobody], [(None, MONDAY, 0.6, NOON, "green")]) == [changed(nobody, "oee", 0.5, 0.6)]


def test_rows_of_equal_groups_go_by_their_order(moves):
    first, second = ROW, (*ROW[:2], 0.7, *ROW[3:])
    assert moves([first, second], [first, second]) == []
    assert moves([first, second], [first]) == [Move(ROW[:2], "gone")]
    assert moves([first, second], [first, ROW]) == [changed(ROW, "oee", 0.7, 0.5)]


def test_a_report_of_one_row_needs_no_groups(moves):
    columns = (Column('the "best"', "Best", "number"), Column("count", "Count", "integer"))
    assert moves([(0.5, 3)], [(0.5, 4)], columns) == [Move((), "changed", "count", 3, 4)]


def test_many_moves_come_one_after_the_other(moves):
    def rows(oee):
        return [(f"Mill {number:04}", MONDAY, oee, NOON, "green") for number in range(2_500)]

    found = moves(rows(0.5), rows(0.6))
    assert [move.row[0] for move in found] == [f"Mill {number:04}" for number in range(2_500)]


def test_tables_of_other_columns_or_units_cannot_be_compared(tmp_path):
    def table(name, *columns):
        return make_table([], columns=columns, path=tmp_path / f"{name}.parquet")

    plain = table("plain", Column("day", "Day", "date", "group"), Column("down", "Down", "number", unit="min"))
    labelled = table("labelled", Column("day", "D", "date", "group"), Column("down", "Z", "number", unit="min"))
    hours = table("hours", Column("day", "Day", "date", "group"), Column("down", "Down", "number", unit="h"))
    assert can_compare(plain, labelled)
    assert not can_compare(plain, hours)


def test_of_very_many_moves_the_first_are_kept_and_all_are_counted(tmp_path):
    def table(name, oee):
        rows = [(f"Mill {number:04}", MONDAY, oee, NOON, "green") for number in range(1_100)]
        return make_table(rows, columns=COLUMNS, path=tmp_path / name)

    table("before.parquet", 0.5)
    standing = SimpleNamespace(id="r1", snapshot="before.parquet")
    moved = compare_run(standing, table("after.parquet", 0.6), tmp_path, tmp_path / "spill")
    assert (moved.since, moved.total, len(moved.cells)) == ("r1", 1_100, 1_000)
    assert moved.cells[0].row == {"machine": "Mill 0000", "day": "2026-11-02"}
