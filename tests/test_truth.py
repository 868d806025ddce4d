"""Every number in the file is the plant's: the recipes of the vendor's guide against what really happened."""

import csv
import itertools
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from mmflow.simulator import Simulator
from tests import truth
from tests.desk import KEY, NOW, know_plant, open_desk

DAYS = {
    "a summer day": (date(2026, 7, 15), 24),
    "a winter day": (date(2026, 1, 14), 24),
    "spring forward": (date(2026, 3, 7), 23),
    "fall back": (date(2026, 10, 31), 25),
}
ONE_DAY = timedelta(days=1)
RECIPES = {
    "sheets": (["downtime", "oee", "goodParts", "actualPartTime", "timeInCut"], ["machine"]),
    "excel": (["totalParts", "timeInCycle", "allTime"], ["machine", "day"]),
    "power-bi": (["totalParts", "goodParts", "rejectedParts", "timeInCycle"], ["day", "machine"]),
}


@pytest.fixture(scope="module")
def plant():
    return know_plant()


@pytest.fixture(params=["documented", "contrary"])
def plant_desk(request, tmp_path, plant):
    """A root whose service behaves by one of the two profiles of what is not documented."""
    with Simulator(plants={KEY: plant}, now=NOW, profile=request.param) as simulator:
        yield open_desk(tmp_path, simulator)


def deliver(desk, metrics, groups, window, *, shape=""):
    """Run a job and give its rows by their groups, with numbers as numbers; the footer under "total"."""
    desk.job(f"""
        job: recipe
        report: {{metrics: [{", ".join(metrics)}], group_by: [{", ".join(groups)}]}}
        window: {window}
        {shape}
        sinks:
          - {{type: csv, path: recipe.csv, header: names}}
    """)
    done = desk.mmflow("run", "recipe", "--json")
    assert done.code == 0, done.err
    found = {}
    for row in csv.DictReader(desk.text("out/recipe.csv").splitlines()):
        key = tuple(row[group] for group in groups)
        assert key not in found
        found[key] = {name: float(row[name]) if row[name] else None for name in metrics}
    return found


def days(first, last):
    return f'{{from: "{first}", to: "{last}"}}'


def atoms_of(plant, first, last):
    """What happened on these production days, corrections included as far as they were known."""
    return plant.truth(truth.wall(first), truth.wall(last + timedelta(days=1)), NOW)


def expect(grouped, metrics):
    return {
        key: {name: truth.MEASURES[name](atoms) for name in metrics if name in truth.MEASURES}
        for key, atoms in grouped.items()
    }


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for key, measures in expected.items():
        for name, value in measures.items():
            # What a ratio over nothing looks like is not documented: null here, 0 in the other profile.
            allowed = (None, 0.0) if value is None else (pytest.approx(value, rel=1e-12),)
            assert found[key][name] in allowed, (key, name)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("when", DAYS)
def test_the_recipes_of_the_guide_deliver_what_really_happened(plant_desk, plant, recipe, when):
    metrics, groups = RECIPES[recipe]
    day, hours = DAYS[when]
    found = deliver(plant_desk, metrics, groups, days(day, day))
    atoms = atoms_of(plant, day, day)
    grouped = truth.by_machine(atoms) if groups == ["machine"] else truth.by_machine_day(atoms)
    if groups == ["day", "machine"]:
        grouped = {(day_name, machine): group for (machine, day_name), group in grouped.items()}
    # Sixty machines, of which one was retired in spring.
    assert len(found) == (60 if day < date(2026, 4, 1) else 59)
    assert_equal(found, expect(grouped, metrics))
    if "allTime" in metrics:
        assert {row["allTime"] for row in found.values()} == {hours * 3_600_000}


@pytest.mark.parametrize("when", DAYS)
def test_both_dialects_give_the_same_report(plant_desk, when):
    """A production day goes out as startDay/endDay, its three pieces as start/end in UTC; they add up to it."""
    metrics = ["totalParts", "timeInCycle", "downtime", "allTime"]
    day, _ = DAYS[when]
    by_day = deliver(plant_desk, metrics, ["machine"], days(day, day))
    borders = [truth.wall(day), *(truth.wall(day).replace(hour=hour) for hour in (14, 22)), truth.wall(day + ONE_DAY)]
    pieces = [
        deliver(plant_desk, metrics, ["machine"], days(first.isoformat(), last.isoformat()))
        for first, last in itertools.pairwise(borders)
    ]
    asked = [request.body for request in plant_desk.simulator.requests if "reports" in request.path]
    assert ["startDay" in body for body in asked] == [True, False, False, False]
    for machine, whole in by_day.items():
        assert {name: sum(piece[machine][name] for piece in pieces) for name in metrics} == whole


def test_an_instant_window_is_asked_with_instants(plant_desk):
    deliver(plant_desk, ["totalParts"], ["machine"], days("2026-11-03T06:30-05:00", "2026-11-03T14:30-05:00"))
    asked = [request.body for request in plant_desk.simulator.requests if "reports" in request.path]
    assert (asked[-1]["start"], asked[-1]["end"]) == ("2026-11-03T11:30:00Z", "2026-11-03T19:30:00Z")
    assert asked[-1]["flatten"] is True


def test_a_monthly_oee_is_the_services_and_not_a_mean(plant_desk, plant):
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    by_month = deliver(plant_desk, ["oee"], ["month"], days(first, last))
    atoms = [atom for group in atoms_of(plant, first, last).values() for atom in group]
    true = truth.MEASURES["oee"](atoms)
    assert list(by_month.values()) == [{"oee": pytest.approx(true, rel=1e-12)}]
    by_day = deliver(plant_desk, ["oee"], ["day"], days(first, last))
    mean = sum(row["oee"] for row in by_day.values()) / len(by_day)
    assert abs(mean - true) > 1e-4  # so a mean would have shown


def test_the_total_of_an_oee_is_the_services(plant_desk, plant):
    day = date(2026, 7, 15)
    found = deliver(plant_desk, ["oee", "goodParts"], ["machine"], days(day, day), shape="shape: {totals: true}")
    atoms = [atom for group in atoms_of(plant, day, day).values() for atom in group]
    assert found["Total",] == {
        "oee": pytest.approx(truth.MEASURES["oee"](atoms), rel=1e-12),
        "goodParts": truth.MEASURES["goodParts"](atoms),
    }


def test_shifts_add_up_to_the_day(plant_desk):
    day = date(2026, 11, 3)
    by_shift = deliver(plant_desk, ["totalParts", "allTime"], ["machine", "shift"], days(day, day))
    by_day = deliver(plant_desk, ["totalParts", "allTime"], ["machine"], days(day, day))
    for (machine,), whole in by_day.items():
        pieces = [row for (name, _), row in by_shift.items() if name == machine]
        assert sum(row["totalParts"] for row in pieces) == whole["totalParts"]
        assert sum(row["allTime"] for row in pieces) == whole["allTime"]


@pytest.mark.parametrize("profile", ["documented", "contrary"])
@pytest.mark.parametrize(("zone", "start"), [("America/New_York", "06:30"), ("Asia/Kolkata", "06:00")])
def test_hours_are_whole_where_no_day_starts_on_a_full_hour(tmp_path, profile, zone, start):
    """Fifteen days, asked in three requests; each hour comes once, with all that was made in it."""
    plant = know_plant(1, zone, start)
    with Simulator(plants={KEY: plant}, now=NOW, profile=profile) as simulator:
        desk = open_desk(tmp_path, simulator)
        site = f'{{base_url: "{simulator.url}", api_key: "${{env:MM_BOSTON_KEY}}", timezone: {zone}'
        desk.write("mmflow.yaml", f'version: 1\nsites: {{boston: {site}, start_of_day: "{start}"}}}}\n')
        found = deliver(desk, ["totalParts", "allTime"], ["hour"], days("2026-11-01", "2026-11-15"))
        asked = [request for request in simulator.requests if "reports" in request.path]
    assert len(asked) == 3
    opening = time.fromisoformat(start)
    first, last = (datetime.combine(date(2026, 11, day), opening, ZoneInfo(zone)) for day in (1, 16))
    atoms = [atom for group in plant.truth(first, last, NOW).values() for atom in group]
    expected = expect(truth.by_hour(atoms), ["totalParts", "allTime"])
    assert_equal({(to_hour(text),): row for (text,), row in found.items()}, expected)


def to_hour(text):
    """Hours since 1970, which is how the truth names an hour."""
    return datetime.fromisoformat(text).timestamp() / 3600


@pytest.mark.row("R42")
def test_late_corrections_replace_what_was_delivered(tmp_path, plant):
    """Numbers of a day are corrected a day later; the next run of that day replaces the file."""
    moments = [truth.wall(date(2026, 11, 20)) + timedelta(minutes=40), NOW]
    with Simulator(plants={KEY: plant}, now=lambda: moments[0]) as simulator:
        desk = open_desk(tmp_path, simulator)
        window = days("2026-11-19", "2026-11-19")
        early = deliver(desk, ["rejectedParts"], ["machine"], window)
        moments.pop(0)
        late = deliver(desk, ["rejectedParts"], ["machine"], window)
    assert early != late
    day = date(2026, 11, 19)
    assert_equal(late, expect(truth.by_machine(atoms_of(plant, day, day)), ["rejectedParts"]))
    runs = desk.mmflow("runs", "--json").data["runs"]
    states = [run["deliveries"][0]["state"] for run in runs]
    assert sorted(states) == ["done", "superseded"]
