"""How a table is written as CSV: everything that readers of CSV disagree about, in one value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mmflow.errors import UserError
from mmflow.table.cells import ColumnType

# What strftime means alike in Python and in the database; names of days and months are English.
DIRECTIVES = frozenset("%a %A %b %B %d %-d %f %H %-H %I %-I %j %m %-m %M %-M %p %S %-S %y %Y %G %V %%".split())  # noqa: SIM905
OFFSETS = frozenset({"%z", "%:z"})
FORMAT_PART = re.compile(r"%[-:]?.?|[^%]+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvDialect:
    """How a table is written as CSV, always in UTF-8. Raises :class:`UserError` for a dialect nobody could read.

    ``quoting``: ``minimal`` quotes what would else be read wrongly, and a text equal to ``empty``, so that a quoted
    field is never null; ``none`` refuses texts that need quotes.
    ``empty`` is written for a value that is not known.
    ``date_format`` and ``datetime_format`` are directives of strftime. Times are shown in the zone of their column;
    ``%z`` and ``%:z`` are its offset at that instant.
    ``formula_guard`` concerns texts alone, numbers are never touched: ``prefix`` puts ``'`` before a text that a
    spreadsheet would run as a formula, ``reject`` refuses it.
    ``footer`` appends the rows of totals.
    """

    delimiter: str = ","
    quoting: Literal["minimal", "all", "none"] = "minimal"
    decimal: Literal[".", ","] = "."
    empty: str = ""
    date_format: str = "%Y-%m-%d"
    datetime_format: str = "%Y-%m-%dT%H:%M:%S%:z"
    newline: Literal["\r\n", "\n"] = "\r\n"
    header: Literal["labels", "names", "none"] = "labels"
    formula_guard: Literal["prefix", "none", "reject"] = "prefix"
    footer: bool = True

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter.isalnum() or self.delimiter in '"\r\n\0':
            raise UserError("delimiter must be one character, and no letter, digit, quote or line break")
        if "\0" in self.empty:
            raise UserError("empty must not hold a NUL character")
        check_format("date_format", self.date_format, DIRECTIVES)
        check_format("datetime_format", self.datetime_format, DIRECTIVES | OFFSETS)
        if self.quoting == "none":
            check_unquoted(self)

    @property
    def special(self) -> frozenset[str]:
        """Characters that a field can hold only in quotes."""
        return frozenset({self.delimiter, '"', "\r", "\n"})

    def can_clash(self, kind: ColumnType) -> bool:
        """Tell whether a value of this type may hold one of the special characters."""
        marks = {
            "text": self.special,
            "integer": frozenset("-"),
            "number": frozenset({"-", self.decimal}),
            "date": list_marks(self.date_format),
            "datetime": list_marks(self.datetime_format),
            "boolean": frozenset[str](),
        }
        return bool(self.special & marks[kind])


@lru_cache(maxsize=256)  # jobs of one root are much alike
def check_format(option: str, text: str, known: frozenset[str]) -> None:
    """Raise :class:`UserError` unless the text is made of ``known`` directives and of what stands between them."""
    for part in FORMAT_PART.findall(text):
        if part.startswith("%") and part not in known:
            raise UserError(f"{option} has no directive {part!r}; there are: {' '.join(sorted(known))}")
    if not known & set(FORMAT_PART.findall(text)) or "\0" in text:
        raise UserError(f"{option} holds no directive, so every cell would be the same; write one such as %d.%m.%Y")


def check_unquoted(dialect: CsvDialect) -> None:
    """Raise :class:`UserError` when even numbers, dates or nulls would need quotes and there are to be none."""
    kinds: tuple[ColumnType, ...] = ("integer", "number", "date", "datetime")
    clashing = [f"{kind}s" for kind in kinds if dialect.can_clash(kind)]
    if dialect.special & set(dialect.empty):
        clashing.append("the text of empty cells")
    if clashing:
        raise UserError(
            f"quoting is none, but {clashing[0]} can hold the delimiter; choose another delimiter or quoting"
        )


def list_marks(form: str) -> frozenset[str]:
    """Give the characters that a format can write beside letters and digits."""
    parts = set(FORMAT_PART.findall(form))
    signs = "+-:" if parts & OFFSETS else ""
    return frozenset(signs).union("%", *(part for part in parts if not part.startswith("%")))
