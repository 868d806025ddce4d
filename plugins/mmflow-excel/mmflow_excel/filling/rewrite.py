"""Writes a sheet anew with other rows in its target, and all else to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from mmflow_excel.filling.book import Target
from mmflow_excel.filling.markup import get_attribute, set_attribute
from mmflow_excel.filling.sheet import FORMULA, RowXml, SheetXml
from mmflow_excel.filling.survey import Survey, read_count
from mmflow_excel.places import Area
from mmflow_excel.sheetxml import widen_dimension

VALUE: Final = re.compile(rb"<((?:[\w.-]+:)?)v(?:\s[^>]*)?(?:/>|>[^<]*</\1v\s*>)")
PILE: Final = 1 << 20  # bytes that are written at a time


@dataclass(frozen=True, slots=True)
class Refill:
    """What a target becomes: its new ``area``, and the cells of its rows of data as XML, one text a row."""

    target: Target
    survey: Survey
    area: Area
    tail: bytes
    unhide: bool

    @property
    def last_row(self) -> int:
        """The last row of data."""
        return self.area.bottom - self.target.totals_rows

    def write(self, source: BinaryIO, out: BinaryIO, rows: Iterator[str]) -> None:
        """Write the sheet."""
        sheet = SheetXml(source, self.target.sheet.part)
        pile = bytearray(self.write_head(sheet))
        for piece in self.pieces(sheet, rows):
            pile += piece
            if len(pile) > PILE:
                out.write(pile)
                pile.clear()
        if sheet.empty:
            pile += b"</%ssheetData>" % sheet.words.prefix
        out.write(pile + self.tail)

    def write_head(self, sheet: SheetXml) -> bytes:
        """Give what stands before the rows."""
        head = widen_dimension(sheet.head, self.area)
        return head[: head.rindex(b"/>")].rstrip() + b">" if sheet.empty else head

    def pieces(self, sheet: SheetXml, rows: Iterator[str]) -> Iterator[bytes]:
        """Give the rows of the sheet, old ones and new ones in their order."""
        body, end = self.target.body, max(self.target.area.bottom, self.area.bottom)
        number = body.top
        for row in sheet.rows():
            if row.number < body.top:
                yield row.raw
                continue
            while number < row.number and number <= self.area.bottom:
                yield self.new_row(number, rows, sheet.words.prefix)
                number += 1
            number = row.number + 1
            yield self.change_row(row, rows) if row.number <= end else keep_row(row)
        while number <= self.area.bottom:
            yield self.new_row(number, rows, sheet.words.prefix)
            number += 1

    def cells(self, number: int, rows: Iterator[str]) -> bytes:
        """Give the target's cells of a row."""
        if number <= self.last_row:
            return next(rows).encode()
        return self.totals(number) if number <= self.area.bottom else b""

    def totals(self, number: int) -> bytes:
        """Give the cells of the row of totals, which stands below the data wherever that ends."""
        close = b"</%sc>" % self.survey.words_prefix
        return b"".join(
            cell.numbered(number) + (b"" if cell.tag.endswith(b"/>") else forget_value(cell.inside) + close)
            for cell in self.survey.totals
        )

    def new_row(self, number: int, rows: Iterator[str], prefix: bytes) -> bytes:
        """Give a row that the sheet did not have, as high as the first."""
        tag = b'<%srow r="%d">' % (prefix, number)
        for name, said in self.survey.height.items() if number <= self.last_row else ():
            tag = set_attribute(tag, name, said)
        return b"".join([tag, self.cells(number, rows), b"</%srow>" % prefix])

    def change_row(self, row: RowXml, rows: Iterator[str]) -> bytes:
        """Give a row of the sheet with other cells in the columns of the target; its attributes stay."""
        left, right = row.split(self.area)
        cells = b"".join([left, self.cells(row.number, rows), right])
        tag = self.fit_tag(row)
        lead = row.raw[: row.raw.index(b"<")]
        return b"".join([lead, tag, cells, b"</%srow>" % row.words.prefix])

    def fit_tag(self, row: RowXml) -> bytes:
        """Give the first tag of a row, without a hint of its columns that is no longer true."""
        tag = row.tag.removesuffix(b"/>").rstrip() + b">" if row.tag.endswith(b"/>") else row.tag
        low, _, high = (get_attribute(tag, b"spans") or b"").partition(b":") if b"spans" in tag else (b"", b"", b"")
        first, last = read_count(low), read_count(high)
        if first is not None and last is not None and (first > self.area.left or last < self.area.right):
            tag = set_attribute(tag, "spans", None)
        if self.unhide and row.number <= self.last_row:
            tag = set_attribute(tag, "hidden", None)
        numbered = b' r="' in tag or get_attribute(tag, b"r")
        return tag if numbered else set_attribute(tag, "r", str(row.number))


def forget_value(inside: bytes) -> bytes:
    """Give the inside of a cell without the result of its formula, which is that of other rows."""
    return VALUE.sub(b"", inside) if FORMULA.search(inside) else inside


def keep_row(row: RowXml) -> bytes:
    """Give a row below the target to the letter; it gets its number if it had only its place."""
    if get_attribute(row.tag, b"r") is not None:
        return row.raw
    return row.raw.replace(row.tag, set_attribute(row.tag, "r", str(row.number)), 1)
