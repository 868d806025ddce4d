"""A spreadsheet on a real server, a table by day and machine, and deliveries of it as the engine makes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.refs import Secret
from mmflow.sinks import Receipt, RunInfo, SinkType, find_function
from mmflow.table import Cell, Column, FooterRow, Table, make_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, make_run
from mmflow_sheets.options import SheetsConnection
from mmflow_sheets.testing import PERSON, SheetsServer, Spreadsheet, Tab


@pytest.fixture
def server() -> Iterator[SheetsServer]:
    """A Google Sheets of this test's own."""
    with SheetsServer() as running:
        yield running


@pytest.fixture
def book(server: SheetsServer) -> Spreadsheet:
    """A spreadsheet with one tab, shared with the service account."""
    return server.spreadsheet("Report", tabs=("Sheet1",))


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Table]:
    """Make a table from rows; columns are day, machine, parts and downtime unless given."""
    numbers = count()

    def make(
        rows: Sequence[Sequence[Cell]],
        columns: Sequence[Column] = (DAY, MACHINE, PARTS, DOWN),
        footer: Sequence[FooterRow] = (),
        notices: Sequence[str] = (),
    ) -> Table:
        path = tmp_path / f"snapshot-{next(numbers)}.parquet"
        return make_table(rows, columns=columns, path=path, footer=footer, notices=notices)

    return make


def open_http() -> httpx.Client:
    """Open a client without TLS, of which making the context would take longer than a delivery."""
    return httpx.Client(trust_env=False, verify=False)


@cache
def find_sink() -> SinkType:
    """Find the sink as it is installed; once, since looking takes a while."""
    return load().sinks["sheets"]


@dataclass
class Desk:
    """Calls the functions of the sink as the engine does: by its name and with the options as written."""

    root: Path
    server: SheetsServer
    book: Spreadsheet
    credentials: Callable[[], Any]

    def open_book(self) -> Spreadsheet:
        """Go on with a spreadsheet that is new."""
        self.book = self.server.spreadsheet()
        self.book.share(PERSON)
        return self.book

    def connect(self, credentials: object = None, **changes: Any) -> SheetsConnection:
        """Give the connection, with the credentials of this desk unless told otherwise."""
        text = msgspec.json.encode(self.credentials() if credentials is None else credentials).decode()
        return SheetsConnection(**{"credentials": Secret(text), "base_url": self.server.url, **changes})

    def run(self, **changes: Any) -> RunInfo:
        """Give what the engine hands over."""
        fields = {"connection": self.connect(), "open_http": open_http, **changes}
        return make_run(self.root, **fields)

    def call(
        self, name: str, *before: Any, after: Sequence[Any] = (), run: RunInfo | None = None, **written: Any
    ) -> Any:
        """Call a function of the sink, with what it takes before and after its options."""
        sink = find_sink()
        options = convert_values({"spreadsheet": self.book.id, **written}, sink.options)
        return find_function(getattr(sink, name))(*before, options, *after, run or self.run())

    def enlarge(self, tab: Tab, *, rows: int = 0, columns: int = 0) -> None:
        """Add rows and columns at the end of a tab, as a person does who needs room."""
        for dimension, length in (("ROWS", rows), ("COLUMNS", columns)):
            if length:
                more = {"sheetId": tab.id, "dimension": dimension, "length": length}
                self.book.apply({"appendDimension": more})

    def deliver(self, table: Table, run: RunInfo | None = None, **written: Any) -> Receipt:
        """Deliver a table."""
        found = self.call("deliver", table, run=run, **written)
        assert isinstance(found, Receipt)
        return found


@pytest.fixture
def open_desk(tmp_path: Path) -> Callable[[SheetsServer], Desk]:
    """Point the sink at another server."""
    return lambda server: Desk(tmp_path, server, server.spreadsheet(), server.service_account)


@pytest.fixture
def desk(tmp_path: Path, server: SheetsServer, book: Spreadsheet) -> Desk:
    """The sink, pointed at the spreadsheet of this test."""
    return Desk(tmp_path, server, book, server.service_account)


@pytest.fixture
def quick(desk: Desk) -> Desk:
    """Let a person ask in the place of the service account, for many deliveries: nothing has to be signed."""
    desk.credentials = desk.server.authorized_user
    desk.book.share(PERSON)
    return desk
