"""What other programs make of the files: pandas, LibreOffice, spreadsheets of a country, gzip, and the sidecar."""

import gzip
import json
import shutil
import subprocess
from datetime import date

import pandas
import pytest

from mmflow.errors import GiveUp
from mmflow.options import convert_values
from mmflow.table import FooterRow
from mmflow.testing.deliveries import MACHINE, PARTS, make_run
from mmflow_files.locales import LOCALES
from mmflow_files.options import CsvOptions

ROWS = [(date(2026, 11, 8), "Größe, 2", 1234.5, -0.25), (date(2026, 11, 9), 'a "b"\nc', None, 1e-7)]


def test_a_locale_writes_as_spreadsheets_of_that_country_expect(tmp_path, table, deliver):
    deliver("csv", table(ROWS[:1]), make_run(tmp_path), path="x.csv", locale="de_DE")
    text = (tmp_path / "out" / "x.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[1] == "08.11.2026;Größe, 2;1234,5;-0,25"


def test_what_an_option_says_itself_comes_before_the_locale(tmp_path, table, deliver):
    deliver("csv", table(ROWS[:1]), make_run(tmp_path), path="x.csv", locale="de_DE", delimiter="tab", decimal=".")
    text = (tmp_path / "out" / "x.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[1] == "08.11.2026\tGröße, 2\t1234.5\t-0.25"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_can_be_read_back(locale, tmp_path, table, deliver, stand, validate):
    assert validate("csv", path="x.csv", locale=locale) == {}
    made, run = table(ROWS), make_run(tmp_path)
    deliver("csv", made, run, path="x.csv", locale=locale)
    assert stand("csv", made, run, path="x.csv", locale=locale) == ROWS


def test_decimal_mark_and_delimiter_never_clash_in_a_locale():
    assert all(form.delimiter != form.decimal for form in LOCALES.values())
    assert all(convert_values({"locale": name}, CsvOptions).dialect() for name in LOCALES)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_packed_file_holds_the_same_text_and_the_same_bytes_twice(kind, tmp_path, table, deliver, stand):
    made, run = table(ROWS), make_run(tmp_path)
    deliver(kind, made, run, path=f"plain.{kind}")
    first = deliver(kind, made, run, path=f"packed.{kind}.gz").sha256
    assert deliver(kind, made, run, path=f"packed.{kind}.gz").sha256 == first
    out = tmp_path / "out"
    assert gzip.decompress((out / f"packed.{kind}.gz").read_bytes()) == (out / f"plain.{kind}").read_bytes()
    assert stand(kind, made, run, path=f"packed.{kind}.gz") == ROWS


def test_a_packed_file_keeps_the_rows_of_other_days(tmp_path, table, deliver):
    options = {"path": "all.csv.gz", "mode": "replace_window"}
    for day in (20, 21, 21):
        moved = [(date(2026, 11, day), "A", float(day), None)]
        deliver("csv", table(moved), make_run(tmp_path, first=date(2026, 11, day)), **options)
    text = gzip.decompress((tmp_path / "out" / "all.csv.gz").read_bytes()).decode("utf-8-sig")
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["2026-11-20", "2026-11-21"]


def test_a_file_that_is_no_gzip_is_not_merged_into(tmp_path, table, deliver):
    path = tmp_path / "out" / "all.csv.gz"
    path.parent.mkdir()
    path.write_bytes(b"no gzip")
    with pytest.raises(GiveUp, match="is not CSV in utf-8-sig; mend it, or move it away"):
        deliver("csv", table(ROWS), make_run(tmp_path), path="all.csv.gz", mode="replace_window")


def test_parquet_is_not_packed_twice(validate):
    assert "Parquet is compressed already" in validate("parquet", path="x.parquet.gz")["path"]


def test_the_sidecar_says_what_the_columns_hold(tmp_path, table, deliver):
    options = {"path": "x.csv", "sidecar": "schema", "locale": "de_DE", "header": "names"}
    receipt = deliver("csv", table(ROWS), make_run(tmp_path), **options)
    assert receipt.more == ("out/x.csv.schema.json",)
    schema = json.loads((tmp_path / "out" / "x.csv.schema.json").read_text(encoding="utf-8"))
    assert [(field["name"], field["type"], field["mmflow:unit"]) for field in schema["fields"]] == [
        ("day", "date", ""),
        ("machine", "string", ""),
        ("goodParts", "number", ""),
        ("downtime", "number", "min"),
    ]
    assert schema["primaryKey"] == ["day", "machine"]
    assert (schema["fields"][0]["format"], schema["fields"][3]["decimalChar"]) == ("%d.%m.%Y", ",")
    assert schema["dialect"]["delimiter"] == ";"
    kept = deliver("jsonl", table(ROWS), make_run(tmp_path), path="x.jsonl", sidecar="schema")
    assert "dialect" not in json.loads((tmp_path / kept.more[0]).read_text(encoding="utf-8"))


def test_pandas_reads_back_what_was_written(tmp_path, table, deliver):
    made, run, out = table(ROWS), make_run(tmp_path), tmp_path / "out"
    deliver("csv", made, run, path="x.csv", header="names")
    deliver("csv", made, run, path="de.csv.gz", header="names", locale="de_DE")
    deliver("jsonl", made, run, path="x.jsonl")
    plain = pandas.read_csv(out / "x.csv", parse_dates=["day"])
    german = pandas.read_csv(
        out / "de.csv.gz", sep=";", decimal=",", parse_dates=["day"], date_format="%d.%m.%Y", encoding="utf-8-sig"
    )
    lines = pandas.read_json(out / "x.jsonl", lines=True)
    lines["day"] = pandas.to_datetime(lines["day"])
    for frame in (plain, german, lines):
        assert list(frame.columns) == ["day", "machine", "goodParts", "downtime"]
        assert list(frame["day"].dt.date) == [row[0] for row in ROWS]
        assert list(frame["machine"]) == [row[1] for row in ROWS]
        assert frame["goodParts"][0] == 1234.5
        assert frame["goodParts"].isna().tolist() == [False, True]
        assert frame["downtime"].tolist() == [-0.25, 1e-7]


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
def test_libreoffice_shows_texts_numbers_and_days_as_they_are(tmp_path, table, deliver):
    rows = [(date(2026, 11, 8), "=1+1", 1234.5, -5.0), (date(2026, 11, 9), 'a "b", c', None, 0.5)]
    deliver("csv", table(rows), make_run(tmp_path), path="x.csv", header="names")
    profile = (tmp_path / "profile").as_uri()
    convert = "ods:calc8"
    command = ["soffice", f"-env:UserInstallation={profile}", "--headless", "--convert-to"]
    place = ["--outdir", str(tmp_path / "made")]
    reads = "--infilter=Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"  # a comma, quotes, UTF-8
    source = str(tmp_path / "out" / "x.csv")
    subprocess.run([*command, convert, reads, *place, source], check=True, capture_output=True)
    text = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false"
    subprocess.run([*command, text, *place, str(tmp_path / "made" / "x.ods")], check=True, capture_output=True)
    shown = (tmp_path / "made" / "x.csv").read_text(encoding="utf-8").splitlines()
    assert shown == [
        "day,machine,goodParts,downtime",
        "2026-11-08,'=1+1,1234.5,-5",
        '2026-11-09,"a ""b"", c",,0.5',
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_only_rows_of_the_window_stand_where_a_rolling_delivery_would_write(kind, tmp_path, table, deliver, stand):
    options = {"path": f"all.{kind}", "mode": "replace_window"}
    for day in (20, 21):
        made = table([(date(2026, 11, day), "A", float(day), None)])
        run = make_run(tmp_path, first=date(2026, 11, day))
        deliver(kind, made, run, **options)
    assert stand(kind, made, run, **options) == [(date(2026, 11, 21), "A", 21.0, None)]


def test_nothing_stands_where_there_is_no_file(tmp_path, table, stand):
    assert stand("csv", table(ROWS), make_run(tmp_path), path="x.csv") == []


def test_another_report_is_not_compared_with(tmp_path, table, deliver, stand):
    deliver("csv", table([("A", 1.0)], (MACHINE, PARTS)), make_run(tmp_path), path="x.csv")
    with pytest.raises(GiveUp, match="holds the columns Machine, Good parts, expected"):
        stand("csv", table(ROWS), make_run(tmp_path), path="x.csv")


@pytest.mark.parametrize("text", ["'quoted' by hand", "=1+1", "-x", " @here", "plain", "it's"])
def test_a_text_comes_back_as_it_was_with_or_without_its_guard(text, tmp_path, table, deliver, stand):
    made, run = table([(text, 1.0)], (MACHINE, PARTS)), make_run(tmp_path)
    deliver("csv", made, run, path="x.csv")
    assert stand("csv", made, run, path="x.csv") == [(text, 1.0)]


@pytest.mark.parametrize(("footer", "rows"), [("keep", 2), ("drop", 2)])
def test_rows_under_the_table_are_none_of_its_rows(footer, rows, tmp_path, table, deliver, stand):
    made = table(ROWS, footer=[FooterRow("total", ("Total", None, 3.0, None))])
    run = make_run(tmp_path)
    deliver("csv", made, run, path="x.csv", footer=footer)
    assert len(stand("csv", made, run, path="x.csv", footer=footer)) == rows


def test_a_line_that_somebody_left_empty_is_named(tmp_path, table, deliver, stand):
    made, run = table(ROWS, footer=[FooterRow("total", ("Total", None, 3.0, None))]), make_run(tmp_path)
    deliver("csv", made, run, path="x.csv")
    with (tmp_path / "out" / "x.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(GiveUp, match="record 4: expected 4 cells as the options say"):
        stand("csv", made, run, path="x.csv")
