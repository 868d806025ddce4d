"""What YAML text means, and where each value stands."""

from __future__ import annotations

import pytest

from mmflow.document import Path as ValuePath
from mmflow.document import change_texts, format_path, read_text

from .reading import refuse

JOB = """\
job: morning-oee   # a name
sites: [boston]
report:
  metrics: [oee, {metric: downtime, unit: min}]
  "group by":
    - machine
    - day
"""


def test_values_are_plain_data() -> None:
    assert read_text(JOB, "a").values == {
        "job": "morning-oee",
        "sites": ["boston"],
        "report": {"metrics": ["oee", {"metric": "downtime", "unit": "min"}], "group by": ["machine", "day"]},
    }


@pytest.mark.parametrize(
    ("path", "value_at", "key_at"),
    [
        ((), (1, 1), (1, 1)),
        (("job",), (1, 6), (1, 1)),
        (("sites", 0), (2, 9), (2, 9)),
        (("report",), (4, 3), (3, 1)),
        (("report", "metrics", 1), (4, 18), (4, 18)),
        (("report", "metrics", 1, "unit"), (4, 43), (4, 37)),
        (("report", "group by", 1), (7, 7), (7, 7)),
        (("report", "nothing", 3, "there"), (4, 3), (3, 1)),
        (("job", "deeper"), (1, 6), (1, 1)),
        (("sites", 9), (2, 8), (2, 1)),
    ],
)
def test_every_value_and_key_has_a_position_and_what_is_missing_that_of_its_parent(
    parser: str, path: ValuePath, value_at: tuple[int, int], key_at: tuple[int, int]
) -> None:
    document = read_text(JOB, "a")
    assert document.position(path) == value_at
    assert document.position(path, key=True) == key_at


def test_texts_are_changed_with_their_paths_and_keys_and_numbers_are_not() -> None:
    changed = change_texts(
        read_text("a: [x, 1, {b: y}]\nc: null", "a").values, lambda text, path: text + format_path(path)
    )
    assert changed == {"a": ["xa[0]", 1, {"b": "ya[2].b"}], "c": None}


def test_a_problem_points_at_the_value_or_at_the_key() -> None:
    document = read_text(JOB, "jobs/daily.yaml")
    path = ("report", "group by", 1)
    assert str(document.problem(path, "day is too fine", hint="use week")) == (
        'jobs/daily.yaml:7:7: report["group by"][1]: day is too fine; use week'
    )
    at_key = document.problem(("sites",), "no such key", key=True, severity="warning", id="odd-key")
    assert str(at_key) == "jobs/daily.yaml:2:1: warning: sites: no such key [odd-key]"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("report", "metrics", 1), "report.metrics[1]"),
        (("shape", "columns", "scrap rate", "unit"), 'shape.columns["scrap rate"].unit'),
        (("2026",), '["2026"]'),
        (("Maschinen-Gruppe", "größe"), "Maschinen-Gruppe.größe"),
    ],
)
def test_paths_are_written_as_people_read_them(path: ValuePath, text: str) -> None:
    assert format_path(path) == text


@pytest.mark.row("S7")
@pytest.mark.parametrize("word", ["no", "NO", "No", "yes", "on", "Off", "y", "n", "tRUE"])
def test_words_are_text_as_values_and_as_keys(parser: str, word: str) -> None:
    assert read_text(f"a: {word}\n{word}: [{word}]", "a").values == {"a": word, word: [word]}


@pytest.mark.row("S7")
def test_only_true_false_and_null_are_not_text(parser: str) -> None:
    assert read_text("[true, True, TRUE, false, False, FALSE]", "a").values == [True] * 3 + [False] * 3
    assert read_text("[null, Null, NULL, ~]\n", "a").values == [None] * 4
    assert read_text("a:\nb: ''", "a").values == {"a": None, "b": ""}


@pytest.mark.row("S8")
@pytest.mark.parametrize(
    "text",
    [
        "1:30",
        "17:30",
        "22:00",
        "5:00",
        "07:00",
        "22:22:22",
        "014",
        "0123",
        "00",
        "-07",
        "07.11",
        "1_000",
        "0b11",
        "1e",
        "e5",
        "0o8",
        "0x",
        "1.2.3",
        "1,5",
        "+",
        "--1",
        "1e5.0",
    ],
)
def test_what_only_resembles_a_number_stays_text(parser: str, text: str) -> None:
    assert read_text(f"a: {text} # c", "a").values == {"a": text}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0", 0), ("-0", 0), ("+12", 12), ("14", 14), ("0o17", 15), ("0x1F", 31), ("9" * 64, int("9" * 64))],
        *[("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-1.5e-3", -0.0015), ("1e3", 1000.0), ("0.0", 0.0)],
    ],
)
def test_numbers_are_those_of_yaml_1_2(parser: str, text: str, number: float) -> None:
    value = read_text(f"a: {text}", "a").values
    assert value == {"a": number}
    assert isinstance(value, dict)
    assert type(value["a"]) is type(number)


@pytest.mark.row("S9")
@pytest.mark.parametrize("text", ["2026-11-01", "2027-02-31", "2026-11-01T06:00:00Z", "2026-11-01 06:00:00 +02:00"])
def test_dates_stay_text(parser: str, text: str) -> None:
    assert read_text(f"a: {text}", "a").values == {"a": text}


@pytest.mark.row("S10")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"a: {'9' * 5000}", "1:4: a: a number of 5,000 characters is too long; put quotes around an identifier"),
        ("a: .nan", "1:4: a: infinity and 'not a number' cannot be used; write a finite number, or quote text"),
        (
            "a: [1, -.INF]",
            "1:8: a[1]: infinity and 'not a number' cannot be used; write a finite number, or quote text",
        ),
        ("a: 1e999", "1:4: a: infinity and 'not a number' cannot be used; write a finite number, or quote text"),
        (".nan: 1", "1:1: infinity and 'not a number' cannot be used; write a finite number, or quote text"),
        ("r:\n  1: x", "2:3: r: a key has to be text; put quotes around it"),
        ("true: x", "1:1: a key has to be text; put quotes around it"),
        ("~: x", "1:1: a key has to be text; put quotes around it"),
    ],
)
def test_odd_numbers_and_keys_are_refused_in_their_place(parser: str, text: str, shown: str) -> None:
    assert refuse(text) == shown


@pytest.mark.row("S10")
def test_an_equals_sign_and_two_arrows_are_text_where_a_value_stands(parser: str) -> None:
    assert read_text("a: =\nb: <<\n'<<': 1", "a").values == {"a": "=", "b": "<<", "<<": 1}


def test_an_alias_stands_at_its_own_place_and_what_is_inside_at_the_original_one(parser: str) -> None:
    document = read_text("a: &x [1, {b: 2}]\nc: *x", "a")
    assert document.values == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}
    assert document.position(("c",)) == (2, 4)
    assert document.position(("c",), key=True) == (2, 1)
    assert document.position(("c", 1, "b")) == (1, 15)


def test_columns_count_characters_not_bytes(parser: str) -> None:
    assert read_text('{"é😀": ü, b: 1}', "a").position(("b",)) == (1, 14)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_counts_once(parser: str, end: str) -> None:
    document = read_text(end.join(["a: 1", "", "b:", "  - x"]), "a")
    assert document.position(("b", 0)) == (4, 5)
    assert document.lines == ("a: 1", "", "b:", "  - x")


def test_forty_levels_are_read(parser: str) -> None:
    value = read_text("[" * 40 + "1" + "]" * 40, "a").values
    for _ in range(40):
        (value,) = value
    assert value == 1
