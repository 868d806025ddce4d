"""A workbook such as people make: a table with formulas and totals, a chart, a pivot, a slicer, a macro.

Table, chart, formats and conditional formats are by XlsxWriter. It has neither pivots nor slicers: their parts are
written here, after what Excel 365 writes for them. The macro is the head of an OLE file, which is how Excel stores
macros: nothing here runs it, it only has to stay as it is.
"""

import re
import struct
import warnings
import zipfile
from dataclasses import dataclass, replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
import xlsxwriter
from openpyxl import load_workbook

from mmflow.table import Column, make_table
from mmflow.testing.deliveries import make_run
from mmflow_excel.filling import fill_template

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
X14 = "http://schemas.microsoft.com/office/spreadsheetml/2009/9/main"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

DAY = Column("day", "Day", "date", "group")
MACHINE = Column("machine", "Machine", "text", "group")
DOWN = Column("downtime", "Down (min)", "number", unit="min", decimals=1)
OEE = Column("oee", "OEE", "number", unit="%", decimals=1)
COLUMNS = (DAY, MACHINE, DOWN, OEE)
SAMPLE = [(date(2020, 1, 1), "Sample", 1.5, 0.5), (date(2020, 1, 2), "Sample", 2.5, 0.25)]


def make_macro() -> bytes:
    """Give the smallest OLE compound file: a header, one sector of sector numbers, one of directory entries."""
    free, end, table = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    header = struct.pack("<8s16sHHHHH6s9I", bytes.fromhex("D0CF11E0A1B11AE1"), b"", 0x3E, 3, 0xFFFE, 9, 6, b"",
                         0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)  # fmt: skip
    sectors = struct.pack("<128I", table, end, *[free] * 126)
    name = "Root Entry".encode("utf-16-le")
    root = name.ljust(64, b"\0") + struct.pack(
        "<HBB3I16sI2QIQ", len(name) + 2, 5, 1, free, free, free, b"", 0, 0, 0, end, 0
    )
    return header + sectors + root.ljust(512, b"\0")


def write_base(path: Path, *, macro: Path | None, totals: bool, below: str, name: str) -> None:
    """Write what XlsxWriter can: sheets Data, Charts and Pivot."""
    with xlsxwriter.Workbook(path) as book:
        data, charts, pivot = (book.add_worksheet(sheet) for sheet in ("Data", "Charts", "Pivot"))
        day, minutes, percent = (book.add_format({"num_format": form}) for form in ("dd.mm.yyyy", "0.0", "0.0%"))
        bold = book.add_format({"bold": True, "bg_color": "#FFEEAA"})
        data.write("A1", "Downtimes of the plant", bold)
        data.set_column("B:B", 33)
        data.set_row(3, 22.5)
        for place, row in enumerate(SAMPLE, 3):
            data.write_datetime(place, 0, row[0], day)
            data.write(place, 1, row[1], bold)
            data.write(place, 2, row[2], minutes)
            data.write(place, 3, row[3], percent)
            data.write(place, 6, f"beside {place}")
        data.write("G30", "far below")
        if below:
            data.write(below, "in the way")
        data.conditional_format("D4:D500", {"type": "cell", "criteria": "<", "value": 0.6, "format": bold})
        columns = [{"header": text} for text in ("Day", "Machine", "Down (min)", "OEE", "Hours")]
        columns[4]["formula"] = f"={name}[[#This Row],[Down (min)]]/60"
        if totals:
            columns[1]["total_string"], columns[2]["total_function"] = "Total", "sum"
        data.add_table(2, 0, 4 + totals, 4, {"name": name, "columns": columns, "total_row": totals})
        chart = book.add_chart({"type": "column"})
        chart.add_series({"name": "Down", "categories": "=Data!$B$4:$B$5", "values": "=Data!$C$4:$C$5"})
        charts.insert_chart("B2", chart)
        charts.write_formula("A1", f"=SUM({name}[Down (min)])", None, 4)
        pivot.write("A1", "Pivot")
        book.define_name("Elsewhere", "=Charts!$A$1")
        if macro:
            book.add_vba_project(macro)


def read_parts(path: Path | BytesIO) -> dict[str, bytes]:
    """Give all parts of a workbook, in their order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(path: Path, parts: dict[str, bytes]) -> Path:
    """Write a workbook from its parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), content)
    return path


PIVOT_PARTS = {
    "xl/pivotCache/pivotCacheDefinition1.xml": (
        f'<pivotCacheDefinition xmlns="{MAIN}" xmlns:r="{RELATIONS}" r:id="rId1" refreshedBy="Plant" '
        'refreshedDate="46000" createdVersion="8" refreshedVersion="8" minRefreshableVersion="3" recordCount="2">'
        '<cacheSource type="worksheet"><worksheetSource name="Downtimes"/></cacheSource><cacheFields count="5">'
        '<cacheField name="Day" numFmtId="14"><sharedItems containsSemiMixedTypes="0" containsNonDate="0" '
        'containsDate="1" containsString="0" minDate="2020-01-01T00:00:00" maxDate="2020-01-03T00:00:00"/></cacheField>'
        '<cacheField name="Machine" numFmtId="0"><sharedItems count="1"><s v="Sample"/></sharedItems></cacheField>'
        '<cacheField name="Down (min)" numFmtId="0"><sharedItems containsSemiMixedTypes="0" containsString="0" '
        'containsNumber="1" minValue="1.5" maxValue="2.5"/></cacheField>'
        '<cacheField name="OEE" numFmtId="0"><sharedItems containsSemiMixedTypes="0" containsString="0" '
        'containsNumber="1" minValue="0.25" maxValue="0.5"/></cacheField>'
        '<cacheField name="Hours" numFmtId="0"><sharedItems containsString="0" containsBlank="1"/></cacheField>'
        "</cacheFields></pivotCacheDefinition>"
    ),
    "xl/pivotCache/_rels/pivotCacheDefinition1.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/pivotCacheRecords" Target="pivotCacheRecords1.xml"/>'
        "</Relationships>"
    ),
    "xl/pivotCache/pivotCacheRecords1.xml": (
        f'<pivotCacheRecords xmlns="{MAIN}" xmlns:r="{RELATIONS}" count="2">'
        '<r><d v="2020-01-01T00:00:00"/><x v="0"/><n v="1.5"/><n v="0.5"/><m/></r>'
        '<r><d v="2020-01-02T00:00:00"/><x v="0"/><n v="2.5"/><n v="0.25"/><m/></r></pivotCacheRecords>'
    ),
    "xl/pivotTables/pivotTable1.xml": (
        f'<pivotTableDefinition xmlns="{MAIN}" name="PivotTable1" cacheId="7" dataCaption="Values" '
        'createdVersion="8" updatedVersion="8" minRefreshableVersion="3" indent="0" outline="1" outlineData="1">'
        '<location ref="A3:B5" firstHeaderRow="1" firstDataRow="1" firstDataCol="1"/><pivotFields count="5">'
        '<pivotField numFmtId="14" showAll="0"/><pivotField axis="axisRow" showAll="0"><items count="2">'
        '<item x="0"/><item t="default"/></items></pivotField><pivotField dataField="1" showAll="0"/>'
        '<pivotField showAll="0"/><pivotField showAll="0"/></pivotFields>'
        '<rowFields count="1"><field x="1"/></rowFields>'
        '<rowItems count="2"><i><x/></i><i t="grand"><x/></i></rowItems><colItems count="1"><i/></colItems>'
        '<dataFields count="1"><dataField name="Sum of Down" fld="2" baseField="0" baseItem="0"/></dataFields>'
        "</pivotTableDefinition>"
    ),
    "xl/pivotTables/_rels/pivotTable1.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{RELATIONS}/pivotCacheDefinition" Target="../pivotCache/pivotCacheDefinition1.xml"/></Relationships>'
    ),
    "xl/slicerCaches/slicerCache1.xml": (
        f'<slicerCacheDefinition xmlns="{X14}" name="Slicer_Machine" sourceName="Machine"><pivotTables>'
        '<pivotTable tabId="3" name="PivotTable1"/></pivotTables><data><tabular pivotCacheId="7"><items count="1">'
        '<i x="0" s="1"/></items></tabular></data></slicerCacheDefinition>'
    ),
    "xl/slicers/slicer1.xml": (
        f'<slicers xmlns="{X14}"><slicer name="Machine" cache="Slicer_Machine" caption="Machine" rowHeight="241300"/>'
        "</slicers>"
    ),
    "xl/worksheets/_rels/sheet3.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/pivotTable" Target="../pivotTables/pivotTable1.xml"/>'
        '<Relationship Id="rId2" Type="http://schemas.microsoft.com/office/2007/relationships/slicer" '
        'Target="../slicers/slicer1.xml"/></Relationships>'
    ),
    "xl/calcChain.xml": f'<calcChain xmlns="{MAIN}"><c r="E4" i="1"/><c r="E5" i="1"/><c r="A1" i="2"/></calcChain>',
    "customXml/item1.xml": "<plant>kept</plant>",
}
KINDS = {
    "pivotCache/pivotCacheDefinition1.xml": "pivotCacheDefinition",
    "pivotCache/pivotCacheRecords1.xml": "pivotCacheRecords",
    "pivotTables/pivotTable1.xml": "pivotTable",
    "calcChain.xml": "calcChain",
}


def add_parts(parts: dict[str, bytes]) -> dict[str, bytes]:
    """Add pivot, slicer, calculation chain and custom XML to a workbook of XlsxWriter."""
    made = parts | {name: (HEAD + text).encode() for name, text in PIVOT_PARTS.items()}
    overrides = "".join(
        f'<Override PartName="/xl/{name}" '
        f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{kind}+xml"/>'
        for name, kind in KINDS.items()
    ) + "".join(
        f'<Override PartName="/xl/{name}" ContentType="application/vnd.ms-excel.{kind}+xml"/>'
        for name, kind in {"slicerCaches/slicerCache1.xml": "slicerCache", "slicers/slicer1.xml": "slicer"}.items()
    )
    relations = (
        f'<Relationship Id="rId91" Type="{RELATIONS}/pivotCacheDefinition" '
        'Target="pivotCache/pivotCacheDefinition1.xml"/>'
        f'<Relationship Id="rId92" Type="{RELATIONS}/calcChain" Target="calcChain.xml"/>'
        '<Relationship Id="rId93" Type="http://schemas.microsoft.com/office/2007/relationships/slicerCache" '
        'Target="slicerCaches/slicerCache1.xml"/>'
    )
    slicers = (
        f'<extLst><ext xmlns:x14="{X14}" uri="{{BBE1A952-AA13-448e-AADC-164F8A28A991}}"><x14:slicerCaches>'
        '<x14:slicerCache r:id="rId93"/></x14:slicerCaches></ext></extLst>'
    )
    list_of_slicers = (
        f'<extLst><ext xmlns:x14="{X14}" uri="{{A8765BA9-456A-4dab-B4F3-ACF838C121DE}}"><x14:slicerList>'
        '<x14:slicer r:id="rId2"/></x14:slicerList></ext></extLst>'
    )
    pivots = '<pivotCaches><pivotCache cacheId="7" r:id="rId91"/></pivotCaches>'
    for name, before, text in (
        ("[Content_Types].xml", "</Types>", overrides),
        ("xl/_rels/workbook.xml.rels", "</Relationships>", relations),
        ("xl/workbook.xml", "</workbook>", pivots + slicers),
        ("xl/worksheets/sheet3.xml", "</worksheet>", list_of_slicers),
    ):
        made[name] = made[name].replace(before.encode(), (text + before).encode())
    made["xl/workbook.xml"] = made["xl/workbook.xml"].replace(b' fullCalcOnLoad="1"', b"")  # as Excel saves it
    return made


@dataclass(frozen=True)
class FillWords:
    """Options of filling."""

    target: str = "Downtimes"
    mode: str = "replace"
    template: str = "template.xlsm"


@pytest.fixture
def template(tmp_path):
    """Make the workbook that is filled, in the folder of the job."""

    def make(*, macro=True, totals=True, below="", name="Downtimes", full=True, change=None) -> Path:
        folder = tmp_path / "jobs"
        folder.mkdir(exist_ok=True)
        path = folder / "template.xlsm"
        binary = folder / "vbaProject.bin"
        binary.write_bytes(make_macro())
        write_base(path, macro=binary if macro else None, totals=totals, below=below, name=name)
        parts = add_parts(read_parts(path)) if full else read_parts(path)
        written, saved = b"SUBTOTAL(109,[", f"SUBTOTAL(109,{name}[".encode()  # by XlsxWriter; by Excel
        parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(written, saved)
        return write_parts(path, change(parts) if change else parts)

    return make


@pytest.fixture
def table(tmp_path):
    """Make a table of a report from rows; its columns are day, machine, down time and OEE unless given."""

    def make(rows, columns=COLUMNS):
        return make_table(rows, columns=columns, path=tmp_path / "snapshot.parquet")

    return make


@pytest.fixture
def fill(tmp_path):
    """Fill a workbook, and give the path of the result."""

    def call(source, made, *, name="filled.xlsm", run=None, **words) -> Path:
        out = BytesIO()
        assert fill_template(source, made, replace(FillWords(), **words), run or make_run(tmp_path), out) == len(made)
        path = tmp_path / name
        path.write_bytes(out.getvalue())
        return path

    return call


@pytest.fixture
def parts():
    """Give all parts of a workbook."""
    return read_parts


@pytest.fixture
def rewrite():
    """Write a workbook from its parts."""
    return write_parts


@pytest.fixture
def open_book():
    """Open a workbook with openpyxl, which reads all of it now and keeps the macros."""

    def load(path):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Slicer List extension")  # openpyxl has no slicers
            return load_workbook(BytesIO(path.read_bytes()), keep_vba=True)

    return load


@pytest.fixture
def cells(open_book):
    """Give the values in an area of a sheet, as openpyxl reads them."""
    return lambda path, sheet, area: [[cell.value for cell in row] for row in open_book(path)[sheet][area]]


@pytest.fixture
def name_a_range():
    """Give a change of the workbook: a name Losses for a range in the place of its table, and a pivot on the range."""

    def change_for(formula):
        def change(parts):
            parts = dict(parts)
            name = f'<definedName name="Losses">{formula}</definedName></definedNames>'.encode()
            parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(b"</definedNames>", name)
            source = b'<worksheetSource ref="A3:E5" sheet="Data"/>'
            cache = "xl/pivotCache/pivotCacheDefinition1.xml"
            parts[cache] = parts[cache].replace(b'<worksheetSource name="Downtimes"/>', source)
            del parts["xl/tables/table1.xml"]
            relations = "xl/worksheets/_rels/sheet1.xml.rels"
            parts[relations] = re.sub(rb"<Relationship [^>]*table1.xml\"/>", b"", parts[relations])
            sheet = "xl/worksheets/sheet1.xml"
            parts[sheet] = re.sub(rb"<tableParts.*</tableParts>", b"", parts[sheet])
            parts["[Content_Types].xml"] = re.sub(
                rb'<Override PartName="/xl/tables/table1.xml"[^>]*>', b"", parts["[Content_Types].xml"]
            )
            return parts

        return change

    return change_for
