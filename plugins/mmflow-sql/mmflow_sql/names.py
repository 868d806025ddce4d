"""Which names tables and columns may have, the same for all databases. Light: nothing heavy is imported.

Drivers and databases change names silently: PostgreSQL cuts them at 63 bytes, psycopg at a NUL, MySQL takes ``Day`` and
``day`` for one. Reserved words need no care, since every name is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

LONGEST: Final = 63  # bytes in PostgreSQL; the others allow more
OWN: Final = "mmflow_"  # what we add to tables begins so

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN_SCHEMAS: Final = ("information_schema", "mysql", "performance_schema", "sys")
_SYSTEM_COLUMNS: Final = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")  # every table of PostgreSQL has them


def check_table(name: str) -> str | None:
    """Say what is wrong with the name of a table or view, ``schema.table`` or ``table``, or give None."""
    parts = name.split(".")
    if len(parts) > 2:
        return f"{name[:80]!r} has more than one dot; write table, or schema.table"
    return next(filter(None, (*map(check_plain, parts), *_check_taken(*split_table(name)))), None)


def split_table(name: str) -> tuple[str | None, str]:
    """Give schema (None when there is none) and table of a name that :func:`check_table` has nothing against."""
    schema, dot, table = name.rpartition(".")
    return (schema if dot else None), table


def check_plain(name: str) -> str | None:
    """Say what is wrong with a name that somebody chose for a table, a schema or a view, or give None."""
    if len(name.encode(errors="replace")) > LONGEST:
        return f"{name[:40]!r}… is longer than {LONGEST} bytes, and would be cut silently; choose a shorter name"
    if not _PLAIN.fullmatch(name):
        return f"{name!r} is no plain name; begin with a letter or _, and go on with letters A to Z, digits and _"
    return None


def _check_taken(schema: str | None, table: str) -> Iterator[str]:
    low = table.lower()
    if low.startswith((OWN, "sqlite_")):
        yield f"{table!r} begins with {low[: low.index('_') + 1]}, which is kept for others; choose another name"
    if schema and (schema.lower() in _TAKEN_SCHEMAS or schema.lower().startswith("pg_")):
        yield f"{schema!r} belongs to the database itself; choose another schema"


def check_columns(names: Iterable[str]) -> str | None:
    """Say which column of a job cannot be one of a database and why, or give None. Quoted, nearly every name can."""
    seen: dict[str, str] = {}
    for name in names:
        if problem := check_column(name):
            return f"the column {name[:80]!r} {problem}; name it otherwise in the job"
        if (first := seen.get(name.casefold())) is not None:
            return f"the columns {first!r} and {name!r} are one to many databases; name one otherwise in the job"
        seen[name.casefold()] = name
    return None


def check_column(name: str) -> str | None:
    """Say what a database would do to a name, in words that follow the column, or give None."""
    if not name.strip():
        return "has an empty name"
    if not name.isprintable() or "`" in name or any(ord(char) > 0xFFFF for char in name):
        return "has a character that not every database takes in a name, or gives back"
    if name != name.strip():
        return "begins or ends with a blank"
    if (size := len(name.encode())) > LONGEST:
        return f"has {size} bytes, and would be cut silently after {LONGEST}"
    if name.lower() in _SYSTEM_COLUMNS:
        return "has a name that every table of PostgreSQL has already"
    return f"begins with {OWN}, as those do that are added" if name.lower().startswith(OWN) else None
