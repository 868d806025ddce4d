"""The ledger in a PostgreSQL, which the daemons of several machines may share.

Its tables are in a schema of their own, ``mmflow``. A writer at a time: each transaction begins with one lock for all,
so that the statements mean the same here and in SQLite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

from mmflow.clock import Clock
from mmflow.errors import StateError, UserError
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Answer, Value
from mmflow.ledger.identity import ADVICE_DATABASE, IDENTITY, keep_identity, lost, note_seen, refuse_other, tell_seen
from mmflow.ledger.migrations import MIGRATIONS, Steps, migrate, read_meta, refuse_newer
from mmflow.ledger.place import Database, find_bundle

T = TypeVar("T")

SCHEMA: Final = "mmflow"
PATIENCE: Final = 30.0  # seconds for a database that starts anew, and for the lock of other writers, as with SQLite
GLANCE: Final = 5.0  # the same of who only looks, so that nobody sits before it, and of who tries again by itself
PAUSE: Final = 0.5  # seconds between two tries to reach it
REFUSALS: Final = 3  # of a server that is up; then it will not let us in
CONNECT: Final = 5  # seconds for one try to reach it
SILENCE: Final = 10  # seconds in which what was sent must arrive; with the two above less than the watchdog waits
ANSWER: Final = 40  # seconds for one statement, and for an idle transaction, such as that of a stopped process
LOOK: Final = 0.1  # seconds between two looks whether an answer has come
QUIET: Final = round(SILENCE / LOOK)  # looks without an answer, after which the server is asked whether it is up
GIVEN_UP: Final = round((ANSWER + 5) / LOOK)  # looks without an answer, also from a server that keeps no time any more
SAME: Final = timedelta(seconds=1)  # clocks this near are one clock, seen over a network

OPEN_SESSION: Final = (
    f"SET search_path TO {SCHEMA}",
    f"SET lock_timeout = '{PATIENCE:.0f}s'",
    f"SET statement_timeout = '{ANSWER}s'",
    f"SET idle_in_transaction_session_timeout = '{ANSWER}s'",
    # A commit is on disk before it counts, whatever the server does for others.
    # The server notices within two minutes that this machine is gone, and lets go of what it held.
    "SET tcp_keepalives_idle = 60",
    "SET tcp_keepalives_interval = 20",
    "SET tcp_keepalives_count = 3",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
PLAIN: Final[Mapping[str, str]] = {"sslmode": "disable"}
LOCK_WRITERS: Final = "SELECT pg_advisory_xact_lock(?)"
HOLD_NAME: Final = "SELECT pg_try_advisory_lock(?)"
LET_NAME_GO: Final = "SELECT pg_advisory_unlock(?)"
LET_ALL_GO: Final = "SELECT pg_advisory_unlock_all()"
FIND_META: Final = "SELECT to_regclass(?) IS NOT NULL"
FIND_SCHEMA: Final = "SELECT count(*) FROM pg_namespace WHERE nspname = ?"
READ_CLOCK: Final = "SELECT clock_timestamp()"
READ_SIZE: Final = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class AS c JOIN pg_namespace AS n
    ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'
"""


def open_postgres(
    database: Database,
    clock: Clock,
    *,
    anew: bool = False,
    known: str | None = None,
    steps: Steps = MIGRATIONS,
    patience: float = PATIENCE,
) -> PostgresDriver:
    """Connect, and make or migrate the tables when needed; ``anew`` and ``known`` are as for a file.

    Raises :class:`UserError` when the library for it is not installed, :class:`StateError` when the database does not
    answer within ``patience`` seconds or does not let us in; who has worked with it before comes back by itself.
    """
    driver = PostgresDriver(database, clock, patience, first=GLANCE if known else patience)
    try:
        driver.prepare(steps, anew=anew, known=known)
        note_seen(driver.place, database.home)
    except BaseException:
        driver.close()
        raise
    return driver


def look_postgres(database: Database, clock: Clock) -> PostgresDriver | None:
    """Connect as :func:`open_postgres` does when there is a ledger; make none."""
    driver = PostgresDriver(database, clock, GLANCE)
    try:
        if not driver.is_made():
            driver.refuse_lost()
            driver.close()
            return None
        driver.prepare(MIGRATIONS)
    except BaseException:
        driver.close()
        raise
    return driver


class PostgresDriver:
    """A ledger's database; see :class:`~mmflow.ledger.driver.Driver`.

    A connection that was lost is made anew when a transaction begins, or for a statement outside of one, which only
    reads. Lost within a transaction, it raises :class:`StateError`: all of that is undone, but of a COMMIT that was
    under way nobody can tell. One that does not answer raises it at once, and is made anew for what comes next.
    """

    shared = True

    def __init__(self, database: Database, clock: Clock, patience: float, first: float | None = None) -> None:
        self._driver = import_psycopg()
        self._database = database
        self._clock = clock
        self._patience = patience
        self._held: list[str] = []
        self._inside = False
        self.identity = ""
        self._connection = self._connect(patience if first is None else first)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self._database)

    def is_made(self) -> bool:
        """Tell whether there is a ledger."""
        return bool(self.do(FIND_META, f"{SCHEMA}.meta").fetchone()[0])

    def refuse_lost(self, known: str | None = None) -> None:
        """Raise :class:`StateError` when there is none and must have been one."""
        trace = tell_seen(self.place, self._database.home) if known is None else "it was in use before"
        if trace:
            raise StateError(lost(self.place, trace, ADVICE_DATABASE))

    def prepare(self, steps: Steps, *, anew: bool = False, known: str | None = None) -> None:
        """Bring it up to date."""
        if not self.is_made():
            if not anew:
                self.refuse_lost(known)
            with self.transaction():
                if not self.do(FIND_SCHEMA, SCHEMA).fetchone()[0]:  # the right to make one is not needed for using it
                    self.do(f"CREATE SCHEMA {SCHEMA}")
                self.do(sql.CREATE_META)
                self.identity = keep_identity(self)
        refuse_newer(self, steps)
        self._identify(known)
        migrate(self, steps, lambda _version: None)  # whoever runs a database has backups of it

    def _identify(self, known: str | None) -> None:
        self.identity = read_meta(self, IDENTITY)
        if not self.identity:
            with self.transaction():
                self.identity = keep_identity(self)
        refuse_other(self.place, self.identity, known)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Give one transaction; other writers wait."""
        self._lasting(self._begin)
        self._inside = True
        try:
            yield
            self.do("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._inside = False

    def _begin(self) -> None:
        self._execute("BEGIN")
        try:
            self._execute(LOCK_WRITERS, number_name(""))
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        with suppress(self._driver.Error, StateError):  # what is lost is rolled back by the server
            self._connection.rollback()

    def do(self, statement: str, *values: Value) -> Answer:
        """Execute one statement."""
        if self._inside:
            with self._explained():
                return self._execute(statement, *values)
        return self._lasting(lambda: self._execute(statement, *values))

    def _execute(self, statement: str, *values: Value) -> Answer:
        # PostgreSQL takes no NUL in a text, which SQLite does.
        plain = [value.replace("\0", "�") if isinstance(value, str) else value for value in values]
        answer: Answer = self._connection.execute(translate(statement), plain)
        return answer

    def _lasting(self, step: Callable[[], T]) -> T:
        """Do a step that may be done again, also when it needs a new connection."""
        with self._explained():
            try:
                return step()
            except self._driver.OperationalError:
                if not self._connection.broken:
                    raise
            self._connection = self._connect(self._patience)
            return step()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise StateError(self._describe(error)) from error

    def _describe(self, error: Exception) -> str:
        told = " ".join(str(error).split())
        if isinstance(error, self._driver.errors.LockNotAvailable):
            return f"the ledger {self.place} is locked by another process for too long; end it, or try again"
        if isinstance(error, self._driver.errors.InsufficientPrivilege):
            return f"the ledger {self.place} cannot be used: {told}; give this user the schema {SCHEMA} there"
        if self._connection.broken:
            return f"the connection to the ledger {self.place} was lost: {told}; try again"
        return f"the ledger {self.place} cannot be used: {told}"

    def _connect(self, patience: float) -> Any:
        """Connect with patience; what is held is held again."""
        # Not by the clock that is handed in: what is waited for is a real server.
        until, refusals = time.monotonic() + patience, 0
        while True:
            try:
                connection = self._driver.connect(**self._arguments())
                break
            except self._driver.OperationalError as error:
                refusals += self._is_up()
                if refusals >= REFUSALS or time.monotonic() >= until:
                    told = " ".join(str(error).split())
                    raise StateError(
                        f"the ledger {self.place} cannot be reached: {told}; see that the database is up, and that url "
                        "and password of state in mmflow.yaml are right"
                    ) from error
                time.sleep(PAUSE)
        wait = connection.wait
        connection.wait = lambda exchange, *_: wait(self._hear(connection, exchange), LOOK)
        for statement in OPEN_SESSION:
            connection.execute(statement.encode())
        for name in self._held:
            if not connection.execute(translate(HOLD_NAME), [number_name(name)]).fetchone()[0]:
                connection.close()
                raise StateError(f"the connection to the ledger {self.place} was lost, and another took {name} over")
        return connection

    def _hear(self, connection: Any, exchange: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Go through an exchange with the server, and give the connection up when nothing comes any more.

        A machine that stands still goes on taking what is sent, and the limits that the server was told stand still
        with it. Looks are counted and no clock is read: a process that was stopped itself has missed no answer.
        """
        silent = 0
        try:
            wish = next(exchange)
            while True:
                ready = yield wish
                silent = 0 if ready else silent + 1
                if silent and silent % QUIET == 0 and (silent >= GIVEN_UP or not self._is_up()):
                    connection.pgconn.finish()
                    raise StateError(
                        f"the ledger {self.place} does not answer; see whether its server stands still, then try again"
                    )
                wish = exchange.send(ready)
        except StopIteration as end:
            value: T = end.value
            return value

    def _is_up(self) -> bool:
        """Tell whether the server takes connections at all; libpq does not say why it could not connect."""
        pq = self._driver.pq
        # Without a password, so in plain text: a certificate that is refused must not look like a server that sleeps.
        asked = self._driver.conninfo.make_conninfo(**{**self._parameters(), "password": None, **PLAIN})
        return bool(pq.PGconn.ping(asked.encode()) == pq.Ping.OK)

    def _arguments(self) -> dict[str, Any]:
        return {**self._parameters(), "autocommit": True, "prepare_threshold": None}  # for pools, too

    def _parameters(self) -> dict[str, Any]:
        database = self._database
        given = {
            "host": database.host,
            "port": database.port,
            "dbname": database.name,
            "user": database.user,
            "password": database.password.reveal() if database.password else "",
            "application_name": "mmflow ledger",
            "client_encoding": "utf8",
            "connect_timeout": CONNECT,
            "gssencmode": "disable",
            "keepalives_idle": 30,
            "tcp_user_timeout": SILENCE * 1000,
            **self._tls(),
        }
        return {name: value for name, value in given.items() if value != ""}

    def _tls(self) -> Mapping[str, str]:
        if self._database.tls == "off":
            return PLAIN
        if self._database.tls == "require":
            return {"sslmode": "require"}
        authorities = self._database.ca or find_bundle()
        return {"sslmode": "verify-full", "sslrootcert": str(authorities or "system")}

    def now(self) -> datetime:
        """Give the present instant by the database's clock, as far as it differs from that of this machine."""
        # Through the clock that is handed in, so that in a test it may stand still or run fast.
        theirs = self.do(READ_CLOCK).fetchone()[0]
        ahead: timedelta = theirs - datetime.now(UTC)
        return self._clock.now() + (ahead if abs(ahead) >= SAME else timedelta())

    def hold(self, name: str) -> bool:
        """Keep a name from all other connections to the ledger, until this one is closed; False when one has it."""
        taken = bool(self.do(HOLD_NAME, number_name(name)).fetchone()[0])
        if taken:
            self._held.append(name)
        return taken

    def is_held(self, name: str) -> bool:
        """Tell whether another connection has the name."""
        number = number_name(name)
        taken = bool(self.do(HOLD_NAME, number).fetchone()[0])
        if taken:
            self.do(LET_NAME_GO, number)
        return not taken

    def back_up(self, path: Path) -> None:  # noqa: ARG002  # as every driver has it
        """Raise :class:`UserError`: a database has tools of its own for that."""
        raise UserError(
            f"the ledger is in {self.place}, which mmflow does not copy; back it up as the database is, or by "
            f"pg_dump --schema={SCHEMA}"
        )

    def size(self) -> int:
        """Give the bytes of its tables and indexes."""
        return int(self.do(READ_SIZE, SCHEMA).fetchone()[0])

    def check_place(self) -> None:
        """Raise :class:`StateError` when another has been made in its place; one that is gone refuses anyway."""
        refuse_other(self.place, read_meta(self, IDENTITY), self.identity)

    def close(self) -> None:
        """Let the database go, and whatever is held."""
        if self._held:
            with suppress(self._driver.Error, StateError):
                self._execute(LET_ALL_GO)  # a server takes its time to notice that a connection is closed
        self._connection.close()


def import_psycopg() -> Any:
    """Import the library that speaks to PostgreSQL; :class:`UserError` says how to install it."""
    try:
        import psycopg
    except ImportError as error:
        raise UserError(
            "the state is in PostgreSQL, for which a library is missing; install it: pip install "
            "'mmflow-reports[postgresql]'"
        ) from error
    return psycopg


@cache
def translate(statement: str) -> bytes:
    """Write a portable statement as psycopg wants it: texts sort by their bytes, as they do in SQLite."""
    marked = statement.replace("%", "%%").replace("?", "%s")
    return marked.replace(" TEXT", ' TEXT COLLATE "C"').encode()


def number_name(name: str) -> int:
    """Give the number by which PostgreSQL knows a lock; that of all writers has the name ""."""
    return int.from_bytes(sha256(f"mmflow {name}".encode()).digest()[:8], "big", signed=True)
