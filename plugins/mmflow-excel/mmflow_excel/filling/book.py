"""Reads what a workbook says of itself: its sheets, its tables and its names."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mmflow_excel.cellxml import unescape_text
from mmflow_excel.filling.markup import STRICT, Element, find_elements, named
from mmflow_excel.filling.package import Package
from mmflow_excel.places import LAST_ROW, Area, read_area, split_reference

TRUE: Final = ("1", "true")
SIGNATURES: Final = "_xmlsignatures/"
CONTENT_TYPES: Final = "[Content_Types].xml"


@dataclass(frozen=True, slots=True)
class Relation:
    """A part that another one refers to; ``kind`` is the last word of its type."""

    id: str
    kind: str
    part: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet of the workbook, and the part it is stored in."""

    name: str
    part: str


@dataclass(frozen=True, slots=True)
class Target:
    """What is filled: a table, or a range that has a name.

    ``area`` takes in the headings and the totals; ``formulas`` are those that a table keeps for its columns.
    """

    name: str
    sheet: Sheet
    area: Area
    headings: tuple[str, ...] = ()  # of a table; those of a range stand in its first row
    formulas: tuple[str, ...] = ()
    header_rows: int = 1
    totals_rows: int = 0
    part: str = ""  # of a table
    filtered: bool = False
    queried: bool = False  # Excel fills it itself

    @property
    def body(self) -> Area:
        """The rows of data."""
        area = self.area
        return Area(area.top + self.header_rows, area.left, area.bottom - self.totals_rows, area.right)


@dataclass(frozen=True, slots=True)
class Book:
    """The workbook part, read."""

    package: Package
    part: str
    xml: bytes
    elements: list[Element]
    sheets: tuple[Sheet, ...]
    relations: tuple[Relation, ...]

    @property
    def base_1904(self) -> bool:
        """Whether its days count from 1904."""
        return any(element.get("date1904") in TRUE for element in named(self.elements, "workbookPr", "workbook"))

    def names(self) -> list[Element]:
        """Give the names that are defined in it."""
        return list(named(self.elements, "definedName", "definedNames", "workbook"))


def read_book(package: Package) -> Book:
    """Read the workbook part; :class:`mmflow.GiveUp` for kinds of workbooks that are not filled."""
    if any(name.startswith(SIGNATURES) for name in package.names):
        raise package.refuse("is signed, and no signature stays true when it is filled; remove the signature")
    package.read(CONTENT_TYPES)  # without it Excel opens nothing
    part = next((one.part for one in read_relations(package, "") if one.kind == "officeDocument"), "")
    if not part.endswith(".xml"):
        raise package.refuse("is no workbook of Excel's newer kinds; save it as .xlsx or .xlsm")
    xml = package.read(part)
    if STRICT.encode() in xml:
        raise package.refuse("is saved as Strict Open XML; save it as Excel Workbook (.xlsx)")
    elements = find_elements(xml, part)
    relations = tuple(read_relations(package, part))
    return Book(package, part, xml, elements, tuple(find_sheets(elements, relations)), relations)


def find_sheets(elements: list[Element], relations: tuple[Relation, ...]) -> list[Sheet]:
    """Give the worksheets; sheets that are one chart are left out."""
    parts = {one.id: one.part for one in relations if one.kind == "worksheet"}
    return [
        Sheet(element.get("name"), parts[element.get("id")])
        for element in named(elements, "sheet", "sheets", "workbook")
        if element.get("id") in parts
    ]


def relations_part(part: str) -> str:
    """Give the name of the part that holds what another refers to."""
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def read_relations(package: Package, part: str) -> list[Relation]:
    """Give the parts that a part refers to, "" being the whole package."""
    described = relations_part(part)
    if described not in package.names:
        return []
    return [
        Relation(element.get("Id"), element.get("Type").rpartition("/")[2], resolve_part(part, element.get("Target")))
        for element in named(find_elements(package.read(described), described), "Relationship", "Relationships")
        if element.get("TargetMode") != "External"
    ]


def resolve_part(part: str, target: str) -> str:
    """Give the name of a part from the way another refers to it."""
    joined = posixpath.join("/", posixpath.dirname(part), unquote(target))
    return posixpath.normpath(joined).lstrip("/")


def find_target(book: Book, name: str) -> Target:
    """Find a table or a named range; :class:`mmflow.GiveUp` lists those there are, or says that several match.

    A name for the whole workbook goes before those of single sheets.
    """
    tables = find_tables(book)
    same = [table for table in tables if table.name.casefold() == name.casefold()]
    ranges = [element for element in book.names() if element.get("name").casefold() == name.casefold()]
    everywhere = [element for element in ranges if not element.get("localSheetId")] or ranges
    if not same and not ranges:
        raise book.package.refuse(f"has no table and no name {name!r}; {list_targets(book, tables)}")
    if len(same) + len(everywhere) > 1:
        raise book.package.refuse(f"has several tables or names {name!r}; give the one that is meant a name of its own")
    return check_shape(book, same[0] if same else read_range(book, everywhere[0]))


def list_targets(book: Book, tables: list[Target]) -> str:
    """Say which tables and names there are."""
    names = [element.get("name") for element in book.names() if not element.get("name").startswith("_xlnm.")]
    listed = [
        f"{kind} {', '.join(found[:20])}"
        for kind, found in (("the tables", [table.name for table in tables]), ("the names", names))
        if found
    ]
    return f"it has {' and '.join(listed)}" if listed else "make one in Excel: select the headings, Insert, Table"


def find_tables(book: Book) -> list[Target]:
    """Give all tables of the workbook."""
    return [
        read_table(book, sheet, one.part)
        for sheet in book.sheets
        for one in read_relations(book.package, sheet.part)
        if one.kind == "table"
    ]


def read_table(book: Book, sheet: Sheet, part: str) -> Target:
    """Read the part that describes a table."""
    elements = find_elements(book.package.read(part), part)
    table = elements[0]
    columns = list(named(elements, "tableColumn", "tableColumns", "table"))
    formulas = {id(one.parent): one.text for one in named(elements, "calculatedColumnFormula", "tableColumn")}
    area = read_area(table.get("ref"))
    header_rows, totals_rows = table.count("headerRowCount", 1), table.count("totalsRowCount")
    if area is None or area.right - area.left + 1 != len(columns) or header_rows < 0 or totals_rows < 0:
        raise book.package.refuse(f"has a damaged table {table.get('displayName')!r}; repair it in Excel")
    return Target(
        name=table.get("displayName") or table.get("name"),
        sheet=sheet,
        area=area,
        headings=tuple(unescape_text(column.get("name")) for column in columns),
        formulas=tuple(formulas.get(id(column), "") for column in columns),
        header_rows=header_rows,
        totals_rows=totals_rows,
        part=part,
        filtered=any(named(elements, "filterColumn", "autoFilter", "table")),
        queried=table.get("tableType") in ("queryTable", "xml"),
    )


def read_range(book: Book, element: Element) -> Target:
    """Read a defined name that stands for a range of cells."""
    found = split_reference(element.text)
    sheet = next((one for one in book.sheets if found and one.name.casefold() == found[0].casefold()), None)
    if not found or sheet is None:
        raise book.package.refuse(
            f"has a name {element.get('name')!r} for {element.text!r}, expected one range of cells such as "
            "Data!$A$1:$F$2, its headings in the first row"
        )
    return Target(element.get("name"), sheet, found[1])


def check_shape(book: Book, target: Target) -> Target:
    """Give the target; :class:`mmflow.GiveUp` when it has no rows for data, or Excel fills it itself."""
    if target.queried:
        raise book.package.refuse(f"has a table {target.name!r} that Excel fills from a query; use a table of your own")
    if target.area.bottom - target.totals_rows < target.area.top + target.header_rows:
        if not target.part and target.area.bottom < LAST_ROW:  # a name for the headings alone
            area = target.area
            return Target(target.name, target.sheet, Area(area.top, area.left, area.bottom + 1, area.right))
        raise book.package.refuse(f"has no row for data in {target.name!r}; add one below its headings")
    return target
