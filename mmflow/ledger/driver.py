"""The one way to a database: statements, transactions, and what its errors mean for people."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

Value = str | int | None


class Answer(Protocol):
    """What a statement gives back."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""
        ...

    @property
    def description(self) -> Any:
        """The columns; the first entry of each is its name."""
        ...

    def fetchone(self) -> Any:
        """Give the next row, None when there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """Give all rows that are left."""
        ...


class Driver(Protocol):
    """A database that a ledger lives in. Statements are those of ``statements.py``, with ``?`` for each value.

    Everything raises :class:`~mmflow.errors.StateError` when the database cannot be used. What changes something is
    done within a transaction.
    """

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    @property
    def identity(self) -> str:
        """What tells it from every other ledger but its copies."""
        ...

    def do(self, statement: str, *values: Value) -> Answer:
        """Execute one statement."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Give a transaction that no other writer of the same ledger shares: all of it happens, or nothing."""
        ...

    def now(self) -> datetime:
        """Give the present instant by the clock that all who share the ledger share, for leases."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other machines may use it too.

        Processes of one machine keep things from each other by files, see :mod:`mmflow.ledger.lock`.
        """
        ...

    def hold(self, name: str) -> bool:
        """Keep a name from all others who share the ledger until it is closed; False when one of them has it."""
        ...

    def is_held(self, name: str) -> bool:
        """Tell whether another has the name."""
        ...

    def back_up(self, path: Path) -> None:
        """Copy all of it, as it is at one moment, into a file that takes the place of the one that is there."""
        ...

    def size(self) -> int:
        """Give the bytes it takes."""
        ...

    def check_place(self) -> None:
        """Raise :class:`~mmflow.errors.StateError` when another stands in its place by now, or none."""
        ...

    def close(self) -> None:
        """Let the database go."""
        ...


def as_text(moment: datetime) -> str:
    """Write an aware instant so that texts sort like instants."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_moment(text: str) -> datetime | None:
    """Read an instant, None for "" ."""
    return datetime.fromisoformat(text) if text else None
