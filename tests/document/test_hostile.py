"""Hostile text is refused before anything large is built from it."""

from __future__ import annotations

import pytest

from mmflow.document import read_text
from mmflow.document.nodes import MAX_ALIASES

from .reading import find_problems, refuse


@pytest.mark.row("S1")
def test_billion_laughs_are_refused_at_the_alias_that_is_too_many(parser: str) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert (
        refuse("\n".join(lines))
        == "6:10: the file holds more than 100,000 values, counting what aliases stand for; split it"
    )


@pytest.mark.row("S1")
def test_no_more_than_fifty_aliases(parser: str) -> None:
    fifty = "a: &a 1\nb: [" + "*a, " * MAX_ALIASES
    assert read_text(fifty + "]", "a").values == {"a": 1, "b": [1] * MAX_ALIASES}
    assert refuse(fifty + "*a]") == f"2:{5 + 4 * MAX_ALIASES}: the file holds more than 50 aliases; write values out"


@pytest.mark.row("S1")
def test_depth_cannot_be_hidden_behind_aliases(parser: str) -> None:
    deep = "[" * 25 + "]" * 25
    shown = "2:28: more than 40 lists and mappings stand inside each other; check the brackets"
    for hidden in (deep, f"[{deep}, &b [1]]", f"{{&b a: {deep}, b: *b}}"):
        assert refuse(f"- &a {hidden}\n- {'[' * 25}*a{']' * 25}") == shown


@pytest.mark.row("S2")
def test_merge_keys_are_refused(parser: str) -> None:
    text = "a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc:\n  <<: *b"
    shown = "merge keys ('<<') are not supported; write the keys out"
    assert [str(problem) for problem in find_problems(text)] == [
        f"jobs/a.yaml:2:8: b: {shown}",
        f"jobs/a.yaml:4:3: c: {shown}",
    ]


@pytest.mark.row("S3")
@pytest.mark.parametrize("bracket", ["[", "{a: ", "- "])
def test_half_a_million_open_brackets_are_refused_at_the_forty_first(parser: str, bracket: str) -> None:
    column = 1 + 40 * len(bracket)
    shown = f"1:{column}: more than 40 lists and mappings stand inside each other; check the brackets"
    assert refuse(bracket * 500_000) == shown


def test_more_values_than_a_report_can_need_are_refused(parser: str) -> None:
    many = "[" + "1," * 2_499 + "]"
    assert read_text(f"- &x {many}\n- [{'*x, ' * 38}]", "a").values == [[1] * 2_499, [[1] * 2_499] * 38]
    shown = "2:156: the file holds more than 100,000 values, counting what aliases stand for; split it"
    assert refuse(f"- &x {many}\n- [{'*x, ' * 39}]") == shown
    assert refuse(f"- &x {many}\n- [{'*x, ' * 50}]") == shown


@pytest.mark.row("S4")
def test_an_alias_inside_of_its_own_anchor_is_refused(parser: str) -> None:
    assert refuse("a: &x [1, {b: *x}]") == "1:15: the alias '*x' stands inside of what it stands for"


def test_an_alias_to_nothing_is_refused(parser: str) -> None:
    shown = "1:4: no '&all' stands before the alias '*all'; put quotes around text that begins with '*'"
    assert refuse("a: *all") == shown


@pytest.mark.row("S5")
@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!custom", "!!str", "!", "!<tag:yaml.org,2002:int>"]
)
@pytest.mark.parametrize("value", ["x", "[x]", "{x: 1}", "'x'"])
def test_every_tag_is_refused(parser: str, tag: str, value: str) -> None:
    shown = "2:4: tags ('!name') are not supported; remove the tag, or put quotes around the text"
    assert refuse(f"a: 1\nb: {tag} {value}") == shown


@pytest.mark.row("S12")
@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("job: a".encode("utf-16"), "1:1: the text is UTF-16 or UTF-32, expected UTF-8; save the file as UTF-8"),
        ("job: a".encode("utf-32"), "1:1: the text is UTF-16 or UTF-32, expected UTF-8; save the file as UTF-8"),
        (
            "job: a".encode("utf-16-le"),
            "1:2: the text holds U+0000 (control character), which nobody can see; remove it",
        ),
        ("a: é\nb: ü".encode() + b"\xe9", "2:5: the text is not UTF-8 from here on; save the file as UTF-8"),
        ("a: b\n  \0", "2:3: the text holds U+0000 (control character), which nobody can see; remove it"),
        ("a: \x1b[31m", "1:4: the text holds U+001B (control character), which nobody can see; remove it"),
        ("a\u202eb: 1", "1:2: the text holds U+202E (right-to-left override), which nobody can see; remove it"),
        ("a:\r\n# \u2066", "2:3: the text holds U+2066 (left-to-right isolate), which nobody can see; remove it"),
        ("a: \u2028b", "1:4: the text holds U+2028 (line separator), which nobody can see; remove it"),
        ("a: b\ufeff", "1:5: the text holds U+FEFF (zero width no-break space), which nobody can see; remove it"),
        ("a: \ud800", "1:4: the text holds U+D800 (not a character), which nobody can see; remove it"),
        (r'b: "x\0"', "1:4: b: the text holds U+0000 (control character), which nobody can see; remove the escape"),
        (
            r'"a\u202E": 1',
            "1:1: the text holds U+202E (right-to-left override), which nobody can see; remove the escape",
        ),
    ],
)
def test_other_encodings_and_unseen_characters_are_refused(parser: str, data: str | bytes, shown: str) -> None:
    assert refuse(data) == shown


@pytest.mark.row("S12")
def test_a_byte_order_mark_moves_nothing(parser: str) -> None:
    document = read_text("\ufeffjob: é😀: x".replace(": x", "").encode(), "a")
    assert document.values == {"job": "é😀"}
    assert document.position(("job",)) == (1, 6)


@pytest.mark.row("S13")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a: 1\n---\nb: 2", "2:1: a second document begins here; put it into a file of its own"),
        ("a: 1\n...\nb: 2", "3:1: something stands behind the end of the document; remove the line '...'"),
        ("%YAML 1.2\n---\na: 1", "1:1: directives (lines that begin with '%') are not supported; remove the line"),
        ("%TAG ! x:\n---\na: 1", "1:1: directives (lines that begin with '%') are not supported; remove the line"),
        ("%FOO\n---\na: 1", "1:1: directives (lines that begin with '%') are not supported; remove the line"),
        ("? [a, b]\n: 1", "1:3: a key has to be text; put quotes around it"),
        ("{{a: 1}: 1}", "1:2: a key has to be text; put quotes around it"),
        ("&x a: 1\n*x : 2", "2:1: a: the key stands twice, first at line 1, column 1; keep one of them"),
        ("&x [a]: 1\n", "1:1: a key has to be text; put quotes around it"),
    ],
)
def test_several_documents_directives_and_odd_keys_are_refused(parser: str, text: str, shown: str) -> None:
    assert refuse(text) == shown


TABS = {
    "indent": ("a:\n\tb: 1", (2, 1)),
    "indent behind a space": ("a:\n \tb: 1", (2, 2)),
    "separator": ("a:\tb", (1, 3)),
    "inside of plain text": ("a: b\tc", (1, 5)),
    "before a comment": ("a: b\t# c", (1, 5)),
    "at the end": ("a: 1\nb: 2\t\n", (2, 5)),
    "between brackets": ("a: [1,\t2]", (1, 7)),
}


@pytest.mark.row("S13")
@pytest.mark.parametrize(("text", "place"), TABS.values(), ids=TABS)
def test_a_tab_that_could_mean_anything_is_refused(parser: str, text: str, place: tuple[int, int]) -> None:
    line, column = place
    shown = f'{line}:{column}: a tab stands here; use spaces; inside of text write "\\t" in double quotes'
    assert refuse(text) == shown


def test_a_tab_in_quotes_in_a_block_or_in_a_comment_is_fine(parser: str) -> None:
    text = "# a\tb\na: 'x\ty' #\tc\nb: \"x\ty\\t\"\nc: |\n  x\ty\n\n  # \tno comment\nd: 1"
    expected = {"a": "x\ty", "b": "x\ty\t", "c": "x\ty\n\n# \tno comment\n", "d": 1}
    assert read_text(text, "a").values == expected
