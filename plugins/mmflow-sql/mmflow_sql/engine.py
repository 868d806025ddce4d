"""Opens a database with time limits, and with everything shut that could reach beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from mmflow import RunInfo
from mmflow_sql.address import Address


@contextmanager
def open_engine(address: Address, run: RunInfo, *, writes: bool = True) -> Iterator[Engine]:
    """Give an engine without a pool, disposed of at the end; nothing is connected yet.

    Every transaction is opened for real (also DDL of SQLite belongs to it), at READ COMMITTED where there is a choice;
    SQLite takes its write lock at the beginning. Waiting for a lock ends after :data:`LOCK_WAIT`. Without ``writes`` a
    missing file is not made.
    """
    raise NotImplementedError
    yield
