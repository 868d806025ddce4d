"""Every kind of value stands in the workbook as what it is."""

import secrets
import shutil
import subprocess
from datetime import UTC, date, datetime

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow.errors import GiveUp, TryLater
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS, ZONE, day_rows, make_run

OEE = Column("oee", "OEE (%)", "number", unit="%", decimals=1)
SHARE = Column("availability", "Availability", "number", unit="ratio", decimals=3)
COUNT = Column("count", "Count", "integer")
OPEN = Column("open", "Open", "boolean")
NOTE = Column("note", "Note", "text", "derived")
PLAIN = Column("value", "Value", "number")
FIRST = date(2026, 11, 21)


def open_sheet(tmp_path, sheet="Data"):
    return openpyxl.load_workbook(tmp_path / "out/morning-oee.xlsx")[sheet]


@pytest.mark.row("S30")
def test_cells_have_types_and_formats(tmp_path, table, deliver):
    columns = (DAY, HOUR, MACHINE, PARTS, DOWN, OEE, SHARE, COUNT, OPEN)
    noon = datetime(2026, 11, 21, 17, tzinfo=UTC)
    deliver(table([(FIRST, noon, "Haas 1", 1200.0, 1.25, 87.5, 0.875, 7, True)], columns), make_run(tmp_path))
    row = open_sheet(tmp_path)[2]
    assert [cell.value for cell in row] == [
        datetime(2026, 11, 21),
        datetime(2026, 11, 21, 12),
        "Haas 1",
        1200,
        1.25,
        0.875,
        0.875,
        7,
        True,
    ]
    assert [cell.number_format for cell in row] == [
        "yyyy-mm-dd",
        "yyyy-mm-dd hh:mm",
        "General",
        "General",
        "#,##0.0",
        "0.0%",
        "0.000",
        "#,##0",
        "General",
    ]


def test_null_is_an_empty_cell_and_not_zero(tmp_path, table, deliver, cells):
    deliver(table([(FIRST, None, None, 0.0)]), make_run(tmp_path))
    assert cells()[1] == [datetime(2026, 11, 21), None, None, 0]


NASTY = [
    "=1+1",
    "{=SUM(A1)}",
    "+1",
    "-1",
    "@SUM(1)",
    "0042",
    "1E5",
    "2026-11-01",
    "TRUE",
    "http://example.com",
    "mailto:a@example.com",
    "internal:Data!A1",
    "external:c:\\x.xlsx",
    "say \"hi\", 'you'; <b>&amp;</b>",
    "two\nlines",
    "tab\there",
    "  outer space  ",
    "Zoë 機械 🏭 e\u0301",
    "a_x0041_b",
    "bell\x07 return\r",
    "\ufffe\uffff",
    "#REF!",
    "x" * 32_767,
]


@pytest.mark.row("S29")
@pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text[:20]))
def test_text_stays_text(tmp_path, table, deliver, text):
    deliver(table([(FIRST, text, 1.0, 1.0)]), make_run(tmp_path))
    cell = open_sheet(tmp_path)["B2"]
    assert (cell.data_type, openpyxl.utils.escape.unescape(cell.value)) == ("s", text)
    assert cell.hyperlink is None


@pytest.mark.row("S29")
def test_texts_around_the_table_stay_texts_too(tmp_path, table, deliver):
    rows = table([(FIRST, "a", 1.0, 1.0)], footer=[FooterRow("total", ("=1+1", None, 1.0, 2.0))], notices=["=2+2"])
    deliver(rows, make_run(tmp_path, run="=3+3"))
    sheet = open_sheet(tmp_path)
    assert [(sheet[place].data_type, sheet[place].value) for place in ("A3", "A5")] == [("s", "=1+1"), ("s", "=2+2")]
    about = open_sheet(tmp_path, "About")
    assert [cell.data_type for cell in about["B"] if cell.value == "=3+3"] == ["s"]


@pytest.mark.row("R49")
def test_full_disk_leaves_the_old_workbook(tmp_path, table, deliver):
    disk = tmp_path / "out"
    disk.mkdir()
    mount = shutil.which("mount")
    words = [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    if mount is None or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        deliver(table(day_rows(FIRST, 1)), make_run(tmp_path))
        before = (disk / "morning-oee.xlsx").read_bytes()
        rows = [(FIRST, secrets.token_hex(1000), 1.0, 1.0) for _ in range(200)]
        with pytest.raises(TryLater, match=r"the disk is full; make room \(ENOSPC\)"):
            deliver(table(rows), make_run(tmp_path))
        assert [path.read_bytes() for path in disk.iterdir()] == [before]
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.row("R52")
@pytest.mark.row("S30")
def test_text_that_no_cell_holds_is_refused_with_row_and_column(tmp_path, table, deliver):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path))
    before = (tmp_path / "out/morning-oee.xlsx").read_bytes()
    with pytest.raises(GiveUp, match=r"row 2, column 'machine' has more than 32,767 characters"):
        deliver(table([(FIRST, "a", 1.0, 1.0), (FIRST, "x" * 40_000, 1.0, 1.0)]), make_run(tmp_path))
    assert (tmp_path / "out/morning-oee.xlsx").read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["morning-oee.xlsx"]


@pytest.mark.row("R40")
def test_numbers_are_exact(tmp_path, table, deliver, cells):
    numbers = [0.1, 0.1 + 0.2, -5.0, 1e300, 5e-324, 2.0**53, 1 / 3, 123456789.125]
    deliver(table([("m", number) for number in numbers], (MACHINE, PLAIN)), make_run(tmp_path, time_column=""))
    assert [row[1] for row in cells()[1:]] == numbers


@pytest.mark.row("R40")
def test_negative_zero_is_zero(tmp_path, table, deliver):
    deliver(table([("m", -0.0)], (MACHINE, PLAIN)), make_run(tmp_path))
    assert not str(open_sheet(tmp_path)["B2"].value).startswith("-")


@pytest.mark.row("R40")
def test_whole_numbers_that_would_lose_digits_are_texts(tmp_path, table, deliver, cells):
    numbers = [2**53, 2**53 + 1, -(2**60), 7]
    deliver(table([("m", number) for number in numbers], (MACHINE, COUNT)), make_run(tmp_path))
    assert [row[1] for row in cells()[1:]] == [2**53, str(2**53 + 1), str(-(2**60)), 7]


@pytest.mark.row("S30")
def test_hour_that_comes_twice_bears_the_name_of_its_time(tmp_path, table, deliver):
    hours = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (4, 5, 6, 7)]
    deliver(table([(hour, "m", 1.0) for hour in hours], (HOUR, MACHINE, PARTS)), make_run(tmp_path))
    found = [(cell.value.hour, cell.number_format) for cell in open_sheet(tmp_path)["A"][1:]]
    assert found == [
        (0, "yyyy-mm-dd hh:mm"),
        (1, 'yyyy-mm-dd hh:mm" EDT"'),
        (1, 'yyyy-mm-dd hh:mm" EST"'),
        (2, "yyyy-mm-dd hh:mm"),
    ]


def test_two_columns_of_times_keep_their_own_clocks(tmp_path, table, deliver, call):
    columns = (HOUR, Column("london", "London", "datetime", zone="Europe/London"))
    hours = [datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in (0, 1)]
    made = table([(hour, hour) for hour in hours], columns)
    deliver(made, make_run(tmp_path))
    forms = [[cell.number_format for cell in row] for row in open_sheet(tmp_path).iter_rows(min_row=2)]
    plain = "yyyy-mm-dd hh:mm"
    assert forms == [[plain, f'{plain}" BST"'], [plain, f'{plain}" GMT"']]
    assert list(call("read", made, make_run(tmp_path))) == [(hour, hour) for hour in hours]


def test_hours_come_twice_in_zones_whose_winter_is_in_spring(tmp_path, table, deliver, call):
    """Casablanca puts its clocks back for the month of Ramadan."""
    hour = Column("hour", "Hour", "datetime", "group", zone="Africa/Casablanca")
    rows = [(datetime(2026, 2, 15, number, tzinfo=UTC),) for number in (0, 1, 2, 3)]
    made = table(rows, (hour,))
    deliver(made, make_run(tmp_path))
    assert [row[0].number_format for row in open_sheet(tmp_path).iter_rows(min_row=3, max_row=4)] == [
        'yyyy-mm-dd hh:mm" +01"',
        'yyyy-mm-dd hh:mm" +00"',
    ]
    assert list(call("read", made, make_run(tmp_path))) == rows


def test_day_before_the_calendar_of_excel_is_a_text(tmp_path, table, deliver, cells):
    deliver(table([(date(1899, 12, 31), "a", 1.0, 1.0), (date(1900, 1, 1), "b", 1.0, 1.0)]), make_run(tmp_path))
    assert [row[0] for row in cells()[1:]] == ["1899-12-31", datetime(1900, 1, 1)]


def test_label_of_a_total_stands_where_days_stand(tmp_path, table, deliver, cells):
    footer = [FooterRow("rest", ("Rest", None, 5.0, None)), FooterRow("total", ("Total", None, 205.0, 3.0))]
    deliver(table(day_rows(FIRST, 1), footer=footer), make_run(tmp_path))
    assert cells()[3:] == [["Rest", None, 5, None], ["Total", None, 205, 3]]
    sheet = open_sheet(tmp_path)
    assert sheet.tables["Data"].ref == "A1:D3"
    assert sheet["D5"].font.bold


def test_totals_are_the_service_s_and_never_formulas(tmp_path, table, deliver):
    footer = [FooterRow("total", ("Total", None, 200.0, 61.25))]
    deliver(
        table([(FIRST, "a", 100.0, 50.0), (FIRST, "b", 100.0, 60.0)], (DAY, MACHINE, PARTS, OEE), footer),
        make_run(tmp_path),
    )
    total = open_sheet(tmp_path)["D4"]
    assert (total.data_type, total.value, total.number_format) == ("n", 0.6125, "0.0%")


def test_footer_may_be_dropped(tmp_path, table, deliver, cells):
    footer = [FooterRow("total", ("Total", None, 205.0, 3.0))]
    deliver(table(day_rows(FIRST, 1), footer=footer), make_run(tmp_path), footer="drop")
    assert len(cells()) == 3


def test_formats_of_the_job_win(tmp_path, table, deliver):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), formats={"day": "dd/mm/yyyy", "downtime": "0.00"})
    row = open_sheet(tmp_path)[2]
    assert [row[0].number_format, row[3].number_format] == ["dd/mm/yyyy", "0.00"]


cell_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            cell_texts,
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.booleans(),
            st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
            st.none()
            | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
                lambda time: time.replace(microsecond=0, tzinfo=UTC)
            ),
            st.none() | st.floats(0, 100).map(lambda number: round(number, 3)),
        ),
        max_size=5,
    )
)
@pytest.mark.row("R40")
def test_what_is_written_is_read_back(tmp_path, table, call, rows):
    moment = Column("time", "Time", "datetime", zone=ZONE)
    day = Column("date", "Date", "date")
    made = table(rows, (MACHINE, PLAIN, COUNT, OPEN, day, moment, OEE))
    call("deliver", made, make_run(tmp_path))
    assert list(call("read", made, make_run(tmp_path))) == rows
