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

PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
MEGABYTE = 1 << 20
LONG_AGO = timedelta(days=800)

Row = dict[str, object]
Document = dict[str, object]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault: which requests it meets, how often, and what it does to their answers.

    It meets requests whose path begins with ``match`` and, when ``key`` is given, that bear this key; the first
    ``after`` of them pass unharmed, then it strikes ``times`` times (until it is cleared when there is no number).
    A request meets the faults of the list in turn, until one strikes. A fault waits ``delay`` seconds first.
    """

    kind: str
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
    """Whether the repeated row says something else in its last column."""
    location: str = "http://elsewhere.invalid/"
    megabytes: int = 500

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"found the kind {self.kind!r}, expected one of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Scene:
    """The moment at which a fault strikes.

    ``give_answer`` makes the answer that would be right, ``give_unfiltered`` the one without the filters asked for.
    """

    fault: Fault
    give_answer: Callable[[], Answer]
    give_unfiltered: Callable[[], Answer]
    profile: Profile
    now: datetime


@dataclass(slots=True)
class _Armed:
    """A fault and how many requests it has met."""

    fault: Fault
    met: int = 0

    def strikes(self, path: str, key: str) -> bool:
        """Count a request that the fault meets, and say whether it is struck."""
        fault = self.fault
        is_spent = fault.times is not None and self.met >= fault.after + fault.times
        if is_spent or not path.startswith(fault.match) or fault.key not in {None, key}:
            return False
        self.met += 1
        return self.met > fault.after


@dataclass(slots=True)
class Faults:
    """The faults that wait for requests; may be used from many threads."""

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
        """Give the fault that strikes this request, if any does."""
        with self._lock:
            return next((armed.fault for armed in self._armed if armed.strikes(path, key)), None)


def spoil_answer(scene: Scene) -> Answer:
    """Give what is sent instead of the right answer."""
    return KINDS[scene.fault.kind](scene)


def _send_page(status: int, title: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, HTML, (PAGE.format(title).encode(),), headers or {})


def _send_status(scene: Scene) -> Answer:
    fault, headers = scene.fault, {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.retry_date is not None:
        headers["Retry-After"] = write_date(scene.now + timedelta(seconds=fault.retry_date))
    if fault.body == "html":
        return _send_page(fault.status, f"Error {fault.status}", headers)
    return make_json(fault.status, {"code": "Error", "message": f"Error {fault.status}", "errors": []}, headers)


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


def _drip(scene: Scene) -> Answer:
    return replace(scene.give_answer(), bytes_per_second=scene.fault.bytes_per_second)


def _cut_body(scene: Scene) -> Answer:
    """Promise the whole and send a part: of a known length, or of chunks that never end."""
    good = scene.give_answer()
    body, part = _take_part(good, scene.fault.share)
    if scene.fault.cut == "chunked":
        return replace(good, chunks=iter((part,)), breaks_off=True)
    return replace(good, chunks=(part,), promised=len(body), breaks_off=True)


def _truncate_json(scene: Scene) -> Answer:
    good = scene.give_answer()
    return replace(good, chunks=(_take_part(good, scene.fault.share)[1],))


def _take_part(answer: Answer, share: float) -> tuple[bytes, bytes]:
    body = b"".join(answer.chunks)
    return body, body[: int(len(body) * share)]


def _change(change: Callable[[Fault, Document], Document]) -> Callable[[Scene], Answer]:
    """Make a change of a document into a fault; what is no report in JSON stays as it is."""

    def spoil(scene: Scene) -> Answer:
        good = scene.give_answer()
        if good.status != 200 or good.content_type != JSON:
            return good
        document = change(scene.fault, json.loads(b"".join(good.chunks)))
        # The standard library writes NaN, which no JSON has, and that is the point of one of these faults.
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return replace(good, chunks=(text.encode(),))

    return spoil


def _change_rows(change: Callable[[Fault, Row, str], Row]) -> Callable[[Scene], Answer]:
    """Make a change of one row and its column to spoil into a fault."""

    def change_document(fault: Fault, document: Document) -> Document:
        rows = [change(fault, row, fault.column or list(row)[-1]) for row in _list_rows(document)]
        return document | {"items": rows}

    return _change(change_document)


def _list_rows(document: Document) -> list[Row]:
    items = document.get("items")
    return items if isinstance(items, list) else []


def _drop_items(_: Fault, document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "items"}


def _empty_items(_: Fault, document: Document) -> Document:
    return document | {"items": []}


def _repeat_row(fault: Fault, document: Document) -> Document:
    rows = _list_rows(document)
    again = [row | ({list(row)[-1]: -1} if fault.conflicting else {}) for row in rows[:1]]
    return document | {"items": [*rows, *again]}


def _add_foreign(_: Fault, document: Document) -> Document:
    """Add a copy of the first row from long before the window."""
    rows = _list_rows(document)
    times = ("day", "hour")
    foreign = [row | {name: _move_back(str(row[name])) for name in times if name in row} for row in rows[:1]]
    return document | {"items": [*rows, *foreign]}


def _move_back(text: str) -> str:
    return (date.fromisoformat(text[:10]) - LONG_AGO).isoformat() + text[10:]


def _drop_column(_: Fault, row: Row, column: str) -> Row:
    return {name: value for name, value in row.items() if name != column}


def _add_column(fault: Fault, row: Row, _: str) -> Row:
    return row | {fault.name: 1}


def _rename_column(fault: Fault, row: Row, column: str) -> Row:
    return {fault.name if name == column else name: value for name, value in row.items()}


def _change_type(_: Fault, row: Row, column: str) -> Row:
    return row | {column: str(row[column])}


def _put_nan(_: Fault, row: Row, column: str) -> Row:
    return row | {column: float("nan")}


KINDS: dict[str, Callable[[Scene], Answer]] = {
    "latency": lambda scene: scene.give_answer(),
    "status": _send_status,
    "html": lambda _: _send_page(200, "Sign in"),
    "redirect": lambda scene: _send_page(302, "Moved", {"Location": scene.fault.location}),
    "revoked_key": lambda scene: refuse_call(401, scene.profile),
    "missing_scope": lambda scene: refuse_call(403, scene.profile),
    "error_in_200": lambda _: make_json(200, {"error": "Internal error"}),
    "huge": lambda scene: Answer(200, JSON, _stream_rows(scene.fault.megabytes)),
    "gzip_bomb": lambda scene: Answer(200, JSON, _stream_bomb(scene.fault.megabytes), {"Content-Encoding": "gzip"}),
    "hang_up": lambda _: Answer(0, JSON, (), breaks_off=True),
    "drip": _drip,
    "cut": _cut_body,
    "truncated_json": _truncate_json,
    "items_missing": _change(_drop_items),
    "items_empty": _change(_empty_items),
    "drop_column": _change_rows(_drop_column),
    "add_column": _change_rows(_add_column),
    "rename_column": _change_rows(_rename_column),
    "change_type": _change_rows(_change_type),
    "nan": _change_rows(_put_nan),
    "duplicate_rows": _change(_repeat_row),
    "foreign_rows": _change(_add_foreign),
    "ignore_filters": lambda scene: scene.give_unfiltered(),
}
