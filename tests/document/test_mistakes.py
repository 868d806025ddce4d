"""Mistakes of people: each is told in plain words, in its place, and all of a file at once."""

from __future__ import annotations

import pytest

from mmflow.document import read_text
from mmflow.document.syntax import Failure, explain_failure
from mmflow.errors import ProblemsError

from .reading import find_problems, refuse

CHECK_ABOVE = "indent it as those above, and check the quotes and brackets there"
CLOSE_IT = "add it, or put quotes around text with brackets or commas"
BRACES = "text with braces stands here without quotes; put quotes around the whole text, for example "
BRACES += '"{date}.csv" or "${env:NAME}"'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("compare: {to: {date}}", "1:15: compare.to: "),
        ("compare: {to: { date }}", "1:15: compare.to: "),
        ("path: {date}.csv", "1:7: path: "),
        ("path: {date}", "1:7: path: "),
        ("sinks:\n  - {type: csv, path: {date}.csv}", "2:23: sinks[0].path: "),
        ("subject: {job} of {date}", "1:10: subject: "),
        ("to:\n  - {name} x", "2:5: to[0]: "),
        ("key: [${env:X}]", "1:7: "),
        ("site: {key: ${env:X}}", "1:13: "),
        ("site: {key: Bearer ${env:X:-y}}", "1:20: "),
        ("key: ${env:X: set it}", "1:6: "),
    ],
)
def test_braces_in_text_without_quotes_are_told_apart_from_mappings(parser: str, text: str, place: str) -> None:
    assert refuse(text) == place + BRACES


def test_braces_and_references_in_block_text_and_quotes_are_text(parser: str) -> None:
    text = "a: ${env:X:-y}\nb: x{date}.csv\nc: '{date}'\nd: [\"${file:/run/x}\"]\ne: $${env:X}"
    expected = {"a": "${env:X:-y}", "b": "x{date}.csv", "c": "{date}", "d": ["${file:/run/x}"], "e": "$${env:X}"}
    assert read_text(text, "a").values == expected


def test_a_forgotten_space_behind_a_colon_is_told(parser: str) -> None:
    hint = "put a space behind the ':', or quotes around the whole text"
    assert refuse("window: {last:7 days}") == f"1:9: window: text with braces stands here without quotes; {hint}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a: b: c", "1:5: a ':' stands where no key can be; indent the line, or quote text with ': '"),
        ("subject: 'it's'", "1:14: a key was expected here; " + CHECK_ABOVE),
        ("a:\n  b: 1\n c: 2", "3:2: a key was expected here; " + CHECK_ABOVE),
        ("- a\nb: c", "2:1: an item that begins with '- ' was expected here; " + CHECK_ABOVE),
        ("job: a\nwindow\nb: 1", "2:1: a line without a ':' stands among keys; write 'key: value'"),
        ("a: - b", "1:4: a '- ' stands where no list can be; begin the list on a line of its own"),
        ("a: ? b", "1:4: a '?' stands where no key can be; put quotes around the text"),
        (
            "cron: */5 * * * *",
            "1:7: a '*' begins the name of an anchor; put quotes around the text, as in \"*/5 * * * *\"",
        ),
        ("a: & b", "1:4: a '&' begins the name of an anchor; put quotes around the text"),
        ("rows: >= 1", "1:7: a '>' or '|' begins a block of text; put quotes around the text, as in \">= 1\""),
        ("a: @b", "1:4: text without quotes cannot begin with this character; put quotes around the text"),
        ("a:\n  b: [1, 2\n", f"2:6: the list that opens here lacks a ',' or its ']'; {CLOSE_IT}"),
        ("a: {b: 1\nc: 2", f"1:4: the mapping that opens here lacks a ',' or its '}}'; {CLOSE_IT}"),
        ("a: [1, 2", f"1:4: the list that opens here lacks a ',' or its ']'; {CLOSE_IT}"),
        ("a: ]", "1:4: a value was expected here; close the brackets, or put quotes around the text"),
        ('a: "x\nb: 1\n', "1:4: the quote that opens here is never closed; close it"),
        ("a: 'x\n---\n'", "1:4: the quote that opens here is never closed; close it"),
        (
            'path: "C:\\plant\\out"',
            "1:7: an unknown escape stands in double quotes; write \\\\ for a backslash, or use single quotes",
        ),
    ],
)
def test_mistakes_are_told_in_plain_words_where_they_began(parser: str, text: str, shown: str) -> None:
    assert refuse(text) == shown


def test_an_escape_beyond_all_characters_is_told(parser: str) -> None:
    assert refuse(r'a: "\UFFFFFFFF"').endswith("write \\\\ for a backslash, or use single quotes")


def test_words_of_the_parser_that_nobody_has_translated_are_shown_as_they_are() -> None:
    shown = explain_failure("a\nbc", Failure("while parsing: found something new", 0, 3))
    assert str(shown) == "this is not YAML (while parsing: found something new)"
    assert shown.position == (2, 2)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "--- # nothing\n...\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told_what_belongs_into_it(parser: str, text: str | bytes) -> None:
    shown = "jobs/a.yaml: the file is empty; a job begins with 'job: its-name'"
    (problem,) = find_problems(text)
    assert str(problem).startswith(shown)
    with pytest.raises(ProblemsError, match="begin with 'version: 1' and 'sites:'"):
        read_text(text, "plant/mmflow.yaml")


def test_all_problems_of_a_file_are_told_at_once_and_in_order(parser: str) -> None:
    text = "b: [.inf]\na: 1\na: 2\n1: x\npath: {date}\nlast: [1, 2\n"
    with pytest.raises(ProblemsError) as caught:
        read_text(text, "j.yaml")
    assert str(caught.value).splitlines() == [
        "j.yaml:1:5: b[0]: infinity and 'not a number' cannot be used; write a finite number, or quote text",
        "j.yaml:3:1: a: the key stands twice, first at line 2, column 1; keep one of them",
        "j.yaml:4:1: a key has to be text; put quotes around it",
        f"j.yaml:5:7: path: {BRACES}",
        f"j.yaml:6:7: the list that opens here lacks a ',' or its ']'; {CLOSE_IT}",
        "5 problems in 1 file",
    ]


@pytest.mark.row("S6")
def test_a_key_that_stands_twice_is_refused_with_both_places(parser: str) -> None:
    text = 'window: yesterday\nshape: {limit: 1, limit: 2}\n"window": today\n'
    assert [str(problem) for problem in find_problems(text)] == [
        "jobs/a.yaml:2:19: shape.limit: the key stands twice, first at line 2, column 9; keep one of them",
        "jobs/a.yaml:3:1: window: the key stands twice, first at line 1, column 1; keep one of them",
    ]


def test_a_comment_suppresses_ids_on_its_own_line_only(parser: str) -> None:
    text = (
        "metrics: [oee2] # mmflow: ignore[unknown-metric, no-owner]\n"
        "a: '# mmflow: ignore[x]'\n"
        "b: text#mmflow:ignore[x]\n"
        "c: |  # mmflow: ignore[y]\n"
        "  # mmflow: ignore[x]\n"
        "#mmflow:ignore[z]\n"
    )
    document = read_text(text, "a")
    assert [document.suppressed(line) for line in range(1, 8)] == [
        {"unknown-metric", "no-owner"}, set(), set(), {"y"}, set(), {"z"}, set(),
    ]  # fmt: skip
