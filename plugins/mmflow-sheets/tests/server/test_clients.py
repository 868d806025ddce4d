"""Other people's clients work with the server unchanged, with nothing but their endpoint set to it."""

import warnings

import pytest
from google.oauth2 import credentials as people
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from mmflow_sheets.testing import SheetsServer

SCOPES = ["https://www.googleapis.com/auth/spreadsheets"]


@pytest.fixture
def sheets(server):
    """The spreadsheets of google-api-python-client, for the service account."""
    account = service_account.Credentials.from_service_account_info(server.service_account(), scopes=SCOPES)
    with build("sheets", "v4", credentials=account, client_options={"api_endpoint": server.url}) as service:
        yield service.spreadsheets()


def test_the_python_client_of_google_creates_writes_and_reads(server: SheetsServer, sheets):
    created = sheets.create(body={"properties": {"title": "Made by a client"}}).execute()
    book_id = created["spreadsheetId"]
    values = sheets.values()
    body = {"values": [["day", "parts"], ["2026-11-22", 7]]}
    written = values.update(
        spreadsheetId=book_id, range="Sheet1!A1:B2", valueInputOption="USER_ENTERED", body=body
    ).execute()
    assert written["updatedCells"] == 4
    read = values.get(spreadsheetId=book_id, range="Sheet1!A1:B9", valueRenderOption="UNFORMATTED_VALUE").execute()
    assert read["values"] == [["day", "parts"], [46348, 7]]
    requests = [{"addSheet": {"properties": {"title": "More"}}}]
    reply = sheets.batchUpdate(spreadsheetId=book_id, body={"requests": requests}).execute()["replies"][0]
    assert reply["addSheet"]["properties"]["title"] == "More"
    shown = sheets.get(spreadsheetId=book_id, fields="properties.title,sheets.properties.title").execute()
    assert shown == {
        "properties": {"title": "Made by a client"},
        "sheets": [{"properties": {"title": "Sheet1"}}, {"properties": {"title": "More"}}],
    }
    assert server.open(book_id).tab("Sheet1").formatted() == [["day", "parts"], ["2026-11-22", "7"]]
    assert server.requests[0].path == "/token"


def test_the_python_client_of_google_understands_its_errors(server, sheets):
    book = server.spreadsheet()
    with pytest.raises(HttpError, match="No sheet with id: 5") as caught:
        sheets.batchUpdate(spreadsheetId=book.id, body={"requests": [{"deleteSheet": {"sheetId": 5}}]}).execute()
    assert caught.value.status_code == 400
    with pytest.raises(HttpError, match="The caller does not have permission"):
        sheets.get(spreadsheetId=server.spreadsheet(share="").id).execute()
    with pytest.raises(HttpError, match="Requested entity was not found"):
        sheets.get(spreadsheetId="nothing").execute()


def test_the_python_client_of_google_works_for_a_person(server):
    info = server.authorized_user()
    kept = {name: info[name] for name in ("refresh_token", "token_uri", "client_id", "client_secret")}
    person = people.Credentials(None, scopes=SCOPES, **kept)  # from_authorized_user_info has an endpoint of its own
    with build("sheets", "v4", credentials=person, client_options={"api_endpoint": server.url}) as service:
        created = service.spreadsheets().create(body={}).execute()
    assert server.open(created["spreadsheetId"]).titles == ["Sheet1"]


def test_gspread_writes_and_reads(server, monkeypatch):
    gspread = pytest.importorskip("gspread", reason="gspread is not installed")
    import gspread.http_client as door
    import gspread.urls as urls

    for name in [name for name in dir(urls) if name.startswith("SPREADSHEET")]:
        address = getattr(urls, name).replace("https://sheets.googleapis.com", server.url)
        monkeypatch.setattr(urls, name, address)
        if hasattr(door, name):
            monkeypatch.setattr(door, name, address)
    account = service_account.Credentials.from_service_account_info(server.service_account(), scopes=SCOPES)
    book = server.spreadsheet("Report", tabs=("Data",))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sheet = gspread.authorize(account).open_by_key(book.id).worksheet("Data")
        sheet.update([["machine", "parts"], ["Mill 1", 7]], "A1")
        sheet.append_row(["Mill 2", 8])
        sheet.format("A1:B1", {"textFormat": {"bold": True}})
        assert sheet.get_all_values() == [["machine", "parts"], ["Mill 1", "7"], ["Mill 2", "8"]]
    assert book.tab("Data").formats() == [[{"textFormat": {"bold": True}}] * 2]
