"""Reads the XML of a sheet row by row, in bounded memory, keeping all of it to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final
from xml.parsers import expat

from mmflow_excel.filling.markup import MOST_DIGITS, Refused, get_attribute, new_parser, set_attribute, unsound
from mmflow_excel.places import LAST_COLUMN, LAST_ROW, Area, count_column, name_column

BLOCK: Final = 1 << 20
LONGEST: Final = 64 << 20  # bytes before and after the rows, and of one row
ATTRIBUTES: Final = rb"""(?:"[^"]*"|'[^']*'|[^>"'])*?"""
FORMULA: Final = re.compile(rb"<(?:[\w.-]+:)?f((?:\s[^>]*?)?)(?:/>|>(.*?)</)", re.DOTALL)
REFERENCE: Final = re.compile(rb"([A-Z]{1,3})([0-9]{1,7})")


@dataclass(frozen=True, slots=True)
class Words:
    """What the elements of a sheet look like, which depends on the prefix that its writer chose."""

    prefix: bytes
    data: re.Pattern[bytes]
    row: re.Pattern[bytes]
    row_end: re.Pattern[bytes]
    data_end: re.Pattern[bytes]
    cell: re.Pattern[bytes]

    @classmethod
    def of(cls, prefix: bytes) -> Words:
        """Make them for a prefix such as ``x:``."""
        p = re.escape(prefix)
        return cls(
            prefix,
            re.compile(rb"<%ssheetData\s*(/?)>" % p),
            re.compile(rb'\s*(<%srow(?: r="([0-9]{1,7})")?(?=[\s/>])%s(/?)>)' % (p, ATTRIBUTES)),
            re.compile(rb"</%srow\s*>" % p),
            re.compile(rb"\s*</%ssheetData\s*>" % p),
            re.compile(
                rb'(<%sc(?: r="([A-Z]{1,3})[0-9]+")?(?=[\s/>])%s(?:/>|>))(?:(?<=/>)|(.*?)</%sc\s*>)'
                % (p, ATTRIBUTES, p),
                re.DOTALL,
            ),
        )


@dataclass(frozen=True, slots=True)
class CellXml:
    """A cell of a row: its first tag, what is inside, and where in the row it stands."""

    column: int
    tag: bytes
    inside: bytes
    start: int
    end: int

    @property
    def empty(self) -> bool:
        """Whether it has neither value nor formula."""
        return b"<" not in self.inside

    @property
    def filled(self) -> bool:
        """Whether it has a value that is not computed."""
        return not self.empty and not FORMULA.search(self.inside)

    @property
    def style(self) -> int | None:
        """The number of its format, None when it says none."""
        said = get_attribute(self.tag, b"s")
        return int(said) if said and said.isdigit() and len(said) <= MOST_DIGITS else None

    def numbered(self, row: int) -> bytes:
        """Give its first tag for another row."""
        place = f"{letters_of(self.column)}{row}"
        start = self.tag.find(b' r="')
        if 0 < start == self.tag.find(b" "):  # as nearly everybody writes it
            end = self.tag.index(b'"', start + 4)
            return b'%s r="%s%s' % (self.tag[:start], place.encode(), self.tag[end:])
        return set_attribute(self.tag, "r", place)


@dataclass(frozen=True, slots=True)
class RowXml:
    """A row as it stands in the sheet: all bytes, its number, its first tag, and its cells."""

    raw: bytes
    number: int
    tag: bytes
    inside: bytes
    words: Words

    def cells(self) -> Iterator[CellXml]:
        """Give its cells in order; one without a reference stands right of the one before."""
        column = 0
        for found in self.words.cell.finditer(self.inside):
            letters = found[2] or read_letters(get_attribute(found[1], b"r"))
            column = number_column(letters) if letters else column + 1
            yield make_cell(column, found)

    def cell(self, column: int) -> CellXml | None:
        """Give the cell in a column, None when there is none."""
        opening = b'<%sc r="%s%d"' % (self.words.prefix, letters_of(column).encode(), self.number)
        if (at := self.inside.find(opening)) >= 0 and (found := self.words.cell.match(self.inside, at)):
            return make_cell(column, found)
        return next((cell for cell in self.cells() if cell.column == column), None)

    def split(self, area: Area) -> tuple[bytes, bytes]:
        """Give what stands left and right of the columns of an area."""
        if self.lies_within(area):
            return b"", b""
        cells = list(self.cells())
        start = next((cell.start for cell in cells if cell.column >= area.left), cells[-1].end if cells else 0)
        end = next((cell.start for cell in cells if cell.column > area.right), cells[-1].end if cells else 0)
        if all(get_attribute(cell.tag, b"r") for cell in cells):
            return self.inside[:start], self.inside[end:]
        left, right = (
            b"".join(self.placed(cell) for cell in cells if low <= cell.column < high)
            for low, high in ((0, area.left), (area.right + 1, LAST_COLUMN + 1))
        )
        return left, right

    def placed(self, cell: CellXml) -> bytes:
        """Give a cell with its reference, which it may lack as long as those around it stay where they are."""
        rest = self.inside[cell.start + len(cell.tag) : cell.end]
        return cell.numbered(self.number) + rest

    def lies_within(self, area: Area) -> bool:
        """Tell, when that is easily told, that all cells stand in the columns of an area and nothing else is there."""
        opening = b'<%sc r="' % self.words.prefix
        last = self.inside.rfind(opening)
        if last < 0 or not self.inside.startswith(opening) or not self.inside.endswith((b"c>", b"/>")):
            return False
        ends = [REFERENCE.match(self.inside, at + len(opening)) for at in (0, last)]
        columns = [number_column(found[1]) for found in ends if found]
        return len(columns) == len(ends) and area.left <= columns[0] and columns[1] <= area.right


class SheetXml:
    """A sheet that is read once, from beginning to end: ``head``, then ``rows()``, then ``tail``.

    :class:`mmflow.GiveUp` for one that is no sound XML, or written in a way that no program for sheets has.
    """

    def __init__(self, file: BinaryIO, part: str) -> None:
        self.part = part
        self.tail = b""
        self._file = file
        self._buffer = b""
        self._parser = new_parser()
        for handler in ("CommentHandler", "ProcessingInstructionHandler", "StartCdataSectionHandler"):
            setattr(self._parser, handler, refuse_odd)
        self.head, self.words, self.empty = self._read_head()

    def rows(self) -> Iterator[RowXml]:
        """Give the rows in order."""
        number = at = 0
        while not self.empty:
            found = self.words.row.match(self._buffer, at)
            ending = found and (found[3] or self.words.row_end.search(self._buffer, found.end()))
            if found is None or ending is None:
                if closing := self.words.data_end.match(self._buffer, at):
                    at = closing.start()
                    break
                self._buffer, at = self._buffer[at:], 0
                self._more()
                continue
            inside_end, end = (ending.start(), ending.end()) if isinstance(ending, re.Match) else (found.end(),) * 2
            number = self._number_row(found[2] or get_attribute(found[1], b"r"), number)
            yield RowXml(self._buffer[at:end], number, found[1], self._buffer[found.end() : inside_end], self.words)
            at = end
        self._read_tail(at)

    def _number_row(self, said: bytes | None, before: int) -> int:
        number = int(said[-MOST_DIGITS:]) if said and said.isdigit() else before + 1
        if not 1 <= number <= LAST_ROW or (said and len(said) > MOST_DIGITS):
            raise unsound(self.part, Refused(f"has a row beyond those of Excel, 1 to {LAST_ROW:,}"))
        return number

    def _read_head(self) -> tuple[bytes, Words, bool]:
        words = None
        while True:
            self._more()
            words = words or find_words(self._buffer)
            if words and (found := words.data.search(self._buffer)):
                head, self._buffer = self._buffer[: found.end()], self._buffer[found.end() :]
                return head, words, bool(found[1])

    def _read_tail(self, at: int) -> None:
        self._buffer = self._buffer[at:]
        while self._fill():
            self._check_size()
        self.tail, self._buffer = self._buffer, b""

    def _more(self) -> None:
        if not self._fill():
            raise unsound(self.part, Refused("has no rows that can be read"))
        self._check_size()

    def _check_size(self) -> None:
        if len(self._buffer) > LONGEST:
            raise unsound(self.part, Refused("holds too much beside its rows"))

    def _fill(self) -> bool:
        block = self._file.read(BLOCK)
        try:
            self._parser.Parse(block, not block)
        except (expat.ExpatError, Refused) as error:
            raise unsound(self.part, error) from error
        self._buffer += block
        return bool(block)


def formula_attribute(attributes: bytes, name: bytes) -> bytes | None:
    """Give an attribute of a formula, from all that were found with it."""
    return get_attribute(b"<f" + attributes + b">", name) if attributes else None


def make_cell(column: int, found: re.Match[bytes]) -> CellXml:
    """Give the cell that was found in a row."""
    return CellXml(column, found[1], found[3] or b"", found.start(), found.end())


@lru_cache(maxsize=1024)
def number_column(letters: bytes) -> int:
    """Give the number of a column."""
    return count_column(letters.decode())


letters_of = lru_cache(maxsize=1024)(name_column)


def read_letters(reference: bytes | None) -> bytes | None:
    """Give the letters of a cell's reference, however it is written."""
    found = REFERENCE.fullmatch(reference) if reference else None
    return found[1] if found else None


def refuse_odd(*_: object) -> None:
    """Refuse what could hide rows from a reader of rows."""
    raise Refused("holds comments or sections that no program for sheets writes")


def find_words(xml: bytes) -> Words | None:
    """Tell by the first element which prefix the others have."""
    found = re.search(rb"<((?:[\w.-]+:)?)worksheet[\s>]", xml)
    return Words.of(found[1]) if found else None
