"""LibreOffice opens the workbook and shows what the report says."""

import csv
import shutil
import subprocess
from datetime import UTC, date, datetime

import pytest

from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, make_run

OEE = Column("oee", "OEE (%)", "number", unit="%", decimals=1)
FIRST = date(2026, 11, 1)


@pytest.mark.row("S29")
def test_values_in_the_csv_of_libreoffice(tmp_path, table, deliver, office):
    hours = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (5, 6, 7)]
    names = ["=1+1", 'Zoë, "機械"', "two\nlines"]
    downs = [0.1, -1234.5, None]
    rows = [(FIRST, hour, name, 87.5, down) for hour, name, down in zip(hours, names, downs, strict=True)]
    footer = [FooterRow("total", ("Total", None, None, 61.2, -1234.4))]
    deliver(table(rows, (DAY, HOUR, MACHINE, OEE, DOWN), footer), make_run(tmp_path))
    shown = office(tmp_path / "out/morning-oee.xlsx", "csv:Text - txt - csv (StarCalc):44,34,76")
    with shown.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["Day", "Hour", "Machine", "OEE (%)", "Down (min)"],
            ["2026-11-01", "2026-11-01 01:00 EDT", "=1+1", "87.5%", "0.1"],
            ["2026-11-01", "2026-11-01 01:00 EST", 'Zoë, "機械"', "87.5%", "-1,234.5"],
            ["2026-11-01", "2026-11-01 02:00", "two\nlines", "87.5%", ""],
            ["Total", "", "", "61.2%", "-1,234.4"],
        ]


def test_pages_in_the_pdf_of_libreoffice(tmp_path, table, deliver, office):
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext")
    rows = [(FIRST, name, oee, 90.0) for name, oee in (("Haas 1", 87.5), ("Mazak 2", 40.0))]
    options = {
        "lights": {"oee": {"amber": 65, "red": 50}},
        "charts": [
            {"title": "Chart of OEE", "x": "machine", "y": ["oee"]},
            {"type": "pareto", "title": "Chart of stops", "x": "machine", "y": ["downtime"]},
        ],
        "sheets": [{"name": "Cross", "pivot": {"rows": "day", "columns": "machine", "value": "oee"}}],
    }
    deliver(table(rows, (DAY, MACHINE, OEE, DOWN)), make_run(tmp_path), **options)
    pdf = office(tmp_path / "out/morning-oee.xlsx", "pdf")
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True, text=True).stdout
    words = " ".join(text.split())
    for shown in ("Chart of OEE", "Chart of stops", "87.5%", "2026-11-01 87.5% 40.0%", "Share so far", "plant time"):
        assert shown in words
