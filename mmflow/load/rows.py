"""Holds the rows of one raw answer against its slice: every column there, every value of its type, every row in time.

Facts about the service: rows are flat objects in ``items`` (``flatten: true``), each with its ``<group>`` and
``<metric>`` columns; a query without groups puts its numbers into ``aggregate``. Assumptions, because nothing public
says so: ``<group>Id`` columns may be missing, or hold numbers; ``day`` is a date, perhaps written as a date-time, and
is taken literally; ``hour``, ``minStartTime`` and ``maxEndTime`` are ISO 8601, in UTC when they have no offset; time
outside every shift is a row whose shift is ``No Shift`` or whose shift id is null.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from pathlib import Path, PurePath
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from mmflow.atomic import STATE
from mmflow.catalogue import GROUPS, metric
from mmflow.errors import BadResponse
from mmflow.fetch import Answer
from mmflow.load.repeats import find_repeated
from mmflow.text import show_start
from mmflow.windows import Span

NO_SHIFT = "No Shift"
HOUR = timedelta(hours=1)
LONGEST_NAME = 60  # characters of a name in a message
LARGEST = 2.0**53  # from it on a float may stand for several whole numbers, and no plant counts or waits that long

FieldType = Literal["text", "id", "date", "instant", "time", "number"]
GROUP_TYPES: frozenset[FieldType] = frozenset({"text", "date", "instant"})
Number = Annotated[float, Meta(gt=-LARGEST, lt=LARGEST)]

# What a field may hold in JSON. A row may lack only ids.
_JSON_TYPES: dict[FieldType, object] = {
    "text": str | None,
    "id": str | int | None | UnsetType,
    "date": str,
    "instant": str,
    "time": str | None,
    "number": Number | None,
}
_TIME_GROUPS: dict[str, FieldType] = {"day": "date", "hour": "instant"}
_WANTED: dict[FieldType, str] = {
    "text": "text or null",
    "id": "text or a number",
    "date": "a date",
    "instant": "a date and time in ISO 8601",
    "time": "a date and time in ISO 8601, or null",
    "number": "a number or null",
}
_FOUND = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an answer."""

    name: str
    type: FieldType


def list_fields(groups: Sequence[str], metrics: Sequence[str]) -> tuple[Field, ...]:
    """Give the columns of an answer: the groups asked, their ids, the metrics."""
    ids = [GROUPS[name].id_column for name in groups if name in GROUPS]
    return (
        *(Field(name, _TIME_GROUPS.get(name, "text")) for name in groups),
        *(Field(name, "id") for name in ids if name),
        *(Field(name, "time" if metric(name).unit == "time" else "number") for name in metrics),
    )


class RowReader:
    """Reads answers of one form.

    ``extra`` names the columns found so far that nobody asked for, and ``misplaced`` counts the rows whose day or hour
    lies outside their slice; both are tolerated and left out.
    """

    def __init__(self, fields: Sequence[Field], *, drop_no_shift: bool = False) -> None:
        self.fields = fields
        self.extra: set[str] = set()
        self.misplaced = 0
        grouped = any(field.type in GROUP_TYPES for field in fields)
        self._home, self._rest = ("items", "aggregate") if grouped else ("aggregate", "items")
        self._attributes = {field.name: f"c{number}" for number, field in enumerate(fields)}
        self._closed = self._make_decoder(closed=True)
        self._open = self._make_decoder(closed=False)
        self._drops = drop_no_shift and "shift" in self._attributes

    def read(self, answer: Answer, span: Span) -> Sequence[Struct]:
        """Give the rows of one answer, which encode to JSON objects with exactly the fields that were asked.

        Raises :class:`BadResponse`, without any value of the answer, when it is not what was asked.
        """
        items = self._decode(answer)
        piece = answer.slice
        first, last = piece.first_day or span.first_day, piece.last_day or span.last_day
        outside = self._convert(answer, items, "date", lambda text: _place_day(text, first, last))
        outside |= self._convert(answer, items, "instant", lambda text: _place_instant(text, piece.start, piece.end))
        self._convert(answer, items, "time", lambda text: _write_instant(_parse_instant(text)))
        placed = [row for row in items if not any(getattr(row, name) is None for name in outside)] if outside else items
        self.misplaced += len(items) - len(placed)
        return [row for row in placed if self._in_shift(row)] if self._drops else placed

    def _make_decoder(self, *, closed: bool) -> msgspec.json.Decoder[Struct]:
        """Decode ``{"items": [row, ...]}`` or ``{"aggregate": row}``; ``closed`` refuses rows with other columns."""
        row = msgspec.defstruct(
            "Row",
            [self._define(field) for field in self.fields],
            rename={attribute: name for name, attribute in self._attributes.items()},
            kw_only=True,
            gc=False,
            forbid_unknown_fields=closed,
        )
        held = list[row] if self._home == "items" else row  # type: ignore[valid-type]
        rest = (self._rest, Raw, Raw(b""))
        return msgspec.json.Decoder(msgspec.defstruct("Envelope", [(self._home, held), rest], gc=False))

    def _define(self, field: Field) -> tuple[str, object] | tuple[str, object, object]:
        described = (self._attributes[field.name], _JSON_TYPES[field.type])
        return (*described, UNSET) if field.type == "id" else described

    def _decode(self, answer: Answer) -> Sequence[Struct]:
        content = answer.path.read_bytes()
        try:
            found = self._decode_closed(content) or self._open.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _refuse(answer, explain_answer(content, error, self._home, self.fields)) from None
        held = getattr(found, self._home)
        rows = held if isinstance(held, list) else [held]
        rest = bytes(memoryview(getattr(found, self._rest)))
        if content.count(b'"') != self._count_quotes(rows, rest) and (name := find_repeated(content)):
            raise _refuse(answer, f"an object in it gives '{name[:60]}' two values")
        return rows

    def _count_quotes(self, rows: Sequence[Struct], rest: bytes) -> int:
        """Count the quotes of an answer in which nothing comes twice, no text holds any, and no column is unasked."""
        count = 2 + bool(rest) * 2 + rest.count(b'"')
        for field in self.fields:
            values = map(attrgetter(self._attributes[field.name]), rows)
            kinds = Counter(map(type, values)) if field.type != "number" else Counter()
            count += 2 * (len(rows) - kinds[UnsetType] + kinds[str])
        return count

    def _decode_closed(self, content: bytes) -> Struct | None:
        """Decode in one quick step while no answer has had unknown columns; None says to look closer."""
        if self.extra:
            return None
        try:
            return self._closed.decode(content)
        except msgspec.ValidationError:
            self.extra |= _list_columns(content, self._home) - set(self._attributes)
            return None

    def _convert(
        self, answer: Answer, items: Sequence[Struct], kind: FieldType, read: Callable[[str], str | None]
    ) -> set[str]:
        """Replace the texts of a kind of field by their plain form; each distinct text is read once.

        Gives the attributes in which some text became None, because its row lies outside the slice.
        """
        emptied = set()
        for field in self.fields:
            if field.type != kind:
                continue
            name = self._attributes[field.name]
            texts = set(map(attrgetter(name), items)) - {None}
            try:
                plain = {None: None} | {text: read(text) for text in texts}
            except (ValueError, OverflowError):
                reason = f"column '{field.name}' holds a text that is not {_WANTED[kind]}"
                raise _refuse(answer, reason) from None
            for row in items:
                setattr(row, name, plain[getattr(row, name)])
            if any(plain[text] is None for text in texts):
                emptied.add(name)
        return emptied

    def _in_shift(self, row: Struct) -> bool:
        number = getattr(row, self._attributes["shiftId"]) if "shiftId" in self._attributes else UNSET
        return getattr(row, self._attributes["shift"]) not in (None, NO_SHIFT) and number is not None


def _refuse(answer: Answer, reason: str) -> BadResponse:
    piece = answer.slice
    window = " to ".join(piece.window.values())
    return BadResponse(f"{piece.site} cannot be read for {window}: {reason}{_name_kept(answer.path)}")


def _name_kept(path: Path) -> str:
    """Say where an answer stays, seen from the root; nothing of one that is gone when the command ends."""
    parts = path.parts
    if STATE not in parts:
        return ""
    kept = PurePath(*parts[len(parts) - 1 - parts[::-1].index(STATE) :])
    return f"; its answer is kept as {kept.as_posix()}"


def explain_answer(content: bytes, error: Exception, home: str, fields: Sequence[Field]) -> str:
    """Say what is wrong with an answer that did not decode: names, types and places, never a value."""
    if not isinstance(error, msgspec.ValidationError):
        return "it is not well-formed JSON"
    try:
        envelope = msgspec.json.decode(content, type=dict[str, Raw])
    except msgspec.ValidationError:
        return "it is not a JSON object"
    if home in envelope:
        return _explain_row(envelope[home], str(error), home, fields)
    return f"it has no '{home}', only {join_names(envelope)}"


def _explain_row(held: Raw, message: str, home: str, fields: Sequence[Field]) -> str:
    """Find the row and the column that the decoder's message points at."""
    number = re.search(r"\$\.items\[(\d+)\]", message)
    if home == "items" and number is None:
        return "'items' is not a list"
    row = msgspec.json.decode(held, type=list[Raw])[int(number[1])] if number else held
    where = f"row {int(number[1]) + 1}" if number else "'aggregate'"
    try:
        columns = msgspec.json.decode(row, type=dict[str, Raw])
    except msgspec.ValidationError:
        return f"{where} is not an object"
    missing = [field.name for field in fields if field.type != "id" and field.name not in columns]
    if missing:
        return f"{where} lacks {join_names(missing)}; it has {join_names(columns)}"
    return f"{where} has {_explain_value(message, fields)}"


def _explain_value(message: str, fields: Sequence[Field]) -> str:
    path = message.rpartition("`$")[2].rstrip("`")
    field = next((field for field in fields if path.endswith(f".{field.name}")), None)
    got = re.search(r"got `(\w+)`", message)
    found = _FOUND.get(got[1], got[1]) if got else "a number of 2^53 or more"
    return f"{found} in '{field.name}', where {_WANTED[field.type]} was expected" if field else found


def _list_columns(content: bytes, home: str) -> set[str]:
    """Give the names of all columns, none when the answer is not even of that form."""
    kind = list[dict[str, Raw]] if home == "items" else dict[str, Raw]
    try:
        found = getattr(msgspec.json.decode(content, type=msgspec.defstruct("Envelope", [(home, kind)])), home)
    except msgspec.ValidationError:
        return set()
    return {name for row in (found if isinstance(found, list) else [found]) for name in row}


def join_names(names: Iterable[str], most: int = 20) -> str:
    """Write names of an answer in order, only so many and the beginning of each, for the service may send any."""
    listed = [show_start(name, LONGEST_NAME) for name in sorted(names)]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return (", ".join(listed[:most]) or "nothing") + more


def _place_day(text: str, first: date, last: date) -> str | None:
    """Give the calendar date as it is written, None when it lies outside the days."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?", text):
        raise ValueError(text)
    day = date.fromisoformat(text[:10])
    return day.isoformat() if first <= day <= last else None


def _place_instant(text: str, start: datetime, end: datetime) -> str | None:
    """Give the hour's start, None when the hour lies outside the slice; it may begin before the slice does."""
    instant = _parse_instant(text)
    return _write_instant(instant) if start - HOUR < instant < end else None


def _parse_instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _write_instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S.%f}+00"
