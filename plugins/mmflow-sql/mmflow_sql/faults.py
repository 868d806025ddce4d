"""Errors of databases, sorted by what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmflow_sql.address import Address


@contextmanager
def explain_faults(address: Address) -> Iterator[None]:
    """Turn an error of SQLAlchemy or the driver inside the block into :class:`TryLater` or :class:`GiveUp`."""
    raise NotImplementedError
    yield


@contextmanager
def explain_commit(address: Address) -> Iterator[None]:
    """Like :func:`explain_faults` around COMMIT alone: a connection that is lost there leaves :class:`Unknown`."""
    raise NotImplementedError
    yield
