"""How cells are written for readers."""

from datetime import UTC, date, datetime

import pytest

from mmflow import Column
from mmflow_email.letter.figures import bare_label, tidy_text, write_cell, write_change, write_quantity

RATIO = Column("oee", "OEE", "number", unit="ratio", decimals=3)
PERCENT = Column("scrap", "Scrap (%)", "number", unit="%", decimals=1)
PARTS = Column("goodParts", "Good parts", "number", unit="parts", decimals=0)
MINUTES = Column("downtime", "Down (min)", "number", unit="min", decimals=1)
FREE = Column("x", "X", "number")
HOUR = Column("hour", "Hour", "datetime", "group", zone="America/New_York")


@pytest.mark.parametrize(
    ("cell", "column", "text"),
    [
        (0.875, RATIO, "87.5 %"),
        (0.8755, RATIO, "87.5 %"),
        (87.5, PERCENT, "87.5 %"),
        (1234567.0, PARTS, "1,234,567"),
        (12.25, MINUTES, "12.2"),
        (-5.0, PARTS, "-5"),
        (-0.04, MINUTES, "0.0"),
        (0.1, FREE, "0.1"),
        (5.0, FREE, "5"),
        (1e300, FREE, "1e+300"),
        (1e300, PARTS, "1e+300"),
        (5e-9, FREE, "5e-09"),
        (None, RATIO, "\N{EN DASH}"),
        (True, Column("ok", "OK", "boolean"), "yes"),
        (date(2026, 11, 21), Column("day", "Day", "date"), "Sat 2026-11-21"),
        ("=1+1", Column("job", "Job", "text"), "=1+1"),
    ],
)
def test_a_cell_is_written_by_its_column(cell, column, text):
    assert write_cell(cell, column) == text


def test_both_hours_of_a_clock_change_are_told_apart():
    first = write_cell(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), HOUR)
    second = write_cell(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), HOUR)
    assert (first, second) == ("2026-11-01 01:30 EDT", "2026-11-01 01:30 EST")


def test_a_change_has_a_sign_and_shares_differ_by_points():
    assert write_change(0.021, RATIO) == "+2.1 pt"
    assert write_change(-1.5, PERCENT) == "-1.5 pt"
    assert write_change(20.0, PARTS) == "+20"
    assert write_change(0.2, PARTS) == "0"


def test_a_sentence_names_the_unit_once():
    assert f"{bare_label(MINUTES)} {write_quantity(12.5, MINUTES)}" == "Down 12.5 min"
    assert write_quantity(None, MINUTES) == "\N{EN DASH}"
    assert write_quantity(0.5, RATIO) == "50.0 %"


def test_texts_lose_what_cannot_be_seen_and_get_an_end():
    assert tidy_text("a\u202eb\x00c\nd") == "a\ufffdb\ufffdc d"
    assert tidy_text("é🏭") == "é🏭"
    assert len(tidy_text("x" * 40_000)) == 160
    assert tidy_text("x" * 161).endswith("x…")
