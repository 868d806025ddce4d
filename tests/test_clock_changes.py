"""What holds for days, shifts and windows in every zone, at every change of its clocks from 2000 to 2037."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmflow.errors import UserError
from mmflow.job import WindowSpec
from mmflow.plant import PlantCalendar, ShiftPattern, ShiftSchedule
from mmflow.plant.instants import find_zone
from mmflow.plant.periods import PERIODS
from mmflow.windows import WINDOW_WORDS, Earlier, earlier_span, resolve_window


def is_accepted(key: str) -> bool:
    """Tell whether a zone may be named in a job; others are old names of these."""
    try:
        find_zone(key)
    except UserError:
        return False
    return True


ZONES = sorted(key for key in available_timezones() if is_accepted(key))
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
STEP = timedelta(days=13)  # no zone has changed its clocks there and back within so few days
STEPS = (datetime(2038, 1, 1, tzinfo=UTC) - FIRST) // STEP
PARTS = 8
LEFT_OUT = ("Pacific/Apia", "Pacific/Fakaofo")  # they had no 30th of December 2011

pytestmark = pytest.mark.row("R70")
quick = settings(deadline=None, max_examples=150)


@cache
def list_changes(key: str) -> tuple[datetime, ...]:
    """Give the instants at which a zone's distance from UTC changes, found by looking, not by asking mmflow."""
    zone = ZoneInfo(key)
    ticks = [FIRST + number * STEP for number in range(STEPS + 1)]
    offsets = [tick.astimezone(zone).utcoffset() for tick in ticks]
    return tuple(narrow_change(zone, ticks[n], ticks[n + 1]) for n in range(STEPS) if offsets[n] != offsets[n + 1])


def narrow_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Give the first second that has the later offset."""
    later = after.astimezone(zone).utcoffset()
    seconds = range(int(before.timestamp()), int(after.timestamp()))
    found = bisect_left(seconds, True, key=lambda second: datetime.fromtimestamp(second, zone).utcoffset() == later)
    return before + found * timedelta(seconds=1)


def wall(zone: ZoneInfo, instant: datetime) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def distinct_zones() -> list[str]:
    """Give one zone for each history of clocks; many names are only other names."""
    return sorted({(list_changes(key), wall(ZoneInfo(key), FIRST)): key for key in ZONES}.values())


def starts_near(zone: ZoneInfo, change: datetime) -> set[time]:
    """Give starts of day that a change may hit: at both of its ends, and between, where a time is skipped or twice.

    Midnight is one of them: in Newfoundland the clocks went back at one minute past.
    """
    ends = sorted([wall(zone, change - TICK) + TICK, wall(zone, change)])
    near = [*ends, ends[0] + timedelta(minutes=15)]
    return {time(0), *(shown.time().replace(second=0, microsecond=0) for shown in near)}


@pytest.mark.parametrize("part", range(PARTS))
def test_days_tile_at_every_clock_change(part: int) -> None:
    """Around every change, for starts of day that it may hit, days follow each other and each instant has one day."""
    for key in distinct_zones()[part::PARTS]:
        zone = ZoneInfo(key)
        for change in list_changes(key):
            for start in starts_near(zone, change):
                check_days(PlantCalendar("x", zone, start), change)


def check_days(calendar: PlantCalendar, change: datetime) -> None:
    middle = wall(calendar.zone, change).date()
    days = [middle + number * DAY for number in range(-2, 3)]
    starts = [calendar.day_start(day) for day in days]
    assert starts == sorted(starts)
    for day, start, end in zip(days, starts, starts[1:], strict=False):
        shown = datetime.combine(day, calendar.start_of_day)
        # The first instant at which the wall shows the start of day or later: a plain reading of the rule.
        assert wall(calendar.zone, start) >= shown
        assert wall(calendar.zone, start - TICK) < shown
        assert not (change < start and wall(calendar.zone, change - TICK) >= shown)
        if start < end:
            assert calendar.day_of(start) == day
            assert calendar.day_of(end - TICK) == day
        if start <= change < end:
            assert calendar.day_of(change) == day


CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@st.composite
def calendars(draw: st.DrawFn) -> tuple[PlantCalendar, datetime]:
    """Draw a calendar and an instant within days of one of its clock changes (anywhere, for a zone without any)."""
    key = draw(st.sampled_from(ZONES))
    changes = list_changes(key)
    near = draw(st.sampled_from(changes)) if changes else FIRST + draw(st.integers(0, 13_000)) * DAY
    seconds = draw(st.one_of(st.integers(-3 * 86_400, 3 * 86_400), st.integers(-3, 3)))
    calendar = PlantCalendar("x", ZoneInfo(key), draw(CLOCKS), draw(st.integers(0, 6)))
    at = near + timedelta(seconds=seconds)
    return calendar, draw(st.sampled_from([at, calendar.day_start(calendar.day_of(at))]))


@quick
@given(calendars())
def test_every_instant_has_exactly_one_day(drawn: tuple[PlantCalendar, datetime]) -> None:
    """An instant lies within its production day, and within no other."""
    calendar, at = drawn
    day = calendar.day_of(at)
    holding = [
        d
        for d in calendar.days(day - 3 * DAY, day + 3 * DAY)
        if calendar.day_start(d) <= at < calendar.day_start(d + DAY)
    ]
    assert holding == [day]


@quick
@given(calendars(), st.sets(CLOCKS, min_size=1, max_size=4))
def test_shifts_that_meet_on_the_wall_tile(drawn: tuple[PlantCalendar, datetime], borders: set[time]) -> None:
    """Shifts round the clock leave no gap and no overlap, and each belongs to the day on which it starts."""
    plain, at = drawn
    ordered = sorted(borders)
    patterns = tuple(
        ShiftPattern(str(n), frozenset(range(7)), start, end)
        for n, (start, end) in enumerate(zip(ordered, [*ordered[1:], ordered[0]], strict=True))
    )
    calendar = PlantCalendar("x", plain.zone, plain.start_of_day, schedules=(ShiftSchedule("", (), patterns),))
    today = calendar.day_of(at)
    shifts = [shift for day in calendar.days(today - 3 * DAY, today + 3 * DAY) for shift in calendar.shifts_on(day)]
    assert all(before.end == after.start for before, after in pairwise(shifts))
    assert all(calendar.day_of(shift.start) == shift.day for shift in shifts)
    assert shifts[0].start <= at - DAY
    assert at + DAY < shifts[-1].end


def forms() -> st.SearchStrategy[str | WindowSpec]:
    """Draw a window that needs no shifts."""
    words = st.sampled_from([word for word in WINDOW_WORDS if "shift" not in word])
    lengths = st.builds(
        lambda count, unit, to_now: WindowSpec(last=f"{count} {unit}s", to_now=to_now),
        st.integers(1, 40),
        st.sampled_from(["hour", *PERIODS]),
        st.booleans(),
    )
    return st.one_of(words, lengths)


@quick
@given(calendars(), forms(), st.sampled_from([None, "previous", "same_weekday", "last_year"]))
def test_every_window_is_a_sound_span(
    drawn: tuple[PlantCalendar, datetime], window: str | WindowSpec, to: Earlier | None
) -> None:
    """Start before end, in UTC, the days those of its first and last instant, whole_days exactly when borders meet."""
    calendar, at = drawn
    span = earlier_span(window, calendar, at, to) if to else resolve_window(window, calendar, at)
    assert span.start.tzinfo is UTC
    assert span.end.tzinfo is UTC
    assert span.start < span.end or calendar.zone.key in LEFT_OUT
    if span.start < span.end:
        assert calendar.day_start(span.first_day) <= span.start < calendar.day_start(span.first_day + DAY)
        assert calendar.day_start(span.last_day) < span.end <= calendar.day_start(span.last_day + DAY)
    borders = calendar.day_start(span.first_day) == span.start and calendar.day_start(span.last_day + DAY) == span.end
    assert span.whole_days == borders


@quick
@given(calendars())
def test_running_and_complete_periods_meet(drawn: tuple[PlantCalendar, datetime]) -> None:
    """Yesterday ends where today starts, last week where this week does, and the same for month, quarter and year."""
    calendar, at = drawn
    spans = {word: resolve_window(word, calendar, at) for word in WINDOW_WORDS if "shift" not in word}
    today = spans["today"]
    assert today.start <= at < today.end
    assert spans["yesterday"].end == today.start
    for name in ("week", "month", "quarter", "year"):
        assert spans[f"last_{name}"].end == spans[f"this_{name}"].start
        assert spans[f"this_{name}"].end == today.end
        assert spans[f"{name}_to_yesterday"].end == today.start
        assert spans[f"{name}_to_date"].end == at
        assert spans[f"{name}_to_date"].start in (spans[f"this_{name}"].start, spans[f"last_{name}"].start)


@quick
@given(calendars())
def test_last_week_is_seven_production_days(drawn: tuple[PlantCalendar, datetime]) -> None:
    """It starts on the plant's first weekday and holds the day a week ago."""
    calendar, at = drawn
    span = resolve_window("last_week", calendar, at)
    assert span.whole_days
    assert span.last_day - span.first_day == 6 * DAY
    assert span.first_day.weekday() == calendar.week_starts
    assert span.first_day <= calendar.day_of(at) - 7 * DAY <= span.last_day


@quick
@given(calendars(), st.integers(1, 40))
def test_last_days_of_slots_in_a_row_tile(drawn: tuple[PlantCalendar, datetime], count: int) -> None:
    """The last n days of a slot end where those of the slot n production days later start."""
    calendar, at = drawn
    later = calendar.day_start(calendar.day_of(at) + count * DAY)
    window = WindowSpec(last=f"{count} days")
    assert resolve_window(window, calendar, at).end == resolve_window(window, calendar, later).start


@quick
@given(calendars(), st.integers(1, 100))
def test_hours_are_sixty_minutes(drawn: tuple[PlantCalendar, datetime], count: int) -> None:
    """The last n hours have n real hours and end at the latest full hour that the wall has shown."""
    calendar, at = drawn
    span = resolve_window(WindowSpec(last=f"{count} hours"), calendar, at)
    assert span.end - span.start == count * HOUR
    assert wall(calendar.zone, span.end).minute == 0
    since = [span.end + n * timedelta(minutes=1) for n in range(1, (at - span.end) // timedelta(minutes=1) + 1)]
    assert all(wall(calendar.zone, minute).minute for minute in since)


@quick
@given(calendars(), st.integers(1, 40), st.sampled_from(["hour", *PERIODS]), st.booleans())
def test_previous_ends_where_the_window_starts(
    drawn: tuple[PlantCalendar, datetime], count: int, unit: str, to_now: bool
) -> None:
    """Windows of n units and the n before them meet."""
    calendar, at = drawn
    window = WindowSpec(last=f"{count} {unit}s", to_now=to_now)
    assert earlier_span(window, calendar, at, "previous").end == resolve_window(window, calendar, at).start


@quick
@given(calendars(), st.sampled_from(["yesterday", "last_week", "last_month", "last_quarter", "last_year"]))
def test_complete_words_meet_their_previous(drawn: tuple[PlantCalendar, datetime], word: str) -> None:
    """The day, week, month, quarter or year before ends where the complete one starts."""
    calendar, at = drawn
    assume(calendar.zone.key not in LEFT_OUT)
    assert earlier_span(word, calendar, at, "previous").end == resolve_window(word, calendar, at).start
