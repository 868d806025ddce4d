r"""How numbers look: the part of Google's number formats that reports use, in the locale en_US.

Modelled: ``0``, ``#``, ``,``, decimals and ``%``; ``yyyy yy mmmm mmm mm m dddd ddd dd d hh h mm ss AM/PM`` with the
months and minutes told apart by their neighbours; texts in quotes, ``\x`` and the sections after ``;`` for negative
numbers and zero. Anything else is shown as General. What General does to long numbers is an assumption (ten significant
digits).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, Final

from mmflow_sheets.testing.envelope import Json, Refusal

EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # a sheet has no zones
DEFAULT: Final = {
    "NUMBER": "#,##0.00",
    "PERCENT": "0.00%",
    "CURRENCY": '"$"#,##0.00',
    "DATE": "m/d/yyyy",
    "TIME": "h:mm:ss AM/PM",
    "DATE_TIME": "m/d/yyyy h:mm:ss",
    "SCIENTIFIC": "0.00E+00",
}
_TOKEN: Final = re.compile(r'"[^"]*"|\\.|AM/PM|am/pm|y+|m+|d+|h+|s+|.', re.DOTALL)
_WORDS: Final = re.compile(r'"[^"]*"|\\.|AM/PM|am/pm|a/p|A/P|\[(?:h+|m+|s+)\]')
_STRANGE: Final = re.compile(r'["\[\]\\]|[A-Za-z](?<![ymdhsYMDHS])')
_NUMBER: Final = re.compile(r"[#0][#0,]*(?:\.[#0]+)?|\.[#0]+")


@cache
def check_pattern(type: str = "", pattern: str = "") -> None:  # noqa: A002  # as Google names it
    """Refuse a pattern of days and times that no calendar knows. What Google refuses beside this is not known."""
    if type in {"DATE", "TIME", "DATE_TIME"} and _STRANGE.search(_WORDS.sub("", pattern)):
        raise Refusal(f"Invalid number format pattern: {pattern}")


def format_value(value: Json, number_format: Json) -> str:
    """Give the text of an ``ExtendedValue`` under a ``NumberFormat``."""
    if "numberValue" in value:
        return format_number(value["numberValue"], number_format)
    if "boolValue" in value:
        return "TRUE" if value["boolValue"] else "FALSE"
    if "errorValue" in value:
        return str(value["errorValue"].get("message", "#ERROR!"))
    return str(value.get("stringValue", ""))


def format_number(number: float, number_format: Json) -> str:
    """Give the text of a number."""
    kind = number_format.get("type", "")
    pattern = number_format.get("pattern") or DEFAULT.get(kind, "")
    section, number = _pick_section(pattern, number)
    if not section or section == "General" or kind == "TEXT":
        return write_general(number)
    bare = re.sub(r'"[^"]*"|\\.', "", section)
    if kind in {"DATE", "TIME", "DATE_TIME"} or re.search(r"[ydhs]", bare):
        return write_moment(number, section)
    return _write_number(number, section)


def _pick_section(pattern: str, number: float) -> tuple[str, float]:
    sections = re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", pattern)
    if number < 0 and len(sections) > 1:
        return sections[1], -number
    if number == 0 and len(sections) > 2:
        return sections[2], number
    return sections[0], number


def write_general(number: float) -> str:
    """Give a number as a cell without a format shows it."""
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    if isinstance(number, int) and abs(number) < 10**15:
        return str(number)
    text = f"{number:.10g}"
    return re.sub(r"e([+-])(\d)$", r"E\g<1>0\2", text).replace("e", "E")


def _write_number(number: float, section: str) -> str:
    match = _NUMBER.search(re.sub(r'"[^"]*"|\\.', lambda text: "\0" * len(text[0]), section))
    if not match or "E" in section:
        return write_general(number)
    exact = Decimal(repr(number)) * (100 if "%" in re.sub(r'"[^"]*"|\\.', "", section) else 1)
    body = _write_digits(abs(exact), section[match.start() : match.end()])
    sign = "-" if exact < 0 and re.search(r"[1-9]", body) else ""
    before, after = (_plain_text(part) for part in (section[: match.start()], section[match.end() :]))
    return f"{sign}{before}{body}{after}"


def _write_digits(number: Decimal, shape: str) -> str:
    whole, _, part = shape.partition(".")
    rounded = number.quantize(Decimal(1).scaleb(-len(part)), ROUND_HALF_UP) if number < Decimal(10) ** 27 else number
    digits, _, decimals = f"{rounded:f}".partition(".")
    digits = digits.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole:
        digits = re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", digits)
    optional = len(part) - len(part.rstrip("#"))
    while optional and decimals.endswith("0"):
        decimals, optional = decimals[:-1], optional - 1
    return digits + (f".{decimals}" if decimals else "")


def _plain_text(part: str) -> str:
    return re.sub(r'"([^"]*)"|\\(.)|_.|\*.', lambda match: match[1] or match[2] or "", part)


def write_moment(number: float, section: str) -> str:
    """Give a serial number of days by a pattern of dates and times."""
    moment = serial_moment(number)
    tokens = _TOKEN.findall(section)
    is_half = any(token.lower() == "am/pm" for token in tokens)
    texts = [_write_token(token, tokens, place, moment, is_half) for place, token in enumerate(tokens)]
    return "".join(texts)


def serial_moment(number: float) -> datetime:
    """Give the moment of a serial number, to the millisecond."""
    return EPOCH + timedelta(milliseconds=round(number * 86_400_000))


def _write_token(token: str, tokens: list[str], place: int, moment: datetime, is_half: bool) -> str:
    if token[0] in '"\\':
        return token.strip('"') if token[0] == '"' else token[1:]
    if token[0] == "m" and _is_minute(tokens, place):
        return f"{moment.minute:0{len(token)}d}"
    words = TOKENS.get(token.lower() if token.lower() == "am/pm" else token)
    return words(moment, is_half) if words else token


def _is_minute(tokens: list[str], place: int) -> bool:
    """Tell whether an ``m`` stands for minutes: after hours or before seconds."""
    before = next((token[0] for token in reversed(tokens[:place]) if token[0] in "ymdhs"), "")
    after = next((token[0] for token in tokens[place + 1 :] if token[0] in "ymdhs"), "")
    return before == "h" or after == "s"


def _hour(moment: datetime, is_half: bool) -> int:
    return (moment.hour % 12 or 12) if is_half else moment.hour


TOKENS: Final[dict[str, Any]] = {
    "yyyy": lambda moment, _: f"{moment:%Y}",
    "yy": lambda moment, _: f"{moment:%y}",
    "mmmm": lambda moment, _: f"{moment:%B}",
    "mmm": lambda moment, _: f"{moment:%b}",
    "mm": lambda moment, _: f"{moment:%m}",
    "m": lambda moment, _: str(moment.month),
    "dddd": lambda moment, _: f"{moment:%A}",
    "ddd": lambda moment, _: f"{moment:%a}",
    "dd": lambda moment, _: f"{moment:%d}",
    "d": lambda moment, _: str(moment.day),
    "hh": lambda moment, is_half: f"{_hour(moment, is_half):02d}",
    "h": lambda moment, is_half: str(_hour(moment, is_half)),
    "ss": lambda moment, _: f"{moment:%S}",
    "s": lambda moment, _: str(moment.second),
    "am/pm": lambda moment, _: f"{moment:%p}",
}
