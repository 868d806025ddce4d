"""Every cell comes back from every kind of database as it was, or is refused with its row and column."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow.testing.deliveries import DAY, MACHINE, PARTS

FIRST = date(2026, 11, 1)
TEXT, WHOLE = Column("note", "Note", "text"), Column("count", "Count", "integer")
NUMBER, YES = Column("value", "Value", "number"), Column("yes", "Yes", "boolean")
WHEN = Column("at", "At", "datetime", zone="America/New_York")
ALL = (MACHINE, TEXT, WHOLE, NUMBER, YES, Column("date", "Date", "date"), WHEN)
HOSTILE = (
    "'; DROP TABLE oee; --",
    '"quoted" and `ticks`',
    "100 % of %s and %(name)s :name ? {braces} $1",
    "back\\slash \\N \\. \\t \\x41",
    "tab\tline\nreturn\rboth\r\nend",
    "\\.\n\\.",
    "=1+1",
    "Ünïcödé 你好 🏭 \u202e",
    "",
    " blanks ",
    "NULL",
    "x" * 40_000,
    "€" * 40_000,
)
TIMES = (
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # the first of two half past one
    datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 0, 0, 123456, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)
NUMBERS = (0.0, -1.5, 0.1 + 0.2, 1e300, -2.5e-300, 123456789.123456789, 9007199254740993.0, 1 / 3)
WHOLES = (0, -1, 2**53 + 1, 2**63 - 1, -(2**63))


@pytest.mark.row("R40")
@pytest.mark.row("S35")
def test_every_cell_comes_back_as_it_was(plant):
    rows = [(f"text {n}", text, None, None, None, None, None) for n, text in enumerate(HOSTILE)]
    rows += [(f"time {n}", None, None, None, None, None, time) for n, time in enumerate(TIMES)]
    rows += [(f"number {n}", None, None, number, None, None, None) for n, number in enumerate(NUMBERS)]
    rows += [(f"whole {n}", None, whole, None, None, None, None) for n, whole in enumerate(WHOLES)]
    rows += [("yes", None, None, None, True, FIRST, None), ("no", None, None, None, False, date(2028, 2, 29), None)]
    rows += [("nothing", None, None, None, None, None, None), (None, None, None, None, None, None, None)]
    for mode in ("replace_window", "upsert"):
        keyed = [row for row in rows if row[0] or mode != "upsert"]
        plant.deliver(keyed, ALL, mode=mode, time_column="", table=mode)
        expected = sorted(keyed, key=lambda row: (row[0] is not None, row[0]))
        assert plant.read(ALL, name=mode) == expected
        standing = plant.standing(keyed, ALL, mode=mode, time_column="", table=mode)
        assert sorted(standing, key=lambda row: (row[0] is not None, row[0])) == expected


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.none(),
            st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False) | st.none(),
        ),
        max_size=20,
    )
)
@pytest.mark.row("R40")
def test_any_text_and_any_number_come_back(plant, cells):
    columns = (WHOLE, TEXT, NUMBER)
    rows = [(number, *pair) for number, pair in enumerate(cells)]
    plant.deliver(rows, columns, time_column="", mode="replace")
    assert plant.read(columns) == rows


@pytest.mark.row("R56")
def test_nul_in_a_text_is_refused_with_its_place_before_anything_is_written(plant):
    with pytest.raises(GiveUp, match="row 2, column 'machine': the text holds NUL"):
        plant.deliver([(FIRST, "Haas 1", 1.0), (FIRST, "Haas\0 2", 1.0)], (DAY, MACHINE, PARTS))
    with pytest.raises(Exception):  # noqa: B017  each database has its own words for a table that is not there
        plant.query('SELECT * FROM "oee"')


def test_a_name_too_long_for_mysql_is_refused_with_its_place(plant):
    rows = [(FIRST, "Haas 1", 1.0), (FIRST, "é" * 256, 1.0)]
    if plant.database.kind == "mysql":
        with pytest.raises(GiveUp, match="row 2, column 'machine': the text is longer than 255 characters"):
            plant.deliver(rows, (DAY, MACHINE, PARTS))
    else:
        plant.deliver(rows, (DAY, MACHINE, PARTS))
        assert plant.read((DAY, MACHINE, PARTS)) == rows


def test_a_key_of_many_names_fits_into_an_index(plant):
    names = [Column(f"group{number}", "Group", "text", "group") for number in range(5)]
    rows = [("ä" * 40, "b", "c", "d", "e", 1.0)]
    for generation in (1, 2):
        plant.deliver(rows, (*names, PARTS), mode="upsert", time_column="", generation=generation)
    assert plant.read((*names, PARTS)) == rows


def test_names_that_differ_in_case_or_accents_are_two(plant):
    rows = [(FIRST, name, 1.0) for name in ("MILL", "Mill", "Mïll", "mill")]
    for generation in (1, 2):
        plant.deliver(rows, (DAY, MACHINE, PARTS), mode="upsert", generation=generation)
    assert plant.read((DAY, MACHINE, PARTS)) == rows


def test_blanks_at_the_end_of_a_key_tell_rows_apart_or_are_refused(plant):
    rows = [(FIRST, "Mill", 1.0), (FIRST, "Mill ", 2.0)]
    if plant.database.kind == "mysql":
        with pytest.raises(GiveUp, match="rows 1 and 2 have the same key"):
            plant.deliver(rows, (DAY, MACHINE, PARTS), mode="upsert")
    else:
        plant.deliver(rows, (DAY, MACHINE, PARTS), mode="upsert")
        assert plant.read((DAY, MACHINE, PARTS)) == rows


@pytest.mark.row("R56")
@pytest.mark.row("S34")
def test_columns_with_odd_names_are_columns_like_others(plant):
    odd = ["select", "Order", "with blank", 'quo"te', "per%cent", "100%s", "semi;colon", "a'b", "ünïcode", "d:a", "x)y"]
    columns = (DAY, MACHINE, *(Column(name, name, "number") for name in odd))
    rows = [(FIRST, "Haas 1", *(float(number) for number, _ in enumerate(odd)))]
    for generation, mode in enumerate(("replace_window", "replace", "append", "upsert", "upsert"), start=1):
        plant.deliver(rows, columns, mode=mode, generation=generation, table=f"odd_{mode}", view=f"view_{mode}")
        assert plant.read(columns, name=f"odd_{mode}") == rows
        assert plant.read(columns, name=f"view_{mode}") == rows


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 64, "64 bytes"),
        ("nul\0", "a character that not every database takes"),
        ("ctid", "every table of PostgreSQL"),
        ("mmflow_run", "begins with mmflow_"),
    ],
)
@pytest.mark.row("R56")
@pytest.mark.row("S34")
def test_names_that_a_database_would_change_are_refused(plant, name, words):
    with pytest.raises(GiveUp, match=words):
        plant.layout((DAY, Column(name, name, "number")))
