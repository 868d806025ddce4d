"""Which names tables and columns may have, the same for all databases. Light: nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable


def check_table(name: str) -> str | None:
    """Say what is wrong with the name of a table or view, ``schema.table`` or ``table``, or give None."""
    raise NotImplementedError


def split_table(name: str) -> tuple[str | None, str]:
    """Give schema (None when there is none) and table of a name that :func:`check_table` has nothing against."""
    raise NotImplementedError


def check_columns(names: Iterable[str]) -> str | None:
    """Say which column of a job cannot be one of a database and why, or give None. Quoted, nearly every name can."""
    raise NotImplementedError
