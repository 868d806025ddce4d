"""CSV: whatever the dialect, other programs read back what the table holds, and spreadsheets run none of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mmflow.errors import GiveUp, UserError
from mmflow.table import Cell, Column, FooterRow, make_table, open_database, write_table
from mmflow.table.dialect import CsvDialect
from mmflow.table.local_times import list_offsets

WIDE = "\uff1d\uff0b\uff0d\uff20"  # the full-width twins of = + - @
QUICK = settings(deadline=None, max_examples=20)
TEXT = Column("machine", "Machine", "text", "group")
NUMBER = Column("oee", "OEE", "number")
COLUMNS = (
    TEXT,
    NUMBER,
    Column("n", "Count", "integer"),
    Column("day", "Day", "date", "group"),
    Column("hour", "Hour", "datetime", "group", zone="America/St_Johns"),
    Column("late", "Late", "boolean"),
    Column("t", "Note", "text"),
)
TRICKY = st.text(
    st.sampled_from("=+-@" + WIDE + "\t\r\n\"',;|a é0.") | st.characters(exclude_categories=["Cs"]), max_size=8
)
PLAIN = TRICKY.filter(lambda text: "\0" not in text)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ROW = st.tuples(
    *(
        st.none() | cells
        for cells in (
            PLAIN,
            FLOATS | st.integers(-(10**6), 10**6).map(float),
            st.integers(-(2**63), 2**63 - 1),
            st.dates(date(1900, 1, 1)),
            st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),
            st.booleans(),
            PLAIN,
        )
    )
)
FORMATS = ("%Y-%m-%d", "%d.%m.%y", "%a, %-d %b %Y", "%%%Y;%m\n%d", "on %A|%B '%G' \"%V\"")
TIME_FORMATS = ("%Y-%m-%dT%H:%M:%S%:z", "%-d/%-m/%Y %I:%M:%S.%f %p %z", "%:z;%H,%M%%z", "%H:%M")
DIALECTS: st.SearchStrategy[CsvDialect] = st.builds(
    CsvDialect,
    delimiter=st.sampled_from(",;\t| :-.'"),
    quoting=st.sampled_from(["minimal", "all"]),
    decimal=st.sampled_from([".", ","]),
    empty=st.sampled_from(["", "NULL", "-", '"', "a,b"]),
    date_format=st.sampled_from(FORMATS),
    datetime_format=st.sampled_from(TIME_FORMATS),
    newline=st.sampled_from(["\r\n", "\n"]),
    header=st.sampled_from(["labels", "names", "none"]),
    formula_guard=st.sampled_from(["prefix", "none"]),
    footer=st.booleans(),
)


def write(
    rows: Sequence[Sequence[Cell]],
    dialect: CsvDialect | None = None,
    columns: Sequence[Column] = COLUMNS,
    footer: Sequence[FooterRow] = (),
) -> str:
    with TemporaryDirectory() as folder:
        table = make_table(rows, columns=columns, path=Path(folder, "t"), footer=footer)
        return b"".join(table.csv(dialect)).decode()


def read(text: str, dialect: CsvDialect) -> list[list[str]]:
    quoting: Any = csv.QUOTE_NONE if dialect.quoting == "none" else csv.QUOTE_MINIMAL
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True, quoting=quoting))


def body(*values: Cell, columns: Sequence[Column] = (TEXT,), **options: Any) -> str:
    """The one line of one row."""
    return write([values], CsvDialect(header="none", newline="\n", **options), columns).removesuffix("\n")


def show(cell: Cell, column: Column, dialect: CsvDialect) -> str:
    """The text of a cell, by Python's own means."""
    if cell is None:
        return dialect.empty
    if isinstance(cell, str):
        return ("'" if dialect.formula_guard == "prefix" and is_formula(cell) else "") + cell
    if isinstance(cell, float):
        return spell(cell).replace(".", dialect.decimal)
    if isinstance(cell, datetime):
        return show_time(cell.astimezone(ZoneInfo(column.zone)), dialect.datetime_format)
    if isinstance(cell, date):
        return cell.strftime(dialect.date_format)
    return str(cell).lower()


def show_time(local: datetime, form: str) -> str:
    offset = local.strftime("%z")
    colon = f"{offset[:3]}:{offset[3:5]}" + (f":{offset[5:]}" if offset[5:] else "")
    pieces = [piece.replace("%:z", colon) for piece in form.split("%%")]
    return "%".join(local.strftime(piece) for piece in pieces)


def is_formula(text: str) -> bool:
    return text.startswith(("\t", "\r", "\n")) or text.lstrip(" \t\r\n\f").startswith(tuple("=+-@" + WIDE))


def spell(number: float) -> str:
    text = format(Decimal(repr(number)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


@pytest.mark.row("S28")
@given(rows=st.lists(ROW, max_size=4), dialect=DIALECTS)
@example(rows=[("=1+1", -0.0, 0, date(2026, 1, 1), datetime(2026, 7, 1, tzinfo=UTC), True, "")], dialect=CsvDialect())
@QUICK
def test_python_reads_back_what_the_table_holds_in_any_dialect(
    rows: list[tuple[Cell, ...]], dialect: CsvDialect
) -> None:
    footer = [FooterRow("rest", row) for row in rows[:1]]
    text = write(rows, dialect, footer=footer)
    expected = [[show(cell, column, dialect) for cell, column in zip(row, COLUMNS, strict=True)] for row in rows]
    heads = {"labels": [column.label for column in COLUMNS], "names": [column.name for column in COLUMNS], "none": []}
    header = [heads[dialect.header]] if dialect.header != "none" else []
    assert read(text, dialect) == [*header, *expected, *(expected[:1] if dialect.footer else [])]


@given(rows=st.lists(st.tuples(PLAIN, FLOATS), max_size=4))
@QUICK
def test_without_quotes_a_text_that_needs_them_is_refused(rows: list[tuple[str, float]]) -> None:
    dialect = CsvDialect(quoting="none", delimiter=";", formula_guard="none", empty="NULL")
    columns = (NUMBER, TEXT)
    turned = [(number, text) for text, number in rows]
    if any(set(text) & set(';"\r\n') for text, _ in rows):
        with pytest.raises(GiveUp, match=r"row \d, column 'machine': the text needs quotes"):
            write(turned, dialect, columns)
    else:
        assert read(write(turned, dialect, columns), dialect)[1:] == [[spell(number), text] for number, text in turned]


@given(numbers=st.lists(FLOATS, min_size=1, max_size=20))
@example(numbers=[1e15, 1e16, 9007199254740993.0, -1.5e-7, 0.0001, 0.001, 5e-324, 1.7976931348623157e308])
@QUICK
def test_numbers_are_plain_decimals_that_read_back_exactly(numbers: list[float]) -> None:
    texts = write([(number,) for number in numbers], CsvDialect(header="none"), (NUMBER,)).split()
    assert [float(text) for text in texts] == numbers
    assert set("".join(texts)) <= set("-.0123456789")
    assert not any(text.endswith((".", ".0")) for text in texts)


def test_whole_numbers_have_no_decimals_and_zero_no_sign() -> None:
    written = write([(1234.0,), (-0.0,), (0.1 + 0.2,), (1e20,), (None,)], CsvDialect(newline="\n"), (NUMBER,))
    assert written.splitlines() == ["OEE", "1234", "0", "0.30000000000000004", "100000000000000000000", '""']


@pytest.mark.row("S24")
@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://example.com")',
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-1+1",
        "-",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n1",
        "  =1+1",
        *(f"{sign}1+1" for sign in WIDE),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_is_disarmed_or_refused(text: str) -> None:
    quoted = '"' + text.replace('"', '""') + '"'
    assert body(text, quoting="all") == "\"'" + quoted[1:]
    assert body(text, quoting="all", formula_guard="none") == quoted
    with pytest.raises(GiveUp, match=r"^row 2, column 'machine': the text begins like a formula, and formula_guard is"):
        write([("fine",), (text,)], CsvDialect(formula_guard="reject"), (TEXT,))


@pytest.mark.row("S24")
def test_headings_and_labels_of_totals_are_guarded_like_any_text() -> None:
    columns = (Column("a", "=1", "text"), Column("b", "b", "text"))
    footer = [FooterRow("total", ("=2", None))]
    assert write([], CsvDialect(newline="\n"), columns, footer) == "'=1,b\n'=2,\n"
    with pytest.raises(GiveUp, match=r"^the header, column 'a'"):
        write([], CsvDialect(formula_guard="reject"), columns)
    with pytest.raises(GiveUp, match=r"^the total row, column 'a'"):
        write([], CsvDialect(formula_guard="reject", header="names"), columns, footer)


@pytest.mark.row("S25")
def test_negative_numbers_are_never_prefixed() -> None:
    columns = (NUMBER, Column("n", "n", "integer"))
    assert body(-5.5, -5, columns=columns) == "-5.5,-5"
    assert body(-5.5, -5, columns=columns, formula_guard="reject") == "-5.5,-5"


@pytest.mark.row("S26")
def test_texts_that_look_like_numbers_or_dates_are_written_as_they_are() -> None:
    for text in ("0042", "1E5", "2026-11-01", "12345678901234567890"):
        assert body(text) == text


@pytest.mark.row("S28")
def test_fields_are_quoted_as_rfc_4180_says() -> None:
    columns = (TEXT, Column("b", "b", "text"))
    assert body('a "b", c', "x\r\ny\nz", columns=columns) == '"a ""b"", c","x\r\ny\nz"'


@pytest.mark.row("S28")
def test_nul_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    query = "SELECT if(i = 200_000, 'b' || chr(0), 'a') AS machine FROM range(300_000) t(i)"
    with open_database() as connection:
        table = write_table(connection, query, columns=[TEXT], path=tmp_path / "t")
    with pytest.raises(GiveUp, match=r"^row 200001, column 'machine': the text holds a NUL character") as raised:
        next(table.csv())
    assert "\0" not in str(raised.value)


def test_null_and_empty_text_can_be_told_apart_and_null_is_never_zero() -> None:
    columns = (TEXT, NUMBER, Column("note", "note", "text"))
    assert body(None, None, "", columns=columns) == ',,""'
    assert body("NULL", None, "", columns=columns, empty="NULL") == '"NULL",NULL,'


def test_a_lonely_null_is_no_blank_line() -> None:
    assert body(None) == '""'
    assert body(None, empty="-") == "-"


def test_the_decimal_comma_is_quoted_when_the_comma_divides_fields() -> None:
    assert body(1.5, "a", columns=(NUMBER, TEXT), decimal=",") == '"1,5",a'
    assert body(1.5, "a", columns=(NUMBER, TEXT), decimal=",", delimiter=";") == "1,5;a"


def test_times_stand_in_the_zone_of_their_column_and_tell_the_doubled_hour_apart() -> None:
    column = Column("hour", "Hour", "datetime", zone="America/New_York")
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)
    lines = write([(start + timedelta(hours=h),) for h in range(4)], columns=[column]).split()[1:]
    assert lines == [
        "2026-11-01T00:00:00-04:00",
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T02:00:00-05:00",
    ]


ZONES = sorted(available_timezones())


@given(
    zone=st.sampled_from(ZONES),
    first=st.datetimes(datetime(1970, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
    days=st.integers(0, 900),
    places=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
@settings(deadline=None, max_examples=60)
def test_offsets_are_those_of_the_zone_at_every_instant(
    zone: str, first: datetime, days: int, places: list[float]
) -> None:
    last = first + timedelta(days=days)
    start, end = (round(instant.timestamp() * 1e6) for instant in (first, last))
    offsets = list_offsets(zone, start, end)
    borders = [border for offset in offsets[:-1] for border in (offset.until - 1, offset.until)]
    for instant in [start, end, *borders, *(start + round((end - start) * place) for place in places)]:
        chosen = next((offset for offset in offsets[:-1] if instant < offset.until), offsets[-1])
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))
        assert timedelta(microseconds=chosen.east) == local.utcoffset()
        assert chosen.text == local.isoformat(timespec="seconds")[19:]


def test_each_value_of_a_footer_is_written_as_what_it_is() -> None:
    columns = (COLUMNS[3], NUMBER)
    footer = [FooterRow("rest", ("Rest", 2.0)), FooterRow("total", ("Total", None))]
    written = write([(date(2026, 1, 1), 0.5)], CsvDialect(newline="\n"), columns, footer)
    assert written == "Day,OEE\n2026-01-01,0.5\nRest,2\nTotal,\n"
    assert write([], CsvDialect(newline="\n", footer=False), columns, footer) == "Day,OEE\n"


def test_columns_named_like_words_of_the_rendering_are_harmless() -> None:
    names = ("t", "x", "#", 'a "b"', "source", "#cell")
    columns = [*(Column(name, name, "text") for name in names), Column("e", "e", "number")]
    assert body("=1", "b,c", "d", "e", "f", "=g", 1e-7, columns=columns) == "'=1,\"b,c\",d,e,f,'=g,0.0000001"
    with pytest.raises(GiveUp, match=r"^row 1, column '#': the text begins"):
        body("a", "b", "=c", "d", "e", "f", 1.0, columns=columns, formula_guard="reject")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delimiter": ""}, "delimiter must be one character"),
        ({"delimiter": "ab"}, "delimiter must be one character"),
        ({"delimiter": "e"}, "no letter, digit, quote or line break"),
        ({"delimiter": '"'}, "no letter, digit, quote or line break"),
        ({"delimiter": "\n"}, "no letter, digit, quote or line break"),
        ({"date_format": "%Q"}, "date_format has no directive '%Q'; there are: %% %-H"),
        ({"date_format": "%Y %z"}, "date_format has no directive '%z'"),
        ({"datetime_format": "%H:%M %Z"}, "datetime_format has no directive '%Z'"),
        ({"datetime_format": "100 %"}, "datetime_format has no directive '%'"),
        ({"date_format": ""}, "date_format holds no directive"),
        ({"date_format": "dd.mm.yyyy"}, "date_format holds no directive, so every cell would be the same"),
        ({"empty": "\0"}, "empty must not hold a NUL"),
        ({"quoting": "none", "decimal": ","}, "numbers can hold the delimiter"),
        ({"quoting": "none", "delimiter": "-"}, "integers can hold the delimiter"),
        ({"quoting": "none", "date_format": "%d,%m"}, "dates can hold the delimiter"),
        ({"quoting": "none", "delimiter": ":"}, "datetimes can hold the delimiter"),
        ({"quoting": "none", "empty": "a,b"}, "the text of empty cells can hold the delimiter"),
    ],
)
def test_a_dialect_that_nobody_could_read_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        CsvDialect(**options)


DIRECTIVES = ["%Y", "%m", "%-d", "%H", "%z", "%f", "%Q", *"-:Yz ,;\"'"]


@given(form=st.lists(st.sampled_from(DIRECTIVES), max_size=8).map("".join))
@QUICK
def test_every_format_that_is_accepted_can_be_written(form: str) -> None:
    try:
        dialect = CsvDialect(datetime_format=form, header="none")
    except UserError:
        assume(False)
    instant = datetime(2026, 7, 4, 15, 6, 7, 89, tzinfo=UTC)
    column = Column("h", "h", "datetime", zone="Asia/Kathmandu")
    written = read(write([(instant,)], dialect, [column]), dialect)
    assert written == [[show_time(instant.astimezone(ZoneInfo("Asia/Kathmandu")), form)]]
