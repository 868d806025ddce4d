"""From the raw tables to the finished one, always in this order.

columns, where, facts for the gate, compare, totals, sort, limit; then labels, units, rounding. Expressions speak of the
service's names in its own units (ms, 0 to 1); what people see is converted at the very end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmflow.atomic import make_private
from mmflow.document import Document, format_path
from mmflow.errors import ProblemsError, UserError
from mmflow.expressions import explain_unknown
from mmflow.job import COMPARED, ColumnSpec, Job
from mmflow.load import Raw, count_rows, explain_limits
from mmflow.plan import Plan
from mmflow.shape.derive import compile_condition, derive_column, explain_misfit
from mmflow.shape.facts import Facts, find_facts
from mmflow.shape.footer import Underneath
from mmflow.shape.headings import list_headings, show_rows
from mmflow.shape.relations import Frame, Side, add_columns, base_query, join_query, order_terms
from mmflow.table import Table, write_table
from mmflow.table.cells import quote_name, quote_text
from mmflow.table.database import is_full

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

YamlPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Shaped:
    """The finished table, on disk, and what the gate must know about it."""

    table: Table
    facts: Facts


def shape(raw: Raw, job: Job, plan: Plan, path: Path, document: Document | None = None) -> Shaped:
    """Shape the raw tables by the job and write the snapshot to ``path``.

    While expressions run the database can reach nothing but the snapshot's folder and what it spilled itself; it is fit
    for nothing else afterwards. Raises :class:`UserError` for what the job says and the columns do not allow, with its
    place when ``document`` is given.
    """
    shut_off(raw.connection, path.parent)
    return _Shaper(raw, job, plan, document).shape(path)


def shut_off(connection: DuckDBPyConnection, folder: Path) -> None:
    """Let the database write to ``folder`` and nowhere else, for good; dividing by zero gives null."""
    make_private(folder)
    for setting in (
        "ieee_floating_point_ops = false",
        "error_on_division_by_zero = false",
        f"allowed_directories = [{quote_text(str(folder))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


class _Shaper:
    """The steps, in the order in which they are taken."""

    def __init__(self, raw: Raw, job: Job, plan: Plan, document: Document | None) -> None:
        self.raw = raw
        self.job = job
        self.plan = plan
        self.document = document
        self.connection = raw.connection
        self.frame = Frame.of(raw, plan)
        self.sides: list[Side] = ["rows", "previous"] if job.shape.compare else ["rows"]

    def shape(self, path: Path) -> Shaped:
        """Take all steps."""
        self.add_columns()
        self.keep_rows()
        self.check_words()
        with explain_limits(self.raw.spill), self.explain_failure():
            facts = find_facts(self.connection, self.frame, self.job.checks)
            self.join_rows()
            return Shaped(self.write_rows(path, facts.rows), facts)

    def make_view(self, name: str, query: str) -> None:
        """Give a query a name; nothing is computed yet."""
        self.connection.execute(f"CREATE VIEW {name} AS {query}")

    @property
    def names(self) -> list[str]:
        """Give the columns that an expression may speak of."""
        return [*self.frame.groups, *self.frame.metrics, *(column.name for column in self.frame.derived)]

    @property
    def compared_names(self) -> list[str]:
        """Give the columns that a comparison adds."""
        return [f"{name}_{kind}" for name in self.frame.compared for kind in COMPARED] if len(self.sides) > 1 else []

    def add_columns(self) -> None:
        """Make the views ``base_…`` and ``all_…``: the raw rows, and these with the job's own columns."""
        for side in self.sides:
            self.make_view(f"base_{side}", base_query(self.frame, side))
        for name, spec in self.job.shape.columns.items():
            full = ColumnSpec(expr=spec) if isinstance(spec, str) else spec
            with self.locate_column(name):
                refuse_taken(name, [*self.names, *self.compared_names])
                made = derive_column(self.connection, self.query_columns("rows"), self.names, name, full)
            self.frame = replace(self.frame, derived=(*self.frame.derived, made))
        for side in self.sides:
            self.make_view(f"all_{side}", self.query_columns(side))

    def query_columns(self, side: Side, count: int | None = None) -> str:
        """Give the rows with the job's own columns, or the first ``count`` of them."""
        return add_columns(f"SELECT * FROM base_{side}", self.frame.derived[:count])

    def keep_rows(self) -> None:
        """Make the views ``kept_…``: the rows for which ``where`` holds, in both spans."""
        condition = "true"
        if self.job.shape.where:
            with self.locate(("shape", "where")):
                condition = compile_condition(
                    self.connection, "SELECT * FROM all_rows", self.names, self.job.shape.where
                )
        for side in self.sides:
            self.make_view(f"kept_{side}", f"SELECT * FROM all_{side} WHERE {condition}")

    def join_rows(self) -> None:
        """Make ``joined``: the kept rows with their partners, put down once since several steps read them."""
        if self.job.shape.compare:
            self.connection.execute(f"CREATE TABLE joined AS {join_query(self.frame)}")
        else:
            self.make_view("joined", "SELECT * FROM kept_rows")

    def write_rows(self, path: Path, rows: int) -> Table:
        """Write the rows in order, with what stands under them."""
        headings = list_headings(self.job, self.plan, self.frame.derived)
        order = order_terms(self.frame, self.job.shape.sort)
        limit = f" LIMIT {self.job.shape.limit}" if self.job.shape.limit else ""
        under = Underneath(self.connection, self.frame, self.job.shape, rows, headings)
        return write_table(
            self.connection,
            f"{show_rows(headings)} FROM joined j ORDER BY {order}{limit}",
            columns=[heading.column for heading in headings],
            path=path,
            footer=list(under.list_footers(order)),
            notices=[*self.raw.notices, *under.list_notices()],
        )

    def check_words(self) -> None:
        """Refuse columns in ``sort`` and ``checks`` that are not there; checks need numbers."""
        for number, term in enumerate(self.job.shape.sort):
            with self.locate(("shape", "sort", number)):
                require_name(term.removeprefix("-"), [*self.names, *self.compared_names])
        for number, check in enumerate(self.job.checks):
            for key, name in (("column", check.column), ("min", check.min), ("max", check.max)):
                if isinstance(name, str) and name:
                    with self.locate(("checks", number, key)):
                        require_name(name, self.frame.compared, "column of numbers")

    @contextmanager
    def locate(self, path: YamlPath) -> Iterator[None]:
        """Give an error of the job the place where it is written."""
        import duckdb

        try:
            yield
        except (UserError, duckdb.Error) as error:
            message = str(error) if isinstance(error, UserError) else explain_misfit(str(error))
            if self.document is None:
                raise UserError(f"{format_path(path)}: {message}") from error
            raise ProblemsError([self.document.problem(path, message)]) from error

    def locate_column(self, name: str) -> AbstractContextManager[None]:
        """Give an error of an own column its place."""
        plain = isinstance(self.job.shape.columns[name], str)
        return self.locate(("shape", "columns", name) if plain else ("shape", "columns", name, "expr"))

    @contextmanager
    def explain_failure(self) -> Iterator[None]:
        """Find the expression that the data does not fit, by trying one after the other."""
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            if not is_full(error):
                self.try_expressions()
            raise

    def try_expressions(self) -> None:
        """Run each expression on its own, so that the one at fault is the one that fails."""
        for side in self.sides:
            for count, column in enumerate(self.frame.derived, 1):
                with self.locate_column(column.name):
                    values = f"SELECT max(hash({quote_name(column.name)})) FROM ({self.query_columns(side, count)})"
                    self.connection.execute(values).fetchall()
            with self.locate(("shape", "where")):
                count_rows(self.connection, f"kept_{side}")


def refuse_taken(name: str, taken: Collection[str]) -> None:
    """Raise :class:`UserError` when there is such a column; the database does not tell large letters from small."""
    if name.lower() in {known.lower() for known in taken}:
        raise UserError(f"there is a column '{name}' already; choose another name")


def require_name(name: str, known: Collection[str], kind: str = "column") -> None:
    """Raise :class:`UserError` when there is no such column."""
    if name not in known:
        raise UserError(explain_unknown(name, known, kind))
