"""Names that Excel takes: of sheets, of tables, and headings that no two columns share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

LONGEST_SHEET: Final = 31
LONGEST_HEADING: Final = 255
_FORBIDDEN: Final = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ufffe\uffff]")
_ESCAPE: Final = re.compile(r"_x(?=[0-9A-Fa-f]{4}_)")  # what Excel would read as another character
_CELL: Final = re.compile(r"[a-z]{1,3}[0-9]+|r[0-9]*c[0-9]*|r|c", re.IGNORECASE)  # what would be read as a cell


def check_sheet(name: str) -> str | None:
    """Say in a few words why Excel takes no sheet of this name, or give None."""
    if not name.strip():
        return "is empty; give the sheet a name"
    if (length := count_units(name)) > LONGEST_SHEET:
        return f"has {length} characters; Excel allows {LONGEST_SHEET}"
    if found := _FORBIDDEN.search(name):
        return f"holds {found[0]!r}, which Excel does not allow in the name of a sheet; leave it out"
    if name[0] == "'" or name[-1] == "'":
        return "begins or ends with an apostrophe, which Excel does not allow; leave it out"
    if name.lower() == "history":
        return "is a name that Excel keeps for itself; choose another"
    return None


def number_sheet(name: str, number: int) -> str:
    """Give the name of a part of a sheet that was split: ``Data``, ``Data (2)``, ``Data (3)``."""
    tail = f" ({number})" if number > 1 else ""
    while count_units(name + tail) > LONGEST_SHEET:
        name = name[:-1]
    return name + tail


def name_table(sheet: str, taken: Collection[str]) -> str:
    """Give a table the name of its sheet, in the letters that Excel allows there and unlike ``taken`` in any case."""
    name = re.sub(r"\W", "_", sheet)
    if not re.match(r"[^\W\d]|_", name) or _CELL.fullmatch(name):
        name = f"_{name}"
    return distinguish_name(name, {one.lower() for one in taken}, "_{}")


def write_headings(labels: Iterable[str]) -> list[str]:
    """Give headings that a table of Excel can have: not empty, in one line, none twice whatever the case."""
    made: list[str] = []
    seen: set[str] = set()
    for number, label in enumerate(labels, 1):
        plain = " ".join(re.sub(r"[\x00-\x1f\x7f\ufffe\uffff]", " ", label).split())
        plain = _ESCAPE.sub("_X", plain)
        heading = distinguish_name(plain[: LONGEST_HEADING - 10] or f"Column{number}", seen, " ({})")
        seen.add(heading.lower())
        made.append(heading)
    return made


def distinguish_name(name: str, taken: Collection[str], form: str) -> str:
    """Give the name, with a number behind it when it is among those ``taken``, which are in small letters."""
    number, tried = 1, name
    while tried.lower() in taken:
        number += 1
        tried = name + form.format(number)
    return tried


def count_units(text: str) -> int:
    """Count characters as Excel does: those beyond the first 65,536 are two."""
    return len(text) + sum(char > "\uffff" for char in text)


def find_doubles(names: Sequence[str]) -> list[int]:
    """Give the places of names that stand before in the list, whatever the case."""
    lowered = [name.lower() for name in names]
    return [place for place, name in enumerate(lowered) if name in lowered[:place]]
