"""Schedules beyond the tables of docs/schedules.md: shifts of several plants, days left out, what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mmflow.cron import Cron, read_cron
from mmflow.durations import parse_duration
from mmflow.errors import UserError
from mmflow.job import Schedule
from mmflow.plant import PlantCalendar, ShiftPattern, ShiftSchedule
from mmflow.schedule import Timetable, describe_schedule, make_timetable
from mmflow.schedule.ordering import ascend, descend

WORKDAYS = frozenset(range(5))
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def pattern(name: str, start: int, end: int, days: frozenset[int] = WORKDAYS) -> ShiftPattern:
    return ShiftPattern(name, days, time(start), time(end))


BOSTON = PlantCalendar(
    "boston",
    ZoneInfo("America/New_York"),
    time(6),
    schedules=(
        ShiftSchedule("", (), (pattern("First", 6, 14), pattern("Third", 22, 6))),
        ShiftSchedule("Lathes", ("Lathes",), (pattern("First", 6, 18),)),
        ShiftSchedule("Presses", ("Presses",), (pattern("Long", 6, 18),)),
    ),
    holidays=frozenset({date(2026, 11, 26), date(2026, 12, 25)}),
)
RENO = replace(
    BOSTON,
    name="reno",
    zone=ZoneInfo("America/Los_Angeles"),
    schedules=(ShiftSchedule("", (), (pattern("First", 7, 15, WORKDAYS | {5}),)),),
    holidays=frozenset({date(2026, 11, 26)}),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)


def open_timetable(
    schedule: Schedule, *plants: PlantCalendar, groups: tuple[str, ...] = (), root: Path = Path()
) -> Timetable:
    timetable = make_timetable(schedule, plants or [BOSTON], groups, root)
    assert timetable is not None
    return timetable


def list_due(timetable: Timetable, first: str, last: str) -> list[str]:
    """Give the due times of a range in New York, found forwards and backwards."""
    start, end = at(first), at(last)
    found = list(timetable.between(start, end))
    assert timetable.latest(start, end, 10_000) == found[::-1]
    assert all(due.tzinfo is UTC for due in found)
    return [f"{due.astimezone(BOSTON.zone):%m-%d %H:%M}" for due in found]


# --- shifts


def test_a_shift_across_midnight_is_due_the_next_morning() -> None:
    timetable = open_timetable(Schedule(after_shift="Third"))
    assert list_due(timetable, "2026-11-19 12:00", "2026-11-24 12:00") == ["11-20 06:10", "11-21 06:10", "11-24 06:10"]


def test_a_border_of_a_range_counts_once() -> None:
    timetable = open_timetable(Schedule(after_shift="First", settle="30 min"))
    due = at("2026-11-23 14:30")
    assert timetable.after(due) == due + DAY
    assert timetable.after(due - TICK) == due
    assert list(timetable.between(due - TICK, due)) == timetable.latest(due - TICK, due, 9) == [due]
    assert list(timetable.between(due, due + DAY - TICK)) == timetable.latest(due, due + DAY - TICK, 9) == []


def test_machine_groups_choose_whose_shift_it_is() -> None:
    timetable = open_timetable(Schedule(after_shift="First"), groups=("Lathes",))
    assert list_due(timetable, "2026-11-23 06:00", "2026-11-24 06:00") == ["11-23 18:10"]


def test_several_sites_are_waited_for_and_one_without_that_shift_is_not() -> None:
    """Reno's First ends at 18:00 in New York, and it works on Saturdays."""
    timetable = open_timetable(Schedule(after_shift="First"), BOSTON, RENO)
    assert list_due(timetable, "2026-11-20 06:00", "2026-11-23 23:00") == ["11-20 18:10", "11-21 18:10", "11-23 18:10"]


def test_a_night_shift_in_which_the_clocks_change_is_due_at_its_end() -> None:
    nights = ShiftSchedule("", (), (pattern("Night", 18, 6, frozenset(range(7))),))
    timetable = open_timetable(Schedule(after_shift="Night"), replace(BOSTON, schedules=(nights,)))
    before, change = timetable.between(at("2026-10-31 00:00"), at("2026-11-01 12:00"))
    assert change - before == timedelta(hours=25)
    assert change == at("2026-11-01 06:10")


def test_shifts_of_one_name_may_end_in_another_order_than_their_days() -> None:
    odd = (pattern("Odd", 7, 6, frozenset({0})), pattern("Odd", 7, 8, frozenset({1})))
    plant = replace(BOSTON, schedules=(ShiftSchedule("", (), odd),))
    timetable = open_timetable(Schedule(after_shift="Odd", settle="1 min"), plant)
    assert list_due(timetable, "2026-11-23 00:00", "2026-11-26 00:00") == ["11-24 06:01", "11-24 08:01"]
    long = (pattern("Odd", 7, 6, frozenset({0})), pattern("Odd", 4, 5, frozenset({1})))
    plant = replace(BOSTON, start_of_day=time(0), schedules=(ShiftSchedule("", (), long),))
    timetable = open_timetable(Schedule(after_shift="Odd", settle="1 min"), plant)
    assert list_due(timetable, "2026-11-23 00:00", "2026-11-26 00:00") == ["11-24 05:01", "11-24 06:01"]


@pytest.mark.parametrize(
    ("shift", "groups", "message"),
    [
        ("Frist", (), "schedule 'default' of site boston has no shift 'Frist'; did you mean 'First'"),
        ("last", (), "site boston has no shift 'last'; there are: First, Third"),
        ("First", ("Presses",), "schedule 'Presses' of site boston has no shift 'First'"),
        ("First", ("Presses", "Lathes"), "follow several schedules"),
    ],
)
def test_a_shift_that_a_site_has_not_is_refused(shift: str, groups: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_timetable(Schedule(after_shift=shift), groups=groups)


# --- days left out


def test_after_a_shift_the_production_day_of_the_shift_counts() -> None:
    """The third shift of the 25th ends on a holiday, that of the holiday on the day after."""
    timetable = open_timetable(Schedule(after_shift="Third", calendar="holidays"))
    assert timetable.skip_reason(at("2026-11-26 06:10")) == ""
    assert timetable.skip_reason(at("2026-11-27 06:10")) == "2026-11-26 is a holiday of boston"


def test_the_date_is_that_of_the_zone_of_the_schedule() -> None:
    timetable = open_timetable(Schedule(every="day", at="22:00", calendar="holidays"))
    assert timetable.skip_reason(at("2026-11-26 22:00")) == "2026-11-26 is a holiday of boston"
    assert timetable.skip_reason(at("2026-11-25 22:00")) == ""


def test_only_a_holiday_of_all_sites_is_one() -> None:
    schedule = Schedule(every="day", at="12:00", calendar=("holidays", "2026-12-31"), timezone="America/New_York")
    timetable = open_timetable(schedule, BOSTON, RENO)
    assert timetable.skip_reason(at("2026-11-26 12:00")) == "2026-11-26 is a holiday of boston and reno"
    assert timetable.skip_reason(at("2026-12-25 12:00")) == ""
    assert timetable.skip_reason(at("2026-12-31 12:00")) == "2026-12-31 is in the calendar of the schedule"


def test_a_range_may_be_one_day_and_a_file_may_end_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "Shut.CSV").write_text("2026-12-28\n", encoding="utf-8")
    schedule = Schedule(every="day", at="12:00", calendar=("2026-12-24 to 2026-12-24", "Shut.CSV"))
    timetable = open_timetable(schedule, root=tmp_path)
    skipped = [
        due for due in list_due(timetable, "2026-12-20", "2026-12-31") if timetable.skip_reason(at(f"2026-{due}"))
    ]
    assert skipped == ["12-24 12:00", "12-28 12:00"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "days.csv",
            "day\n2026-12-24\nthe word of a secret\n",
            "the file of days days.csv has no day at line 3; write",
        ),
        ("days.csv", "2026-12-24 to 2026-12-30\n", "the file of days days.csv has no day at line 1; write"),
        ("days.csv", "12/29/2026\n2026-12-30\n", "the file of days days.csv has no day at line 1; write"),
        ("days.csv", "2026-12-24\na secret\n", "the file of days days.csv has no day at line 2; write"),
        ("days.csv", "\xff", "the file of days days.csv the text is not UTF-8 from here on; save"),
        ("days.ics", "BEGIN:NOTHING", "the file of days days.ics is no calendar in ICS form; export it again"),
        ("gone.ics", None, "the file of days gone.ics does not exist; check the path"),
        ("../days.csv", "2026-12-24", "the file of days ../days.csv lies outside the folder of mmflow.yaml"),
    ],
)
def test_a_file_of_days_that_cannot_be_used_is_named_and_not_quoted(
    name: str, text: str | None, message: str, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    if text is not None:
        (root / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        open_timetable(Schedule(every="day", at="06:00", calendar=(name,)), root=root)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


# --- times


def test_midnight_belongs_to_the_day_that_it_begins() -> None:
    first = Cron("0 0 1 * *")
    assert [day for day in (30, 1, 2) if first.comes_on(date(2026, 11 if day == 30 else 12, day))] == [1]


@pytest.mark.parametrize("minutes", [number for number in range(1, 1440) if 1440 % number == 0])
def test_a_length_comes_so_often_from_midnight_on(minutes: int) -> None:
    timetable = open_timetable(Schedule(every=f"{minutes} min", timezone="Asia/Tokyo"))
    midnight = datetime(2026, 11, 22, tzinfo=ZoneInfo("Asia/Tokyo")).astimezone(UTC)
    due = timetable.between(midnight - TICK, midnight + DAY - TICK)
    assert [(one - midnight) // timedelta(minutes=1) for one in due] == list(range(0, 1440, minutes))
    assert timetable.words == describe_schedule(Schedule(every=f"{minutes} min"))


@pytest.mark.parametrize(
    ("every", "words"),
    [
        ("1 min", "every minute"),
        ("minute", "every minute"),
        ("60 min", "every hour"),
        ("1 h", "every hour"),
        ("2h", "every 2 hours"),
    ],
)
def test_a_length_is_said_the_shortest_way(every: str, words: str) -> None:
    assert describe_schedule(Schedule(every=every), BOSTON.zone) == words


def test_one_moment_is_due_once() -> None:
    timetable, due = open_timetable(Schedule(at="2026-12-01 06:00")), at("2026-12-01 06:00")
    assert (timetable.after(due - TICK), timetable.after(due)) == (due, None)
    assert timetable.latest(due - DAY, due, 5) == [due]
    assert timetable.latest(due, due + DAY, 5) == timetable.latest(due - DAY, due - TICK, 5) == []


def test_the_latest_times_of_two_centuries_cost_no_more_than_those_of_a_day() -> None:
    timetable = open_timetable(Schedule(cron="* * * * *"))
    last = datetime(2199, 1, 1, tzinfo=UTC)
    found = timetable.latest(datetime(1970, 1, 1, tzinfo=UTC), last, 3)
    assert found == [last - number * timedelta(minutes=1) for number in range(3)]


def test_a_time_that_comes_once_in_many_years_is_found_and_one_that_never_comes_is_refused() -> None:
    timetable = open_timetable(Schedule(cron="0 6 29 2 *", timezone="Asia/Tokyo"))
    assert timetable.after(datetime(2096, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 28, 21, tzinfo=UTC)
    for never in ("0 6 31 2 *", "0 6 LW * */6"):
        with pytest.raises(UserError):
            open_timetable(Schedule(cron=never))
    assert list(Cron("0 6 LW * */6").walls_after(datetime(2026, 1, 1))) == []
    assert list(Cron("0 6 LW * */6").walls_until(datetime(2026, 1, 1))) == []


def test_instants_of_groups_that_overlap_are_put_in_order_and_each_comes_once() -> None:
    first, second, third, fourth = (at(f"2026-11-23 0{hour}:00") for hour in range(1, 5))
    groups = [(first, [third, first]), (second, [third, second]), (second, [fourth])]
    assert list(ascend(groups, first)) == [second, third, fourth]
    groups = [(fourth, [second, fourth]), (third, [first, third]), (third, [second])]
    assert list(descend(groups, third)) == [third, second, first]


def test_a_fingerprint_is_that_of_the_times_and_of_nothing_else() -> None:
    def fingerprint(schedule: Schedule, plant: PlantCalendar = BOSTON) -> str:
        return open_timetable(schedule, plant).fingerprint

    daily = Schedule(every="day", at="06:40")
    same = [daily, Schedule(every="day", at=("6:40",), catch_up="all", calendar="holidays", jitter="5 min")]
    other = [
        Schedule(every="day", at="06:41"),
        Schedule(every="day", at="06:40", timezone="Europe/Berlin"),
        Schedule(every="hour"),
        Schedule(at="2026-12-01 06:40"),
        Schedule(after_shift="First"),
        Schedule(after_shift="First", settle="11 min"),
        Schedule(after_shift="Third"),
    ]
    assert len({fingerprint(schedule) for schedule in same}) == 1
    assert len({fingerprint(schedule) for schedule in [daily, *other]}) == len(other) + 1
    moved = replace(BOSTON, schedules=(ShiftSchedule("", (), (pattern("First", 6, 15),)),))
    assert fingerprint(Schedule(after_shift="First"), moved) != fingerprint(Schedule(after_shift="First"))
    assert fingerprint(daily, moved) == fingerprint(daily)
    nights = replace(BOSTON, schedules=(ShiftSchedule("", (), (pattern("First", 16, 14),)),))
    assert fingerprint(Schedule(after_shift="First"), nights) != fingerprint(Schedule(after_shift="First"))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(), "cannot be made of no keys; use cron or every or at or after_shift or after"),
        (Schedule(cron="0 6 * * *", every="day"), "cannot be made of cron, every"),
        (Schedule(every="day"), "a time of day is missing"),
        (Schedule(every="15 min", at="06:00"), "'at' does not go with every: 15 min"),
        (Schedule(every=("monday", "month"), at="06:00"), "'month' does not stand beside others"),
        (Schedule(every=("monday", "15 min"), at="06:00"), "'15 min' does not stand beside others"),
        (Schedule(every="24 hours"), "is a day or longer"),
        (Schedule(every="90 s"), "is not a length of time; write minutes or hours"),
        (Schedule(at=("2026-12-01 06:00", "2026-12-02 06:00")), "without 'every' there is one moment"),
        (Schedule(at="06:40"), "is a time of day; write every: day beside it"),
        (Schedule(at="2026-12-01"), "is not a date-time"),
        (Schedule(every="day", at="06:00", timezone="EST"), "fixed offset"),
        (Schedule(after_shift="First", settle="soon"), "'soon' is no length of time"),
    ],
)
def test_what_means_nothing_is_refused(schedule: Schedule, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_timetable(schedule)


def test_many_times_are_said_as_cron_says_them() -> None:
    assert describe_schedule(Schedule(cron="0 6-18 * * mon-fri")) == (
        "at minute 0 past every hour from 6 through 18 on Monday through Friday"
    )
    hours = tuple(f"{hour:02}:00" for hour in range(6, 15))
    eight, nine = (describe_schedule(Schedule(every="day", at=hours[:count])) for count in (8, 9))
    assert eight.startswith("at 06:00, 07:00, 08:00, 09:00, 10:00, 11:00, 12:00 and 13:00, ")
    assert nine.startswith("at minute 0 past ")
    assert describe_schedule(None) == "by hand"
    five = describe_schedule(Schedule(cron="*/5 6 * * *"), BOSTON.zone)
    assert five == "every fifth minute from 06:00 through 06:59, America/New_York"
    assert read_cron("0 6 * * 1,3,5-7").weekdays == frozenset({0, 2, 4, 5, 6})
    assert read_cron("0 6 * * mon#1,fri").weekdays == frozenset(), "not only Fridays"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 s", 90), ("15 min", 900), ("15 mins", 900), ("2 h", 7200), ("3d", 259_200), ("1 s", 1)]
)
def test_lengths_may_be_written_short(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
