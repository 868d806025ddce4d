"""What becomes of the times of a job: slots that are worked on, skipped or expired, each exactly once."""

from datetime import UTC, datetime, timedelta

import pytest

from mmflow.errors import StateError
from mmflow.job import Schedule
from mmflow.ledger import Ledger
from mmflow.planner import find_deadline
from tests.plans import START, make_plan, open_planner

desk = pytest.fixture(open_planner)


def states(desk, job="daily"):
    return [(at, state) for at, state, _ in desk.told(job)]


def schedule(cron="40 6 * * *", **keys):
    return Schedule(cron=cron, **keys)


def test_a_new_job_begins_now_and_makes_up_for_nothing(desk):
    desk.adopt(make_plan())
    assert desk.slots() == []
    assert desk.ledger.slots.read_job("daily").cursor == START
    assert states(desk) == []
    desk.later(hours=18, minutes=40)
    assert desk.told() == [("11-17 06:40", "due", "")]
    (slot,) = desk.slots()
    assert (slot.kind, slot.send, slot.next_at, slot.expires) == ("schedule", True, slot.due, None)


def test_each_look_plans_only_what_has_come_since(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    for _ in range(5):
        desk.later(minutes=30)
    assert states(desk) == [("11-16 13:00", "due"), ("11-16 14:00", "due")]
    assert desk.planner.next_due == datetime(2026, 11, 16, 20, 0, tzinfo=UTC)


def test_a_planner_that_lost_its_memory_comes_to_the_same_slots(desk):
    desk.adopt(make_plan(schedule=schedule("*/15 * * * *", catch_up="all")))
    for _ in range(8):
        desk.restart()
        desk.later(minutes=16)
    assert len(desk.slots()) == 8
    assert {slot.state for slot in desk.slots()} == {"due"}


def test_a_clock_that_goes_back_plans_nothing_twice(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.later(minutes=61)
    desk.work()
    desk.clock.set(START)
    desk.restart()
    for _ in range(3):
        desk.later(minutes=30)
    assert states(desk) == [("11-16 13:00", "done")]
    desk.later(minutes=40)
    assert states(desk) == [("11-16 13:00", "done"), ("11-16 14:00", "due")]


def test_after_a_week_without_a_daemon_only_the_latest_runs_and_the_others_say_so(desk):
    desk.adopt(make_plan())
    desk.restart()
    desk.later(days=7)
    why = "it was missed while nothing ran; the one of 2026-11-23 06:40 EST makes up for it"
    assert desk.told() == [(f"11-{day} 06:40", "skipped", why) for day in range(17, 23)] + [("11-23 06:40", "due", "")]
    assert desk.slots()[-1].send


def test_catch_up_all_runs_each_of_them_in_order_and_sends_only_the_latest(desk):
    desk.adopt(make_plan(schedule=schedule(catch_up="all")))
    desk.later(days=3)
    done = desk.work()
    assert [slot.due for slot in done] == sorted(slot.due for slot in done)
    assert [slot.send for slot in done] == [False, False, True]
    assert [reason for _, _, reason in desk.told()] == ["", "", ""], "what was done needs no reason"


def test_catch_up_none_runs_nothing_that_was_missed(desk):
    desk.adopt(make_plan(schedule=schedule(catch_up="none")))
    desk.later(days=2)
    why = "it was missed while nothing ran"
    assert desk.told() == [("11-17 06:40", "skipped", why), ("11-18 06:40", "skipped", why)]
    desk.later(hours=18, minutes=41)
    assert states(desk)[-1] == ("11-19 06:40", "due"), "a minute late is not missed"


def test_what_is_older_than_the_limit_is_not_made_up_for(desk):
    desk.adopt(make_plan(schedule=schedule(catch_up="all", catch_up_limit="2 days")))
    desk.later(days=4)
    assert states(desk) == [
        ("11-17 06:40", "skipped"),
        ("11-18 06:40", "skipped"),
        ("11-19 06:40", "due"),
        ("11-20 06:40", "due"),
    ]
    assert "longer ago than is made up for" in desk.told()[0][2]


@pytest.mark.row("R72")
@pytest.mark.parametrize("catch_up", ["latest", "all", "none"])
def test_after_four_hundred_days_a_job_of_every_minute_is_no_more_work_than_a_hundred_slots(desk, catch_up):
    desk.adopt(make_plan(schedule=schedule("* * * * *", catch_up=catch_up, catch_up_limit="1000 days")))
    desk.later(days=400)
    told = desk.told()
    assert len(told) == 101
    many = "as were at least 3000 more times since 2026-11-16 12:01 EST; at most 100 are made up for"
    assert many in told[0][2]
    just_now = 3  # those of the last two minutes were not missed; the latest makes up for them too
    assert sum(state == "due" for _, state, _ in told) == {"latest": 1, "all": 100, "none": just_now}[catch_up]


def test_what_expired_before_it_was_found_is_closed(desk):
    desk.adopt(make_plan(schedule=schedule(expires="3 hours")))
    desk.later(days=1)
    assert desk.told() == [("11-17 06:40", "expired", "it expired before it could begin")]


def test_an_expired_time_is_no_reason_not_to_make_up_for_an_older_one_that_runs_longer(desk):
    desk.adopt(make_plan(schedule=schedule("0 6,7 * * *", expires="90 minutes")))
    desk.clock.set(datetime(2026, 11, 17, 13, 15, tzinfo=UTC))  # 08:15
    desk.look()
    assert states(desk) == [("11-17 06:00", "expired"), ("11-17 07:00", "due")]


def test_a_slot_that_waits_until_it_expires_is_retired_unless_a_run_of_it_has_begun_to_deliver(desk):
    desk.adopt(make_plan(schedule=schedule(expires="3 hours")), make_plan("other", schedule(expires="3 hours")))
    desk.later(hours=18, minutes=40)
    (slot,) = [s for s in desk.ledger.slots.take("t", START + timedelta(days=9), 10) if s.job == "other"]
    desk.ledger.slots.put_back(slot, desk.clock.now(), "the disk is full", resume="r1")
    for other in desk.ledger.slots.list_open("daily"):
        desk.ledger.slots.put_back(other, desk.clock.now(), "the service is down")
    assert desk.ledger.slots.retire("it expired") == 0
    desk.clock.sleep(3 * 3600)
    assert desk.ledger.slots.retire("it expired") == 1
    assert desk.told() == [("11-17 06:40", "expired", "it expired; the service is down")]
    assert desk.told("other") == [("11-17 06:40", "due", "the disk is full")]


def test_a_time_that_comes_while_the_one_before_is_running_is_skipped(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.later(minutes=60)
    desk.ledger.slots.take("worker", START + timedelta(days=9), 10)
    desk.later(minutes=60)
    why = "the one of 2026-11-16 13:00 EST has been waiting for a worker since 2026-11-16 13:00 EST"
    assert desk.told()[-1] == ("11-16 14:00", "skipped", why)


def test_what_was_missed_while_one_was_running_is_made_up_for_all_the_same(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.later(minutes=60)
    desk.ledger.slots.take("worker", START + timedelta(days=9), 10)
    desk.later(hours=2, minutes=10)  # the machine slept
    assert states(desk) == [("11-16 13:00", "running"), ("11-16 14:00", "skipped"), ("11-16 15:00", "due")]


def test_what_is_made_up_for_without_messages_keeps_nothing_from_being_due(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *", catch_up="all")))
    desk.later(hours=2, minutes=30)
    (first,) = desk.take()
    assert (first.send, first.state) == (False, "running")
    desk.later(minutes=30)
    assert states(desk)[-1] == ("11-16 15:00", "due")


def test_with_overlap_queue_it_waits_in_line(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *", overlap="queue")))
    desk.later(minutes=60)
    taken = desk.ledger.slots.take("worker", START + timedelta(days=9), 10)
    desk.later(minutes=60)
    assert states(desk) == [("11-16 13:00", "running"), ("11-16 14:00", "due")]
    assert desk.ledger.slots.take("worker", START + timedelta(days=9), 10) == []
    desk.ledger.slots.close(taken[0], "failed", "")
    assert [slot.due.hour for slot in desk.ledger.slots.take("worker", START + timedelta(days=9), 10)] == [19]


def test_what_waits_for_a_worker_or_for_a_retry_is_not_running(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.later(minutes=60)
    (slot,) = desk.ledger.slots.take("worker", START + timedelta(days=9), 10)
    desk.ledger.slots.put_back(slot, desk.clock.now(), "the service is down")
    desk.later(minutes=60)
    assert states(desk) == [("11-16 13:00", "due"), ("11-16 14:00", "due")]


def test_while_a_job_is_paused_its_times_pass_with_the_reason(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.ledger.slots.pause("daily", START + timedelta(hours=2), "line 3 is being rebuilt")
    for _ in range(3):
        desk.later(hours=1)
    why = "paused until 2026-11-16 14:00 EST: line 3 is being rebuilt"
    assert desk.told() == [
        ("11-16 13:00", "skipped", why),
        ("11-16 14:00", "due", ""),
        ("11-16 15:00", "due", ""),
    ], "until then, and not what is due just then"


def test_a_job_that_is_resumed_goes_on_from_now(desk):
    desk.ledger.slots.pause("daily", None, "")  # before it was ever planned
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.later(hours=1)
    assert desk.told() == [("11-16 13:00", "skipped", "paused")]
    desk.clock.sleep(2 * 3600 + 60)  # no daemon runs
    assert desk.ledger.slots.resume("daily")
    desk.restart()
    desk.look()
    assert states(desk) == [("11-16 13:00", "skipped")]
    desk.later(hours=1)
    assert states(desk)[1:] == [("11-16 16:00", "due")]


def test_days_of_the_calendar_are_skipped_with_the_reason_and_make_up_for_nothing(desk):
    desk.adopt(make_plan(schedule=schedule(calendar=("holidays",))))
    desk.clock.set(datetime(2026, 11, 26, 17, 0, tzinfo=UTC))
    desk.restart()
    desk.look()
    told = desk.told()
    assert told[-1][:2] == ("11-26 06:40", "skipped")
    assert "holiday" in told[-1][2]
    assert told[-2] == ("11-25 06:40", "due", "")


def test_jitter_spreads_jobs_each_by_its_own_length(desk):
    desk.adopt(*(make_plan(f"job{number}", schedule(jitter="5 min")) for number in range(40)))
    desk.later(hours=18, minutes=40)
    first = [desk.slots(f"job{number}")[0] for number in range(40)]
    delays = [slot.next_at - slot.due for slot in first]
    assert len(set(delays)) > 30
    assert timedelta() <= min(delays) < timedelta(minutes=1) < timedelta(minutes=4) < max(delays) < timedelta(minutes=5)
    desk.later(days=1)
    assert delays == [slot.next_at - slot.due for slot in (desk.slots(f"job{number}")[-1] for number in range(40))], (
        "the next day each has its own again"
    )


def test_the_first_to_be_delivered_goes_first_and_what_is_too_late_anyway_goes_last(desk):
    desk.adopt(
        make_plan("a", schedule(catch_up="all")),
        make_plan("b", schedule("40 12 * * *"), deadline="14:00"),
        make_plan("c", schedule("40 12 * * *"), deadline="06:00"),
        make_plan("d", schedule("40 12 * * *"), deadline="10 min"),
    )
    desk.clock.set(datetime(2026, 11, 17, 17, 41, tzinfo=UTC))
    desk.look()
    assert [slot.job for slot in desk.work()] == ["a", "d", "b", "c"]
    assert desk.slots("a")[0].rank[:16] == "2026-11-17T17:41", "missed: not before what can be in time"


def test_a_deadline_is_a_length_or_the_next_such_time_of_day():
    from zoneinfo import ZoneInfo

    zone, due = ZoneInfo("America/New_York"), datetime(2026, 11, 16, 11, 40, tzinfo=UTC)  # 06:40
    assert find_deadline("", due, zone) is None
    assert find_deadline("30 min", due, zone) == due + timedelta(minutes=30)
    assert find_deadline("06:55", due, zone) == due + timedelta(minutes=15)
    assert find_deadline("06:40", due, zone) == due
    assert find_deadline("06:00", due, zone) == due + timedelta(hours=23, minutes=20)


def test_a_job_whose_schedule_changes_begins_anew(desk):
    desk.adopt(make_plan())
    desk.clock.sleep(3 * 86400)
    desk.adopt(make_plan(schedule=schedule("0 9 * * *")))
    assert desk.slots() == []
    desk.later(days=1)
    assert states(desk) == [("11-20 09:00", "due")]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("without", [(), (make_plan(schedule=None),)])
def test_a_job_that_was_gone_begins_anew_when_it_comes_back(desk, restart, without):
    desk.adopt(make_plan())
    if restart:
        desk.restart()
    desk.adopt(*without)
    desk.clock.sleep(3 * 86400)
    desk.adopt(make_plan())
    assert desk.slots() == []
    assert desk.later(days=1)[0].due == datetime(2026, 11, 20, 11, 40, tzinfo=UTC)


def test_jobs_that_are_not_due_cost_a_look_nothing(desk):
    desk.adopt(*(make_plan(f"job{number}") for number in range(300)))
    desk.look()
    desk.ledger.close()
    assert desk.planner.plan(desk.ledger) == 0, "not one question to the ledger"


def test_one_look_writes_so_many_slots_and_the_next_ones_go_on(desk):
    """After a long outage of many jobs, so that what is due does not wait for all of it."""
    jobs = [f"job{number}" for number in range(5)]
    desk.adopt(*(make_plan(job, schedule=schedule("0 * * * *")) for job in jobs))
    desk.planner._most = 150
    desk.clock.sleep(86400 * 7)
    found = []
    while not found or desk.planner.behind:
        found.append(desk.look())
    assert found == [202, 202, 101]
    assert {len(desk.slots(job)) for job in jobs} == {101}
    desk.clock.sleep(3600)
    assert (desk.look(), desk.planner.behind) == (5, False)


def test_what_the_last_look_left_is_not_forgotten_when_the_ledger_refuses_the_next_one(desk):
    desk.adopt(*(make_plan(job, schedule=schedule("0 * * * *")) for job in ("one", "two")))
    desk.planner._most = 1
    desk.clock.sleep(3600)
    desk.look()
    with Ledger.open(desk.root / "other.sqlite", desk.clock) as closed:
        pass
    with pytest.raises(StateError):
        desk.planner.plan(closed)
    desk.look()
    assert states(desk, "one") == states(desk, "two") == [("11-16 13:00", "due")]


def test_a_job_that_goes_while_it_waits_to_be_looked_at_is_not_looked_at(desk, caplog):
    desk.adopt(*(make_plan(job, schedule=schedule("0 * * * *")) for job in ("one", "two")))
    desk.planner._most = 1
    desk.clock.sleep(3600)
    desk.look()
    desk.planner.adopt({"one": desk.plans["one"]}, desk.calendars)
    assert (desk.look(), desk.planner.behind) == (0, False)
    assert "not planned" not in caplog.text


def test_a_look_that_the_ledger_refuses_forgets_nothing(desk):
    desk.adopt(make_plan())
    desk.clock.sleep(86400)
    with Ledger.open(desk.root / "other.sqlite", desk.clock) as closed:
        pass
    with pytest.raises(StateError):
        desk.planner.plan(closed)
    assert desk.look() == 1


def test_a_calendar_file_that_cannot_be_read_is_tried_again(desk, caplog):
    desk.adopt(make_plan(schedule=schedule("0 * * * *", calendar=("shutdown.csv",))), make_plan("other"))
    desk.later(hours=1)
    assert "daily is not planned" in caplog.text
    assert desk.ledger.slots.read_job("other")
    assert not desk.ledger.slots.read_job("daily")
    (desk.root / "shutdown.csv").write_text("2026-12-24\n", encoding="utf-8")
    desk.later(minutes=1)
    desk.later(hours=1)
    assert states(desk) == [("11-16 14:00", "due")]


def test_a_calendar_file_that_breaks_later_stops_its_own_job_alone_and_loses_no_time(desk, caplog):
    hourly = "0 * * * *"
    desk.adopt(make_plan(schedule=schedule(hourly)), make_plan("other", schedule=schedule(hourly)))
    skipping = schedule(hourly, calendar=("shutdown.csv",), catch_up="all")
    desk.adopt(make_plan(schedule=skipping), make_plan("other", schedule=schedule(hourly)))
    desk.later(hours=1)
    desk.later(hours=1)
    assert caplog.text.count("daily is not planned") == 1
    assert states(desk, "other") == [("11-16 13:00", "due"), ("11-16 14:00", "due")]
    (desk.root / "shutdown.csv").write_text("2026-12-24\n", encoding="utf-8")
    desk.later(hours=1)
    desk.later(hours=1)
    assert states(desk) == [(f"11-16 {hour}:00", "due") for hour in (13, 14, 15, 16)], "its cursor had stayed"


def test_a_job_that_cannot_be_taken_in_keeps_no_other_from_being_planned(desk, caplog):
    strange = make_plan("strange", schedule=schedule("0 * * * *"), sites=("nowhere",))  # stands for a bug of ours
    desk.adopt(strange, make_plan(schedule=schedule("0 * * * *")))
    desk.later(hours=1)
    assert "strange is not planned: KeyError" in caplog.text
    assert states(desk) == [("11-16 13:00", "due")]


def test_a_bug_in_one_schedule_keeps_no_other_job_from_being_planned(desk, caplog):
    desk.adopt(make_plan(schedule=schedule("0 */1 * * *")), make_plan("other", schedule=schedule("0 * * * *")))
    broken = desk.planner._entries["daily"].timetable
    times = broken._times
    object.__setattr__(broken, "_times", None)  # stands for a bug of ours
    desk.later(hours=1)
    desk.later(hours=1)
    assert "daily is not planned: AttributeError" in caplog.text
    assert states(desk, "other") == [("11-16 13:00", "due"), ("11-16 14:00", "due")]
    object.__setattr__(broken, "_times", times)
    desk.later(minutes=1)
    assert states(desk) == [("11-16 13:00", "skipped"), ("11-16 14:00", "due")], "nothing is lost"


def test_a_job_that_is_gone_and_back_between_two_looks_loses_no_time(desk):
    desk.adopt(make_plan(schedule=schedule("0 * * * *")))
    desk.clock.sleep(3600)
    desk.planner.adopt({}, desk.calendars)
    desk.planner.adopt(dict(desk.plans), desk.calendars)
    desk.look()
    assert states(desk) == [("11-16 13:00", "due")]
