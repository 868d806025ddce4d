"""The columns of a table in a database: those of the report, and those that tell where a row comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Dialect, Double, MetaData, Text
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects import mssql, mysql
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from mmflow import Column, GiveUp, RunInfo, Table
from mmflow_sql.names import check_columns, check_table, split_table
from mmflow_sql.options import SqlOptions

Kind = Literal["text", "name", "number", "integer", "date", "datetime", "boolean"]
"""The types of the report's columns; a name is a text by which rows are told apart."""

JOB: Final = "mmflow_job"
SITE: Final = "mmflow_site"
RUN: Final = "mmflow_run"
START: Final = "mmflow_window_start"
END: Final = "mmflow_window_end"
EXTRACTED: Final = "mmflow_extracted_at"
LINEAGE: Final[Mapping[str, Kind]] = {
    JOB: "name",
    SITE: "name",
    RUN: "name",
    START: "datetime",
    END: "datetime",
    EXTRACTED: "datetime",
}
OWN_WIDTH: Final = 64  # characters; names of jobs, sites and runs are shorter
KEY_BYTES: Final = 3072  # what InnoDB takes for an index
NAME_WIDTH: Final = 255


class Stamp(UserDefinedType[str]):
    """An instant in SQLite, which has no type for it: a text that sorts as instants do."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Name the type as BI tools know it."""
        return "TIMESTAMP"


class Instant(TypeDecorator[datetime]):
    """An aware instant, whatever the database makes of it; without a type for it, a time in UTC is kept."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type of the database."""
        kinds: Mapping[str, TypeEngine[Any]] = {
            "sqlite": Stamp(),
            "mysql": mysql.DATETIME(fsp=6),
            "mariadb": mysql.DATETIME(fsp=6),
            "mssql": mssql.DATETIMEOFFSET(6),  # type: ignore[no-untyped-call]
        }
        return dialect.type_descriptor(kinds.get(dialect.name) or DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write an instant as the database takes it."""
        if value is None:
            return None
        instant = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return instant.replace(tzinfo=None) if dialect.name in ("mysql", "mariadb") else instant

    def literal_processor(self, dialect: Dialect) -> Callable[[datetime], str]:  # noqa: ARG002
        """Write an instant into a statement that people read."""
        return lambda value: f"'{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read an instant back."""
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        if instant is None or instant.tzinfo:
            return instant
        return instant.replace(tzinfo=UTC)


def make_type(kind: Kind, width: int = NAME_WIDTH) -> TypeEngine[Any]:
    """Give the type of a column in every database; names have a length where only such can be part of an index."""
    long = mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    short = mysql.VARCHAR(width, charset="utf8mb4", collation="utf8mb4_bin")
    binary = "Latin1_General_100_BIN2"  # two names that differ in case are two
    kinds: dict[Kind, TypeEngine[Any]] = {
        "text": Text().with_variant(long, "mysql", "mariadb").with_variant(mssql.NVARCHAR(None, binary), "mssql"),
        "name": Text().with_variant(short, "mysql", "mariadb").with_variant(mssql.NVARCHAR(width, binary), "mssql"),
        "number": Double(53).with_variant(Double(), "postgresql", "mysql", "mariadb", "sqlite", "duckdb"),
        "integer": BigInteger(),
        "date": Date(),
        "datetime": Instant(),
        "boolean": Boolean(),
    }
    return kinds[kind]


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as a delivery wants it: the report's columns first, in the order of the job, then ours."""

    schema: str | None
    name: str
    report: tuple[Column, ...]
    lineage: tuple[str, ...]
    key: tuple[str, ...]  # columns by which upsert knows a row; () in other modes
    time: str  # the column that places rows in time, "" for none
    widths: Mapping[str, int]  # of the names, in characters, where the database wants a length
    table: SqlTable

    @classmethod
    def of(cls, table: Table, options: SqlOptions, run: RunInfo) -> Layout:
        """Read it off a delivery; :class:`GiveUp` for columns that no database takes."""
        names = [column.name for column in table.columns]
        problems = (check_table(options.table), options.view and check_table(options.view), check_columns(names))
        if problem := next(filter(None, problems), None):
            raise GiveUp(problem)
        schema, name = split_table(options.table)
        key = choose_key(table, options)
        widths = choose_widths(table, key)
        lineage = tuple(choose_lineage(options, run))
        kinds = {c.name: kind_of(c, widths) for c in table.columns} | {own: LINEAGE[own] for own in lineage}
        made = SqlTable(
            name,
            MetaData(),
            *(SqlColumn(n, make_type(kind, widths.get(n, OWN_WIDTH)), nullable=True) for n, kind in kinds.items()),
            schema=schema,
            mysql_engine="InnoDB",
            mariadb_engine="InnoDB",
        )
        time = run.time_column if run.time_column in names else ""
        return cls(schema, name, table.columns, lineage, key, time, widths, made)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns in order."""
        return (*(column.name for column in self.report), *self.lineage)


def choose_key(table: Table, options: SqlOptions) -> tuple[str, ...]:
    """Give the columns by which rows are told apart in ``mode: upsert``."""
    if options.mode != "upsert":
        return ()
    named = options.key or tuple(column.name for column in table.columns if column.role == "group")
    if missing := [name for name in named if name not in {column.name for column in table.columns}]:
        raise GiveUp(f"the key names {missing[0]!r}, which is no column of this report; mend 'key'")
    if not named:
        raise GiveUp("upsert needs columns that tell rows apart; add a group to the report, or name them in key")
    return (*named, SITE)


def choose_lineage(options: SqlOptions, run: RunInfo) -> Iterator[str]:
    """Give the columns that a row is found again by, and unless told otherwise all others of ours."""
    windows = options.mode == "append" or (options.mode == "replace_window" and not run.time_column)
    needed = {JOB, SITE, *((START, END) if windows else ())}
    return (name for name in LINEAGE if options.lineage or name in needed)


def choose_widths(table: Table, key: tuple[str, ...]) -> dict[str, int]:
    """Give the width of each name; together those of a key must fit into an index of MySQL."""
    names = [c.name for c in table.columns if c.type == "text" and (c.role == "group" or c.name in key)]
    parts = len([name for name in names if name in key])
    room = (KEY_BYTES - 4 * OWN_WIDTH - 8 * len(key)) // 4
    fitting = min(NAME_WIDTH, room // max(parts, 1))
    return {name: fitting if name in key else NAME_WIDTH for name in names}


def kind_of(column: Column, widths: Mapping[str, int]) -> Kind:
    """Give the kind of a column of the report."""
    return "name" if column.name in widths else column.type
