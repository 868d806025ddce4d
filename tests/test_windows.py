"""Windows: every word and form at known slots, in the YAML files of tests/cases/windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mmflow.document import read_text
from mmflow.errors import UserError
from mmflow.job import WindowSpec
from mmflow.options import convert_values
from mmflow.plant import PlantCalendar
from mmflow.settings import Shift, Site
from mmflow.windows import WINDOW_WORDS, Span, check_window, earlier_span, resolve_window

PLANT = PlantCalendar("plant", ZoneInfo("UTC"))
SHIFTS = PlantCalendar.from_site(
    "shifts",
    Site(
        timezone="UTC",
        shifts=(Shift(name="Early", from_="06:00", to="14:30"), Shift(name="Late", from_="14:00", to="22:00")),
    ),
    Path(),
)
CASES = Path(__file__).parent / "cases" / "windows"


@dataclass(frozen=True)
class Case:
    """One row of a YAML file, with the calendar it speaks of."""

    calendar: PlantCalendar
    facts: dict[str, Any]

    def resolve(self) -> Span:
        """Ask for what the case describes."""
        written = self.facts["window"]
        window = convert_values(written, WindowSpec) if isinstance(written, dict) else written
        at, groups = datetime.fromisoformat(self.facts["at"]), self.facts.get("filter", [])
        if "to" in self.facts:
            return earlier_span(window, self.calendar, at, self.facts["to"], machine_groups=groups)
        return resolve_window(window, self.calendar, at, machine_groups=groups)


def read_cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        values: Any = read_text(path.read_text(encoding="utf-8"), path.name).values
        plants = {
            name: PlantCalendar.from_site(name, convert_values(site, Site), CASES)
            for name, site in values["plants"].items()
        }
        for facts in values["cases"]:
            plant = plants[facts.get("plant", next(iter(plants)))]
            marks = [pytest.mark.row("R74")] if path.stem == "weeks_and_months" else []
            yield pytest.param(Case(plant, facts), id=f"{path.stem}: {facts['fact']}", marks=marks)


@pytest.mark.parametrize("case", list(read_cases()))
def test_case(case: Case) -> None:
    """The window means, at that slot, exactly the span or the error that the YAML file says."""
    facts = case.facts
    if "error" in facts:
        with pytest.raises(UserError) as caught:
            case.resolve()
        assert str(caught.value) == facts["error"]
        return
    span = case.resolve()
    local = [moment.astimezone(case.calendar.zone) for moment in (span.start, span.end)]
    assert [write(moment) for moment in local] == [write(datetime.fromisoformat(text)) for text in facts["local"]]
    assert [span.start, span.end] == [datetime.fromisoformat(text) for text in facts["utc"]]
    assert span.hours == pytest.approx(float(facts["hours"]), abs=0.005)
    first, _, last = (facts.get("days") or facts["touches"]).partition(" to ")
    assert [str(span.first_day), str(span.last_day)] == [first, last or first]
    assert span.whole_days == ("days" in facts)
    assert span.why == facts.get("why", span.why)
    assert span.zone == case.calendar.zone.key


def write(moment: datetime) -> str:
    """Write a time with its offset, which == between datetimes does not compare."""
    return moment.isoformat()


def test_every_word_has_a_case() -> None:
    """No word of the table is without a known span."""
    used = {case.values[0].facts["window"] for case in read_cases() if isinstance(case.values[0].facts["window"], str)}
    assert set(WINDOW_WORDS) - used == set()


def test_slot_needs_a_zone() -> None:
    """A naive slot would silently be taken for the machine's own time."""
    with pytest.raises(ValueError, match="aware"):
        resolve_window("yesterday", PLANT, datetime(2026, 11, 16, 6, 40))


def test_check_needs_no_slot() -> None:
    """What can never mean anything at a site is found without a slot; what depends on the slot is not."""
    check_window("current_shift", SHIFTS)  # may run or not
    check_window(WindowSpec(last="7 days"), PLANT)
    with pytest.raises(UserError, match="did you mean 'Early'"):
        check_window(WindowSpec(shift="Earyl"), SHIFTS)
    with pytest.raises(UserError, match="has no shifts"):
        check_window("last_shift", PLANT)
    with pytest.raises(UserError, match="'Nights'"):
        check_window(WindowSpec(shift="last", schedule="Nights"), SHIFTS)
    with pytest.raises(UserError, match="did you mean 'yesterday'"):
        check_window("yesteday", PLANT)


def test_overlapping_shifts_give_the_one_that_ends_last() -> None:
    """In the half hour of the handover the shift that stays is the current one."""
    at = datetime(2026, 11, 16, 14, 15, tzinfo=UTC)
    assert "Late of Mon 2026-11-16" in resolve_window("current_shift", SHIFTS, at).why
