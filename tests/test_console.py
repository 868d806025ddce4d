"""The console sink, and texts in columns that data cannot break out of."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import SinkType, find_function
from mmflow.table import Column, FooterRow, make_table
from mmflow.table.columns import align_texts, measure_text, show_cell, show_number
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS, make_run
from mmflow.text import show_text


@pytest.fixture
def print_rows(tmp_path, capsys):
    """Deliver rows to the console, and give the receipt and what was printed."""

    def call(listed, columns=(DAY, MACHINE, PARTS, DOWN), footer=(), notices=(), **written):
        path = tmp_path / "snapshot"
        table = make_table(listed, columns=columns, path=path, footer=footer, notices=notices)
        sink = load().sink("console")
        receipt = find_function(sink.deliver)(table, convert_values(written, sink.options), make_run(tmp_path))
        return receipt, capsys.readouterr().out

    return call


def test_table_is_printed_with_heading_totals_and_notices(print_rows):
    receipt, text = print_rows(
        [(date(2026, 11, 21), "Haas 1", 1200.0, 90.25), (date(2026, 11, 21), "Fräse", None, 0.0)],
        footer=[FooterRow("total", ("Total", None, 1200.0, 90.25))],
        notices=["3 rows lay outside of the window"],
    )
    assert text.splitlines() == [
        "morning-oee, 2026-11-21",
        "Day         Machine  Good parts  Down (min)",
        "----------  -------  ----------  ----------",
        "2026-11-21  Haas 1         1200        90.2",
        "2026-11-21  Fräse                       0.0",
        "Total                      1200        90.2",
        "note: 3 rows lay outside of the window",
    ]
    assert receipt.rows == 2


def test_long_table_is_cut_and_says_so(print_rows):
    receipt, text = print_rows([(date(2026, 11, 21), "Haas 1", float(n), 1.0) for n in range(9)], rows=3)
    assert text.count("Haas 1") == 3
    assert "and 6 more rows; 'rows' says how many are printed" in text
    assert receipt.rows == 9


def test_one_row_is_not_called_rows(print_rows):
    _, text = print_rows([(date(2026, 11, 21), "Haas 1", float(n), 1.0) for n in range(2)], rows=1)
    assert "and 1 more row; " in text


def test_empty_table_is_its_heading(print_rows):
    receipt, text = print_rows([])
    assert text.splitlines()[1] == "Day  Machine  Good parts  Down (min)"
    assert receipt.rows == 0


def test_terminal_does_not_obey_what_data_holds(print_rows):
    _, text = print_rows([(date(2026, 11, 21), "a\x1b[2Jb\nc\u202ed\x07", 1.0, 1.0)])
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in text
    assert not {"\x1b", "\u202e", "\x07"} & set(text)
    assert len(text.splitlines()) == 4


def test_a_notice_does_not_steer_the_terminal_either(print_rows):
    _, text = print_rows([], notices=["sent columns that nobody asked for: x\x1b[2J\r" + "y" * 40_000])
    assert not {"\x1b", "\r"} & set(text)
    assert len(text) < 3_000


def test_one_endless_name_does_not_push_the_numbers_away(print_rows):
    _, text = print_rows([(date(2026, 11, 21), "N" * 40_000, 1.0, 1.0), (date(2026, 11, 21), "Haas 1", 2.0, 1.0)])
    lines = text.splitlines()
    assert lines[3].split() == ["2026-11-21", "N" * 39 + "…", "1", "1.0"]
    assert max(map(len, lines)) < 90


@pytest.mark.parametrize(
    ("cell", "column", "text"),
    [
        (None, PARTS, ""),
        (True, Column("live", "Live", "boolean"), "true"),
        (0, Column("n", "N", "integer"), "0"),
        (12.0, PARTS, "12"),
        (1e20, PARTS, "100000000000000000000"),
        (1e-7, PARTS, "0.0000001"),
        (-0.0, PARTS, "0"),
        (-5.5, PARTS, "-5.5"),
        (90.25, DOWN, "90.2"),
        (datetime(2026, 11, 21, 11, tzinfo=UTC), HOUR, "2026-11-21 06:00-05:00"),
        (date(2026, 11, 21), DAY, "2026-11-21"),
    ],
)
def test_cells_are_written_as_people_read_them(cell, column, text):
    assert show_cell(cell, column) == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_numbers_never_have_an_exponent_and_keep_nine_decimals(number):
    text = show_number(number, None)
    assert "e" not in text
    assert float(text) == pytest.approx(number, abs=1e-9, rel=1e-12)


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2)), st.integers(4, 30))
def test_columns_stand_under_each_other_whatever_the_texts_hold(rows, widest):
    lines = list(
        align_texts(["name", "|"], [[show_text(left), "|"] for left, _ in rows], [False, False], widest=widest)
    )
    assert len({measure_text(line.rpartition("|")[0]) for line in [lines[0], *lines[2:]]}) == 1
    assert len(lines) == len(rows) + 2
    assert max(map(measure_text, lines)) <= widest + len("  |")


def test_wide_characters_take_two_places_and_marks_none():
    assert (measure_text("機械"), measure_text("Fra\u0308se"), measure_text("abc")) == (4, 5, 3)


def test_function_of_a_sink_may_be_named_by_text():
    assert find_function("mmflow_files.deliver:deliver_csv").__name__ == "deliver_csv"
    assert find_function(len) is len
    with pytest.raises(TypeError, match=r"mmflow_files\.deliver:__doc__ is not a function"):
        find_function("mmflow_files.deliver:__doc__")


def test_every_function_that_an_installed_sink_names_is_there():
    roles = ("deliver", "validate", "check", "render", "read", "probe", "notify", "read_window")
    for sink in load().sinks.values():
        assert isinstance(sink, SinkType)
        for role in roles:
            if getattr(sink, role) is not None:
                assert callable(find_function(getattr(sink, role)))
