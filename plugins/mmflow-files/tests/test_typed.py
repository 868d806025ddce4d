"""The jsonl and parquet sinks, which programs read: types stay, totals are left out."""

import json
from datetime import UTC, date, datetime

import duckdb
import pytest

from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import HOUR, MACHINE, PARTS, make_run

COLUMNS = (
    HOUR,
    Column("day", "Day", "date", "group"),
    MACHINE,
    Column("count", "Count", "integer"),
    PARTS,
    Column("live", "Live", "boolean"),
)
AT = datetime(2026, 11, 21, 11, tzinfo=UTC)
ROWS = [
    (AT, date(2026, 11, 21), 'Fräse \U0001f527 "1"\n', 2**53 + 1, 0.1, True),
    (None, None, None, None, None, None),
]
FOOTER = [FooterRow("total", (None, None, "Total", 1, 2.0, None))]


def test_jsonl_is_one_object_a_line_with_types_nulls_and_the_offset_of_the_plant(tmp_path, table, deliver):
    receipt = deliver("jsonl", table(ROWS, COLUMNS, FOOTER), make_run(tmp_path))
    path = tmp_path / "out/morning-oee/2026-11-21.jsonl"
    lines = path.read_bytes().decode().split("\n")
    first = {
        "hour": "2026-11-21T06:00:00-05:00",
        "day": "2026-11-21",
        "machine": 'Fräse \U0001f527 "1"\n',
        "count": 2**53 + 1,
        "goodParts": 0.1,
        "live": True,
    }
    assert [json.loads(line) for line in lines[:-1]] == [first, dict.fromkeys(first)]
    assert list(json.loads(lines[0])) == list(first)
    assert lines[-1] == ""
    assert receipt.rows == 2


def test_jsonl_writes_whole_numbers_without_a_fraction(tmp_path, table, deliver):
    numbers = [34805.0, -0.0, 0.5, 2.0**53, 1e300, None]
    deliver("jsonl", table([(number,) for number in numbers], [PARTS]), make_run(tmp_path), path="x.jsonl")
    written = [line.partition(":")[2] for line in (tmp_path / "out/x.jsonl").read_text(encoding="utf-8").splitlines()]
    assert written == ["34805}", "0}", "0.5}", "9007199254740992}", "1e300}", "null}"]


def test_parquet_keeps_types_nulls_and_instants(tmp_path, table, deliver):
    receipt = deliver("parquet", table(ROWS, COLUMNS, FOOTER), make_run(tmp_path))
    path = str(tmp_path / "out/morning-oee/2026-11-21.parquet")
    with duckdb.connect() as database:
        found = database.execute("SELECT epoch_us(hour), * EXCLUDE hour FROM read_parquet(?)", [path]).fetchall()
        types = database.execute("DESCRIBE FROM read_parquet(?)", [path]).fetchall()
    assert found == [(int(AT.timestamp()) * 1_000_000, *ROWS[0][1:]), ROWS[1]]
    kinds = ["TIMESTAMP WITH TIME ZONE", "DATE", "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"]
    assert [(name, kind) for name, kind, *_ in types] == list(zip([c.name for c in COLUMNS], kinds, strict=True))
    assert receipt.rows == 2


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_no_rows_are_a_file_too(kind, tmp_path, table, deliver):
    assert deliver(kind, table([], COLUMNS), make_run(tmp_path), path="x").rows == 0
    assert (tmp_path / "out/x").is_file()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_nothing_is_left_beside_the_file(kind, tmp_path, table, deliver):
    deliver(kind, table(ROWS, COLUMNS), make_run(tmp_path), path="x")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_bad_path_and_missing_time_group_are_found_before_any_run(kind, validate):
    assert set(validate(kind, path="/x")) == {"path"}
    assert set(validate(kind, time_column="", path="x", mode="replace_window")) == {"mode"}
    assert validate(kind, path="x", mode="replace_window") == {}
