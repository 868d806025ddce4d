"""Faults on demand: what a network, a proxy or a changing service does to an answer."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Literal

import msgspec

from mmflow.simulator.answer import HTML, JSON, Answer, make_json, refuse_call, write_date
from mmflow.simulator.profiles import Profile

Kind = Literal[
    "status",
    "latency",
    "drip",
    "cut",
    "hang_up",
    "truncated_json",
    "html",
    "error_in_200",
    "items_missing",
    "items_empty",
    "drop_column",
    "add_column",
    "rename_column",
    "change_type",
    "nan",
    "duplicate_rows",
    "foreign_rows",
    "redirect",
    "huge",
    "gzip_bomb",
    "revoked_key",
    "missing_scope",
]
Document = dict[str, object]
Row = dict[str, object]

PAGE = "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
MEGABYTE = 1 << 20
YEARS_AGO = timedelta(days=800)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault: which requests it meets, how often, and what it does to their answers.

    It meets requests whose path begins with ``match`` and, when ``key`` is given, that bear this key; the first
    ``after`` of them pass unharmed, then it strikes ``times`` times (for ever without a number). A request meets
    the first fault of the list that still has something to do. Any fault also waits ``delay`` seconds first.
    """

    kind: Kind
    match: str = "/"
    key: str | None = None
    times: int | None = None
    after: int = 0
    delay: float = 0.0
    status: int = 503
    body: Literal["json", "html"] = "json"
    retry_after: int | str | None = None
    """Sent as it stands: seconds, or any garbage."""
    retry_date: int | None = None
    """Seconds from now, sent as an HTTP date."""
    bytes_per_second: int = 100
    share: float = 0.5
    """How much of the body still comes before it is cut."""
    cut: Literal["length", "chunked"] = "length"
    column: str | None = None
    """The column to spoil; the last one when not given."""
    name: str = "surprise"
    """Name of an added or renamed column."""
    conflicting: bool = False
    location: str = "http://elsewhere.invalid/"
    megabytes: int = 500


@dataclass(slots=True)
class _Armed:
    """A fault and how many requests it has met."""

    fault: Fault
    met: int = 0

    def strike(self, path: str, key: str) -> bool:
        fault = self.fault
        last = None if fault.times is None else fault.after + fault.times
        if not path.startswith(fault.match) or fault.key not in (None, key) or (last is not None and self.met >= last):
            return False
        self.met += 1
        return self.met > fault.after


@dataclass(slots=True)
class Faults:
    """The faults that wait for requests."""

    _armed: list[_Armed] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        return len(self._armed)

    def add(self, faults: Sequence[Fault]) -> None:
        """Arm more faults, after those that are there."""
        with self._lock:
            self._armed.extend(map(_Armed, faults))

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._armed.clear()

    def pick(self, path: str, key: str) -> Fault | None:
        """Give the fault that strikes this request."""
        with self._lock:
            return next((armed.fault for armed in self._armed if armed.strike(path, key)), None)


def spoil_answer(fault: Fault, answer: Callable[[], Answer], profile: Profile, now: datetime) -> Answer:
    """Give what is sent instead of the right answer."""
    if fault.kind in INSTEAD:
        return INSTEAD[fault.kind](fault, profile, now)
    good = answer()
    if fault.kind in SENDING:
        return SENDING[fault.kind](fault, good)
    if good.status != 200 or good.content_type != JSON:
        return good
    document = json.loads(b"".join(good.chunks))
    changed = CHANGES[fault.kind](fault, document)
    # The standard library writes NaN, which is the point of one of these faults.
    return replace(good, chunks=(json.dumps(changed, separators=(",", ":"), ensure_ascii=False).encode(),))


def _send_status(fault: Fault, profile: Profile, now: datetime) -> Answer:
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.retry_date is not None:
        headers["Retry-After"] = write_date(now + timedelta(seconds=fault.retry_date))
    if fault.body == "html":
        return Answer(fault.status, HTML, (PAGE.format(title=f"Error {fault.status}").encode(),), headers)
    return make_json(fault.status, {"code": "Error", "message": f"Error {fault.status}", "errors": []}, headers)


def _send_redirect(fault: Fault, profile: Profile, now: datetime) -> Answer:
    status = fault.status if 300 <= fault.status < 400 else 302
    return Answer(status, HTML, (PAGE.format(title="Moved").encode(),), {"Location": fault.location})


def _stream_rows(megabytes: int) -> Iterator[bytes]:
    """Give a valid answer of that size, so that nothing but its size is wrong with it."""
    row = b'{"machine":"Mill 01","day":"2026-11-22T00:00:00.000Z","oee":0.5}'
    block = b",".join([row] * (MEGABYTE // (len(row) + 1)))
    yield b'{"aggregate":{"oee":0.5},"items":[' + block
    for _ in range(megabytes - 1):
        yield b"," + block
    yield b"]}"


def _stream_bomb(megabytes: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for chunk in _stream_rows(megabytes):
        yield packer.compress(chunk)
    yield packer.flush()


INSTEAD: dict[str, Callable[[Fault, Profile, datetime], Answer]] = {
    "status": _send_status,
    "redirect": _send_redirect,
    "html": lambda fault, profile, now: Answer(200, HTML, (PAGE.format(title="Sign in").encode(),)),
    "error_in_200": lambda fault, profile, now: make_json(200, {"error": "Internal error"}),
    "huge": lambda fault, profile, now: Answer(200, JSON, _stream_rows(fault.megabytes)),
    "gzip_bomb": lambda fault, profile, now: Answer(
        200, JSON, _stream_bomb(fault.megabytes), {"Content-Encoding": "gzip"}
    ),
    "revoked_key": lambda fault, profile, now: refuse_call(401, profile),
    "missing_scope": lambda fault, profile, now: refuse_call(403, profile),
    "hang_up": lambda fault, profile, now: Answer(0, JSON, (), breaks_off=True),
}


def _cut_body(fault: Fault, good: Answer) -> Answer:
    """Promise the whole and send a part: of a known length, or of chunks that never end."""
    body = b"".join(good.chunks)
    part = body[: int(len(body) * fault.share)]
    if fault.cut == "chunked":
        return replace(good, chunks=iter((part,)), breaks_off=True)
    return replace(good, chunks=(part,), promised=len(body), breaks_off=True)


def _truncate_json(fault: Fault, good: Answer) -> Answer:
    body = b"".join(good.chunks)
    return replace(good, chunks=(body[: int(len(body) * fault.share)],))


SENDING: dict[str, Callable[[Fault, Answer], Answer]] = {
    "latency": lambda fault, good: good,
    "drip": lambda fault, good: replace(good, bytes_per_second=fault.bytes_per_second),
    "cut": _cut_body,
    "truncated_json": _truncate_json,
}


def _change_rows(change: Callable[[Fault, Row, str], Row]) -> Callable[[Fault, Document], Document]:
    """Make a change of one row, with the column to spoil, into a change of every row."""

    def change_document(fault: Fault, document: Document) -> Document:
        rows = _list_rows(document)
        return document | {"items": [change(fault, row, fault.column or list(row)[-1]) for row in rows]}

    return change_document


def _list_rows(document: Document) -> list[Row]:
    items = document.get("items", [])
    return items if isinstance(items, list) else []


def _repeat_row(fault: Fault, document: Document) -> Document:
    """Repeat the first row; a conflicting one says something else in its last column."""
    rows = _list_rows(document)
    again = [row | ({list(row)[-1]: -1} if fault.conflicting else {}) for row in rows[:1]]
    return document | {"items": [*rows, *again]}


def _add_foreign(fault: Fault, document: Document) -> Document:
    """Add a copy of the first row from long before the window."""
    rows = _list_rows(document)
    foreign = [row | {name: _move_back(row[name]) for name in ("day", "hour") if name in row} for row in rows[:1]]
    return document | {"items": [*rows, *foreign]}


def _move_back(text: object) -> str:
    day = date.fromisoformat(str(text)[:10]) - YEARS_AGO
    return day.isoformat() + str(text)[10:]


CHANGES: dict[str, Callable[[Fault, Document], Document]] = {
    "items_missing": lambda fault, document: {k: v for k, v in document.items() if k != "items"},
    "items_empty": lambda fault, document: document | {"items": []},
    "drop_column": _change_rows(lambda fault, row, column: {k: v for k, v in row.items() if k != column}),
    "add_column": _change_rows(lambda fault, row, column: row | {fault.name: 1}),
    "rename_column": _change_rows(
        lambda fault, row, column: {fault.name if k == column else k: v for k, v in row.items()}
    ),
    "change_type": _change_rows(lambda fault, row, column: row | {column: str(row[column])}),
    "nan": _change_rows(lambda fault, row, column: row | {column: float("nan")}),
    "duplicate_rows": _repeat_row,
    "foreign_rows": _add_foreign,
}
