"""The csv sink, from options as written to the bytes on the disk."""

import csv
import hashlib
from datetime import date

import pytest

from mmflow.errors import GiveUp
from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import find_function
from mmflow.table import FooterRow
from mmflow.testing.deliveries import HOUR, PARTS, make_run
from mmflow.testing.deliveries import day_rows as rows
from mmflow_files.deliver import encode_texts

SATURDAY = date(2026, 11, 21)
FOOTER = (FooterRow("total", (None, "Total", 200.0, 3.0)),)


def read(path, encoding="utf-8"):
    return path.read_bytes().decode(encoding)


@pytest.mark.row("S27")
def test_defaults_open_well_in_a_spreadsheet(tmp_path, table, deliver):
    receipt = deliver("csv", table(rows(SATURDAY, 1), footer=FOOTER), make_run(tmp_path))
    data = (tmp_path / "out/morning-oee/2026-11-21.csv").read_bytes()
    assert data.decode("utf-8") == (
        "\ufeffDay,Machine,Good parts,Down (min)\r\n"
        "2026-11-21,Haas 1,100,1.5\r\n"
        '2026-11-21,"Mazak, 2",100,1.5\r\n'
        ",Total,200,3\r\n"
    )
    assert (receipt.rows, receipt.path) == (2, "out/morning-oee/2026-11-21.csv")
    assert receipt.sha256 == hashlib.sha256(data).hexdigest()


def test_header_stands_even_when_there_are_no_rows(tmp_path, table, deliver):
    receipt = deliver("csv", table([]), make_run(tmp_path), path="x.csv", encoding="utf-8")
    assert read(tmp_path / "out/x.csv") == "Day,Machine,Good parts,Down (min)\r\n"
    assert receipt.rows == 0


def test_every_choice_reaches_the_file(tmp_path, table, deliver):
    deliver(
        "csv",
        table([(SATURDAY, "Fräse", None, 1.5)], footer=FOOTER),
        make_run(tmp_path),
        path="x.csv",
        header="names",
        footer="drop",
        delimiter=";",
        decimal=",",
        quoting="all",
        encoding="windows-1252",
        newline="lf",
        empty="-",
        date_format="%d.%m.%Y",
    )
    assert read(tmp_path / "out/x.csv", "windows-1252") == (
        '"day";"machine";"goodParts";"downtime"\n"21.11.2026";"Fräse";"-";"1,5"\n'
    )


def test_tab_is_a_word_because_nobody_sees_one(tmp_path, table, deliver):
    deliver("csv", table(rows(SATURDAY, 1)), make_run(tmp_path), path="x.csv", delimiter="tab", header="none")
    assert read(tmp_path / "out/x.csv", "utf-8-sig").startswith("2026-11-21\tHaas 1\t100\t1.5\r\n")


@pytest.mark.row("S27")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16", "windows-1252"])
def test_each_encoding_reads_back(tmp_path, table, deliver, encoding):
    deliver("csv", table([(SATURDAY, "Fräse €", 1, 2)]), make_run(tmp_path), path="x.csv", encoding=encoding)
    assert "2026-11-21,Fräse €,1,2\r\n" in read(tmp_path / "out/x.csv", encoding)


@pytest.mark.row("S27")
@pytest.mark.parametrize(("encoding", "marks"), [("utf-8-sig", 1), ("utf-8", 0), ("utf-16", 1), ("windows-1252", 0)])
def test_byte_order_mark_stands_at_the_start_alone_however_many_pieces(encoding, marks):
    data = b"".join(encode_texts(["Fräse", " 1\n", "Fräse 2\n"], encoding))
    assert data.decode(encoding) == "Fräse 1\nFräse 2\n"
    wide = "utf-16-le" if encoding == "utf-16" else encoding.removesuffix("-sig")
    assert data.decode(wide).count("\ufeff") == marks


def test_text_that_the_encoding_lacks_fails_and_the_old_file_stays(tmp_path, table, deliver):
    run = make_run(tmp_path)
    deliver("csv", table(rows(SATURDAY, 1)), run, path="x.csv", encoding="windows-1252")
    before = read(tmp_path / "out/x.csv")
    with pytest.raises(GiveUp, match=r"'Ω' \(U\+03A9\) cannot be written in windows-1252; use 'encoding: utf-8-sig'"):
        deliver("csv", table([(SATURDAY, "Ω", 1, 2)]), run, path="x.csv", encoding="windows-1252")
    assert read(tmp_path / "out/x.csv") == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.csv"]


@pytest.mark.row("S24")
@pytest.mark.row("S25")
def test_formulas_in_texts_are_guarded_and_negative_numbers_are_not(tmp_path, table, deliver):
    attacks = ["=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\N{FULLWIDTH EQUALS SIGN}1+1"]
    made = table([(SATURDAY, attack, -5, -0.5) for attack in attacks])
    deliver("csv", made, make_run(tmp_path), path="x.csv")
    with (tmp_path / "out/x.csv").open(encoding="utf-8-sig", newline="") as file:
        read_back = list(csv.reader(file))[1:]
    assert [row[1:] for row in read_back] == [[f"'{attack}", "-5", "-0.5"] for attack in attacks]


@pytest.mark.row("S24")
def test_formulas_can_be_left_or_refused(tmp_path, table, deliver):
    made = table([(SATURDAY, "Haas 1", 1, 2), (SATURDAY, "=1+1", 1, 2)])
    deliver("csv", made, make_run(tmp_path), path="x.csv", formula_guard="none")
    assert "2026-11-21,=1+1,1,2" in read(tmp_path / "out/x.csv")
    with pytest.raises(GiveUp, match="row 2, column 'machine'"):
        deliver("csv", made, make_run(tmp_path), path="x.csv", formula_guard="reject")


@pytest.mark.row("S28")
def test_nul_is_refused_with_its_row_and_column(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match="row 1, column 'machine'"):
        deliver("csv", table([(SATURDAY, "a\0b", 1, 2)]), make_run(tmp_path))
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_times_are_those_of_the_plant(tmp_path, table, deliver):
    from datetime import UTC, datetime

    made = table([(datetime(2026, 11, 21, 11, tzinfo=UTC), 1)], columns=(HOUR, PARTS))
    deliver("csv", made, make_run(tmp_path, time_column="hour"), path="x.csv")
    assert "2026-11-21T06:00:00-05:00,1\r\n" in read(tmp_path / "out/x.csv")


def test_the_same_table_gives_the_same_bytes(tmp_path, table, deliver):
    made, run = table(rows(SATURDAY, 3)), make_run(tmp_path)
    assert deliver("csv", made, run).sha256 == deliver("csv", made, run).sha256


GOOD = [
    {},
    {"path": "{month}/{job}.csv", "mode": "replace_window"},
    {"path": "x.csv", "mode": "replace_window", "date_format": "%d.%m.%y"},
    {"path": "x.csv", "mode": "replace_window", "date_format": "%-d %b %Y"},
    {"delimiter": ";", "decimal": ","},
    {"delimiter": ",", "decimal": ","},
]
BAD = [
    ({"path": "../x.csv"}, "path", "has '..' where a name was expected"),
    ({"path": "{dat}.csv"}, "path", "did you mean '{date}'?"),
    (
        {"mode": "replace_window"},
        "path",
        "'{job}/{date}.csv' is a new file every time",
    ),
    ({"path": "x.csv", "mode": "replace_window", "header": "none"}, "header", "replace_window needs a header"),
    ({"path": "x.csv", "mode": "replace_window", "date_format": "%d.%m."}, "date_format", "cannot be read back"),
    ({"path": "x.csv", "mode": "replace_window", "date_format": "%G-%V"}, "date_format", "cannot be read back"),
    ({"quoting": "none", "decimal": ","}, "quoting", "is none, but numbers can hold the delimiter"),
    ({"delimiter": "x"}, "delimiter", "must be one character"),
    ({"date_format": "%Q"}, "date_format", "has no directive '%Q'"),
    ({"datetime_format": "%Q"}, "datetime_format", "has no directive '%Q'"),
    ({"empty": "\0"}, "empty", "must not hold a NUL character"),
]


@pytest.mark.parametrize("written", GOOD)
def test_good_options_are_not_complained_about(validate, written):
    assert validate("csv", **written) == {}


@pytest.mark.parametrize(("written", "key", "message"), BAD)
def test_contradicting_options_are_found_before_any_run(validate, written, key, message):
    found = validate("csv", **written)
    assert list(found) == [key]
    assert message in found[key]


def test_all_that_is_wrong_is_found_at_once(validate):
    written = {"path": "../x.csv", "mode": "replace_window", "header": "none", "date_format": "%Q", "empty": "\0"}
    assert set(validate("csv", **written)) == {"path", "header", "date_format", "empty"}


def test_replace_window_needs_a_time_group(validate):
    found = validate("csv", time_column="", path="x.csv", mode="replace_window")
    assert found == {"mode": "replace_window needs a time group in the report, such as day; add one, or use replace"}


def test_replace_window_by_hour_needs_the_offset_in_the_time(validate):
    written = {"path": "x.csv", "mode": "replace_window"}
    assert validate("csv", time_column="hour", **written) == {}
    assert validate("csv", time_column="hour", **written, datetime_format="%Y-%m-%d %H:%M%z") == {}
    found = validate("csv", time_column="hour", **written, datetime_format="%Y-%m-%d %H:%M")
    assert found["datetime_format"].endswith("write the whole date, the time and %z")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_preview_shows_the_text_of_the_file_and_writes_nothing(tmp_path, table, deliver, kind):
    sink, made, run = load().sinks[kind], table(rows(SATURDAY, 2)), make_run(tmp_path)
    shown = find_function(sink.render)(made, convert_values({}, sink.options), run)
    assert not run.output.exists()
    deliver(kind, made, run)
    assert shown == read(tmp_path / f"out/morning-oee/2026-11-21.{kind}", "utf-8-sig")
