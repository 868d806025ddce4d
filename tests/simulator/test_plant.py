"""The plant: what is in it, and facts that follow from seed and time alone and hang together."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.simulator import Atom, Plant
from mmflow.simulator.days import QUARTER, Days, find_instant, read_minutes, to_instant, to_time

COUNTS = ("length", "in_cycle", "in_cut", "setup", "expected_setup", "planned_down", "down", "good", "scrap", "goal")
MONDAY = datetime(2026, 11, 16, 11, tzinfo=UTC)


def add_up(atoms: list[Atom]) -> dict[str, int]:
    return {name: sum(getattr(atom, name) for atom in atoms) for name in COUNTS}


def test_sixty_machines_have_uuids_and_refs_of_their_own(plant: Plant) -> None:
    assert len(plant.machines) == 60
    assert len({UUID(machine.id) for machine in plant.machines}) == 60
    assert len({machine.ref for machine in plant.machines}) == 60
    assert len({machine.ideal_ms for machine in plant.machines}) > 50


def test_some_machines_are_in_two_groups_and_one_has_no_schedule(plant: Plant) -> None:
    assert {m.name for m in plant.machines if len(m.groups) == 2} == {"Mill-Turn 1", "Mill-Turn 2"}
    assert [m.name for m in plant.machines if m.schedule is None] == ["Wire EDM 1"]
    assert {group.name for group in plant.groups} >= {"Mills", "Lathes"}


def test_shifts_of_different_schedules_share_names_but_no_ids(plant: Plant) -> None:
    shifts = [shift for schedule in plant.schedules for shift in schedule.shifts]
    assert [shift.name for shift in shifts].count("First") == 2
    assert [shift.name for shift in shifts].count("Second") == 2
    assert len({shift.id for shift in shifts}) == len(shifts) == 7


def test_twelve_operators_attend_no_two_shifts_of_a_day(plant: Plant) -> None:
    assert len(plant.operators) == 12
    truth = plant.truth(MONDAY, MONDAY + timedelta(days=1))
    for operator in plant.operators:
        seen = [a for atoms in truth.values() for a in atoms if a.operator is operator]
        assert len({a.shift.place for a in seen if a.shift}) <= 1


def test_another_seed_is_another_plant() -> None:
    one, two = Plant(seed=1), Plant(seed=2)
    assert {m.id for m in one.machines}.isdisjoint(m.id for m in two.machines)
    day = MONDAY, MONDAY + timedelta(hours=2)
    assert [a.good for a in one.truth(*day)["Mill 01"]] != [a.good for a in two.truth(*day)["Mill 01"]]


def test_facts_are_the_same_in_every_process_and_for_ever() -> None:
    """The number was written down once; a change of it would change what every stored report meant."""
    code = (
        "from datetime import datetime, timedelta, UTC; from mmflow.simulator import Plant\n"
        "start = datetime(2026, 11, 16, 11, tzinfo=UTC)\n"
        "truth = Plant().truth(start, start + timedelta(days=1))\n"
        "print(sum((i + 1) * a.good for atoms in truth.values() for i, a in enumerate(atoms)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1572501"


@pytest.fixture(scope="module")
def week() -> dict[str, list[Atom]]:
    return Plant().truth(MONDAY, MONDAY + timedelta(days=7))


def test_every_atom_adds_up(week: dict[str, list[Atom]]) -> None:
    for atom in (atom for atoms in week.values() for atom in atoms):
        used = atom.in_cycle + atom.setup + atom.planned_down + atom.down
        assert used == atom.length if atom.shift else used <= atom.length
        assert 0 <= atom.in_cut <= atom.in_cycle
        assert min(atom.good, atom.nonconform, atom.scrap) >= 0
        assert atom.total * atom.ideal_ms <= atom.in_cycle
        assert (atom.operator is None) == (atom.shift is None)
        assert atom.reason is None or atom.down or atom.planned_down


def test_everything_that_can_happen_happens_within_a_week(week: dict[str, list[Atom]]) -> None:
    atoms = [atom for atoms in week.values() for atom in atoms]
    totals = add_up(atoms)
    assert all(totals.values())
    assert any(a.in_cycle for a in week["Mill 01"] + week["Lathe 01"] + week["Mill 09"])
    assert any(a.down and a.reason is None for a in atoms)
    assert any(a.down and a.reason for a in atoms)
    assert any(a.in_cycle and a.shift is None for a in week["Wire EDM 1"])
    assert 0.4 < totals["in_cycle"] / sum(a.required for a in atoms) < 0.9


def test_a_machine_without_schedule_is_never_in_a_shift(week: dict[str, list[Atom]]) -> None:
    assert {atom.shift for atom in week["Wire EDM 1"]} == {None}
    assert sum(atom.down for atom in week["Wire EDM 1"]) == 0


def test_the_night_shift_belongs_to_the_day_on_which_it_begins(plant: Plant) -> None:
    """Third of Friday runs until Saturday 06:00; there is none on Saturday night."""
    night = datetime(2026, 11, 21, 5, tzinfo=ZoneInfo("America/New_York"))
    [atom] = plant.truth(night, night + timedelta(minutes=15))["Mill 01"]
    assert atom.shift
    assert atom.shift.name == "Third"
    later = night + timedelta(days=1)
    [atom] = plant.truth(later, later + timedelta(minutes=15))["Mill 01"]
    assert atom.shift is None


def test_a_decommissioned_machine_has_no_data_after_its_date(plant: Plant) -> None:
    [machine] = [m for m in plant.machines if m.decommissioned_at]
    end = to_time(machine.decommissioned_at or 0)
    atoms = plant.truth(end - timedelta(hours=1), end + timedelta(days=1))[machine.name]
    assert [a.start for a in atoms] == [to_instant(end) - n * QUARTER for n in (4, 3, 2, 1)]


def test_nothing_is_known_after_now(plant: Plant) -> None:
    now = MONDAY + timedelta(hours=3, minutes=7)
    for atoms in plant.truth(MONDAY, MONDAY + timedelta(days=2), now).values():
        assert not atoms or atoms[-1].end == to_instant(now)


def test_nothing_is_known_from_before_the_plant_was_opened(plant: Plant) -> None:
    atoms = plant.truth(datetime(1, 1, 1, tzinfo=UTC), datetime(2015, 1, 1, 1, tzinfo=UTC))["Mill 01"]
    assert [a.start for a in atoms][:1] == [to_instant(datetime(2015, 1, 1, tzinfo=UTC))]
    assert len(atoms) == 4


def test_a_day_later_more_parts_are_bad_and_more_downtime_has_a_reason(plant: Plant) -> None:
    end = MONDAY + timedelta(days=1)

    def known(now: datetime) -> list[Atom]:
        return [atom for atoms in plant.truth(MONDAY, end, now).values() for atom in atoms]

    early, late = known(end + timedelta(hours=23, minutes=59)), known(end + timedelta(hours=24))
    assert sum(a.nonconform for a in late) > sum(a.nonconform for a in early)
    assert sum(a.down for a in late if a.reason) > sum(a.down for a in early if a.reason)
    for before, after in zip(early, late, strict=True):
        assert (after.total, after.down, after.in_cycle) == (before.total, before.down, before.in_cycle)


@settings(deadline=None, max_examples=60)
@given(minutes=st.lists(st.floats(0, 3000), min_size=3, max_size=3).map(sorted), rank=st.integers(0, 42))
def test_two_neighbouring_windows_add_up_to_the_one_around_them(minutes: list[float], rank: int) -> None:
    plant = Plant()
    start, middle, end = (to_instant(MONDAY + timedelta(minutes=m)) for m in minutes)
    machine = plant.machines[rank]
    parts = [add_up(list(plant.atoms(machine, *span))) for span in ((start, middle), (middle, end), (start, end))]
    assert {name: parts[0][name] + parts[1][name] for name in COUNTS} == parts[2]
    assert parts[2]["length"] == end - start


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/New_York", date(2026, 3, 7), "06:00", 23),
        ("America/New_York", date(2026, 3, 8), "06:00", 24),
        ("America/New_York", date(2026, 10, 31), "06:00", 25),
        ("America/New_York", date(2026, 3, 7), "02:30", 23.5),  # ends at the first valid instant, 03:00
        ("America/New_York", date(2026, 3, 8), "02:30", 23.5),
        ("America/New_York", date(2026, 11, 1), "01:30", 25),  # the clock shows 01:30 twice: the first counts
        ("Australia/Lord_Howe", date(2026, 4, 4), "06:00", 24.5),
        ("Pacific/Apia", date(2011, 12, 29), "06:00", 18),  # the 30th did not exist there
        ("Asia/Kathmandu", date(2026, 6, 1), "00:00", 24),
    ],
)
def test_production_days_are_as_long_as_the_clock_makes_them(zone: str, day: date, start: str, hours: float) -> None:
    found = Days(ZoneInfo(zone), read_minutes(start)).on(day)
    assert found.end - found.start == hours * 3_600_000


@settings(deadline=None, max_examples=100)
@given(
    zone=st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "Europe/Dublin"]),
    moment=st.datetimes(datetime(2005, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
    quarter=st.integers(0, 95),
)
def test_production_days_follow_each_other_without_gap(zone: str, moment: datetime, quarter: int) -> None:
    days = Days(ZoneInfo(zone), quarter * 15)
    start = to_instant(moment)
    found = list(days.between(start, start + 3 * 24 * 4 * QUARTER))
    assert found[0].start <= start < found[0].end
    assert all(one.end == two.start for one, two in pairwise(found))
    assert all(day == days.at(day.start) for day in found if day.start < day.end)


def test_a_wall_clock_time_that_is_skipped_means_the_first_valid_instant() -> None:
    zone = ZoneInfo("America/New_York")
    assert to_time(find_instant(zone, date(2026, 3, 8), 150)) == datetime(2026, 3, 8, 7, tzinfo=UTC)


@pytest.mark.parametrize("options", [{"start_of_day": "06:10"}, {"zone": "Mars/Base"}, {"start_of_day": "25:00"}])
def test_a_plant_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        Plant(**options)
