"""The three calls of Google Sheets that a delivery needs, with what they answer as typed values."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from mmflow import GiveUp, MmflowError, RunInfo, TryLater
from mmflow_sheets.access import Access, check_address
from mmflow_sheets.cells import Value
from mmflow_sheets.complaints import Asked, explain_answer, name_trouble
from mmflow_sheets.options import SheetsConnection

T = TypeVar("T")
PERHAPS: Final = (500, 502, 504)  # answers after which a batch may have been applied
NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.PoolTimeout)
PATIENCE: Final = httpx.Timeout(200.0, connect=30.0)  # seconds; Google itself stops working at a request after 180
PACKED: Final = 1_000_000  # bytes from which a request is sent packed, as Google's own clients for Java and .NET do


class Answered(msgspec.Struct, rename="camel"):
    """Everything that Google sends has camel case, and more fields than are asked about here."""


class GridRange(Answered):
    """Cells of a tab; an end that is missing is open."""

    sheet_id: int = 0
    start_row_index: int = 0
    end_row_index: int | None = None
    start_column_index: int = 0
    end_column_index: int | None = None


class GridProperties(Answered):
    """The size of a tab."""

    row_count: int = 0
    column_count: int = 0
    frozen_row_count: int = 0


class SheetProperties(Answered):
    """A tab."""

    sheet_id: int = 0
    title: str = ""
    sheet_type: str = "GRID"
    grid_properties: GridProperties = msgspec.field(default_factory=GridProperties)


class Metadata(Answered):
    """What a program has noted at a tab."""

    metadata_id: int = 0
    metadata_key: str = ""
    metadata_value: str = ""


class Protection(Answered):
    """Cells that not everybody may edit."""

    range: GridRange = msgspec.field(default_factory=GridRange)
    warning_only: bool = False
    requesting_user_can_edit: bool = False
    unprotected_ranges: list[GridRange] = []


class EmbeddedChart(Answered):
    """A chart, of which only the id matters."""

    chart_id: int = 0


class CellRead(Answered, gc=False):
    """A cell: what stands in it, a formula already worked out."""

    effective_value: Value | None = None


class RowRead(Answered, gc=False):
    """The cells of a row up to the last that holds anything."""

    values: list[CellRead] = []


class GridRead(Answered):
    """The cells of one of the ranges that were asked for."""

    row_data: list[RowRead] = []


class Sheet(Answered):
    """A tab with what belongs to it."""

    properties: SheetProperties = msgspec.field(default_factory=SheetProperties)
    developer_metadata: list[Metadata] = []
    protected_ranges: list[Protection] = []
    merges: list[GridRange] = []
    charts: list[EmbeddedChart] = []
    data: list[GridRead] = []


class NamedRange(Answered):
    """A range that has a name; without cells when all of them were deleted."""

    named_range_id: str = ""
    name: str = ""
    range: GridRange | None = None


class SpreadsheetProperties(Answered):
    """What the spreadsheet is called."""

    title: str = ""


class Spreadsheet(Answered):
    """All that is known of a spreadsheet but for its cells."""

    spreadsheet_url: str = ""
    properties: SpreadsheetProperties = msgspec.field(default_factory=SpreadsheetProperties)
    sheets: list[Sheet] = []
    named_ranges: list[NamedRange] = []


# What is asked of a spreadsheet. Cells are left out: there may be millions.
DESCRIPTION: Final = (
    "spreadsheetUrl,properties.title,namedRanges,"
    "sheets(properties(sheetId,title,sheetType,gridProperties),developerMetadata(metadataId,metadataKey,metadataValue),"
    "protectedRanges(range,warningOnly,requestingUserCanEdit,unprotectedRanges),merges,charts(chartId))"
)
CELLS: Final = "sheets(properties.sheetId,data(rowData(values(effectiveValue))))"

Rows = list[list[Value]]


class Unanswered(Exception):  # noqa: N818  it is no failure yet
    """A request that writes was sent, and nobody said what became of it; ``cause`` says what happened instead."""

    def __init__(self, cause: MmflowError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Service:
    """One spreadsheet of Google Sheets. ``calls`` counts requests, without those for tokens."""

    def __init__(self, client: httpx.Client, connection: SheetsConnection, spreadsheet: str) -> None:
        check_address(connection.base_url, "base_url of the connection")
        self._client = client
        self._access = Access(connection.credentials, client)
        self._host = urlsplit(connection.base_url).hostname
        self._url = f"{connection.base_url.rstrip('/')}/v4/spreadsheets/{spreadsheet}"
        self.asked = Asked(spreadsheet, self._access.address)
        self.calls = 0

    def describe(self) -> Spreadsheet:
        """Give tabs, named ranges and what was noted."""
        return self._read({"fields": DESCRIPTION}, Spreadsheet)

    def read_cells(self, ranges: Sequence[str]) -> list[Rows]:
        """Give the values of ranges such as ``'Data'!A1:B3``, which all lie in one tab, in their order.

        Empty rows at the end and empty cells at the end of a row may be missing.
        """
        found = self._read({"ranges": list(ranges), "fields": CELLS}, Spreadsheet)
        grids = [grid for sheet in found.sheets for grid in sheet.data]
        if len(grids) != len(ranges):  # whose cells are whose could only be guessed
            raise TryLater(f"Google Sheets gives the cells of {len(grids)} ranges, expected {len(ranges)}")
        return [[[cell.effective_value or Value() for cell in row.values] for row in grid.row_data] for grid in grids]

    def write(self, body: bytes) -> None:
        """Apply a batch, all of it or nothing; :class:`Unanswered` when it may or may not have been applied."""
        packing = {"Content-Encoding": "gzip"} if len(body) > PACKED else {}
        content = gzip.compress(body, 1, mtime=0) if packing else body
        try:
            answer = self._send("POST", ":batchUpdate", packing, content=content)
        except NOT_SENT as error:
            raise TryLater(f"cannot reach {self._host} ({name_trouble(error)})") from error
        except httpx.RequestError as error:
            raise Unanswered(TryLater(f"the connection to {self._host} broke ({name_trouble(error)})")) from error
        if answer.status_code == 200 and is_json(answer):
            return
        refusal = explain_answer(answer, self.asked)
        if answer.status_code in PERHAPS or answer.status_code < 300:
            raise Unanswered(refusal)
        raise refusal

    def _read(self, params: dict[str, str | list[str]], kind: type[T]) -> T:
        try:
            answer = self._send("GET", "", {}, params={**params, "prettyPrint": "false"})
        except httpx.RequestError as error:
            raise TryLater(f"cannot reach {self._host} ({name_trouble(error)})") from error
        if answer.status_code != 200:
            raise explain_answer(answer, self.asked)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            found = "something else than Google Sheets answers"
            raise GiveUp(f"{found}; check base_url, the proxy and the network") from error

    def _send(self, method: str, tail: str, headers: Mapping[str, str], **more: object) -> httpx.Response:
        answer = self._send_once(method, tail, headers, **more)
        if answer.status_code == 401:  # the token ended early
            self._access.renew()
            answer = self._send_once(method, tail, headers, **more)
        return answer

    def _send_once(self, method: str, tail: str, headers: Mapping[str, str], **more: object) -> httpx.Response:
        headers = {**self._access.header(), "Content-Type": "application/json", **headers}
        self.calls += 1
        return self._client.request(method, self._url + tail, headers=headers, timeout=PATIENCE, **more)  # type: ignore[arg-type]


def is_json(answer: httpx.Response) -> bool:
    """Tell whether an answer can be one of Google's."""
    return answer.content.lstrip()[:1] == b"{"


@contextmanager
def open_service(run: RunInfo, spreadsheet: str) -> Iterator[Service]:
    """Open the way to a spreadsheet for one delivery."""
    if not isinstance(run.connection, SheetsConnection):
        raise GiveUp("the sink has no connection; name one of type sheets in the job, and describe it in mmflow.yaml")
    with run.open_http() as client:
        yield Service(client, run.connection, spreadsheet)
