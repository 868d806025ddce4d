"""Reads the texts that the cells of a workbook share, and only those that are wanted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from xml.parsers import expat

from mmflow_excel.cellxml import unescape_text
from mmflow_excel.filling.book import Book
from mmflow_excel.filling.markup import Refused, new_parser, unsound

BLOCK: Final = 1 << 20


class TextCollector:
    """Collects texts while a part is read: those with these numbers, without their readings for Japanese."""

    def __init__(self, wanted: Collection[int]) -> None:
        self.wanted = wanted
        self.texts: dict[int, str] = {}
        self._number = -1
        self._inside: list[str] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        """See an element begin."""
        local = name.rpartition(":")[2]
        self._inside.append(local)
        if local == "si":
            self._number += 1
            if self._number in self.wanted:
                self.texts[self._number] = ""

    def end(self, _name: str) -> None:
        """See an element end."""
        self._inside.pop()

    def collect(self, text: str) -> None:
        """See a piece of text."""
        if self._number in self.texts and self._inside[-1] == "t" and "rPh" not in self._inside:
            self.texts[self._number] += text


def read_strings(book: Book, wanted: Collection[int]) -> dict[int, str]:
    """Give the shared texts with these numbers; memory holds no others."""
    part = next((one.part for one in book.relations if one.kind == "sharedStrings"), "")
    if not wanted or not part:
        return {}
    collector, parser = TextCollector(wanted), new_parser()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = collector.start, collector.end
    parser.CharacterDataHandler = collector.collect
    with book.package.open(part) as file:
        try:
            while block := file.read(BLOCK):
                parser.Parse(block, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, Refused) as error:
            raise unsound(part, error) from error
    return {number: unescape_text(text) for number, text in collector.texts.items()}
