"""Rules about the time that is asked about: the window, the length of a slice."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import suppress
from typing import Final

import msgspec

from mmflow.check.faults import Finding, explain_error, show
from mmflow.check.layers import EACH, all_texts
from mmflow.check.rules.facts import Facts
from mmflow.check.rules.forms import check_forms
from mmflow.document import Path
from mmflow.durations import parse_duration
from mmflow.errors import UserError
from mmflow.job import WINDOW_FORMS, WindowSpec
from mmflow.options import convert_values
from mmflow.plant import OWN, PlantCalendar
from mmflow.refs import has_reference
from mmflow.windows import check_key, check_window, read_window

BLAMED: Final = ("on", "to")  # the key of a window that contradicts its others


def check_window_words(facts: Facts) -> Iterator[Finding]:
    """Expect a window that means something at every site of the job."""
    wrong = list(check_window_keys(facts))
    yield from wrong
    keys = {str(finding.path[-1]) for finding in wrong}
    for path, window in read_windows(facts, keys):
        try:
            read_window(window)
        except UserError as error:
            yield explain_error(path, error)
        else:
            yield from check_shift(facts, window)


def check_window_keys(facts: Facts) -> Iterator[Finding]:
    """Expect a text that can be read in each key of a window."""
    for path, text in facts.texts("window", EACH):
        try:
            check_key(str(path[-1]), text)
        except UserError as error:
            yield explain_error(path, error)


def read_windows(facts: Facts, wrong: Container[str]) -> Iterator[tuple[Path, str | WindowSpec]]:
    """Give each window that the keys make, with the place to blame; keys that are wrong or hold references make none.

    Keys that do not go together make several: what is wrong with each of them is said at once.
    """
    yield from facts.texts("window")
    for path, block in facts.blocks("window"):
        usable = {key: value for key, value in block.items() if key not in wrong}
        for needed, allowed in WINDOW_FORMS:
            part = {key: value for key, value in usable.items() if key in needed | allowed}
            if needed <= part.keys() and not any(has_reference(text) for _, text in all_texts(part)):
                with suppress(msgspec.ValidationError):
                    blamed = next((key for key in BLAMED if key in part), min(needed))
                    yield (*path, blamed), convert_values(part, WindowSpec)


def check_shift(facts: Facts, window: str | WindowSpec) -> Iterator[Finding]:
    """Expect the shift of a window, and its schedule, at every site of the job."""
    groups = [text for _, text in facts.texts("report", "filter", "machineGroup", EACH)]
    for calendar in facts.job_calendars:
        try:
            check_window(window, calendar, machine_groups=groups)
        except UserError as error:
            yield explain_error(blame_shift(window, calendar), error)
            return


def blame_shift(window: str | WindowSpec, calendar: PlantCalendar) -> Path:
    """Give the key because of which a window means nothing at a site."""
    if isinstance(window, str):
        return ("window",)
    schedules = {"", OWN, *(schedule.name for schedule in calendar.schedules)}
    return ("window", "shift" if window.schedule in schedules else "schedule")


def check_slice(facts: Facts) -> Iterator[Finding]:
    """Expect a slice of so many days or weeks."""
    for path, text in facts.texts("slice"):
        try:
            parse_duration(text, units=("day", "week"))
        except ValueError as error:
            yield Finding(path, f"found {show(text)}, {error}")


TIMING_RULES: Final = (check_forms, check_window_words, check_slice)
