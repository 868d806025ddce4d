"""Which deliveries write over another window, because they go to one place and leave nothing of what stood there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from string import Formatter
from typing import Protocol

from mmflow.check.uses import SinkUse, replaces_all
from mmflow.deliver.told import About, about_check, delivery_key, path_names
from mmflow.job import Job
from mmflow.ledger import Ledger, SiteSpans


class Asked(Protocol):
    """A window, and the due instant (UTC) that asks for it."""

    @property
    def slot(self) -> datetime:
        """The due instant."""
        ...

    @property
    def spans(self) -> SiteSpans:
        """Its span at each site."""
        ...


def find_shared(job: Job, uses: Iterable[SinkUse], windows: Sequence[Asked]) -> list[SinkUse]:
    """Give the sinks that write several of these windows to one place, each over the one before.

    These are sinks in a mode that replaces all that stands there, unless their ``path`` differs from window to window.
    """
    abouts = [replace(about_check(job, one.spans, one.slot), run=str(number)) for number, one in enumerate(windows)]
    return [
        use for use in uses if replaces_all(use) and len({name_place(use, about) for about in abouts}) < len(windows)
    ]


def name_place(use: SinkUse, about: About) -> tuple[str, ...]:
    """Give what tells the place of a run's delivery from those of others: the words that fill the path."""
    path = getattr(use.options, "path", "")
    words = [word for _, word, *_ in Formatter().parse(path) if word] if isinstance(path, str) else []
    names = path_names(about, use.name)
    return tuple(names.get(word, "") for word in words)


def spare_newer(use: SinkUse, about: About, ledger: Ledger) -> str:
    """Give why a sink that shows one window at a time is left alone by an older one, "" when it is not."""
    if not replaces_all(use):
        return ""
    key, place = delivery_key(use, about.job, about.slot, about.spans), name_place(use, about)
    for run in ledger.list_newer(about.job, use.name, about.slot):
        other = replace(about, run=run.id, slot=run.slot, spans=run.spans)
        if delivery_key(use, run.job, run.slot, run.spans) != key and name_place(use, other) == place:
            return f"left alone: it shows a newer window, that of run {run.id}"
    return ""
