"""What a cell holds comes back as it was, or is refused with its row and column before anything is written."""

import gzip
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow.errors import GiveUp
from mmflow.table import Column, FooterRow, open_database, write_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, day_rows
from mmflow_sheets import batch, layout
from mmflow_sheets.content import hash_parts, make_content
from mmflow_sheets.options import SheetsOptions

DAY_ONE = date(2026, 11, 1)
COLUMNS = (
    Column("hour", "Hour", "datetime", "group", zone="America/New_York"),
    DAY,
    MACHINE,
    Column("count", "Count", "integer"),
    PARTS,
    Column("live", "Live", "boolean"),
)
NASTY = [
    "=1+1", '=IMPORTXML("http://x","//a")', "+1", "-1", "@SUM(1)", "'quoted", "0042", "1E5", "2026-11-01", "TRUE",
    "#N/A", 'a "quote", a comma;', "two\nlines\r\nand\ttab", "Fräse \U0001f527 日本", " blank ", "x" * 40_000,
    "{=1}", "https://x.y",
]  # fmt: skip


def read_back(desk, table, rows, columns=COLUMNS):
    made = table(rows, columns)
    desk.deliver(made)
    return made, list(desk.call("read", made))


@pytest.mark.row("S33")
def test_texts_stay_texts_whatever_they_look_like(desk, book, table):
    made, found = read_back(desk, table, [(text,) for text in NASTY], [MACHINE])
    assert found == list(made.rows())
    kinds = {next(iter(book.tab("Data").cell(f"A{row}")["userEnteredValue"])) for row in range(2, len(NASTY) + 2)}
    assert kinds == {"stringValue"}


@pytest.mark.row("R40")
def test_numbers_days_times_truths_and_nulls_come_back(desk, table):
    at = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    numbers = [0.0, -0.0, -5.5, 1e-300, 1.7976931348623157e308, 0.1, 2.0**53, 123456.789]
    rows = [(at + timedelta(hours=n), DAY_ONE, "x", n - 4, number, n % 2 == 0) for n, number in enumerate(numbers)]
    rows += [(None,) * 6, (at, DAY_ONE, "", -(2**53), 1.0, False)]
    made, found = read_back(desk, table, rows)
    expected = [tuple(None if cell == "" else cell for cell in row) for row in made.rows()]
    assert [tuple(None if cell == "" else cell for cell in row) for row in found] == expected


@pytest.mark.row("R40")
def test_whole_numbers_that_a_sheet_would_round_are_texts(desk, book, table):
    large = [2**53 + 1, -(2**53) - 1, 2**63 - 1]
    made, found = read_back(desk, table, [(number,) for number in large], [COLUMNS[3]])
    assert found == list(made.rows())
    assert book.tab("Data").values("A2:A4") == [[str(number)] for number in large]


def test_largest_whole_numbers_of_a_sheet_are_numbers(desk, book, table):
    desk.deliver(table([(2**53,), (-(2**53),)], [COLUMNS[3]]))
    assert book.tab("Data").values("A2:A3") == [[2**53], [-(2**53)]]


def test_hash_knows_where_its_parts_end():
    assert hash_parts([b"ab", b"c"]) != hash_parts([b"a", b"bc"])


def test_null_is_an_empty_cell_and_never_zero(desk, book, table):
    desk.deliver(table([(None, None, None, None), (DAY_ONE, "M", 0.0, None)]))
    assert book.tab("Data").values()[1:] == [[], [46327, "M", 0]]
    desk.deliver(table([(DAY_ONE, "M", None, None)]), desk.run(generation=2))
    assert book.tab("Data").values()[1:] == [[46327, "M"]]


def test_every_hour_of_a_day_with_25_comes_back(desk, table):
    """Clocks go back in New York on 1 November 2026."""
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)
    rows = [(start + timedelta(hours=hour), DAY_ONE, "M", hour, None, None) for hour in range(25)]
    made, found = read_back(desk, table, rows)
    assert found == list(made.rows())


@pytest.mark.row("R64")
def test_text_that_no_cell_can_hold_is_named_by_row_and_column(desk, book, table):
    rows = [("fine",), ("\U0001f527" * 25_001,)]
    with pytest.raises(GiveUp, match=r"row 2, column 'machine' \(A\) holds 50,002 characters, .* at most 50,000;"):
        desk.deliver(table(rows, [MACHINE]))
    assert book.titles == ["Sheet1"]
    desk.deliver(table([("x" * 50_000,)], [MACHINE]))
    assert len(book.tab("Data").values("A2")[0][0]) == 50_000


def test_sign_that_google_cannot_keep_is_named_by_row_and_column(desk, table):
    with pytest.raises(GiveUp, match=r"row 1, column 'machine' \(A\) holds the character U\+0000"):
        desk.deliver(table([("a\x00b",)], [MACHINE]))


cells = st.tuples(
    st.one_of(
        st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=9)
    ),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(cells, min_size=1, max_size=5))
def test_any_row_comes_back(quick, table, rows):
    made, found = read_back(quick, table, rows, [MACHINE, COLUMNS[3], PARTS])
    assert found == list(made.rows())


def test_fifty_thousand_rows_go_in_one_batch_that_is_packed(desk, book, server, table):
    cells = "DATE '2026-11-01' AS day, 'Machine ' || i AS machine, i::DOUBLE AS goodParts, 1.5::DOUBLE AS downtime"
    query, columns = f"SELECT {cells} FROM range(50_000) numbers(i)", (DAY, MACHINE, PARTS, DOWN)
    with open_database() as connection:  # from a list of rows it would take ten times as long
        large = write_table(connection, query, columns=columns, path=desk.root / "large.parquet")
    receipt = desk.deliver(large)
    assert receipt.rows == 50_000
    [sent] = [one for one in server.requests if one.path.endswith(":batchUpdate")]
    assert sent.size < 2_000_000
    tab = book.tab("Data")
    assert tab.size == (50_001, 4)
    assert tab.values("A50001:D50001") == [[46327, "Machine 49999", 49999, 1.5]]
    day = [(DAY_ONE, "Machine 1", 1.0, 1.5)]
    desk.deliver(table(day), desk.run(generation=2))
    assert len(tab.values()) == 2


def test_a_cell_takes_fifty_bytes_and_ten_when_packed(desk, table):
    columns = [DAY, MACHINE, *(Column(f"n{at}", f"N {at}", "number", unit="ratio", decimals=3) for at in range(10))]
    rows = [(DAY_ONE, f"Machine {at}", *(at / (3 + more) for more in range(10))) for at in range(300)]
    content = make_content(table(rows, columns), SheetsOptions(spreadsheet=desk.book.id), desk.run())
    cells = len(rows) * len(columns)
    assert len(content.body) < 60 * cells
    assert len(gzip.compress(content.body, 1)) < 12 * cells


@pytest.mark.row("R64")
def test_spreadsheet_that_would_become_too_large_is_refused_with_figures(desk, book, table, monkeypatch):
    monkeypatch.setattr(layout, "LARGEST_SHEET", 26_100)
    with pytest.raises(GiveUp, match=r"would have 26,404 cells \(101 rows of 4 columns in this tab, 26,000 cells in"):
        desk.deliver(table(day_rows(DAY_ONE, 50)))
    assert book.titles == ["Sheet1"]


def test_spreadsheet_may_be_exactly_as_large_as_it_can(desk, book, table, monkeypatch):
    monkeypatch.setattr(layout, "LARGEST_SHEET", 26_000)
    desk.deliver(table(day_rows(DAY_ONE, 50)), tab="Sheet1")
    with pytest.raises(GiveUp, match=r"would have 27,000 cells \(1,000 rows of 27 columns in this tab, 0 cells in"):
        desk.deliver(table(day_rows(DAY_ONE, 50)), desk.run(generation=2), tab="Sheet1", anchor="X1")


def test_table_that_would_reach_beyond_the_last_column_is_refused(desk, table, monkeypatch):
    monkeypatch.setattr(layout, "MOST_COLUMNS", 4)
    desk.deliver(table(day_rows(DAY_ONE, 1)))
    with pytest.raises(GiveUp, match="would reach to column E, the 5th, and a tab has at most 4; leave columns out"):
        desk.deliver(table(day_rows(DAY_ONE, 1)), desk.run(generation=2), anchor="B1")


def test_total_that_no_cell_can_hold_is_named_too(desk, table):
    with pytest.raises(GiveUp, match=r"row 2, column 'machine' \(A\) holds 50,001 characters"):
        desk.deliver(table([("M",)], [MACHINE], footer=[FooterRow("total", ("x" * 50_001,))]))


def test_request_that_would_become_too_large_is_refused_with_figures(desk, book, table, monkeypatch):
    monkeypatch.setattr(batch, "LARGEST_REQUEST", 2_000)
    with pytest.raises(GiveUp, match=r"the request would have 0 MB for 100 rows of 4 columns, .*; send fewer rows"):
        desk.deliver(table(day_rows(DAY_ONE, 50)))
    assert book.titles == ["Sheet1"]


def test_chart_of_columns_that_a_run_left_out_is_refused(desk, table):
    chart = {"x": "machine", "y": ["oee"]}
    with pytest.raises(GiveUp, match="the chart wants columns that the table has not: oee"):
        desk.deliver(table([("M",)], [MACHINE]), chart=chart)


def test_units_decide_how_numbers_look(desk, book, table):
    columns = [
        DOWN,
        Column("id", "Id", "integer", "id"),
        Column("n", "N", "integer"),
        Column("plain", "Plain", "number"),
        Column("share", "Share", "number", unit="ratio"),
    ]
    desk.deliver(table([(1234.56, 10_000, 10_000, 0.25, 0.25)], columns))
    assert book.tab("Data").formatted("A2:E2") == [["1,234.6", "10000", "10,000", "0.25", "25.0%"]]
