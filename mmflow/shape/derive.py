"""Makes the job's own columns and its ``where`` ready to run: parsed, held against what may stand there, typed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mmflow.errors import UserError
from mmflow.expressions import check_expression, read_expression
from mmflow.job import ColumnSpec
from mmflow.shape.parsetree import find_forbidden
from mmflow.shape.relations import Derived
from mmflow.table.cells import SQL_TYPES, ColumnType

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What an expression may give, by the database's name of its type.
_TYPES: Mapping[str, ColumnType] = {
    **dict.fromkeys(("DOUBLE", "DECIMAL", "HUGEINT", '"NULL"'), "number"),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), "integer"),
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "datetime",
}
_PLAIN_TYPES = {
    "number": "a number",
    "integer": "a number",
    "text": "a text",
    "boolean": "true or false",
    "date": "a date",
}


def derive_column(
    connection: DuckDBPyConnection, source: str, names: Sequence[str], name: str, spec: ColumnSpec
) -> Derived:
    """Make a column over the rows of the query ``source``, which has the columns ``names``.

    Raises :class:`UserError`, or the database's own error when the types do not fit.
    """
    sql, kind = compile_expression(connection, source, names, spec.expr)
    value = f"({sql})::{SQL_TYPES[kind]}"
    # A number that is not finite (1e300 * 1e300) is no result that anybody could use.
    return Derived(name, kind, f"CASE WHEN isfinite({value}) THEN {value} END" if kind == "number" else value, spec)


def compile_condition(connection: DuckDBPyConnection, source: str, names: Sequence[str], text: str) -> str:
    """Give the SQL of ``where``; raises as :func:`derive_column` does."""
    sql, kind = compile_expression(connection, source, names, text)
    if kind != "boolean":
        raise UserError(f"where gives {_PLAIN_TYPES.get(kind, kind)}, expected true or false, as in 'downtime > 0'")
    return sql


def compile_expression(
    connection: DuckDBPyConnection, source: str, names: Sequence[str], text: str
) -> tuple[str, ColumnType]:
    """Give the SQL of an expression and the type of its values."""
    if problems := check_expression(text, names):
        raise UserError(problems[0])
    sql = read_expression(text).sql
    if forbidden := find_forbidden(parse_expression(connection, sql), names):
        raise UserError(f"{forbidden} cannot stand in an expression")
    kind = str(connection.execute(f"DESCRIBE SELECT ({sql}) FROM ({source})").fetchall()[0][1]).partition("(")[0]
    if kind not in _TYPES:
        raise UserError(f"the result is of type {kind.lower()}; expected a number, a text, a date or true and false")
    return sql, _TYPES[kind]


def parse_expression(connection: DuckDBPyConnection, sql: str) -> str:
    """Give the database's own parse of an expression, as JSON."""
    query = "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true)"
    found = connection.execute(query, [f"SELECT {sql}"]).fetchone()
    return str(found[0]) if found else ""


# The database's words for types that do not fit. Its other messages may hold values of the data.
_MISFITS: Sequence[tuple[str, str]] = (
    (r"argument types '(.+?)\((.*)\)'", "{0} cannot be used with {1}"),
    (r"Cannot compare values of type (.+?) and type (.+?) -", "{0} cannot be compared with {1}"),
    (r"^Out of Memory Error", "its values are too large for the memory that they may use"),
    (r"Cannot mix values of type (.+?) and (.+?) in", "{0} and {1} cannot stand for one value"),
)
_SQL_WORDS: Mapping[str, str] = {
    "VARCHAR": "a text",
    "STRING_LITERAL": "a text",
    "INTEGER_LITERAL": "a number",
    "BOOLEAN": "true or false",
    "DATE": "a date",
    "TIMESTAMP WITH TIME ZONE": "an instant",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "DECIMAL"), "a number"),
    "~~": "like",
    "!~~": "not like",
    "~~*": "ilike",
    "!~~*": "not ilike",
}


def explain_misfit(message: str) -> str:
    """Say in our words why the database cannot run an expression, without any value of the data."""
    for pattern, sentence in _MISFITS:
        if match := re.search(pattern, message):
            return sentence.format(*map(_translate_types, match.groups()))
    return "a value cannot be read as what the expression needs, such as a text as a number or a date"


def _translate_types(text: str) -> str:
    kinds = [kind.partition("(")[0] for kind in text.split(", ")] if text not in _SQL_WORDS else [text]
    return " and ".join(_SQL_WORDS.get(kind, kind) for kind in kinds)
