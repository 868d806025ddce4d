"""One job, one command, five kinds of destination: what is read back from each is the same table."""

import csv
import json
import math
import re
from datetime import date, datetime
from html import unescape
from io import BytesIO, StringIO
from pathlib import Path
from shutil import copytree

import openpyxl
import pytest

from mmflow.clock import FixedClock
from mmflow_email.testing import MailServer
from mmflow_sheets.testing import SheetsServer
from mmflow_sql.testing import run_postgres
from tests.desk import NOW, Desk

EXAMPLE = Path(__file__).parents[1] / "examples" / "everywhere"
NAMES = ("machine", "day", "oee", "goodParts", "rejectedParts", "downtime")


@pytest.fixture(scope="module")
def postgres():
    with run_postgres() as server:
        yield server


@pytest.fixture
def everywhere(tmp_path, service, postgres):
    """The example in a folder of its own, with a database, a Google Sheets and a mail server that are real."""
    copytree(EXAMPLE, tmp_path / "plant")
    name = f"everywhere_{abs(hash(str(tmp_path)))}"
    postgres.execute(f"CREATE DATABASE {name}")
    with SheetsServer() as sheets, MailServer() as mail:
        sheet = sheets.spreadsheet("Morning")
        environ = {
            "PLANT_DB": postgres.url(name),
            "GOOGLE_CREDENTIALS": json.dumps(sheets.service_account()),
            "SHEETS_URL": sheets.url,
            "MORNING_SHEET": sheet.id,
            "MAIL_HOST": "127.0.0.1",
            "MAIL_PORT": str(mail.port),
        }
        desk = Desk(tmp_path / "plant", service, FixedClock(NOW), environ)
        yield Everywhere(desk, lambda query: postgres.execute(query, name), sheet, mail)


class Everywhere:
    """The five destinations, each read back by something that is not mmflow."""

    def __init__(self, desk, query, sheet, mail):
        self.desk, self.query, self.sheet, self.mail = desk, query, sheet, mail

    def csv(self, text=None):
        text = text or self.desk.text("out/everywhere/2026-11-20.csv")
        return [read_texts(row) for row in list(csv.reader(StringIO(text)))[1:]]

    def excel(self, content=None):
        source = BytesIO(content) if content else self.desk.root / "out/everywhere/2026-11-20.xlsx"
        book = openpyxl.load_workbook(source)
        rows = list(book.worksheets[0].iter_rows(min_row=2, max_col=len(NAMES), values_only=True))
        rows = rows[: next((at for at, row in enumerate(rows) if not any(row)), len(rows))]
        return [
            (name, day.date() if isinstance(day, datetime) else day, oee and oee * 100, *map(as_float, rest))
            for name, day, oee, *rest in rows
        ]

    def sheets(self):
        rows = [row for row in self.sheet.tab("Yesterday").values()[1:] if row and row[0]]
        return [(name, as_day(day), *map(as_float, numbers)) for name, day, *numbers in rows]

    def sql(self):
        columns = ", ".join(f'"{name}"' for name in NAMES)
        return self.query(f"SELECT {columns} FROM oee_everywhere ORDER BY downtime DESC")

    def letter(self):
        (mail,) = self.mail.mails
        return mail.message


def read_texts(row):
    name, day, *numbers = row
    return (name, date.fromisoformat(day) if day else None, *(float(text) if text else None for text in numbers))


def as_float(cell):
    return None if cell in (None, "") else float(cell)


def as_day(cell):
    """A day of a sheet is a serial number; the label of a total is none."""
    return date.fromordinal(date(1899, 12, 30).toordinal() + int(cell)) if isinstance(cell, int | float) else None


def agree(first, second):
    """Whether two tables hold the same rows, numbers to the fifteen digits that a spreadsheet keeps."""
    assert [row[:2] for row in first] == [row[:2] for row in second]
    for one, other in zip(first, second, strict=True):
        assert all(map(is_same, one[2:], other[2:])), (one, other)


def is_same(one, other):
    return one is other is None or math.isclose(one, other, rel_tol=1e-12)


def shown_rows(page):
    """The text of each innermost table row of a page, by its first word or words."""
    rows = re.findall(r"<tr\b[^>]*>((?:(?!<tr\b).)*?)</tr>", page, re.DOTALL)
    texts = (re.split(r"\s{2,}", unescape(re.sub(r"<[^>]+>", "  ", row)).strip()) for row in rows)
    return {text[0]: text[1:] for text in texts if len(text) > 3}


def test_one_command_delivers_the_same_table_everywhere(everywhere):
    done = everywhere.desk.mmflow("run", "everywhere", "--for", "2026-11-20", "--json")
    assert (done.code, done.data["state"]) == (0, "ok"), done.err
    assert {delivery["state"] for delivery in done.data["deliveries"]} == {"done"}
    assert len(done.data["deliveries"]) == 5

    *rows, total = everywhere.csv()
    assert len(rows) == done.data["rows"] > 5
    agree(everywhere.excel(), [*rows, total])
    agree(everywhere.sheets(), [*rows, total])
    agree(everywhere.sql(), rows)

    letter = everywhere.letter()
    files = {part.get_filename(): part.get_payload(decode=True) for part in letter.iter_attachments()}
    assert set(files) == {"2026-11-20.csv", "2026-11-20.xlsx"}
    agree(everywhere.csv(files["2026-11-20.csv"].decode("utf-8-sig")), [*rows, total])
    agree(everywhere.excel(files["2026-11-20.xlsx"]), [*rows, total])
    page = shown_rows(letter.get_body(("html",)).get_content())
    for name, _, oee, good, rejected, downtime in rows:
        found = {float(number) for text in page[name] for number in re.findall(r"-?\d+\.?\d*", text.replace(",", ""))}
        known = {oee: 1, good: 0, rejected: 0, downtime: 1}
        assert {round(number, places) for number, places in known.items() if number is not None} <= found, page[name]


def test_running_it_twice_leaves_what_once_leaves_and_mails_once(everywhere):
    at = ("run", "everywhere", "--at", "2026-11-21T06:40", "--json")
    first = everywhere.desk.mmflow(*at)
    assert first.data["state"] == "ok", first.err
    before = (everywhere.csv(), everywhere.excel(), everywhere.sheets(), everywhere.sql(), everywhere.sheet.titles)
    second = everywhere.desk.mmflow(*at)
    assert (second.code, second.data["state"]) == (0, "ok"), second.err
    after = (everywhere.csv(), everywhere.excel(), everywhere.sheets(), everywhere.sql(), everywhere.sheet.titles)
    assert after == before
    assert len(everywhere.mail.mails) == 1


def test_nothing_would_change_after_a_delivery(everywhere):
    everywhere.desk.mmflow("run", "everywhere", "--for", "2026-11-20", "--no-send")
    for sink in ("csv", "excel", "sheets", "sql"):
        done = everywhere.desk.mmflow(
            "preview", "everywhere", "--for", "2026-11-20", "--sink", sink, "--diff", "--json"
        )
        assert (sink, done.data["changes"]) == (sink, []), done.err
        assert done.data["same"] > 5


def test_preview_and_a_live_check_write_nothing_anywhere(everywhere):
    state = everywhere.sheet.state()
    for sink in ("csv", "excel", "sheets", "sql", "email"):
        done = everywhere.desk.mmflow("preview", "everywhere", "--for", "2026-11-20", "--sink", sink)
        assert (done.code, bool(done.out)) == (0, True), done.err
    live = everywhere.desk.mmflow("validate", "--live", "--json")
    assert [(one["path"], one["message"]) for one in live.data["problems"]] == []
    assert everywhere.sheet.state() == state
    assert everywhere.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]
    assert everywhere.mail.mails == []
    assert not (everywhere.desk.root / "out").exists()


@pytest.mark.row("R48")
def test_one_destination_that_is_down_leaves_the_others_and_is_sent_later_alone(everywhere):
    url, everywhere.desk.environ["SHEETS_URL"] = everywhere.desk.environ["SHEETS_URL"], "http://127.0.0.1:9"
    failed = everywhere.desk.mmflow("run", "everywhere", "--for", "2026-11-20", "--json")
    states = {delivery["sink"]: delivery["state"] for delivery in failed.data["deliveries"]}
    assert states == {"csv": "done", "excel": "done", "sheets": "failed", "sql": "done", "email": "done"}
    asked = len(everywhere.desk.simulator.requests)
    everywhere.desk.environ["SHEETS_URL"] = url
    again = everywhere.desk.mmflow("resend", failed.data["run"], "--failed", "--json")
    assert (again.code, again.data["state"]) == (0, "ok"), again.err
    agree(everywhere.sheets(), everywhere.csv())
    assert (len(everywhere.desk.simulator.requests), len(everywhere.mail.mails)) == (asked, 1)
