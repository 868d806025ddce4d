"""What of the options can be found wrong before any run."""

from __future__ import annotations

import pytest

from mmflow import Outline
from mmflow.options import convert_values
from mmflow.testing.deliveries import make_outline
from mmflow_sql.options import SqlOptions, validate_sql


def find(outline=None, **written):
    options = convert_values({"table": "oee"} | written, SqlOptions)
    return dict(validate_sql(options, outline or make_outline()))


def test_good_options_are_good():
    assert find() == {}
    assert find(table="reports.oee", view="oee_daily", mode="upsert", key=["day", "machine"]) == {}
    assert find(make_outline(time_column=""), replaces="same_window") == {}


@pytest.mark.row("S34")
@pytest.mark.parametrize(
    "name", ["o-e-e", "oee;", 'o"e', "", ".oee", "a.b.c", "x" * 64, "mmflow_delivery", "pg_catalog.x"]
)
def test_bad_names_of_tables_and_views_are_found(name):
    assert name == "" or "table" in find(table=name)
    assert name == "" or "view" in find(view=name)


@pytest.mark.row("S34")
def test_columns_that_no_database_takes_are_found():
    assert "'Day' are one" in find(make_outline(columns=("day", "Day")))["table"]


@pytest.mark.parametrize(
    ("written", "key", "words"),
    [
        ({"view": "OEE"}, "view", "name of the table"),
        ({"view": "reports.oee"}, "view", "has a dot"),
        ({"mode": "append", "replaces": "all"}, "replaces", "means nothing in mode append"),
        ({"replaces": "all"}, "replaces", "for a report by day"),
        ({"key": ["day"]}, "key", "means nothing in mode replace_window"),
        ({"mode": "upsert", "key": ["machin"]}, "key", "did you mean 'machine'"),
    ],
)
def test_options_that_contradict_each_other_are_found(written, key, words):
    assert words in find(**written)[key]


def test_upsert_without_anything_to_tell_rows_apart_is_found():
    bare = Outline(job="all", columns=("goodParts",), groups=())
    assert "add a group" in find(bare, mode="upsert")["key"]


@pytest.mark.row("S37")
def test_no_option_takes_sql():
    assert {field for field in SqlOptions.__struct_fields__ if "sql" in field or "statement" in field} == set()
