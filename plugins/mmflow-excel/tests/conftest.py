"""Tables as reports give them, deliveries of them, and what stands in the workbooks afterwards."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from itertools import count

import openpyxl
import pytest

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import RunInfo, find_function
from mmflow.table import Cell, Column, FooterRow, Table, make_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, make_outline


@pytest.fixture
def table(tmp_path) -> Callable[..., Table]:
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


@pytest.fixture(scope="session")
def excel():
    """The sink, as the engine finds it."""
    return load().sinks["excel"]


@pytest.fixture
def call(excel):
    """Call a function of the sink as the engine does: by its name, with the options as written."""

    def do(function: str, table: Table, run: RunInfo, **written):
        options = convert_values(written, excel.options)
        return find_function(getattr(excel, function))(table, options, run)

    return do


@pytest.fixture
def deliver(call):
    """Deliver a table."""

    def do(table: Table, run: RunInfo, **written):
        return call("deliver", table, run, **written)

    return do


@pytest.fixture
def validate(excel):
    """Give the findings of the sink about its options as written."""

    def do(outline=None, **written) -> dict:
        options = convert_values(written, excel.options)
        return dict(find_function(excel.validate)(options, outline or make_outline()))

    return do


@pytest.fixture
def cells(tmp_path):
    """Give the values that stand on a sheet of the delivered workbook, row by row."""

    def read(sheet: str = "Data", path: str = "out/morning-oee.xlsx"):
        book = openpyxl.load_workbook(tmp_path / path)
        return [list(row) for row in book[sheet].iter_rows(values_only=True)]

    return read


@pytest.fixture
def open_book(tmp_path):
    """Open the delivered workbook."""
    return lambda: openpyxl.load_workbook(tmp_path / "out/morning-oee.xlsx")


@pytest.fixture
def office(tmp_path):
    """Convert a file with LibreOffice, in a profile of its own."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("needs LibreOffice")

    def convert(path, kind: str, suffix: str = ""):
        target = tmp_path / "converted"
        profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
        words = [program, profile, "--headless", "--convert-to", kind, "--outdir", str(target), str(path)]
        subprocess.run(words, check=True, timeout=100, capture_output=True)
        return target / f"{path.stem}.{suffix or kind.partition(':')[0]}"

    return convert
