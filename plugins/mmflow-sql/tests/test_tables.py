"""The table itself: how it is made, how it grows, what is refused, the view over it, and where its rows come from."""

from __future__ import annotations

import logging
import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite

from mmflow.errors import GiveUp, RunError
from mmflow.sinks import Skip
from mmflow.table import Column
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS, SITE, day_rows
from mmflow_sql.connection import SqlConnection
from mmflow_sql.duck import DuckDialect
from mmflow_sql.layout import make_type
from mmflow_sql.testing import Database

FIRST = date(2026, 11, 1)
ROWS = day_rows(FIRST, 1)
MORE = (*(DAY, MACHINE, PARTS, DOWN), Column("oee", "OEE", "number"))


def with_more(parts: float):
    return [(*row, 0.5) for row in day_rows(FIRST, 1, parts)]


def test_new_columns_are_added_and_earlier_rows_are_null_there(plant):
    plant.deliver(ROWS, start=0)
    receipt = plant.deliver([(date(2026, 11, 2), "Haas 1", 1.0, 2.0, 0.5)], MORE, start=1)
    assert receipt.details["notes"] == "column oee added to oee"
    assert plant.read(MORE) == [*((*row, None) for row in ROWS), (date(2026, 11, 2), "Haas 1", 1.0, 2.0, 0.5)]


def test_a_column_that_the_report_lost_stays_and_is_null_in_new_rows(plant):
    plant.deliver(with_more(1), MORE)
    plant.deliver([(FIRST, "Haas 1", 2.0)], (DAY, MACHINE, PARTS), generation=2)
    assert plant.read(MORE) == [(FIRST, "Haas 1", 2.0, None, None)]


def test_a_receipt_names_a_file_that_was_made(sqlite_database, make_plant):
    plant = make_plant(sqlite_database)
    assert plant.deliver(ROWS).details["notes"] == "plant.db made; table oee made"
    assert "notes" not in plant.deliver(ROWS, generation=2).details


@pytest.mark.row("S36")
def test_a_folder_is_made_below_the_root_alone(tmp_path, make_plant):
    root = tmp_path / "root"
    root.mkdir()
    far = make_plant(Database(SqlConnection(url=f"sqlite:///{tmp_path}/misspelt/plant.db"), root))
    (tmp_path / "misspelt").rmdir()
    for call in (far.check, lambda: far.deliver(ROWS)):
        with pytest.raises(GiveUp, match=r"there is no folder .*misspelt; make it, or mend the url"):
            call()
    near = make_plant(Database(SqlConnection(url="sqlite:///deep/deeper/plant.db"), root))
    (root / "deep" / "deeper").rmdir()
    near.check()
    assert near.deliver(ROWS).rows == 2


@pytest.mark.row("R55")
def test_freeze_refuses_new_columns_by_name_and_writes_nothing(plant):
    plant.deliver(ROWS)
    with pytest.raises(GiveUp, match="the table oee has no column oee; add it there, or write schema: evolve"):
        plant.deliver(with_more(2), MORE, schema="freeze", generation=2)
    assert plant.read() == ROWS


@pytest.mark.row("R55")
def test_a_column_that_changed_its_type_is_refused_by_name(plant):
    plant.deliver(ROWS)
    changed = (DAY, MACHINE, Column("goodParts", "Good parts", "text"), DOWN)
    with pytest.raises(GiveUp, match=r"has a column 'goodParts' of type DOUBLE.*, expected one for text"):
        plant.deliver([(FIRST, "Haas 1", "many", 1.0)], changed, generation=2)
    assert plant.read() == ROWS


@pytest.mark.row("R55")
def test_a_column_whose_unit_changed_is_refused_by_name_and_keeps_the_rows(plant):
    plant.deliver(ROWS)
    hours = (DAY, MACHINE, PARTS, Column("downtime", "Down (h)", "number", unit="h"))
    words = "holds 'downtime' in min, and the report gives h; write unit: min in the job, or deliver to another table"
    for call in (plant.deliver, lambda *given, **more: list(plant.standing(*given, **more))):
        with pytest.raises(GiveUp, match=words):
            call(ROWS, hours, generation=2)
    with pytest.raises(GiveUp, match=words):
        plant.deliver(ROWS, hours, generation=2, dry_run=True)
    assert plant.read() == ROWS
    plant.deliver(ROWS, hours, table="hours")
    plant.deliver(ROWS, generation=2)  # each table has units of its own
    plant.query('DROP TABLE "oee"')
    plant.deliver(ROWS, hours, generation=3)  # a new table has the units of its first delivery
    with pytest.raises(GiveUp, match="holds 'downtime' in h"):
        plant.deliver(ROWS, generation=4)
    percent = (DAY, MACHINE, Column("goodParts", "", "number", unit="%"))
    with pytest.raises(GiveUp, match="'goodParts' in no unit, and the report gives %; leave its unit out, or"):
        plant.deliver([row[:3] for row in ROWS], percent, generation=4)


@pytest.mark.row("R55")
def test_a_column_that_differs_in_case_alone_is_refused_by_name(plant):
    plant.deliver(ROWS)
    renamed = (DAY, MACHINE, Column("goodparts", "Good parts", "number"), DOWN)
    with pytest.raises(GiveUp, match="has a column 'goodParts', expected 'goodparts'; rename it"):
        plant.deliver(ROWS, renamed, generation=2)


@pytest.mark.row("R55")
def test_a_violated_rule_of_the_table_gives_up_and_keeps_the_rows(plant):
    plant.deliver(ROWS)
    plant.query('CREATE UNIQUE INDEX one ON "oee" ("downtime", "machine")')
    twins = [(FIRST, "Haas 1", 1.0, 1.0), (date(2026, 11, 2), "Haas 1", 2.0, 1.0)]
    with pytest.raises(RunError):
        plant.deliver(twins, count=2, generation=2)
    assert plant.read() == ROWS


def test_whole_numbers_go_into_a_column_for_numbers(plant):
    plant.deliver(ROWS)
    plant.deliver([(FIRST, "Haas 1", 3, 1.0)], (DAY, MACHINE, Column("goodParts", "", "integer"), DOWN), generation=2)
    assert plant.read() == [(FIRST, "Haas 1", 3.0, 1.0)]


def test_a_table_that_somebody_made_is_filled(plant):
    plant.query('CREATE TABLE "oee" ("machine" VARCHAR(40), "day" DATE, "goodParts" DECIMAL(20, 3), "note" VARCHAR(9))')
    rows, columns = [(FIRST, "Haas 1", 1.5)], (DAY, MACHINE, PARTS)
    assert list(plant.standing(rows, columns)) == []
    plant.deliver(rows, columns)
    assert list(plant.standing(rows, columns)) == rows
    found = plant.query('SELECT "machine", "goodParts", "note" FROM "oee"')
    assert [(machine, float(parts), note) for machine, parts, note in found] == [("Haas 1", 1.5, None)]


def test_rows_say_where_they_come_from(plant):
    columns = (SITE, DAY, PARTS)
    rows = [("austin", FIRST, 1.0), ("boston", FIRST, 2.0)]
    plant.deliver(rows, columns, sites=("boston", "austin"), run="20261102-1", job="daily")
    own = [Column(name, "", "text") for name in ("mmflow_job", "mmflow_site", "mmflow_run")]
    times = [Column(f"mmflow_{name}", "", "datetime") for name in ("window_start", "window_end", "extracted_at")]
    start, end = datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)
    extracted = datetime(2026, 11, 2, 11, tzinfo=UTC)
    assert plant.read([*own, *times]) == [
        ("daily", site, "20261102-1", start, end, extracted) for site in ("austin", "boston")
    ]


def test_without_lineage_rows_keep_what_they_are_found_by(plant):
    plant.deliver(ROWS, lineage=False)
    plant.deliver(ROWS, lineage=False, mode="append", table="added")
    names = [column.name for column in (DAY, MACHINE, PARTS, DOWN)]
    assert plant.columns("oee") == [*names, "mmflow_job", "mmflow_site"]
    assert plant.columns("added") == [*names, "mmflow_job", "mmflow_site", "mmflow_window_start", "mmflow_window_end"]


def test_totals_are_left_out(plant):
    plant.deliver(ROWS)  # the table that is made has a total
    assert plant.query('SELECT count(*) FROM "oee"') == [(2,)]


def test_the_view_shows_the_report_and_grows_with_the_table(plant):
    plant.deliver(ROWS, view="daily")
    shown = ["day", "machine", "goodParts", "downtime", "mmflow_job", "mmflow_site", "mmflow_extracted_at"]
    assert plant.columns("daily") == shown
    plant.deliver(with_more(3), MORE, view="daily", generation=2)
    assert plant.columns("daily") == [*shown, "oee"]
    plant.deliver([(FIRST, "Haas 1", 1.0)], (DAY, MACHINE, PARTS), view="daily", generation=3)
    assert plant.columns("daily") == [*shown, "oee"]
    assert plant.read((DAY, MACHINE, PARTS), name="daily") == [(FIRST, "Haas 1", 1.0)]


def test_a_view_is_made_over_a_table_that_is_there(plant):
    plant.deliver(ROWS)
    plant.deliver(ROWS, view="daily", generation=2)
    assert plant.read(name="daily") == ROWS


def test_a_table_that_was_dropped_under_its_view_is_made_again(plant):
    plant.deliver(ROWS, view="daily")
    plant.query('DROP TABLE "oee"' + (" CASCADE" if plant.database.kind == "postgresql" else ""))
    plant.deliver(ROWS, view="daily", generation=2)
    assert plant.read(name="daily") == ROWS


def test_a_view_of_somebody_else_is_not_replaced(plant):
    plant.query("CREATE VIEW daily AS SELECT 1 AS one")
    plant.deliver(ROWS)
    with pytest.raises(GiveUp, match="there is a view or table daily with other columns"):
        plant.deliver(ROWS, view="daily", generation=2)
    assert plant.columns("daily") == ["one"]


def test_a_schema_that_is_there_is_used(plant):
    schema = {"mysql": plant.database.address.database, "sqlite": "main"}.get(plant.database.kind, "reports")
    if schema == "reports":
        plant.query("CREATE SCHEMA reports")
    for generation in (1, 2):
        plant.deliver(ROWS, table=f"{schema}.oee", view="daily", generation=generation)
    assert plant.query(f'SELECT count(*) FROM "{schema}"."oee"') == [(2,)]
    assert plant.query(f'SELECT count(*) FROM "{schema}"."daily"') == [(2,)]
    assert plant.query(f'SELECT count(*) FROM "{schema}"."mmflow_delivery"') == [(1,)]


def test_a_schema_that_is_missing_is_refused(plant):
    with pytest.raises(RunError):
        plant.deliver(ROWS, table="nowhere.oee")


def test_dry_run_says_what_would_be_made_and_writes_nothing(plant, caplog):
    caplog.set_level("INFO")
    log = logging.getLogger("of_a_test")
    with pytest.raises(Skip, match="CREATE TABLE"):
        plant.deliver(ROWS, dry_run=True, log=log)
    assert re.search(r"dry run: CREATE TABLE.*goodParts.*DOUBLE", caplog.text, re.DOTALL)
    assert not plant.database.address.file or not plant.database.address.file.exists()
    plant.deliver(ROWS)
    with pytest.raises(Skip, match=r"ALTER TABLE.*ADD COLUMN"):
        plant.deliver(with_more(2), MORE, dry_run=True, generation=2)
    with pytest.raises(Skip, match="the table needs no change"):
        plant.deliver(ROWS, dry_run=True, generation=2)
    assert plant.read() == ROWS


def test_render_shows_statements_and_first_rows_without_the_database(plant):
    text = plant.call("render", day_rows(FIRST, 10), count=10, view="daily")
    assert "CREATE TABLE" in text
    assert "CREATE VIEW" in text
    assert re.search(r"DELETE FROM .?oee.? WHERE .*'morning-oee'.*'2026-11-01' AND '2026-11-10'", text)
    assert "2026-11-05  Mazak, 2" in text
    assert "and 10 more rows" in text
    assert not plant.database.address.file or not plant.database.address.file.exists()
    assert "are updated" in plant.call("render", ROWS, mode="upsert")
    assert "WHERE" in plant.call("render", [("Haas 1", 1.0)], (MACHINE, PARTS), time_column="")
    hours = [(datetime(2026, 11, 1, 5, tzinfo=UTC), 1.0)]
    assert "2026-11-01T04:00:00Z" in plant.call("render", hours, (HOUR, PARTS), time_column="hour")


def test_read_gives_the_rows_that_a_delivery_would_replace(plant):
    assert list(plant.standing(ROWS)) == []
    plant.deliver(day_rows(FIRST, 3), count=3)
    assert list(plant.standing(with_more(1), MORE, start=1)) == [(*row, None) for row in day_rows(date(2026, 11, 2), 1)]
    keys = [(date(2026, 11, 3), "Haas 1", 0.0, 0.0), (FIRST, "Nobody", 0.0, 0.0)]
    assert list(plant.standing(keys, mode="upsert")) == day_rows(date(2026, 11, 3), 1)[:1]


# As the README has them, in its order: text, name, number, whole number, date, time, true or false.
TYPES = {
    "postgresql": ("TEXT", "TEXT", "DOUBLE PRECISION", "BIGINT", "DATE", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"),
    "mysql": ("LONGTEXT", "VARCHAR(255)", "DOUBLE", "BIGINT", "DATE", "DATETIME(6)", "BOOL"),
    "sqlite": ("TEXT", "TEXT", "DOUBLE", "BIGINT", "DATE", "TIMESTAMP", "BOOLEAN"),
    "duckdb": ("TEXT", "TEXT", "DOUBLE", "BIGINT", "DATE", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"),
    "mssql": ("NVARCHAR(max)", "NVARCHAR(255)", "DOUBLE PRECISION", "BIGINT", "DATE", "DATETIMEOFFSET(6)", "BIT"),
}
DIALECTS = {"postgresql": postgresql, "mysql": mysql, "sqlite": sqlite, "mssql": mssql}


@pytest.mark.parametrize("kind", TYPES)
def test_types_are_those_of_the_readme(kind):
    dialect = DuckDialect() if kind == "duckdb" else DIALECTS[kind].dialect()
    if kind == "mssql":
        dialect.server_version_info = (16,)  # 2022; it is asked for when connected
    kinds = ("text", "name", "number", "integer", "date", "datetime", "boolean")
    written = (make_type(one).compile(dialect=dialect) for one in kinds)
    assert tuple(re.split(r" (?:CHARACTER|COLLATE)", text)[0] for text in written) == TYPES[kind]
