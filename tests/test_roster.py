"""The jobs in force: what is read when, what stays when a file is broken, and what is said of it."""

from __future__ import annotations

import os

import pytest

from mmflow.errors import ProblemsError
from mmflow.roster import Roster, reader
from tests.rosters import JOB, SETTINGS, Plant, texts


@pytest.fixture
def plant(tmp_path) -> Plant:
    return Plant(tmp_path)


@pytest.fixture
def running(plant) -> Plant:
    """A plant with two jobs that have been read."""
    plant.job("morning")
    plant.job("evening")
    plant.roster.refresh()
    return plant


def test_a_plan_holds_what_is_needed_between_runs(plant):
    plant.job("morning")
    assert plant.roster.refresh().added == ("morning",)
    plan = plant.roster.plans["morning"]
    assert (plan.job, plan.file, plan.owner, plan.sites) == (
        "morning",
        "jobs/morning.yaml",
        "ops@example.com",
        ("boston",),
    )
    assert (plan.machine_groups, plan.window, plan.deadline) == (("Mills",), "yesterday", "06:55")
    assert plan.schedule.at == "06:40"
    assert plan.notify.on == ("failed", "held", "late", "missed", "paused", "recovered")
    assert plant.roster.text("morning") == JOB.replace("NAME", "morning")
    assert plant.roster.settings_text == SETTINGS
    assert list(plant.roster.calendars) == ["boston"]
    assert plant.roster.settings.settings.version == 1


def test_a_job_by_hand_has_no_schedule(plant):
    plant.job("a", JOB.replace('{every: weekday, at: "06:40"}', "manual"))
    plant.roster.refresh()
    assert plant.roster.plans["a"].schedule is None


def test_references_where_a_number_is_expected_leave_the_plan_whole(plant):
    plant.job("a", JOB + 'shape: {limit: "${env:LIMIT}"}\n')
    plant.environ["LIMIT"] = "3"
    plant.roster.refresh()
    assert plant.roster.plans["a"].schedule.at == "06:40"
    assert plant.roster.blocked == {}


def test_what_the_daemon_has_to_know_before_a_run_is_no_reference(plant):
    plant.job("a", JOB + 'sites: ["${env:SITE}"]\nnotify: {on: ["${env:KIND}"]}\n')
    plant.roster.refresh()
    assert [(problem.path, problem.message) for problem in plant.roster.problems] == [
        ("sites[0]", "found a reference, expected a value"),
        ("notify.on[0]", "found a reference, expected a value"),
    ]


def test_nothing_new_is_nothing_and_leaves_the_plans_as_they_are(running):
    plans = running.roster.plans
    assert not running.roster.refresh()
    assert running.roster.plans is plans
    assert not running.roster.unsettled


@pytest.mark.row("R79")
def test_a_touched_file_that_says_the_same_is_no_change(running):
    path = running.job("morning")
    os.utime(path, (1, 1))
    plan = running.roster.plans["morning"]
    assert not running.settle()
    assert running.roster.plans["morning"] is plan


def test_a_change_counts_when_it_has_stayed_for_half_a_second(running):
    evening = running.roster.plans["evening"]
    before = running.roster.plans
    running.job("morning", JOB.replace("06:40", "06:50"))
    assert not running.roster.refresh()
    assert running.roster.unsettled
    running.clock.sleep(0.4)
    assert not running.roster.refresh()
    running.clock.sleep(0.1)
    changes = running.roster.refresh()
    assert changes.changed == ("morning",)
    assert running.roster.plans["morning"].schedule.at == "06:50"
    assert running.roster.plans["evening"] is evening, "what did not change is the very same"
    assert before["morning"].schedule.at == "06:40", "who holds the old plans holds the old plans"
    assert changes.lines == (
        "1 job changed: morning",
        "morning: at 06:40, Monday to Friday, America/New_York → at 06:50, Monday to Friday, America/New_York",
    )


def test_a_change_that_leaves_the_times_alone_says_nothing_of_them(running):
    running.job("morning", JOB.replace("yesterday", "last_week"))
    assert running.settle().lines == ("1 job changed: morning",)


@pytest.mark.row("R76")
def test_a_file_that_is_being_written_does_not_count(running):
    """Emptied, then half of it, then the whole: nothing is told before the end, and then only the end."""
    text = JOB.replace("NAME", "morning").replace("06:40", "06:50")
    for part in ("", text[:40], text[:120], text):
        running.write("jobs/morning.yaml", part)
        assert not running.roster.refresh()
        running.clock.sleep(0.4)
        assert running.roster.plans["morning"].schedule.at == "06:40"
    running.clock.sleep(0.1)
    assert running.roster.refresh().changed == ("morning",)
    assert running.roster.problems == ()


@pytest.mark.row("R76")
def test_what_an_editor_lays_beside_a_job_is_no_job(running):
    for file in (".#morning", ".old/morning", "plans/.morning"):
        running.job("morning", file=file)
    assert not running.roster.refresh().lines
    assert not running.roster.unsettled


def test_an_empty_file_is_not_the_end_of_its_job(running):
    running.write("jobs/morning.yaml", "")
    changes = running.settle()
    assert texts(changes.broken)[0].startswith("jobs/morning.yaml: the file is empty")
    assert (changes.removed, changes.kept) == ((), {"jobs/morning.yaml"})
    assert set(running.roster.plans) == {"morning", "evening"}


def test_a_file_that_was_gone_for_a_moment_was_never_gone(running):
    path = running.root / "jobs/morning.yaml"
    path.rename(path.with_suffix(".bak"))
    assert not running.roster.refresh()
    path.with_suffix(".bak").rename(path)
    assert not running.settle()
    assert not running.roster.unsettled


@pytest.mark.row("R75")
def test_a_broken_file_keeps_its_last_good_version_and_is_told_once(running):
    good = running.roster.text("morning")
    running.job("morning", "job: morning\nreport: {metrics: [oee, machine]}\nwindow: yesterday\nsinks: [{type: csv}]\n")
    changes = running.settle()
    said = "jobs/morning.yaml:2:25: report.metrics[1]: 'machine' is a group, not a metric; write it under group_by"
    assert texts(changes.broken) == [said]
    assert changes.lines == (f"{said}; its last good version stays",)
    assert running.roster.plans["morning"].schedule.at == "06:40"
    assert running.roster.text("morning") == good
    assert texts(running.roster.problems) == [said]
    assert running.roster.blocked == {}
    assert not running.settle()


@pytest.mark.row("R75")
def test_a_mended_file_is_told_too(running):
    running.job("morning", "job: [")
    running.settle()
    running.job("morning", JOB.replace("06:40", "07:00"))
    changes = running.settle()
    assert (changes.mended, changes.changed, changes.broken) == (("jobs/morning.yaml",), ("morning",), ())
    assert "jobs/morning.yaml can be used again" in changes.lines
    assert running.roster.problems == ()


def test_a_file_that_never_was_good_is_named_with_its_reason(plant):
    plant.job("a", JOB.replace("yesterday", "yesterdy"))
    changes = plant.roster.refresh()
    assert changes.lines[0].endswith("did you mean 'yesterday'?; it does not run until then")
    assert plant.roster.plans == {}
    assert list(plant.roster.blocked) == ["a"]
    assert plant.roster.blocked["a"].startswith("jobs/a.yaml:3:9: window: ")


@pytest.mark.row("R78")
def test_a_file_that_could_not_be_used_is_said_to_be_gone(running):
    path = running.job("wrong", JOB.replace("yesterday", "yesterdy"))
    assert [kind for kind, _ in running.settle().words] == ["broken"]
    path.unlink()
    changes = running.settle()
    assert changes.lines == ("jobs/wrong.yaml, which could not be used, is gone or not named any more",)
    assert changes.words == (("mended", *changes.lines),)


def test_a_deleted_job_is_gone_and_comes_back(running):
    (running.root / "jobs/morning.yaml").unlink()
    changes = running.settle()
    assert (changes.removed, changes.lines) == (("morning",), ("1 job gone: morning",))
    running.job("morning")
    assert running.settle().added == ("morning",)


@pytest.mark.row("R78")
def test_a_renamed_file_is_the_same_job_and_a_renamed_job_another(running):
    (running.root / "jobs/morning.yaml").rename(running.root / "jobs/early.yaml")
    changes = running.settle()
    assert (changes.added, changes.removed, changes.changed) == ((), (), ("morning",))
    assert running.roster.plans["morning"].file == "jobs/early.yaml"
    running.job("dawn", file="early")
    changes = running.settle()
    assert (changes.added, changes.removed) == (("dawn",), ("morning",))


@pytest.mark.row("R80")
def test_two_files_with_one_name_are_both_refused_with_both_places(running):
    running.job("morning", file="copy")
    changes = running.settle()
    assert texts(changes.broken) == [
        "jobs/copy.yaml:1:6: job: jobs/morning.yaml:1:6 has the name 'morning' too; give one of them another name",
        "jobs/morning.yaml:1:6: job: jobs/copy.yaml:1:6 has the name 'morning' too; give one of them another name",
    ]
    assert (set(running.roster.plans), list(running.roster.blocked)) == ({"evening"}, ["morning"])
    assert running.roster.names == {"morning", "evening"}, "it is not gone"
    running.job("other", file="copy")
    changes = running.settle()
    assert changes.added == ("morning", "other")
    assert changes.mended == ("jobs/copy.yaml", "jobs/morning.yaml")


def test_a_broken_copy_of_a_job_leaves_the_job_alone(running):
    running.job("morning", JOB.replace("yesterday", "yesterdy"), file="copy")
    running.settle()
    assert set(running.roster.plans) == {"morning", "evening"}
    assert list(running.roster.blocked) == ["jobs/copy.yaml"]


def test_a_job_that_follows_nobody_or_a_circle_is_refused(running):
    follow = JOB.replace('{every: weekday, at: "06:40"}', "{after: LEAD}").replace('deadline: "06:55"\n', "")
    running.job("second", follow.replace("LEAD", "morning"))
    running.job("third", follow.replace("LEAD", "second"))
    running.job("lost", follow.replace("LEAD", "mourning"))
    running.job("one", follow.replace("LEAD", "other"))
    running.job("other", follow.replace("LEAD", "one"))
    changes = running.settle()
    assert changes.added == ("second", "third")
    assert set(running.roster.blocked) == {"lost", "one", "other"}
    assert running.roster.blocked["lost"].startswith("jobs/lost.yaml:4:19: schedule.after: there is no job 'mourning'")


@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("jobs/morning.yaml", JOB.replace("NAME", "morning").replace("06:55", "07:30"), ("morning",)),
        ("mmflow.yaml", SETTINGS.replace("ops@", "boss@"), ("evening", "morning")),
    ],
)
def test_no_change_is_lost_by_what_goes_wrong_while_it_is_read(running, monkeypatch, file, text, changed):
    running.write(file, text)
    assert not running.roster.refresh()
    running.clock.sleep(0.5)
    with monkeypatch.context() as patch:
        patch.setattr(reader, "read_many", refuse_thread)
        with pytest.raises(RuntimeError):
            running.roster.refresh()
    running.job("later")
    assert running.roster.refresh().changed == changed
    running.clock.sleep(0.5)
    assert running.roster.refresh().added == ("later",)
    before = running.roster.plans
    running.start()
    running.roster.refresh()
    assert running.roster.plans == before


def refuse_thread(*_: object) -> None:
    """Fail as where no thread can be started."""
    raise RuntimeError("can't start new thread")


def test_settings_that_cannot_be_read_at_the_start_are_raised(tmp_path):
    plant = Plant(tmp_path)
    plant.write("mmflow.yaml", SETTINGS.replace("version: 1", "version: 2"))
    with pytest.raises(ProblemsError, match=r"mmflow.yaml:1:10: version: found 2"):
        plant.roster.refresh()
    (tmp_path / "mmflow.yaml").unlink()
    with pytest.raises(ProblemsError, match=r"mmflow.yaml: does not exist"):
        Roster(tmp_path, plant.clock, {}).refresh()
