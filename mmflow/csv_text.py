"""How a table reads as CSV: the dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvDialect:
    """How a table is written as CSV."""

    delimiter: str = ","
    quoting: Literal["minimal", "all", "none"] = "minimal"
    decimal: Literal[".", ","] = "."
    null: str = ""
    date_format: str = "%Y-%m-%d"
    datetime_format: str = "%Y-%m-%dT%H:%M:%S%:z"
    newline: Literal["\r\n", "\n"] = "\r\n"
    header: Literal["labels", "names", "none"] = "labels"
    formula_guard: Literal["prefix", "none", "reject"] = "prefix"
    footer: bool = True
