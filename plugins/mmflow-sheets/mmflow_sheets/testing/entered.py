"""``USER_ENTERED``: what a text becomes when it is typed into a cell, in the locale en_US.

Modelled: formulas, a leading ``'``, TRUE and FALSE, numbers (``1,234.5``, ``12%``, ``$5``, ``1e3``), dates
(``2026-11-22``, ``11/22/2026``), times, and both together. Anything else stays a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from mmflow_sheets.testing.cells import extend_value
from mmflow_sheets.testing.envelope import Json
from mmflow_sheets.testing.formats import EPOCH

NUMBER: Final = re.compile(
    r"(?P<sign>[-+]?)(?P<money>\$?)(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?)(?P<power>[eE][-+]?\d+)?(?P<percent>%?)"
)
MOMENTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("%Y-%m-%d", "DATE", "yyyy-mm-dd"),
    ("%m/%d/%Y", "DATE", "m/d/yyyy"),
    ("%Y-%m-%d %H:%M", "DATE_TIME", "yyyy-mm-dd h:mm"),
    ("%Y-%m-%d %H:%M:%S", "DATE_TIME", "yyyy-mm-dd h:mm:ss"),
    ("%m/%d/%Y %H:%M:%S", "DATE_TIME", "m/d/yyyy h:mm:ss"),
    ("%m/%d/%Y %H:%M", "DATE_TIME", "m/d/yyyy h:mm"),
    ("%H:%M", "TIME", "h:mm"),
    ("%H:%M:%S", "TIME", "h:mm:ss"),
)


def enter_value(value: Any) -> tuple[Json, Json | None]:
    """Give the ``ExtendedValue`` that typing makes of a value, and the number format that comes with it."""
    if not isinstance(value, str):
        return extend_value(value), None
    if value.startswith("=") and len(value) > 1:
        return {"formulaValue": value}, None
    if value.startswith("'"):
        return {"stringValue": value[1:]}, None
    for read in READERS:
        if found := read(value.strip()):
            return found
    return {"stringValue": value}, None


def _read_truth(text: str) -> tuple[Json, Json | None] | None:
    return ({"boolValue": text.upper() == "TRUE"}, None) if text.upper() in {"TRUE", "FALSE"} else None


def _read_number(text: str) -> tuple[Json, Json | None] | None:
    match = NUMBER.fullmatch(text)
    if not match or not re.search(r"\d", match["digits"]):
        return None
    number = float(match["sign"] + match["digits"].replace(",", "") + (match["power"] or ""))
    if match["percent"]:
        pattern = "0.00%" if "." in match["digits"] else "0%"
        return {"numberValue": number / 100}, {"type": "PERCENT", "pattern": pattern}
    style = {"type": "CURRENCY", "pattern": '"$"#,##0.00' if "." in text else '"$"#,##0'} if match["money"] else None
    if not style and "," in match["digits"]:
        style = {"type": "NUMBER", "pattern": "#,##0.00" if "." in match["digits"] else "#,##0"}
    return {"numberValue": int(number) if number.is_integer() and abs(number) < 1e15 else number}, style


def _read_moment(text: str) -> tuple[Json, Json | None] | None:
    for shape, kind, pattern in MOMENTS:
        try:
            moment = datetime.strptime(text, shape)  # noqa: DTZ007  # a sheet has no zones
        except ValueError:
            continue
        start = datetime(1900, 1, 1) if kind == "TIME" else EPOCH  # noqa: DTZ001
        serial = (moment - start).total_seconds() / 86400
        return {"numberValue": int(serial) if kind == "DATE" else serial}, {"type": kind, "pattern": pattern}
    return None


READERS: Final[tuple[Callable[[str], tuple[Json, Json | None] | None], ...]] = (_read_truth, _read_number, _read_moment)
