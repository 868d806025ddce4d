"""The database that reads and writes snapshots: how it is opened and shared, and what its errors mean."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.errors import GiveUp, StateError, TryLater

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "128MB"
THREADS = 2
SESSION = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
# What Linux, Windows and the database say of a full disk; its own limit is the room that the disk had at the start.
FULL = re.compile("no space left|not enough space|quota exceeded|max_temp_directory_size", re.IGNORECASE)


@contextmanager
def open_database(spill: Path | None = None) -> Iterator[DuckDBPyConnection]:
    """Open a private database in memory that is gone at the end.

    It holds to a memory limit and spills into the folder ``spill``, which nobody else may use meanwhile; without one it
    never spills. Times are in UTC, and no extension is looked for on disk or on the network. Close whatever came from
    the connection with it: what is alive when Python ends is complained about on stderr.
    """
    import duckdb

    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "temp_directory": str(spill or ""),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        connection.execute(SESSION)
        yield connection
    finally:
        connection.close()


@contextmanager
def share_database() -> Iterator[None]:
    """Have all snapshots that this thread reads inside the block, and small tables, be read and made by one database.

    Starting one takes far longer than reading a small table: 12 ms or more of a processor, six times in a small run.
    Inside of another such block there is only the outer one's.
    """
    if _shared.get() is not None:
        yield
        return
    with ExitStack() as stack:
        token = _shared.set(Shared(stack))
        try:
            yield
        finally:
            _shared.reset(token)


@dataclass(slots=True)
class Shared:
    """One database for many readers, started by the first; ``stack`` closes it."""

    stack: ExitStack
    connection: DuckDBPyConnection | None = None

    @contextmanager
    def lend(self) -> Iterator[DuckDBPyConnection]:
        """Give a connection of its own to a reader; after an error that may have harmed it, the next starts another."""
        self.connection = self.connection or self.stack.enter_context(open_database())
        cursor = self.connection.cursor()
        try:
            cursor.execute(SESSION)
            yield cursor
        except Exception:
            self.connection = None
            raise
        finally:
            cursor.close()


_shared: ContextVar[Shared | None] = ContextVar("mmflow_shared_database", default=None)


def open_reader(spill: Path | None) -> AbstractContextManager[DuckDBPyConnection]:
    """Give a connection for small work: of the shared database, unless it needs a folder of its own to spill into."""
    shared = _shared.get()
    return open_database(spill) if shared is None or spill else shared.lend()


@contextmanager
def read_snapshot(path: Path, spill: Path | None = None) -> Iterator[DuckDBPyConnection]:
    """Open a database to read a snapshot with; what it cannot read becomes a :class:`StateError`.

    It spills into the folder ``spill``, or never without one.

    A snapshot that needs more memory than there is becomes a :class:`GiveUp`.
    """
    import duckdb

    with open_reader(spill) as connection:
        try:
            yield connection
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
            raise  # the fault is in our query, not in the file
        except duckdb.OutOfMemoryException as error:
            need = f"the snapshot {path} cannot be read in {MEMORY_LIMIT} of memory"
            raise GiveUp(f"{need}; ask for fewer columns or shorter texts") from error
        except duckdb.Error as error:
            raise unreadable(path) from error


def unreadable(path: Path) -> StateError:
    """Give the error for a snapshot that is not there, or is none."""
    found = "is damaged or no snapshot" if path.is_file() else "is missing"
    return StateError(f"the snapshot {path} {found}; run the report again")


def escape_path(path: Path) -> str:
    """Write a path so that the database finds that very file, though its name hold ``[`` or ``*``."""
    return glob.escape(str(path))


def is_full(error: Exception) -> bool:
    """Tell whether an error of the system or of the database means that the disk is full."""
    return FULL.search(str(error)) is not None


@contextmanager
def explain_failure(path: Path) -> Iterator[None]:
    """Turn a failure of the disk while writing ``path`` into an error that says what to do."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        if is_full(error):
            raise TryLater(f"cannot write the snapshot {path}: the disk is full; make room") from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise
        raise GiveUp(f"cannot write the snapshot {path}; check the folder and its permissions") from error
