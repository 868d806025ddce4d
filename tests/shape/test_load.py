"""Answers that are not what was asked stop the run before anything is delivered; no message shows their values."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow.errors import BadResponse
from mmflow.load.rows import LARGEST

ROW = {"machine": "Mill 1", "machineId": "m1", "day": "2026-11-02T00:00:00.000Z", "goodParts": 5}
ASKED = {"report": {"metrics": ["goodParts"], "group_by": ["machine", "day"]}}


def answer(*rows, **keys):
    return json.dumps({"items": rows, "aggregate": {}} | keys).encode()


def without(key):
    return {name: value for name, value in ROW.items() if name != key}


BAD_ANSWERS = {
    "not-json": (b'{"items": [', "it is not well-formed JSON"),
    "not-utf8": (b'{"items": [{"machine": "\xff"}]}', "it is not well-formed JSON"),
    "nan": (answer(ROW).replace(b": 5", b": NaN"), "it is not well-formed JSON"),
    "list": (b"[]", "it is not a JSON object"),
    "html": (b"<html>Log in</html>", "it is not well-formed JSON"),
    "error": (b'{"error": "secret words"}', "it has no 'items', only error"),
    "no-items": (b'{"aggregate": {"goodParts": 5}}', "it has no 'items', only aggregate"),
    "items-null": (b'{"items": null}', "'items' is not a list"),
    "row-list": (answer(ROW, ["secret"]), "row 2 is not an object"),
    "renamed": (
        answer(ROW | {"goodparts": 5}, without("goodParts") | {"good_parts": 5}),
        "row 2 lacks goodParts; it has day, good_parts, machine, machineId",
    ),
    "no-group": (answer(without("machine")), "row 1 lacks machine; it has day, goodParts, machineId"),
    "text-number": (answer(ROW, ROW | {"goodParts": "5"}), "row 2 has text in 'goodParts', where a number or null was"),
    "boolean": (
        answer(ROW | {"goodParts": True}),
        "row 1 has true or false in 'goodParts', where a number or null was",
    ),
    "list-number": (answer(ROW | {"goodParts": [5]}), "row 1 has a list in 'goodParts', where a number or null was"),
    "number-text": (answer(ROW | {"machine": 5}), "row 1 has a number in 'machine', where text or null was expected"),
    "odd-id": (answer(ROW | {"machineId": 1.5}), "row 1 has a number in 'machineId', where text or a number was"),
    "infinite": (answer(ROW).replace(b": 5", b": 1e999"), "row 1 has a number of 2^53 or more in 'goodParts'"),
    "huge": (answer(ROW | {"goodParts": 10**30}), "row 1 has a number of 2^53 or more in 'goodParts'"),
    "2^53": (answer(ROW | {"goodParts": 2**53}), "row 1 has a number of 2^53 or more in 'goodParts'"),
    "2^53+1": (answer(ROW | {"goodParts": 2**53 + 1}), "row 1 has a number of 2^53 or more in 'goodParts'"),
    "-2^53-1": (answer(ROW | {"goodParts": -(2**53) - 1}), "row 1 has a number of 2^53 or more in 'goodParts'"),
    "two-values": (
        answer(ROW, ROW).replace(b": 5}]", b': 5, "goodParts": 6}]'),
        "an object in it gives 'goodParts' two values",
    ),
    "two-ids": (
        answer(ROW).replace(b'{"machine', b'{"machineId" : 8, "machine'),
        "an object in it gives 'machineId' two values",
    ),
    "two-items": (answer(ROW).replace(b"{", b'{"items": [], ', 1), "an object in it gives 'items' two values"),
    "two-aggregates": (
        answer(ROW).replace(b"{", b'{"aggregate":1,', 1),
        "an object in it gives 'aggregate' two values",
    ),
    "two-unasked": (
        answer(ROW | {"x": {}}).replace(b"{}}]", b'{"y":1,"y":2}}]'),
        "an object in it gives 'y' two values",
    ),
    "no-day": (answer(ROW | {"day": None}), "row 1 has null in 'day', where a date was expected"),
    "odd-day": (answer(ROW | {"day": "02.11.2026 secret"}), "column 'day' holds a text that is not a date"),
    "false-day": (answer(ROW | {"day": "2026-02-30"}), "column 'day' holds a text that is not a date"),
}


@pytest.mark.row("R35", "R36", "R37", "R39", "R40")
@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answer_is_refused_and_kept(workshop, make_case_job, name):
    """The message says which site, which days, what is wrong and where the answer lies; it holds no value."""
    content, reason = BAD_ANSWERS[name]
    workshop.answers = {("rows", "boston"): content}
    kept = Path(".mmflow", "spool", "a-run", "boston-rows-0.json")
    root, workshop.folder = workshop.folder, workshop.folder / kept.parent
    workshop.folder.mkdir(parents=True)
    with pytest.raises(BadResponse) as caught:
        workshop.load(make_case_job(**ASKED))
    text = str(caught.value)
    assert text.startswith(f"boston cannot be read for 2026-11-02 to 2026-11-03: {reason}")
    assert text.endswith(f"; its answer is kept as {kept.as_posix()}")
    assert (root / kept).read_bytes() == content
    assert "secret" not in text


def test_an_answer_that_goes_with_its_command_is_not_said_to_be_kept(workshop, make_case_job):
    """A preview works in a folder that is gone when it ends."""
    workshop.answers = {("rows", "boston"): BAD_ANSWERS["odd-day"][0]}
    with pytest.raises(BadResponse, match=r"not a date$"):
        workshop.load(make_case_job(**ASKED))


@pytest.mark.row("R37", "R39")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"items": []}', "it has no 'aggregate', only items"),
        (b'{"items": [], "aggregate": {}}', "'aggregate' lacks goodParts; it has nothing"),
        (b'{"items": [], "aggregate": [5]}', "'aggregate' is not an object"),
        (b'{"aggregate": {"goodParts": "5"}}', "'aggregate' has text in 'goodParts', where a number or null was"),
    ],
)
def test_bad_aggregate_is_refused(workshop, make_case_job, content, reason):
    workshop.answers = {("rows", "boston"): content}
    with pytest.raises(BadResponse, match=f"2026-11-03: {reason}"):
        workshop.load(make_case_job(report={"metrics": ["goodParts"]}))


def load_rows(workshop, job, query="SELECT * FROM rows ORDER BY ALL"):
    with workshop.load(job) as raw:
        return raw.connection.execute(query).fetchall(), raw.notices


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02",
        "2026-11-02T00:00:00.000Z",
        "2026-11-02T00:00:00-05:00",
        "2026-11-02T23:00:00+14:00",
        "2026-11-02 06:00",
    ],
)
def test_day_is_the_calendar_date_as_written(workshop, make_case_job, text):
    workshop.answers = {("rows", "boston"): [ROW | {"day": text}]}
    found, notices = load_rows(workshop, make_case_job(**ASKED), "SELECT day::VARCHAR FROM rows")
    assert (found, notices) == ([("2026-11-02",)], ())


@pytest.mark.parametrize("text", ["2026-11-02T12:00:00.000Z", "2026-11-02T12:00:00", "2026-11-02T07:00:00-05:00"])
def test_hour_is_an_instant_in_utc_unless_it_says_otherwise(workshop, make_case_job, text):
    workshop.answers = {("rows", "boston"): [{"hour": text, "goodParts": 5}]}
    job = make_case_job(report={"metrics": ["goodParts"], "group_by": ["hour"]})
    found, _ = load_rows(workshop, job, "SELECT hour::VARCHAR FROM rows")
    assert found == [("2026-11-02 12:00:00+00",)]


@pytest.mark.row("R41")
def test_hours_outside_the_window_are_counted_and_left_out(workshop, make_case_job):
    """The window is 2 November 06:00 to 4 November 06:00 in New York: 11:00 UTC to 11:00 UTC."""
    hours = ["2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z", "2026-11-04T10:00:00Z", "2026-11-04T11:00:00Z"]
    workshop.answers = {("rows", "boston"): [{"hour": hour, "goodParts": 5} for hour in hours]}
    job = make_case_job(report={"metrics": ["goodParts"], "group_by": ["hour"]})
    found, notices = load_rows(workshop, job, "SELECT count(*) FROM rows")
    assert found == [(2,)]
    assert notices == ("boston sent 2 rows of times outside the window, left out here",)


def test_columns_that_nobody_asked_for_are_told_with_few_words(workshop, make_case_job):
    """A service that sends a thousand long names does not fill the report's notice with them."""
    workshop.answers = {("rows", "boston"): [ROW | {f"{number:04}{'x' * 500}": 1 for number in range(1000)}]}
    _, (notice,) = load_rows(workshop, make_case_job(**ASKED))
    assert notice.startswith(f"boston sent columns that nobody asked for (0000{'x' * 56}…, 0001{'x' * 56}…, ")
    assert notice.endswith(f"0019{'x' * 56}… and 980 more); they are left out")


def test_names_from_the_service_make_no_lines_of_their_own(workshop, make_case_job):
    """A line break in a name would let whoever typed it write a line of our output."""
    workshop.answers = {("rows", "boston"): [ROW | {"x\nmorning: ok\x1b[2J": 1}]}
    _, (notice,) = load_rows(workshop, make_case_job(**ASKED))
    assert "asked for (x morning: ok [2J)" in notice
    named = {"machine": "Mill\n1", "machineId": None}
    workshop.answers = {("rows", "boston"): [ROW | named, ROW | named | {"goodParts": 6}]}
    with pytest.raises(BadResponse, match="two rows for site boston, machine Mill 1, day 2026-11-02 hold different"):
        load_rows(workshop, make_case_job(**ASKED))


def test_an_hour_that_the_window_begins_in_is_part_of_it(workshop, make_case_job):
    """The window begins at 06:30, so the hour from 06:00 comes with its second half; the one before does not."""
    hours = ["2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z", "2026-11-02T12:00:00Z"]
    workshop.answers = {("rows", "boston"): [{"hour": hour, "goodParts": 5} for hour in hours]}
    window = {"from": "2026-11-02T06:30-05:00", "to": "2026-11-02T08:00-05:00"}
    job = make_case_job(report={"metrics": ["goodParts"], "group_by": ["hour"]}, window=window)
    found, notices = load_rows(workshop, job, "SELECT hour::VARCHAR FROM rows ORDER BY 1")
    assert found == [("2026-11-02 11:00:00+00",), ("2026-11-02 12:00:00+00",)]
    assert notices == ("boston sent 1 row of times outside the window, left out here",)


@pytest.mark.row("R41")
def test_rows_of_one_key_that_differ_stop_the_run(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): [ROW, ROW | {"goodParts": 6}]}
    with pytest.raises(BadResponse, match="two rows for site boston, machine Mill 1, day 2026-11-02 hold different"):
        workshop.load(make_case_job(**ASKED))


@pytest.mark.row("R41")
def test_equal_rows_of_two_slices_count_once(workshop, make_case_job):
    """Slices never overlap, but a service may answer both with the same week."""
    window = {"from": "2026-10-26", "to": "2026-11-08"}
    job = make_case_job(report={"metrics": ["goodParts"], "group_by": ["shift"]}, window=window)
    workshop.answers = {("rows", "boston"): [{"shift": "First", "goodParts": 5}] * 3}
    found, notices = load_rows(workshop, job, "SELECT count(*) FROM rows")
    assert (found, notices) == ([(1,)], ("2 rows came twice with the same figures, counted once",))


@pytest.mark.row("R40")
def test_null_stays_null_and_minus_zero_is_a_number(workshop, make_case_job):
    rows = [
        without("goodParts") | {"machineId": name, "goodParts": value} for name, value in (("a", None), ("b", -0.0))
    ]
    workshop.answers = {("rows", "boston"): rows}
    found, _ = load_rows(workshop, make_case_job(**ASKED), "SELECT goodParts FROM rows ORDER BY machineId")
    assert found == [(None,), (0.0,)]


def test_ids_may_be_numbers_or_missing(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): [ROW | {"machineId": 7}, without("machineId")]}
    found, _ = load_rows(workshop, make_case_job(**ASKED), "SELECT machineId FROM rows ORDER BY machineId NULLS LAST")
    assert found == [("7",), (None,)]


def test_strange_names_and_folders_do_no_harm(workshop, make_case_job):
    """Wildcards in a path, quotes in names, a metric that looks like SQL."""
    workshop.folder = workshop.folder / "we[i]rd *? 'k=v'"
    workshop.folder.mkdir()
    metric = "x'); DROP TABLE rows; --"
    job = make_case_job(report={"metrics": [metric], "group_by": ["machine"]})
    name = 'O\'Brien "[*]" Ünï\n'
    workshop.answers = {("rows", "boston"): [{"machine": name, metric: 5}]}
    found, _ = load_rows(workshop, job, "SELECT machine FROM rows")
    assert found == [(name,)]


def test_an_answer_that_is_not_there_is_noticed(workshop, make_case_job):
    from dataclasses import replace

    from mmflow.load import load

    job = make_case_job(**ASKED)
    plan = workshop.plan(job)
    spool = replace(workshop.spool(plan), answers=())
    with pytest.raises(BadResponse, match="boston has 0 answers for 1 requests"):
        load(plan, job, spool, workshop.folder)


@pytest.mark.row("R39", "R40")
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "machine": st.sampled_from(["a", "b"]) | st.none() | st.integers(),
                "goodParts": st.floats() | st.text(max_size=3) | st.none() | st.integers(),
            },
            optional={"machineId": st.text(max_size=3) | st.none() | st.booleans(), "more": st.integers()},
        ),
        max_size=4,
    ),
    drop=st.sampled_from(["", "machine", "goodParts"]),
)
def test_whatever_comes_is_refused_or_loaded_as_it_is(workshop, make_case_job, rows, drop):
    """Nothing is cast, rounded or made null on the way: a row counts exactly as it was sent, or the run stops."""
    rows = [{key: value for key, value in row.items() if key != drop} for row in rows]
    workshop.answers = {("rows", "boston"): answer(*rows)}
    try:
        found, _ = load_rows(workshop, make_case_job(report={"metrics": ["goodParts"], "group_by": ["machine"]}))
    except BadResponse:
        return
    sent = {(row["machine"], row.get("machineId"), row["goodParts"]) for row in rows}
    assert {(machine, number, parts) for _site, _place, machine, number, parts in found} == sent
    assert all(parts is None or abs(parts) < LARGEST for *_, parts in found)


def test_times_of_metrics_are_instants(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): {"minStartTime": "2026-11-02T07:00:00-05:00"}}
    job = make_case_job(report={"metrics": ["minStartTime"]})
    found, _ = load_rows(workshop, job, "SELECT epoch_ms(minStartTime) FROM rows")
    assert found == [(datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp() * 1000,)]


def test_times_that_are_numbers_are_refused(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): {"minStartTime": 1793620800000}}
    with pytest.raises(BadResponse, match="'aggregate' has a number in 'minStartTime', where a date and time in ISO"):
        workshop.load(make_case_job(report={"metrics": ["minStartTime"]}))


@pytest.mark.parametrize("size", [1, 400, 10**6], ids=["one by one", "two by two", "all at once"])
@pytest.mark.parametrize("group", ["day", "week"])
def test_answers_are_loaded_whole_however_many_go_together(workshop, make_case_job, monkeypatch, size, group):
    """Weeks are constants of their answers, so that only those of one week may go together."""
    monkeypatch.setattr("mmflow.load.BATCH_BYTES", size)
    days = [f"2026-11-{day:02}" for day in range(2, 16)]
    job = make_case_job(
        report={"metrics": ["goodParts"], "group_by": ["machine", "day"] + ["week"] * (group == "week")},
        window={"from": days[0], "to": days[-1]},
        slice="1 day",
    )
    workshop.answers["rows", "boston"] = [[ROW | {"day": day, "goodParts": number}] for number, day in enumerate(days)]
    week = "week" if group == "week" else "'-'"
    with workshop.load(job) as raw:
        found = raw.connection.execute(f'SELECT "day"::VARCHAR, "goodParts", {week} FROM rows ORDER BY 1').fetchall()
    weeks = ["2026-11-02"] * 7 + ["2026-11-09"] * 7 if group == "week" else ["-"] * 14
    assert found == [(day, number, first) for number, (day, first) in enumerate(zip(days, weeks, strict=True))]
    assert list(workshop.folder.glob("*.ndjson")) == []


@pytest.mark.parametrize(
    ("moment", "notices"),
    [
        ("2026-11-04T11:00", ()),  # the production day of the 3rd is over at 06:00 in Boston
        (
            "2026-11-04T10:59",
            ("the window of boston ends only at 2026-11-04 06:00 America/New_York: its numbers are not complete yet",),
        ),
        (
            "2026-11-02T11:00",
            ("the window of boston begins only at 2026-11-02 06:00 America/New_York: there can be no numbers yet",),
        ),
    ],
)
def test_a_window_that_is_not_over_is_told(workshop, make_case_job, moment, notices):
    workshop.extracted_at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert load_rows(workshop, make_case_job(**ASKED), "SELECT 1")[1] == notices


def test_texts_with_quotes_and_more_parts_of_an_answer_are_no_repetition(workshop, make_case_job):
    workshop.answers = {("rows", "boston"): [ROW | {"machine": 'Mill "7"'}, without("machineId") | {"machine": None}]}
    workshop.extra = {"entities": {"machine": {"m1": {"name": "Mill 7"}}}}
    assert load_rows(workshop, make_case_job(**ASKED), "SELECT count(*) FROM rows") == ([(2,)], ())


def test_an_answer_as_it_should_be_is_read_once(workshop, make_case_job, monkeypatch):
    """The closer look is slow: it is not taken for rows with and without ids, with numbers for ids, with nulls."""
    monkeypatch.delattr("mmflow.load.rows.find_repeated")
    rows = [
        ROW | {"machineId": 7, "goodParts": None},
        ROW | {"machine": None, "machineId": "m2"},
        without("machineId"),
        ROW,
    ]
    workshop.answers = {("rows", "boston"): rows}
    assert load_rows(workshop, make_case_job(**ASKED), "SELECT count(*) FROM rows") == ([(4,)], ())
