"""What rules look at, and the few ways in which they look."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from mmflow.catalogue import METRICS
from mmflow.check.faults import Finding, show
from mmflow.check.layers import EACH, Leaf, all_texts, find, find_texts, get
from mmflow.check.rules.changes import ClockChanges
from mmflow.document import Path, Value
from mmflow.errors import hint_names
from mmflow.job import COMPARED, find_time_group
from mmflow.plant import PlantCalendar
from mmflow.refs import has_reference
from mmflow.sinks import Outline

METRIC_NAMES: Final = frozenset(METRICS)


@dataclass(frozen=True)
class Facts:
    """The values of one file, and what is known around them.

    ``sites`` are the names in ``mmflow.yaml``, ``calendars`` those of them whose calendar could be made. ``root`` is
    the folder of that file where its paths are looked at, ``rolling`` the places of the sinks whose mode is
    ``replace_window``, written or not. ``kept`` tells that files of days count as a daemon has kept them.
    """

    values: Value
    changes: ClockChanges
    sites: tuple[str, ...] = ()
    calendars: Mapping[str, PlantCalendar] = field(default_factory=dict)
    root: pathlib.Path | None = None
    rolling: tuple[Path, ...] = ()
    kept: bool = False

    def texts(self, *pattern: str) -> list[Leaf]:
        """Give the texts that a pattern fits, without those that hold references."""
        return [leaf for leaf in find_texts(self.values, pattern) if not has_reference(leaf[1])]

    def text(self, *path: str) -> str:
        """Give one text, or "" when there is none or it holds a reference."""
        text = get(self.values, path)
        return text if isinstance(text, str) and not has_reference(text) else ""

    def references(self, *pattern: str) -> Iterator[Path]:
        """Give the paths of texts that hold references."""
        yield from (path for path, text in find_texts(self.values, pattern) if has_reference(text))

    def blocks(self, *pattern: str) -> list[tuple[Path, dict[str, Value]]]:
        """Give the blocks of keys that a pattern fits."""
        return [(path, value) for path, value in find(self.values, pattern) if isinstance(value, dict)]

    def has(self, *path: str) -> bool:
        """Tell whether there is a value, and not nothing, at a path."""
        return get(self.values, path) is not None

    @cached_property
    def every_text(self) -> tuple[Leaf, ...]:
        """Give every text of the file, in its order."""
        return tuple(all_texts(self.values))

    @cached_property
    def referring(self) -> tuple[Leaf, ...]:
        """Give those texts in which references begin, well-formed or not."""
        return tuple((path, text) for path, text in self.every_text if "${" in text)

    @cached_property
    def metrics(self) -> tuple[tuple[Path, str], ...]:
        """Give the metrics of the report in their order, each with the path of its name."""
        found = find(self.values, ("report", "metrics", EACH))
        named = [((*at, "metric"), one.get("metric")) if isinstance(one, dict) else (at, one) for at, one in found]
        return tuple((at, name) for at, name in named if isinstance(name, str) and not has_reference(name))

    @cached_property
    def groups(self) -> tuple[tuple[Path, str], ...]:
        """Give the groups of the report in their order."""
        return tuple(self.texts("report", "group_by", EACH))

    @cached_property
    def job_sites(self) -> tuple[str, ...]:
        """Give the sites that the job is about: those it names, else all."""
        return tuple(text for _, text in self.texts("sites", EACH)) or self.sites

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Give the names of the columns that the job adds, in order."""
        return tuple(name for _, block in self.blocks("shape", "columns") for name in block)

    @cached_property
    def outline(self) -> Outline:
        """Give what sinks are told of the job before it runs, as far as it can be read."""
        groups = [name for _, name in self.groups]
        if len(self.job_sites) > 1 and "site" not in groups:
            groups.insert(0, "site")
        numbers = [*(name for _, name in self.metrics), *self.columns]
        if isinstance(get(self.values, ("shape", "compare")), dict):
            numbers += [f"{name}_{suffix}" for name in numbers for suffix in COMPARED]
        job = get(self.values, ("job",))
        return Outline(
            job=job if isinstance(job, str) else "",
            columns=tuple(dict.fromkeys([*groups, *numbers])),
            groups=tuple(groups),
            time_column=find_time_group(groups),
            totals=any(get(self.values, ("shape", key)) is True for key in ("totals", "rest")),
            units=self.units,
        )

    @cached_property
    def units(self) -> Mapping[str, str]:
        """Give the unit in which each known metric of the report is shown."""
        shown = {path[:3]: unit for path, unit in self.texts("report", "metrics", EACH, "unit")}
        return {name: shown.get(path[:3], METRICS[name].unit) for path, name in self.metrics if name in METRICS}

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """Give the names of the columns that the report has of itself: its groups and metrics, and the site of many."""
        names = [name for _, name in (*self.groups, *self.metrics)]
        return (*names, "site") if len(self.job_sites) > 1 else tuple(names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Give the names that expressions may use beside those columns: those of the report, and every metric."""
        return tuple(dict.fromkeys([*self.asked, *METRICS]))

    @cached_property
    def known(self) -> frozenset[str]:
        """Give those names and the added columns for a quick look; hints go through them in their order."""
        return METRIC_NAMES.union(self.asked, self.columns)

    @cached_property
    def job_calendars(self) -> tuple[PlantCalendar, ...]:
        """Give the calendars of those sites."""
        return tuple(self.calendars[name] for name in self.job_sites if name in self.calendars)


def find_unknown(texts: Iterable[tuple[Path, str]], known: Iterable[str], what: str) -> Iterator[Finding]:
    """Say which texts are not among the known words."""
    words = list(known)
    for path, text in texts:
        if text not in words:
            yield Finding(path, f"{show(text)} is not {what}", hint_names(text, words))


def find_repeated(texts: Iterable[tuple[Path, str]]) -> Iterator[Finding]:
    """Say which texts have been there before."""
    seen: set[str] = set()
    for path, text in texts:
        if text in seen:
            yield Finding(path, f"{show(text)} is listed twice", "remove one of them")
        seen.add(text)
