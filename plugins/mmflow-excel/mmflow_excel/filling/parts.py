"""Makes the small changes that belong to a filled target: its range, and what Excel does anew on opening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mmflow_excel.filling.book import CONTENT_TYPES, Book, Target, relations_part
from mmflow_excel.filling.markup import Change, Element, apply_changes, find_elements, named, remove, set_attributes
from mmflow_excel.filling.package import Edit
from mmflow_excel.places import Area, read_area, split_reference

# What stands before the settings of calculation in a workbook.
BEFORE_CALCULATION: Final = ("sheets", "functionGroups", "externalReferences", "definedNames")
SORTING: Final = ("sortState", "sortCondition")


def edit_parts(book: Book, target: Target, area: Area, *, drop_chain: bool) -> dict[str, Edit]:
    """Give the changes of all parts but the sheet, for a target that now takes ``area``."""
    edits: dict[str, Edit] = {book.part: edit_workbook(book, target, area)}
    if target.part:
        edits[target.part] = edit_table(book, target, area)
    for one in book.relations:
        if one.kind == "pivotCacheDefinition" and (xml := edit_cache(book, target, area, one.part)):
            edits[one.part] = xml
    chain = next((one.part for one in book.relations if one.kind == "calcChain"), "")
    if drop_chain and chain:
        edits |= drop_part(book, chain)
    return edits


def edit_workbook(book: Book, target: Target, area: Area) -> bytes:
    """Let Excel compute everything on opening, and let the name of a range take in its rows."""
    changes = [ask_calculation(book)]
    if not target.part:
        old = (target.sheet.name.casefold(), target.area)
        for element in book.names():
            found = split_reference(element.text)
            own = element.get("name").casefold() in (target.name.casefold(), "_xlnm._filterdatabase")
            if own and found and (found[0].casefold(), found[1]) == old:
                changes.append(set_range(book.xml, element, area))
    return apply_changes(book.xml, changes)


def ask_calculation(book: Book) -> Change:
    """Give the change that makes Excel compute on opening."""
    settings = next(named(book.elements, "calcPr", "workbook"), None)
    if settings:
        return set_attributes(book.xml, settings, {"fullCalcOnLoad": "1"})
    before = [element for element in book.elements if element.name in BEFORE_CALCULATION and element.up("workbook")]
    prefix = element_prefix(book.xml, book.elements[0])
    end = max(element.end for element in before)
    return Change(end, end, b'<%scalcPr fullCalcOnLoad="1"/>' % prefix)


def element_prefix(xml: bytes, element: Element) -> bytes:
    """Give the prefix of an element as it is written, with its colon."""
    tag = xml[element.start + 1 : element.inside]
    name = element.name.encode()
    return tag[: tag.index(name)]


def set_range(xml: bytes, element: Element, area: Area) -> Change:
    """Give the change of a name's range; its sheet stays as it is written."""
    end = xml.rindex(b"<", element.inside, element.end)
    start = xml.rindex(b"!", element.inside, end) + 1
    return Change(start, end, area.absolute().encode())


def edit_table(book: Book, target: Target, area: Area) -> bytes:
    """Let a table take in its rows; filters are taken off, since they would hide rows of another day."""
    xml = book.package.read(target.part)
    elements = find_elements(xml, target.part)
    below = area.bottom - target.totals_rows
    changes = [set_attributes(xml, elements[0], {"ref": str(area), "insertRow": None, "insertRowShift": None})]
    for element in elements[1:]:
        said = read_area(element.get("ref"))
        if element.name == "filterColumn" and element.up("autoFilter", "table"):
            changes.append(remove(element))
        elif said and (element.name in SORTING or (element.name == "autoFilter" and element.up("table"))):
            new = Area(said.top, said.left, below, said.right)
            changes.append(set_attributes(xml, element, {"ref": str(new)}))
    return apply_changes(xml, changes)


def edit_cache(book: Book, target: Target, area: Area, part: str) -> bytes | None:
    """Let a pivot that draws on the target read it anew on opening; None for one that does not."""
    xml = book.package.read(part)
    elements = find_elements(xml, part)
    source = next(named(elements, "worksheetSource", "cacheSource", "pivotCacheDefinition"), None)
    if source is None or source.get("id"):  # another workbook
        return None
    said = read_area(source.get("ref"))
    on_sheet = source.get("sheet").casefold() == target.sheet.name.casefold()
    changes = []
    if on_sheet and said == target.area:
        changes.append(set_attributes(xml, source, {"ref": str(area)}))
    elif not (on_sheet and meets(source.get("ref"), area)) and not draws_on(book, target, source.get("name")):
        return None
    changes.append(set_attributes(xml, elements[0], {"refreshOnLoad": "1"}))
    return apply_changes(xml, changes)


def meets(ref: str, area: Area) -> bool:
    """Tell whether a range takes in a part of an area; whole columns (``A:D``) do."""
    said = read_area(ref)
    return said.meets(area) if said else bool(ref)


def draws_on(book: Book, target: Target, name: str) -> bool:
    """Tell whether a name stands for the target, or is defined by it."""
    if name.casefold() == target.name.casefold():
        return True
    texts = [element.text.casefold() for element in book.names() if element.get("name").casefold() == name.casefold()]
    words = (target.name.casefold(), target.sheet.name.casefold().replace("'", "''"))
    return bool(name) and any(word in text for text in texts for word in words)


def drop_part(book: Book, part: str) -> Iterator[tuple[str, Edit]]:
    """Leave a part of the workbook out, and what says that it is there."""
    yield part, None
    types = book.package.read(CONTENT_TYPES)
    overrides = named(find_elements(types, CONTENT_TYPES), "Override", "Types")
    yield CONTENT_TYPES, apply_changes(types, [remove(one) for one in overrides if one.get("PartName") == f"/{part}"])
    described = relations_part(book.part)
    xml = book.package.read(described)
    relations = named(find_elements(xml, described), "Relationship", "Relationships")
    yield described, apply_changes(xml, [remove(one) for one in relations if one.get("Type").endswith("/calcChain")])


def edit_tail(target: Target, area: Area, tail: bytes, elements: list[Element]) -> bytes:
    """Let the filter over a named range take in its rows, and take it off; all else behind the rows stays."""
    if target.part:
        return tail
    changes = []
    for element in elements:
        if element.name == "autoFilter" and element.up("worksheet") and read_area(element.get("ref")) == target.area:
            changes.append(set_attributes(tail, element, {"ref": str(area)}))
            changes += [remove(one) for one in elements if one.name == "filterColumn" and one.parent is element]
    return apply_changes(tail, changes)


def is_filtered(target: Target, elements: list[Element]) -> bool:
    """Tell whether rows of a target may be hidden by a filter."""
    if target.part:
        return target.filtered
    return any(
        element.name == "filterColumn"
        and element.up("autoFilter", "worksheet")
        and element.parent is not None
        and read_area(element.parent.get("ref")) == target.area
        for element in elements
    )
