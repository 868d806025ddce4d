"""Reads from a workbook how its cells are formatted: which formats show days, times or percent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mmflow_excel.filling.book import Book
from mmflow_excel.filling.markup import Element, find_elements, named

# Formats that every workbook has without writing them down.
DATE_IDS: Final = frozenset({*range(14, 18), 22, *range(27, 32), 36, *range(50, 59)})
DATE_AND_TIME: Final = 22
TIME_IDS: Final = frozenset({*range(18, 22), *range(32, 36), *range(45, 48)})
PERCENT_IDS: Final = frozenset({9, 10})
LOOKS: Final = ("fontId", "fillId", "borderId")
LITERAL: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)


@dataclass(frozen=True)
class Styles:
    """The cell formats of a workbook, by the number that cells name them with."""

    formats: tuple[Element, ...]
    codes: dict[int, str]

    def shows_days(self, style: int | None) -> bool:
        """Tell whether a format shows a number as a day, with or without the time of day."""
        number = self._number(style)
        return number in DATE_IDS or bool(re.search("[dy]", self._code(number)))

    def shows_times(self, style: int | None) -> bool:
        """Tell whether a format shows a number as hours, minutes or seconds alone, so that 1 is a whole day."""
        number = self._number(style)
        code = self._code(number)
        return number in TIME_IDS or (bool(re.search("[hs]|\\[m", code)) and not re.search("[dy]", code))

    def shows_clock(self, style: int | None) -> bool:
        """Tell whether a format shows the time of day, with or without the day."""
        number = self._number(style)
        return number == DATE_AND_TIME or self.shows_times(style) or bool(re.search("[hs]", self._code(number)))

    def shows_percent(self, style: int | None) -> bool:
        """Tell whether a format shows 1 as 100%."""
        number = self._number(style)
        return number in PERCENT_IDS or "%" in self._code(number)

    def code(self, style: int | None) -> str:
        """Give a format as it is written, "" for those that every workbook has."""
        return self.codes.get(self._number(style), "")

    def find_days(self, like: int | None) -> int | None:
        """Give a format that shows days and looks like another, None when the workbook has none."""
        look = self._look(like or 0)
        return next((at for at in range(len(self.formats)) if self.shows_days(at) and self._look(at) == look), None)

    def _look(self, style: int) -> list[str]:
        return [self.formats[style].get(key) or "0" for key in LOOKS] if style < len(self.formats) else []

    def _number(self, style: int | None) -> int:
        if style is None or style >= len(self.formats):
            return 0
        return self.formats[style].count("numFmtId")

    def _code(self, number: int) -> str:
        code = LITERAL.sub("", self.codes.get(number, "").partition(";")[0]).lower()
        return "" if "general" in code else code


def read_styles(book: Book) -> Styles:
    """Read the part with the formats, which a workbook may lack."""
    part = next((one.part for one in book.relations if one.kind == "styles"), "")
    elements = find_elements(book.package.read(part), part) if part else []
    codes = {one.count("numFmtId"): one.get("formatCode") for one in named(elements, "numFmt", "numFmts", "styleSheet")}
    return Styles(tuple(named(elements, "xf", "cellXfs", "styleSheet")), codes)
