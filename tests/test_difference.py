"""What a delivery would change: rows that are the same, new, gone and other, whatever their groups are."""

from datetime import UTC, date, datetime

import pytest

from mmflow.deliver.difference import Change, describe_difference, difference_document, find_difference
from mmflow.table import Column, make_table
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS

NOTE = Column("note", "Note", "text")
PART = Column("part", "Part", "text", "id")


@pytest.fixture
def compare(tmp_path):
    def call(columns, rows, standing):
        return find_difference(make_table(rows, columns=columns, path=tmp_path / "t.parquet"), standing)

    return call


def lines(difference):
    return list(describe_difference(difference))


def test_rows_of_equal_groups_are_the_same_row_wherever_they_stand(compare):
    standing = [("C", 3.0, 1.0), ("B", 2.0, 1.0), ("A", 1.0, 1.0)]
    found = compare((MACHINE, PARTS, DOWN), [("A", 1.0, 1.0), ("B", 2.0, 1.25), ("D", 4.0, None)], standing)
    assert lines(found) == [
        "~ machine B, downtime 1 -> 1.25",
        "+ machine D, goodParts 4, downtime -",
        "- machine C, goodParts 3, downtime 1",
        "1 new, 1 gone, 1 changed, 1 the same",
    ]


def test_rows_of_the_same_groups_go_by_their_order(compare):
    found = compare((MACHINE, PARTS), [("A", 1.0), ("A", 2.0)], [("A", 1.0), ("A", 3.0), ("A", 4.0)])
    assert found.same == 1
    assert found.changes == (Change(("A", 3.0), ("A", 2.0)), Change(("A", 4.0), None))


def test_rows_without_groups_go_by_their_order(compare):
    found = compare((PARTS,), [(1.0,), (2.0,)], [(1.0,), (3.0,)])
    assert lines(found) == ["~ goodParts 3 -> 2", "0 new, 0 gone, 1 changed, 1 the same"]


def test_what_a_row_is_known_by_may_be_an_id(compare):
    found = compare((PART, PARTS), [("p1", 1.0)], [("p2", 1.0), ("p1", 2.0)])
    assert lines(found)[0] == "~ part p1, goodParts 2 -> 1"


def test_no_value_is_neither_an_empty_text_nor_0(compare):
    found = compare((MACHINE, PARTS, NOTE), [("A", None, None), (None, 1.0, "")], [("A", 0.0, ""), (None, 1.0, "")])
    assert lines(found) == ["~ machine A, goodParts 0 -> -, note  -> -", "0 new, 0 gone, 1 changed, 1 the same"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, 1, True),
        (0.1 + 0.2, 0.3, True),
        (1e9, 1e9 + 0.5, True),
        (1.0, 1.0 + 1e-8, False),
        (0.0, 1e-13, True),
        (0.0, 1e-9, False),
        (5.0, "5", False),
        (5.0, None, False),
    ],
)
def test_numbers_are_held_as_exactly_as_a_spreadsheet_keeps_them(compare, one, other, same):
    assert compare((MACHINE, PARTS), [("A", one)], [("A", other)]).same == same


def test_days_and_instants_are_known_by_their_values(compare):
    hour = datetime(2026, 11, 21, 11, tzinfo=UTC)
    day = date(2026, 11, 21)
    assert compare((DAY, HOUR, PARTS), [(day, hour, 1.0)], [(day, hour, 1.0)]).same == 1
    moved = compare((DAY, HOUR, PARTS), [(day, hour, 1.0)], [(day, hour.replace(hour=12), 1.0)])
    assert lines(moved) == [
        "+ day 2026-11-21, hour 2026-11-21 06:00-05:00, goodParts 1",
        "- day 2026-11-21, hour 2026-11-21 07:00-05:00, goodParts 1",
        "1 new, 1 gone, 0 changed, 0 the same",
    ]


def test_nothing_stands_and_nothing_comes(compare):
    assert lines(compare((MACHINE, PARTS), [], [])) == ["0 new, 0 gone, 0 changed, 0 the same"]
    assert compare((MACHINE, PARTS), [], [("A", 1.0)]).changes == (Change(("A", 1.0), None),)


@pytest.mark.parametrize("row", [("A",), ("A", 1.0, 2.0), ()])
def test_rows_of_another_width_are_no_rows_of_this_table(compare, row):
    with pytest.raises(ValueError, match=f"has {len(row)} cells, expected 2"):
        compare((MACHINE, PARTS), [("A", 1.0)], [row])


def test_the_document_has_whole_numbers_as_integers(compare):
    found = compare((MACHINE, PARTS), [("A", 2.0), ("B", 0.5)], [("A", 1.0)])
    assert difference_document(found) == {
        "columns": ["machine", "goodParts"],
        "changes": [{"before": ["A", 1], "after": ["A", 2]}, {"before": None, "after": ["B", 0.5]}],
        "same": 0,
    }
