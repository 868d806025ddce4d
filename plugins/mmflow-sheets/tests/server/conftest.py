"""The Sheets server, and calls of it without any client of Google."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from mmflow_sheets.testing import SheetsServer, Spreadsheet

pytest.importorskip(
    "googleapiclient", reason="google-api-python-client, which holds the description of the API, is missing"
)


@dataclass
class Caller:
    """Calls one spreadsheet with a token of the service account."""

    client: httpx.Client
    book: Spreadsheet

    def send(self, method: str, path: str = "", json: Any = None, **query: Any) -> httpx.Response:
        """Call a path below that of the spreadsheet."""
        url = f"/v4/spreadsheets/{self.book.id}{path}"
        return self.client.request(method, url, params=query, json=json)

    def get(self, path: str = "", **query: Any) -> Any:
        """Read, and expect success."""
        answer = self.send("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def batch(self, *requests: Any, **more: Any) -> Any:
        """Change, and expect success; gives the replies."""
        answer = self.send("POST", ":batchUpdate", {"requests": list(requests), **more})
        assert answer.status_code == 200, answer.text
        return answer.json()["replies"]

    def refuse(self, *requests: Any) -> str:
        """Change, expect a refusal that changes nothing, and give its sentence."""
        before = self.book.state()
        answer = self.send("POST", ":batchUpdate", {"requests": list(requests)})
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT"), answer.text
        assert self.book.state() == before
        return str(answer.json()["error"]["message"])

    def write(self, rows: list[list[Any]], row: int = 0, column: int = 0) -> None:
        """Write texts, numbers and truths into the sheet 0."""
        kinds = {str: "stringValue", bool: "boolValue"}
        lines = [
            {"values": [{"userEnteredValue": {kinds.get(type(one), "numberValue"): one}} for one in line]}
            for line in rows
        ]
        start = {"rowIndex": row, "columnIndex": column}
        self.batch({"updateCells": {"start": start, "rows": lines, "fields": "userEnteredValue"}})


@pytest.fixture
def server() -> Iterator[SheetsServer]:
    """A server of this test's own."""
    with SheetsServer() as running:
        yield running


@pytest.fixture
def book(server: SheetsServer) -> Spreadsheet:
    """A spreadsheet with two tabs, shared with the service account."""
    return server.spreadsheet("Report", tabs=("Data", "My notes"))


@pytest.fixture
def caller(server: SheetsServer, book: Spreadsheet) -> Iterator[Caller]:
    """Somebody who may edit the spreadsheet."""
    headers = {"Authorization": f"Bearer {server.give_token()}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
        yield Caller(client, book)
