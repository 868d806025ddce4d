"""Cells written as the service writes them: flat rows, nested levels or CSV, in the manner of a profile."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice
from zoneinfo import ZoneInfo

import msgspec

from mmflow.simulator.answer import JSON, Answer
from mmflow.simulator.days import to_time, write_iso
from mmflow.simulator.members import Member
from mmflow.simulator.metrics import Metric
from mmflow.simulator.profiles import Profile
from mmflow.simulator.query import ENTITIES
from mmflow.simulator.report import Cell, Key, Part, Report

Value = str | int | float | None
Row = dict[str, Value]

TIMES = ("day", "hour")
NOBODY = {"operator": "No Operator", "jobOperation": "No Job"}
LAST = 1 << 30
BATCH = 500


def write_report(report: Report, zone: ZoneInfo, profile: Profile) -> Answer:
    """Give the answer to a report query, made row by row while it is sent."""
    pen = _Pen(report, zone, profile)
    if report.query.csv and profile.csv == "text":
        return Answer(200, "text/csv; charset=utf-8", pen.write_csv())
    return Answer(200, JSON, pen.write_flat() if report.query.flatten else pen.write_nested())


@dataclass(frozen=True, slots=True)
class _Pen:
    """Writes one report."""

    report: Report
    zone: ZoneInfo
    profile: Profile

    def write_flat(self) -> Iterator[bytes]:
        yield b'{"aggregate":' + msgspec.json.encode(self.write_cell(()))
        if self.report.query.groups or self.profile.ungrouped_items != "absent":
            yield b',"items":['
            yield from _join_json(self.list_rows())
            yield b"]"
        yield b"}"

    def write_csv(self) -> Iterator[bytes]:
        groups = chain.from_iterable(self.name_columns(group) for group in self.report.query.groups)
        names: list[Value] = [*groups, *(metric.name for metric in self.report.query.metrics)]
        rows = self.list_rows() if self.report.query.groups else [self.write_cell(())]
        lines: Iterator[list[Value]] = chain([names], (list(row.values()) for row in rows))
        while batch := list(islice(lines, BATCH)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(batch)
            yield text.getvalue().encode()

    def write_nested(self) -> Iterator[bytes]:
        children: dict[Key, list[Key]] = defaultdict(list)
        for key in sorted(filter(None, self.report.cells), key=self.rank_key):
            children[key[:-1]].append(key)
        yield b'{"entities":' + msgspec.json.encode(self.write_entities())
        yield b',"aggregate":' + msgspec.json.encode(self.write_cell(()))
        yield b',"items":['
        yield from _join_json(self.write_level(key, children) for key in children[()])
        yield b"]}"

    def write_level(self, key: Key, children: dict[Key, list[Key]]) -> dict[str, object]:
        group, part = self.report.query.groups[len(key) - 1], key[-1]
        is_time = group in TIMES and self.profile.time_entity == "column"
        label = self.label_part(group, part)
        identity = self.identify(group, part) if group in ENTITIES else label
        item: dict[str, object] = {group: label} if is_time else {"entity": {"id": identity}}
        item["aggregate"] = self.write_cell(key)
        if children[key]:
            item["items"] = [self.write_level(child, children) for child in children[key]]
        return item

    def write_entities(self) -> dict[str, dict[str, dict[str, Value]]]:
        """Give the names by id; as in JavaScript, an id of null is the key ``"null"``."""
        groups = self.report.query.groups
        found: dict[str, dict[str, dict[str, Value]]] = {g: {} for g in groups if g in ENTITIES}
        for key in self.report.leaves:
            for group, part in zip(groups, key, strict=True):
                if group in found:
                    identity = self.identify(group, part) or "null"
                    found[group][identity] = {"name": self.label_part(group, part)}
        return found

    def list_rows(self) -> Iterator[Row]:
        """Give the flat rows in order of the groups."""
        groups = self.report.query.groups
        if not groups and self.profile.ungrouped_items == "total":
            yield self.write_cell(())
        for key in sorted({*self.report.leaves, *self.list_gaps()}, key=self.rank_key):
            row: Row = {}
            for group, part in zip(groups, key, strict=True):
                row.update(zip(self.name_columns(group), self.write_part(group, part), strict=False))
            row.update(self.write_cell(key))
            yield row

    def list_gaps(self) -> set[Key]:
        """Give every combination of things that have data at some time with every time at which any has."""
        groups = self.report.query.groups
        places = [place for place, group in enumerate(groups) if group in TIMES]
        if self.profile.missing == "omitted" or not places:
            return set()
        times = {tuple(key[place] for place in places) for key in self.report.leaves}
        things = {tuple(None if p in places else part for p, part in enumerate(k)) for k in self.report.leaves}
        return {_insert_parts(thing, places, time) for thing in things for time in times}

    def name_columns(self, group: str) -> tuple[str, ...]:
        has_id = {"all": group in ENTITIES, "shift": group == "shift", "none": False}[self.profile.ids]
        return (group, f"{group}Id") if has_id else (group,)

    def write_part(self, group: str, part: Part) -> tuple[Value, Value]:
        return self.label_part(group, part), self.identify(group, part)

    def identify(self, group: str, part: Part) -> str | None:
        if isinstance(part, Member):
            return part.id
        return self.profile.no_shift_id if group == "shift" else None

    def label_part(self, group: str, part: Part) -> str | None:
        if isinstance(part, Member):
            return part.name
        if isinstance(part, int):
            return self.write_day(part) if group == "day" else self.write_hour(part)
        if part is None:
            return self.profile.no_shift if group == "shift" else NOBODY[group]
        return part

    def write_day(self, ordinal: int) -> str:
        text = date.fromordinal(ordinal).isoformat()
        return text if self.profile.day_text == "date" else f"{text}T00:00:00.000Z"

    def write_hour(self, instant: int) -> str:
        if self.profile.hour_text == "utc":
            return write_iso(instant)
        return to_time(instant).astimezone(self.zone).isoformat()

    def rank_key(self, key: Key) -> list[int | str]:
        return [self.rank_part(part) for part in key]

    def rank_part(self, part: Part) -> int | str:
        if isinstance(part, int):
            return part if self.profile.time_order == "ascending" else -part
        if isinstance(part, Member):
            return part.rank
        return LAST if part is None else part

    def write_cell(self, key: Key) -> Row:
        """Give the metrics in the order in which they were asked for."""
        cell = self.report.cells.get(key) or Cell(0, 0, [0] * len(self.report.quantities))
        sums = dict(zip(self.report.quantities, cell.sums, strict=True))
        return {metric.name: self.write_value(metric, cell, sums) for metric in self.report.query.metrics}

    def write_value(self, metric: Metric, cell: Cell, sums: dict[str, int]) -> Value:
        if metric.kind == "sum":
            value = sums[metric.over] if metric.per == 1 else sums[metric.over] / metric.per
            if metric.name == "nonOptionalTime" and not value and self.profile.unplanned == "null":
                return None
            return value if self.profile.counts == "int" else float(value)
        if metric.kind == "rate":
            return self.write_rate(sums[metric.over] * metric.scale, sums[metric.under])
        if metric.kind == "threshold":
            return metric.constant if self.profile.thresholds == "ratio" else metric.constant * 100
        return self.write_time(cell.start if metric.over == "start" else cell.end, is_known=cell.start < cell.end)

    def write_rate(self, over: int, under: int) -> Value:
        if under:
            return over / under
        return None if self.profile.empty_rate == "null" else 0

    def write_time(self, instant: int, *, is_known: bool) -> Value:
        if not is_known:
            return None
        return write_iso(instant) if self.profile.timestamps == "iso" else instant


def _insert_parts(thing: Key, places: list[int], time: Key) -> Key:
    parts = list(thing)
    for place, part in zip(places, time, strict=True):
        parts[place] = part
    return tuple(parts)


def _join_json(items: Iterable[object]) -> Iterator[bytes]:
    """Give JSON values with commas between them, many to a chunk."""
    encoded = map(msgspec.json.encode, items)
    comma = b""
    while batch := list(islice(encoded, BATCH)):
        yield comma + b",".join(batch)
        comma = b","
