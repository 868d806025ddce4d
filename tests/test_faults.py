"""What the service can do to a run, as its user meets it: exit code, message, record, and the file that readers see."""

import csv
import shutil

import pytest

from mmflow.simulator import PROFILES, Simulator
from tests.desk import KEY, NOW, know_plant, open_desk

AUSTIN_KEY = "key-of-austin-55d0e9b1"
JOB = """
    job: daily
    report: {metrics: [goodParts, downtime], group_by: [machine, day]}
    window: yesterday
    shape: {sort: [machine]}
    sinks:
      - {type: csv, path: "daily.csv"}
"""
REPORT = {"match": "/reports"}


def open_companies(profile):
    """Give a service under a profile, with two companies."""
    return Simulator(plants={KEY: know_plant(1), AUSTIN_KEY: know_plant(2)}, now=NOW, profile=profile)


@pytest.fixture(scope="module", params=PROFILES)
def yesterday(request, tmp_path_factory):
    """A profile, and a root whose job has run under it; nobody changes that root."""
    root = tmp_path_factory.mktemp("yesterday")
    with open_companies(request.param) as simulator:
        desk = open_desk(root, simulator)
        desk.job(JOB)
        assert desk.mmflow("run", "daily").code == 0
    return request.param, root


@pytest.fixture
def stage(tmp_path, yesterday):
    """A desk that has yesterday's file from before, and a service of its own."""
    profile, root = yesterday
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    with open_companies(profile) as simulator:
        desk = open_desk(tmp_path, simulator)
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "network: {max_answer_mb: 1}\n")
        desk.clock.sleep(60)
        yield desk


def last_run(desk):
    return desk.mmflow("runs", "-n", "1", "--json").data["runs"][0]


def rows_of(desk, name):
    return list(csv.DictReader(desk.text(f"out/{name}").splitlines()))


# Row, fault, words of the message, how often the service is asked before mmflow gives up.
FATAL = [
    ("R29", {"kind": "status", "status": 429, "retry_after": 99999}, "answered 429", 1),
    ("R30", {"kind": "status", "status": 503}, "answered 503", 6),
    ("R31", {"kind": "hang_up"}, "cannot be reached", 6),
    ("R34", {"kind": "cut"}, "cannot be reached", 6),
    ("R35", {"kind": "truncated_json"}, "ends in the middle", 3),
    ("R36", {"kind": "html"}, "is a web page, not JSON", 1),
    ("R37", {"kind": "error_in_200"}, "carries an error although its status is 200", 1),
    ("R37", {"kind": "items_missing"}, "has no list 'items'", 1),
    ("R39", {"kind": "drop_column", "column": "goodParts"}, "goodParts", 1),
    ("R39", {"kind": "rename_column", "column": "machine"}, "machine", 1),
    ("R39", {"kind": "change_type", "column": "goodParts"}, "goodParts", 1),
    ("R40", {"kind": "nan", "column": "goodParts"}, "is not JSON", 1),
    ("R41", {"kind": "duplicate_rows", "conflicting": True}, "hold different figures", 1),
    ("R43", {"kind": "huge", "megabytes": 3}, "is larger than 1 MB", 1),
    ("R43", {"kind": "gzip_bomb", "megabytes": 3}, "is larger than 1 MB", 1),
    ("R44", {"kind": "revoked_key"}, "${env:MM_BOSTON_KEY}", 1),
    ("R44", {"kind": "missing_scope"}, "give it the scope 'reporting'", 1),
    ("R45", {"kind": "redirect"}, "a redirect to http://elsewhere.invalid, which is not followed", 1),
]


@pytest.mark.parametrize(
    ("fault", "words", "asked"), [pytest.param(*rest, marks=pytest.mark.row(row)) for row, *rest in FATAL]
)
def test_an_answer_that_cannot_be_trusted_fails_the_run_before_any_sink(stage, fault, words, asked):
    before, seen = stage.text("out/daily.csv"), len(stage.simulator.requests)
    stage.simulator.faults(REPORT | fault)
    done = stage.mmflow("run", "daily")
    assert done.code == 1
    assert words in done.err
    assert KEY not in done.err
    assert len(stage.simulator.requests) - seen == asked
    run = last_run(stage)
    assert (run["state"], run["error"]) == ("failed", done.err.rstrip("\n"))
    assert [(d["state"], d["error"]) for d in run["deliveries"]] == [("failed", "the run failed")]
    assert stage.text("out/daily.csv") == before
    assert [path.name for path in (stage.root / "out").iterdir()] == ["daily.csv"]


@pytest.mark.row("R41")
@pytest.mark.parametrize(
    ("section", "kind", "name"),
    [("filter", "machine", "Mill 1*"), ("exclude", "machine", "Mill 1*"), ("filter", "shift", "First")],
)
def test_a_filter_that_the_service_does_not_keep_to_fails_the_run(stage, section, kind, name):
    stage.job(
        f"""
        job: some
        report: {{metrics: [goodParts], group_by: [{kind}], {section}: {{{kind}: ["{name}"]}}}}
        window: last_week
        sinks: [{{type: csv, path: some.csv}}]
    """,
        "some",
    )
    assert stage.mmflow("run", "some").code == 0, "the names are looked up"
    before = stage.text("out/some.csv")
    stage.simulator.faults(REPORT | {"kind": "ignore_filters"})
    done = stage.mmflow("run", "some")
    assert (done.code, done.err.startswith(f"boston did not keep to the job's '{section}': ")) == (1, True), done.err
    assert stage.text("out/some.csv") == before


# Row, fault, words of the notice that the report carries.
HARMLESS = [
    ("R29", {"kind": "status", "status": 429, "retry_after": 30, "times": 1}, ""),
    ("R29", {"kind": "status", "status": 429, "retry_date": 30, "times": 1}, ""),
    ("R29", {"kind": "status", "status": 429, "retry_after": "soon", "times": 2}, ""),
    ("R30", {"kind": "status", "status": 502, "body": "html", "times": 3}, ""),
    ("R31", {"kind": "hang_up", "times": 2}, ""),
    ("R34", {"kind": "cut", "times": 2}, ""),
    ("R34", {"kind": "cut", "cut": "chunked", "times": 2}, ""),
    ("R35", {"kind": "truncated_json", "times": 2}, ""),
    ("R39", {"kind": "add_column", "times": 1}, "surprise"),
    ("R41", {"kind": "duplicate_rows", "times": 1}, "1 row"),
    ("R41", {"kind": "foreign_rows", "times": 1}, "1 row"),
]


@pytest.mark.parametrize(
    ("fault", "notice"), [pytest.param(*rest, marks=pytest.mark.row(row)) for row, *rest in HARMLESS]
)
def test_after_what_passes_the_report_is_as_if_nothing_had_happened(stage, fault, notice):
    before = stage.text("out/daily.csv")
    (stage.root / "out" / "daily.csv").unlink()
    stage.simulator.faults(REPORT | fault)
    done = stage.mmflow("run", "daily", "--json")
    assert (done.code, done.data["state"]) == (0, "ok"), done.err
    assert stage.text("out/daily.csv") == before
    assert notice in " ".join(done.data["notices"])
    assert bool(done.data["notices"]) is bool(notice)


@pytest.mark.row("R29")
def test_the_service_is_not_asked_before_the_time_it_asked_for(stage):
    started = stage.clock.monotonic()
    stage.simulator.faults(REPORT | {"kind": "status", "status": 429, "retry_after": 30, "times": 1})
    assert stage.mmflow("run", "daily").code == 0
    assert 30 <= stage.clock.monotonic() - started < 31


@pytest.mark.row("R31", "R47")
def test_a_service_that_cannot_be_reached_costs_nothing_but_time(stage):
    before = stage.text("out/daily.csv")
    settings = stage.text("mmflow.yaml")
    stage.write("mmflow.yaml", settings.replace(stage.simulator.url, "http://127.0.0.1:9"))
    for _ in range(2):
        done = stage.mmflow("run", "daily")
        assert done.code == 1
        assert "http://127.0.0.1:9 cannot be reached" in done.err
    shown = stage.mmflow("preview", "daily")
    assert (shown.code, "see why: mmflow doctor" in shown.err) == (1, True), shown.err
    stage.write("mmflow.yaml", settings)
    assert stage.mmflow("run", "daily").code == 0
    assert stage.text("out/daily.csv") == before
    states = [run["state"] for run in stage.mmflow("runs", "--json").data["runs"]]
    assert sorted(states) == ["failed", "failed", "ok", "ok"]


@pytest.mark.row("R44", "R81", "R82")
def test_a_key_that_is_given_anew_is_used_by_the_next_run(stage):
    stage.environ["MM_BOSTON_KEY"] = "key-that-was-revoked-1c2d"
    refused = stage.mmflow("run", "daily")
    assert (refused.code, "revoked" in refused.err) == (1, True)
    assert "key-that-was" not in refused.err
    stage.environ["MM_BOSTON_KEY"] = KEY
    assert stage.mmflow("run", "daily").code == 0


# --- several sites -------------------------------------------------------------------------------------------------

TWO = JOB.replace("job: daily", "job: daily\n    sites: [boston, austin]").replace(
    "[machine, day]}", "[site, machine, day]}"
)
ROLLING = '      - {name: rolling, type: csv, path: "all.csv", mode: replace_window}\n'


@pytest.fixture
def two_sites(stage):
    """The same desk with two sites, of which austin is asked with a key of its own."""
    austin = stage.text("mmflow.yaml").split("  boston:\n")[1].split("defaults:")[0].replace("BOSTON", "AUSTIN")
    stage.write("mmflow.yaml", stage.text("mmflow.yaml").replace("defaults:", f"  austin:\n{austin}defaults:"))
    stage.environ["MM_AUSTIN_KEY"] = AUSTIN_KEY
    stage.job(TWO + ROLLING)
    return stage


def silence(desk, site_key):
    desk.simulator.faults(REPORT | {"kind": "status", "status": 500, "key": site_key})


@pytest.mark.row("R46")
@pytest.mark.parametrize(("down", "key"), [("boston", KEY), ("austin", AUSTIN_KEY)])
def test_one_site_that_is_down_leaves_the_others_delivered_and_its_earlier_rows_in_place(two_sites, down, key):
    assert two_sites.mmflow("run", "daily").code == 0
    whole = rows_of(two_sites, "daily.csv")
    assert {row["Site"] for row in whole} == {"boston", "austin"}
    silence(two_sites, key)
    done = two_sites.mmflow("run", "daily", "--json")
    assert (done.code, done.data["state"]) == (0, "degraded")
    assert done.data["error"].startswith(f"{down} is missing: http")
    assert any(notice.startswith(f"{down} is missing") for notice in done.data["notices"])
    assert rows_of(two_sites, "daily.csv") == [row for row in whole if row["Site"] != down]
    by_row = sorted(map(str, rows_of(two_sites, "all.csv")))
    assert by_row == sorted(map(str, whole))


@pytest.mark.row("R46")
@pytest.mark.parametrize("words", ["on_partial: wait", "on_partial: fail", "checks: [{sites: all}]"])
def test_a_job_may_hold_a_report_that_lacks_a_site_and_its_owner_may_release_it(two_sites, words):
    two_sites.job(TWO + ROLLING + f"    {words}\n")
    (two_sites.root / "out" / "daily.csv").unlink()
    silence(two_sites, AUSTIN_KEY)
    done = two_sites.mmflow("run", "daily")
    assert (done.code, done.err.startswith("held: austin is missing: ")) == (1, True)
    assert list((two_sites.root / "out").iterdir()) == []
    held = last_run(two_sites)
    released = two_sites.mmflow("resend", held["run"], "--json")
    assert (released.code, released.data["state"]) == (0, "degraded")
    assert released.data["error"].startswith("austin is missing: ")
    assert {row["Site"] for row in rows_of(two_sites, "daily.csv")} == {"boston"}


@pytest.mark.row("R46")
def test_a_report_of_no_site_at_all_is_none(two_sites):
    silence(two_sites, None)
    done = two_sites.mmflow("run", "daily")
    assert done.code == 1
    assert "boston: " in done.err
    assert "austin: " in done.err
    assert last_run(two_sites)["state"] == "failed"


# --- what is left behind -------------------------------------------------------------------------------------------


@pytest.mark.row("R39")
def test_raw_answers_of_failed_runs_are_kept_as_long_as_retention_says(stage):
    stage.simulator.faults(REPORT | {"kind": "drop_column", "column": "goodParts"})
    for _ in range(2):
        assert stage.mmflow("run", "daily").code == 1
    assert len(list((stage.root / ".mmflow" / "spool").iterdir())) == 2
    orphan = stage.write(".mmflow/snapshots/.20261122T114000-dead.parquet.0123.mmflow-tmp", "of a killed run")
    stage.clock.sleep(31 * 86400)
    at_work = stage.write(".mmflow/snapshots/.20261223T113900-beef.parquet.0123.mmflow-tmp", "of another run")
    assert stage.mmflow("run", "daily", "--for", "2026-11-21").code == 1
    assert len(list((stage.root / ".mmflow" / "spool").iterdir())) == 1
    assert not orphan.exists()
    assert at_work.exists()


def test_a_run_that_a_later_one_made_good_is_not_sent_again_by_failed(stage, tmp_path):
    stage.job(JOB + '      - {name: second, type: csv, path: "blocked/daily.csv"}\n')
    stage.write("out/blocked", "a file where a folder should be")
    early = stage.mmflow("run", "daily", "--json").data["run"]
    (tmp_path / "out" / "blocked").unlink()
    assert stage.mmflow("run", "daily").code == 0
    again = stage.mmflow("resend", early, "--failed")
    assert (again.code, again.err.startswith("nothing of run ")) == (2, True)


def test_a_resend_to_one_sink_does_not_hide_that_another_failed(stage, tmp_path):
    stage.job(JOB + '      - {name: second, type: csv, path: "blocked/daily.csv"}\n')
    stage.write("out/blocked", "a file where a folder should be")
    run = stage.mmflow("run", "daily", "--json").data["run"]
    part = stage.mmflow("resend", run, "--sink", "csv", "--json")
    assert (part.code, part.data["state"]) == (1, "failed")
    assert part.data["error"].startswith("second: ")
    (tmp_path / "out" / "blocked").unlink()
    rest = stage.mmflow("resend", run, "--sink", "second", "--json")
    assert (rest.code, rest.data["state"], rest.data["error"]) == (0, "ok", "")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda path: path.unlink(), 1, "has no stored table"),
        (lambda path: path.write_bytes(b"PAR1 no"), 4, "is damaged"),
    ],
    ids=["gone", "damaged"],
)
def test_a_stored_table_that_is_gone_or_damaged_is_named(stage, spoil, code, words):
    run = last_run(stage)["run"]
    (snapshot,) = (stage.root / ".mmflow" / "snapshots").iterdir()
    spoil(snapshot)
    done = stage.mmflow("resend", run)
    assert (done.code, words in done.err) == (code, True), done.err


def test_a_run_without_a_table_says_so_when_it_is_sent_again(stage):
    stage.simulator.faults(REPORT | {"kind": "html"})
    stage.mmflow("run", "daily")
    done = stage.mmflow("resend", last_run(stage)["run"])
    assert (done.code, "ended before there was a table" in done.err) == (1, True)


def test_a_clock_that_went_back_does_not_confuse_which_delivery_stands(stage):
    early = last_run(stage)["run"]
    stage.clock.set(NOW.replace(hour=3))
    late = stage.mmflow("run", "daily", "--for", "2026-11-21", "--json")
    assert (late.code, late.data["deliveries"][0]["state"]) == (0, "done")
    shown = stage.mmflow("runs", "show", early, "--json").data
    assert shown["started"] > late.data["started"]
    assert shown["deliveries"][0]["state"] == "superseded"
