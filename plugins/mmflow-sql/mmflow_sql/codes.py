"""What the codes of databases mean: whether to try again, and what to do. Tables only.

Each entry has one of four verdicts: ``again`` (the same call may work in a while), ``lost`` (so may it, and the
connection is gone: during COMMIT nobody can tell), ``never`` (somebody has to change something first), and the words
that follow the name of the database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class Meaning(NamedTuple):
    """What to do about a code."""

    verdict: Literal["again", "lost", "never"]
    words: str


def again(words: str) -> Meaning:
    """Say that the same call may work in a while."""
    return Meaning("again", words)


def lost(words: str) -> Meaning:
    """Say that the connection is gone."""
    return Meaning("lost", words)


def never(words: str) -> Meaning:
    """Say that somebody has to change something first."""
    return Meaning("never", words)


GONE: Final = lost("cannot be reached, or ended the connection; check that it runs")
LOCKED: Final = again("has this table locked for somebody else")
COLLIDED: Final = again("ended this transaction in favour of another one")
OVERDUE: Final = again("took longer than a statement may")
FULL: Final = again("has no room left; free disk or memory there")
CROWDED: Final = again("takes no more connections")
MADE: Final = again("had the same table made by somebody else just now")
STANDBY: Final = again("takes no changes now; it may be a standby")
PASSWORD: Final = never(
    "refused user or password; check username, and what ${…} in password of the connection stands for"
)
ENTRY: Final = never("does not let this user in from here; ask who runs it (pg_hba.conf)")
RIGHTS: Final = never("does not allow this user to do that; grant the right, or use another table")
NO_USER: Final = never("has no such user; check username of the connection")
NO_DATABASE: Final = never("has no such database; check the url of the connection")
NO_SCHEMA: Final = never("has no such schema; make it, or check the name of the table")
NO_TABLE: Final = never("lacks a table that was there before; run the report again, which makes it")
NO_COLUMN: Final = never("lacks a column; put it back, or deliver to another table")
TAKEN: Final = never("has a row with the same key already; choose key or mode so that rows are told apart")
EMPTY: Final = never("wants a value where the report has none; allow null in that column, or deliver to another table")
BROKEN: Final = never("refused rows by a rule of the table; change the rule, or deliver to another table")
MISFIT: Final = never(
    "has a column that a value does not fit; change the type of the column, or deliver to another table"
)
LONG: Final = never("has a column too short for a text; widen the column, or deliver to another table")
LARGE: Final = never("cannot hold so many columns, or such long ones; ask for fewer")
SECURE: Final = never(
    "could not be reached as tls asks; mend its certificate, set ca, or choose another tls for the connection"
)
DAMAGED: Final = never("reports damage; have it checked, and restore a copy")
REFUSED: Final = never("refused the delivery")

# SQLSTATE: five characters, or the two of a class. PostgreSQL and SQL Server.
STATES: Final[Mapping[str, Meaning]] = {
    "08": GONE,
    "0A": REFUSED,
    "22": MISFIT,
    "22001": LONG,
    "23": BROKEN,
    "23502": EMPTY,
    "23505": TAKEN,
    "25006": STANDBY,
    "25P03": lost("ended a transaction that did nothing for too long"),
    "25P04": OVERDUE,
    "28": ENTRY,
    "28000": ENTRY,
    "28P01": PASSWORD,
    "3D000": NO_DATABASE,
    "3F000": NO_SCHEMA,
    "40": COLLIDED,
    "40003": GONE,
    "42501": RIGHTS,
    "42P01": NO_TABLE,
    "42703": NO_COLUMN,
    "42701": MADE,
    "42710": MADE,
    "42P06": MADE,
    "42P07": MADE,
    "42": REFUSED,
    "53": FULL,
    "53300": CROWDED,
    "54": LARGE,
    "55": again("has something else going on with this table"),
    "55P03": LOCKED,
    "57014": OVERDUE,
    "57": GONE,
    "58": again("reports a failure of its disk"),
    "HYT00": OVERDUE,
    "HYT01": GONE,
    "IM": never("has no driver on this machine; install the ODBC driver, or name another in the url"),
    "XX": DAMAGED,
    "XX000": again("reports a failure of its own"),
}
# Indexes of PostgreSQL's own tables: 23505 in one of them means that two made the same thing at once.
SYSTEM_INDEX: Final = re.compile(r"pg_\w+_index")

# libpq gives no code for a connection that did not come about, only words, in the language of the server.
CONNECTING: Final[tuple[tuple[re.Pattern[str], Meaning], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"password authentication failed|no password supplied|authentication failed", PASSWORD),
        (r'role ".*" does not exist', NO_USER),
        (r'database ".*" does not exist', NO_DATABASE),
        (r"no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in", ENTRY),
        (r"permission denied for database", RIGHTS),
        (r"certificate verify failed|does not support SSL|server certificate for|root certificate|SSL error", SECURE),
        (r"too many clients|too many connections|remaining connection slots", CROWDED),
    )
)

# MySQL and MariaDB.
MYSQL: Final[Mapping[int, Meaning]] = {
    **dict.fromkeys((1053, 1077, 1079, 1158, 1159, 1160, 1161, 1927, 2000, 2002, 2003, 2005, 2006, 2013, 4031), GONE),
    **dict.fromkeys((1205, 3572), LOCKED),
    **dict.fromkeys((1020, 1213, 1412, 1613, 1614), COLLIDED),
    **dict.fromkeys((1317, 1969, 3024), OVERDUE),
    **dict.fromkeys((3, 28, 1021, 1037, 1038, 1041, 1114), FULL),
    **dict.fromkeys((1040, 1203, 1226), CROWDED),
    **dict.fromkeys((1007, 1050, 1060, 1061, 1684), MADE),
    **dict.fromkeys((1290, 1792, 1836), STANDBY),
    **dict.fromkeys((1045, 1251, 1698, 2059), PASSWORD),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), RIGHTS),
    **dict.fromkeys((1129, 1130), ENTRY),
    1049: NO_DATABASE,
    1146: NO_TABLE,
    1054: NO_COLUMN,
    **dict.fromkeys((1022, 1062, 1169, 1586), TAKEN),
    **dict.fromkeys((1048, 1364), EMPTY),
    **dict.fromkeys((1451, 1452, 3819, 4025), BROKEN),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1367), MISFIT),
    **dict.fromkeys((1406,), LONG),
    **dict.fromkeys((1059, 1071, 1117, 1118, 1153), LARGE),
    **dict.fromkeys((2026, 3159), SECURE),
    **dict.fromkeys((126, 127, 144, 145, 1034, 1194, 1195), DAMAGED),
}

# SQLite: the low byte of its extended codes.
SQLITE: Final[Mapping[int, Meaning]] = {
    3: never("may not be opened by this user; check the permissions of file and folder"),
    5: LOCKED,
    6: LOCKED,
    7: FULL,
    8: never("may not be written by this user; check the permissions of file and folder"),
    10: lost("reports a failure of the disk"),
    11: DAMAGED,
    13: FULL,
    14: never("cannot be opened; check that its folder is there, and the permissions of both"),
    17: COLLIDED,
    18: LARGE,
    19: BROKEN,
    20: MISFIT,
    26: never("is a file, but no database of SQLite; move it away, or choose another"),
}
SQLITE_EXTENDED: Final[Mapping[int, Meaning]] = {1299: EMPTY, 1555: TAKEN, 2067: TAKEN}

# DuckDB: the name of the class of an error, and words in it; the first that fits counts.
DUCKDB: Final[tuple[tuple[str, re.Pattern[str], Meaning], ...]] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE), meaning)
    for kind, pattern, meaning in (
        ("IOException", r"could not set lock|being used by another process", again("is in use by another program")),
        ("ConnectionException", r"different configuration", again("is in use by another part of this program")),
        ("InvalidInputException", r"has been locked", again("is in use by another part of this program")),
        ("IOException", r"no space left|not enough space|disk quota", FULL),
        ("IOException", r"not a valid duckdb|database file.*(invalid|version)", never("is no database of this DuckDB")),
        ("IOException", r"does not exist|no such file", SQLITE[14]),
        ("IOException", r"permission denied|read-only", SQLITE[8]),
        ("IOException", r"", lost("reports a failure of the disk")),
        ("TransactionException", r"conflict", COLLIDED),
        ("CatalogException", r"write-write conflict", COLLIDED),
        ("CatalogException", r"already exists", MADE),
        ("ConstraintException", r"duplicate key", TAKEN),
        ("ConstraintException", r"not null", EMPTY),
        ("ConstraintException", r"", BROKEN),
        ("ConversionException", r"", MISFIT),
        ("OutOfRangeException", r"", MISFIT),
        (
            "OutOfMemoryException",
            r"",
            never("needs more memory for this delivery than it may have; deliver fewer rows at once"),
        ),
        ("FatalException", r"", lost("reports a failure of its own")),
        ("InternalException", r"", lost("reports a failure of its own")),
        ("SerializationException", r"", DAMAGED),
    )
)
