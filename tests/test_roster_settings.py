"""What the roster keeps of mmflow.yaml, of what it names, of what is installed, and of all of it over a restart."""

from __future__ import annotations

import os
import shutil
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from mmflow.plant.holidays import KEPT
from mmflow.plugins import Registry, load
from mmflow.roster import Roster
from mmflow.roster.in_force import open_in_force
from mmflow.roster.shelf import FILE
from mmflow.schedule.skips import read_days_file
from tests.rosters import JOB, SETTINGS, Plant, texts

HOLIDAY = (
    "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:DAY\nEND:VEVENT\nEND:VCALENDAR\n"
)


@pytest.fixture
def plant(tmp_path) -> Plant:
    plant = Plant(tmp_path)
    plant.job("morning")
    plant.roster.refresh()
    return plant


@pytest.mark.row("R75")
def test_broken_settings_change_nothing(plant):
    settings, calendars = plant.roster.settings, plant.roster.calendars
    plant.write("mmflow.yaml", SETTINGS.replace("version: 1", "version: 2"))
    changes = plant.settle()
    assert changes.lines[0].startswith("mmflow.yaml:1:10: version: found 2, expected 1")
    assert changes.lines[0].endswith("its last good version stays")
    assert (plant.roster.settings, plant.roster.calendars) == (settings, calendars)
    assert plant.roster.settings_text == SETTINGS
    (plant.root / "mmflow.yaml").unlink()
    assert "does not exist" in plant.settle().lines[0]
    plant.write("mmflow.yaml", SETTINGS)
    assert plant.settle().mended == ("mmflow.yaml",)


def test_new_settings_are_held_against_every_job(plant):
    plant.job("late", JOB + "sites: [austin]\n")
    assert texts(plant.settle().broken)[0].startswith("jobs/late.yaml:7:9: sites[0]: 'austin' is not a site")
    text = SETTINGS.replace("boston:", "austin:").replace("America/New_York", "America/Chicago")
    plant.write("mmflow.yaml", text)
    changes = plant.settle()
    assert changes.settings
    assert changes.lines[:2] == ("mmflow.yaml was read anew", "1 job changed: morning")
    assert "America/New_York → at 06:40, Monday to Friday, America/Chicago" in changes.lines[2]
    assert plant.roster.plans["morning"].sites == ("austin",)
    assert plant.settle().added == ("late",), "what was wrong under the old settings is looked at again"


def test_a_job_that_no_longer_fits_the_settings_does_not_run(plant):
    plant.job("boston", JOB + "sites: [boston]\n")
    plant.settle()
    plant.write("mmflow.yaml", SETTINGS.replace("boston:", "austin:"))
    changes = plant.settle()
    assert (changes.removed, list(plant.roster.blocked)) == (("boston",), ["boston"])
    plant.write("mmflow.yaml", SETTINGS)
    assert plant.settle().added == ("boston",)


def test_a_file_of_holidays_is_watched_like_the_settings(plant):
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261224"))
    plant.write("mmflow.yaml", SETTINGS.replace("timezone", "holidays: shut.ics, timezone"))
    plant.settle()
    before = plant.roster.calendars
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261228"))
    assert plant.settle().settings
    assert plant.roster.calendars is not before
    assert [f"{day}" for day in plant.roster.calendars["boston"].holidays] == ["2026-12-28"]


@pytest.mark.row("R81")
def test_a_secret_that_is_missing_is_told_of_the_jobs_that_need_it(plant):
    plant.job("mailed", JOB.replace("{type: csv}", '{type: csv, path: "${env:FOLDER}/a.csv"}'))
    plant.job("stored", JOB.replace("{type: csv}", '{type: csv, path: "${env:PLACE:-here}/${file:name}.csv"}'))
    changes = plant.settle()
    assert changes.added == ("mailed", "stored")
    assert changes.blocked == (
        ("mailed", "the environment variable FOLDER is not set; set it"),
        ("stored", "the file name does not exist; check the path"),
    )
    assert set(plant.roster.plans) == {"morning", "mailed", "stored"}
    plant.write("name", "plant")
    plant.roster.refresh()
    assert list(plant.roster.blocked) == ["mailed"]


def test_a_key_of_a_site_is_needed_by_the_jobs_of_that_site(plant):
    keyed = '{environment: standard, api_key: "${env:AUSTIN_KEY}", timezone: America/Chicago, start_of_day: "06:00"}'
    plant.write("mmflow.yaml", SETTINGS.replace("sites:\n", f"sites:\n  austin: {keyed}\n"))
    plant.job("away", JOB + "sites: [austin]\n")
    plant.job("morning", JOB + "sites: [boston]\n")
    plant.settle()
    assert list(plant.roster.blocked) == ["away"]


@pytest.mark.row("R83")
def test_a_job_whose_plugin_is_not_there_is_blocked_alone(plant, tmp_path):
    plant.job("table", JOB.replace("csv", "jsonl"))
    plant.settle()
    full = load()
    sinks = {name: sink for name, sink in full.sinks.items() if name != "jsonl"}
    again = Roster(tmp_path, plant.clock, {}, Registry(sinks, ()))
    changes = again.refresh()
    assert set(again.plans) == {"morning"}
    assert list(again.blocked) == ["table"]
    assert "the sink 'jsonl' is not installed; install it with: " in again.blocked["table"]
    assert changes.broken[0].line == 6
    back = Roster(tmp_path, plant.clock, {}, full)
    assert back.refresh().added == ("morning", "table")


@pytest.mark.row("R75")
def test_the_last_good_versions_are_there_after_a_restart(plant):
    good, plans = plant.roster.text("morning"), plant.roster.plans
    plant.job("morning", "job: [")
    plant.write("mmflow.yaml", "sites: [")
    plant.settle()
    plant.start()
    changes = plant.roster.refresh()
    assert [problem.file for problem in changes.broken] == ["jobs/morning.yaml", "mmflow.yaml"]
    assert changes.kept == {"jobs/morning.yaml", "mmflow.yaml"}
    assert plant.roster.plans == plans
    assert (plant.roster.text("morning"), plant.roster.settings_text) == (good, SETTINGS)


@pytest.mark.row("R79")
def test_what_was_found_is_not_looked_for_again_after_a_restart(plant):
    """The file is made unreadable in a way that its mark does not show: who does not read it does not notice."""
    path = plant.root / "jobs/morning.yaml"
    status = path.stat()
    with path.open("r+", encoding="utf-8") as file:
        file.write("jab")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    plant.start()
    assert plant.roster.refresh().added == ("morning",)
    assert plant.roster.problems == ()


def test_a_list_of_days_is_read_anew_after_a_restart_only_when_it_says_something_else(plant):
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261224"))
    plant.write("jobs/days.csv", "2026-12-28\n")
    plant.write("mmflow.yaml", SETTINGS.replace("timezone", "holidays: shut.ics, timezone"))
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: jobs/days.csv'))
    look(plant, 5)
    plant.start()
    assert look(plant, 5) == [("1 job new: morning",)]
    plant.write("jobs/days.csv", "2026-12-29\n")
    plant.start()
    assert look(plant, 5) == [("1 job new: morning",)]
    assert skipped_days(plant, "jobs/days.csv") == ["2026-12-29"]


@pytest.mark.row("R75")
def test_what_a_list_of_days_said_for_a_moment_is_read_by_nobody(plant):
    plant.write("jobs/days.csv", "2026-12-28\n")
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: jobs/days.csv'))
    look(plant, 5)
    assert skipped_days(plant, "jobs/days.csv") == ["2026-12-28"]
    plant.write("jobs/days.csv", "2026-12-28\n2026-12-29\n")
    plant.write("mmflow.yaml", SETTINGS + "# ")
    assert not plant.roster.refresh()
    assert skipped_days(plant, "jobs/days.csv") == ["2026-12-28"]
    plant.write("jobs/days.csv", "2026-12-28\n")
    plant.clock.sleep(0.5)
    assert plant.roster.refresh().settings, "the word in mmflow.yaml"
    assert skipped_days(plant, "jobs/days.csv") == ["2026-12-28"]
    assert not plant.roster.refresh()
    assert not plant.roster.unsettled


@pytest.mark.row("R75")
def test_a_list_of_days_that_cannot_be_used_counts_as_it_did_also_after_a_restart(plant):
    plant.write("days.csv", "2026-12-28\n")
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: days.csv'))
    look(plant, 5)
    plans = plant.roster.plans
    plant.write("days.csv", "2026-12-28\nhalf a li")
    broken = "days.csv: has no day at line 2; write days like 2026-12-24; its last good version stays"
    assert look(plant, 3) == [(broken,)]
    assert plant.roster.plans is plans
    plant.start()
    assert look(plant, 5) == [("1 job new: morning", broken)], "it is told after a restart too"
    assert plant.roster.plans == plans
    assert skipped_days(plant, "days.csv") == ["2026-12-28"]
    (plant.root / "days.csv").unlink()
    ((gone,),) = look(plant, 3)
    assert gone == "days.csv: does not exist; check the path; its last good version stays"
    plant.write("days.csv", "2026-12-28\n2026-12-29\n")
    assert look(plant, 5) == [("mmflow.yaml was read anew", "days.csv can be used again")]
    assert skipped_days(plant, "days.csv") == ["2026-12-28", "2026-12-29"]


@pytest.mark.row("R75")
@pytest.mark.parametrize("settings", ["", "sites: ["])
def test_holidays_that_cannot_be_used_are_the_last_good_ones_also_after_a_restart(plant, settings):
    text = SETTINGS.replace("timezone", "holidays: shut.ics, timezone")
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261224"))
    plant.write("mmflow.yaml", text)
    look(plant, 5)
    plant.write("shut.ics", "BEGIN:VCALENDAR")
    plant.write("mmflow.yaml", settings or text)
    for _ in range(2):
        look(plant, 5)
        assert [f"{day}" for day in plant.roster.calendars["boston"].holidays] == ["2026-12-24"]
        assert plant.roster.settings_text == text
        assert {problem.file for problem in plant.roster.problems} == {
            "shut.ics",
            *(["mmflow.yaml"] if settings else []),
        }
        assert [*open_in_force(plant.root, plant.clock).checked.calendars["boston"].holidays] == [date(2026, 12, 24)]
        plant.start()
    plant.roster.refresh()
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261228"))
    look(plant, 5)
    assert [f"{day}" for day in plant.roster.calendars["boston"].holidays] == ["2026-12-28"], (
        "whatever is wrong with mmflow.yaml"
    )


def test_settings_count_as_soon_as_a_file_that_they_name_can_be_used(plant):
    plant.write("mmflow.yaml", SETTINGS + "network: {ca_bundle: company.pem}\n")
    ((wrong,),) = look(plant, 4)
    assert "network.ca_bundle: the file 'company.pem' does not exist" in wrong
    plant.write("company.pem", "-----BEGIN CERTIFICATE-----\n")
    assert look(plant, 2) == [("mmflow.yaml was read anew", "mmflow.yaml can be used again")]
    assert plant.roster.settings.settings.network.ca_bundle == "company.pem"


def test_days_that_were_changed_while_nobody_looked_count_from_the_start(plant):
    plant.write("days.csv", "2026-12-28\n")
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261224"))
    plant.write("mmflow.yaml", SETTINGS.replace("timezone", "holidays: shut.ics, timezone"))
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: days.csv'))
    look(plant, 5)
    plant.write("days.csv", "2026-12-29\n")
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261231"))
    plant.start()
    plant.roster.refresh()
    assert skipped_days(plant, "days.csv") == ["2026-12-29"]
    assert [f"{day}" for day in plant.roster.calendars["boston"].holidays] == ["2026-12-31"]


def test_of_a_file_above_the_root_nothing_is_kept_nor_another_taken_for_it(tmp_path):
    plant = Plant(tmp_path / "up" / "plant")
    (tmp_path / "shut.ics").write_text(HOLIDAY.replace("DAY", "20261224"), encoding="utf-8")
    plant.write("shut.ics", HOLIDAY.replace("DAY", "20261228"))
    plant.write("mmflow.yaml", SETTINGS.replace("timezone", "holidays: ../../shut.ics, timezone"))
    (plant.root / KEPT).mkdir(parents=True)
    look(plant, 3)
    assert [f"{day}" for day in plant.roster.calendars["boston"].holidays] == ["2026-12-24"]
    assert list((plant.root / KEPT).iterdir()) == []


def test_days_that_nobody_names_any_more_are_not_kept(plant):
    plant.write("days.csv", "2026-12-28\n")
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: days.csv'))
    look(plant, 5)
    plant.write("days.csv", "2026-12-28\nhalf a li")
    assert look(plant, 3)
    plant.job("morning")
    look(plant, 3)
    assert not (plant.root / KEPT / "days.csv").exists()
    assert plant.roster.problems == ()


def test_of_days_that_never_could_be_read_the_job_speaks_until_they_can(plant):
    plant.write("days.csv", "2026-12-28\nhalf a li")
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: days.csv'))
    ((said, *more),) = look(plant, 4)
    assert said.startswith("jobs/morning.yaml:4:")
    assert more == []
    plant.write("days.csv", "2026-12-28\n")
    plant.job("morning", JOB.replace('"06:40"', '"06:41", calendar: days.csv'))
    look(plant, 4)
    assert plant.roster.problems == ()
    assert plant.roster.plans["morning"].schedule.at == "06:41"


def test_where_no_days_can_be_kept_the_file_itself_counts(plant):
    (plant.root / KEPT).touch()
    plant.write("days.csv", "2026-12-28\n")
    plant.job("morning", JOB.replace('"06:40"', '"06:40", calendar: days.csv'))
    look(plant, 5)
    plant.write("days.csv", "2026-12-29\n")
    look(plant, 5)
    assert skipped_days(plant, "days.csv") == ["2026-12-29"]
    assert plant.roster.problems == ()


def skipped_days(plant: Plant, name: str) -> list[str]:
    """Give the days that a daemon and its workers find in a file."""
    return sorted(f"{day}" for day in read_days_file(name, ZoneInfo("UTC"), plant.root, kept=True))


def look(plant: Plant, times: int) -> list[tuple[str, ...]]:
    """Look so many times, half a second apart; give what was said each time that something was."""
    said = []
    for _ in range(times):
        said.append(plant.roster.refresh().lines)
        plant.clock.sleep(0.5)
    return [lines for lines in said if lines]


def test_other_settings_count_for_jobs_that_did_not_change(plant):
    plant.write("mmflow.yaml", SETTINGS.replace("boston", "austin"))
    plant.start()
    plant.roster.refresh()
    assert plant.roster.plans["morning"].sites == ("austin",)


def test_a_broken_file_keeps_its_last_good_version_also_under_other_settings(plant):
    good = plant.roster.text("morning")
    plant.job("morning", "job: [")
    plant.write("mmflow.yaml", SETTINGS.replace("boston", "austin"))
    plant.start()
    assert plant.roster.refresh().kept == {"jobs/morning.yaml"}
    assert (plant.roster.plans["morning"].sites, plant.roster.text("morning")) == (("austin",), good)


def test_files_that_went_while_nobody_looked_are_gone(plant):
    plant.job("evening")
    plant.settle()
    (plant.root / "jobs/morning.yaml").unlink()
    plant.start()
    plant.roster.refresh()
    assert list(plant.roster.plans) == ["evening"]


@pytest.mark.parametrize("damage", [b"", b"mmflow roster 1\n", b"x" * 100, None])
def test_a_damaged_shelf_is_as_good_as_none(plant, damage):
    shelf = plant.root / FILE
    data = shelf.read_bytes()
    shelf.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage is None else damage)
    plant.start()
    assert plant.roster.refresh().added == ("morning",)


def test_a_shelf_that_cannot_be_written_is_told_and_harms_nothing(plant, caplog):
    (plant.root / FILE).unlink()
    (plant.root / FILE).mkdir()
    plant.job("morning", JOB.replace("06:40", "06:50"))
    assert plant.settle().changed == ("morning",)
    assert "the last good versions of jobs are not kept for the next start" in caplog.text


def test_no_value_of_a_reference_is_kept(plant):
    plant.environ["FOLDER"] = "sesame-17-open"
    plant.job("mailed", JOB.replace("{type: csv}", '{type: csv, path: "${env:FOLDER}/a.csv"}'))
    plant.settle()
    kept = (plant.root / FILE).read_bytes()
    assert b"${env:FOLDER}" in kept
    assert b"sesame" not in kept


def test_a_folder_of_jobs_that_is_gone_is_not_the_end_of_its_jobs(plant):
    jobs = plant.root / "jobs"
    shutil.move(jobs, plant.root / "away")
    changes = plant.roster.refresh()
    assert changes.lines[0].startswith("jobs: cannot be read (No such file or directory); put it back")
    assert set(plant.roster.plans) == {"morning"}
    plant.clock.sleep(60)
    assert not plant.roster.refresh()
    shutil.move(plant.root / "away", jobs)
    assert plant.roster.refresh().mended == ("jobs",)
    assert set(plant.roster.plans) == {"morning"}


def test_a_root_without_jobs_is_a_root_without_jobs(tmp_path):
    plant = Plant(tmp_path)
    assert plant.roster.refresh().lines == ()
    assert plant.roster.problems == ()
