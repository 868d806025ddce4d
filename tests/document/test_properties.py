"""Whatever the text: problems or values, the values that were written, and the same from both parsers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.document import Document, Node, Value, read_text
from mmflow.errors import Problem, ProblemsError
from mmflow.text import find_unseen

from .reading import PARSERS, choose_parser

SIGNS = "a1é😀{}[],:'\"#|>%@\\\t\u2028\0"
WORDS = [
    "- ",
    ": ",
    "? ",
    "&x ",
    "*x",
    "!t ",
    "<<",
    "\n",
    "\n  ",
    "\r\n",
    "\n---\n",
    "...",
    "0x1f",
    ".inf",
    "${env:X}",
    "{b}",
]
PIECES = [*SIGNS, *WORDS]


def read_either(text: str | bytes) -> tuple[tuple[Problem, ...], int]:
    """Give the problems, or the line of the first value."""
    try:
        return (), read_text(text, "a").position(())[0]
    except ProblemsError as error:
        return error.problems, 0


@pytest.mark.row("S13")
@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None, max_examples=300)
@given(text=st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text() | st.binary())
def test_no_text_raises_anything_but_problems_that_have_a_place(name: str, text: str | bytes) -> None:
    with choose_parser(name):
        problems, line = read_either(text)
    assert all(problem.file == "a" and problem.message for problem in problems)
    assert problems or line >= 1


class QuotingDumper(yaml.SafeDumper):
    """Writes every text in double quotes, so that PyYAML's own YAML 1.1 rules do not matter."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the signature is PyYAML's
        return True


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)

TEXTS = st.text(max_size=12).filter(lambda text: find_unseen(text) is None)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def first_characters(node: Node) -> Iterator[tuple[Node, str]]:
    """Give each node with the characters that its text may begin with; blocks begin with their first key or dash."""
    value: Value = node.value
    if isinstance(value, str):
        yield node, '"'
    elif isinstance(value, dict):
        yield node, '{"?'
    elif isinstance(value, list):
        yield node, "[-"
    else:
        yield node, "nulltruefalse-.0123456789"
    for part in node.parts.values():
        yield from first_characters(part)


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(VALUES, min_size=1, max_size=3) | st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3),
    flow=st.sampled_from([True, False, None]),
    end=st.sampled_from(["\n", "\r\n"]),
    unicode=st.booleans(),
)
def test_dumped_data_comes_back_and_every_position_shows_its_first_character(
    name: str, values: Value, flow: bool | None, end: str, unicode: bool
) -> None:
    text = yaml.dump(values, None, QuotingDumper, default_flow_style=flow, line_break=end, allow_unicode=unicode)
    with choose_parser(name):
        document = read_text(text, "a")
    assert document.values == values
    for node, allowed in first_characters(document.root):
        line, column = node.start
        assert document.lines[line - 1][column - 1] in allowed
        key_line, key_column = node.key
        assert document.lines[key_line - 1][key_column - 1] in allowed + '"'


@settings(deadline=None, max_examples=60)
@given(text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_both_parsers_agree_on_the_values_they_both_accept(text: str) -> None:
    found: list[Document] = []
    for name in PARSERS:
        with choose_parser(name):
            try:
                found.append(read_text(text, "a"))
            except ProblemsError:
                return
    assert found[0].values == found[1].values
