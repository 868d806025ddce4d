"""The url of a database, taken apart by rules of our own: what is not known to be harmless is refused.

Drivers read urls with their own rules, and some repeat a part of the password in their complaints: none of them ever
sees one. Light: nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mmflow import Secret
from mmflow_sql.connection import SqlConnection, Tls

Kind = Literal["sqlite", "duckdb", "postgresql", "mysql", "mssql"]


@dataclass(frozen=True, slots=True)
class Address:
    """A database: a ``file`` of sqlite or duckdb, or a server. ``mariadb`` is of the kind ``mysql``."""

    kind: Kind
    file: Path | None = None
    host: str = ""
    port: int | None = None
    database: str = ""
    username: str = ""
    password: Secret | None = field(default=None, repr=False)
    tls: Tls = "off"
    ca: Path | None = None
    words: Mapping[str, str] = field(default_factory=dict)  # harmless parameters of the url

    def __str__(self) -> str:
        """Name it in messages and receipts, without the password."""
        raise NotImplementedError


def read_address(connection: SqlConnection, root: Path) -> Address:
    """Give the parts of a connection; :class:`GiveUp` says what in it is not allowed, never repeating a password."""
    raise NotImplementedError
