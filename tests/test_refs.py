"""References: their forms, and what they stand for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.document import Value, change_texts, read_text
from mmflow.errors import UnresolvedReference
from mmflow.options import Options, convert_values
from mmflow.refs import (
    MAX_FILE,
    Redactor,
    Reference,
    Resolver,
    Secret,
    find_references,
    has_reference,
)
from mmflow.text import find_unseen


def make_resolver(environ: Mapping[str, str], root: Path = Path()) -> Resolver:
    return Resolver(environ, root, Redactor())


def resolve_yaml(text: str, environ: Mapping[str, str]) -> Value:
    resolver = make_resolver(environ)
    return change_texts(read_text(text, "a").values, lambda leaf, _path: resolver.resolve(leaf))


def refuse(resolver: Resolver, text: str) -> str:
    with pytest.raises(UnresolvedReference) as caught:
        resolver.resolve(text)
    return str(caught.value)


def test_references_are_found_in_order_with_their_places() -> None:
    text = "${env:A} x $${env:B} ${file:/run/my key} ${env:C:-d e:f}${env:D:?ask IT}"
    assert find_references(text) == [
        Reference("env", "A", None, None, 0, 8),
        Reference("file", "/run/my key", None, None, 21, 40),
        Reference("env", "C", "d e:f", None, 41, 56),
        Reference("env", "D", None, "ask IT", 56, 72),
    ]
    assert [text[found.start : found.end] for found in find_references(text)][1] == "${file:/run/my key}"


@pytest.mark.parametrize("text", ["", "{date}.csv", "$5", "$X", "a $ {b}", "$${env:X}", "$${", "}${"[:1]])
def test_text_without_references_is_left_alone(text: str) -> None:
    assert not has_reference(text)
    assert find_references(text) == []


MALFORMED = [
    "${",
    "${}",
    "${X}",
    "${env:}",
    "${env:1X}",
    "${env:X",
    "${env:X-Y}",
    "${env: X}",
    "${vault:x}",
    "${file:}",
]
MALFORMED += ["${file: x}", "${env:X:+y}", "${env:A:-${env:B}}", "x $${env:A} ${y}", "${file:a\nb}"]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_reference_is_an_error_that_shows_the_forms(text: str) -> None:
    assert has_reference(text)
    with pytest.raises(ValueError, match="a '\\$\\{' begins something that is not a reference"):
        find_references(text)
    assert "write ${env:NAME}, ${env:NAME:-default}" in refuse(make_resolver({"A": "1", "X": "1"}), text)


@pytest.mark.row("S50")
@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("${env:A}", "one"),
        ("Bearer ${env:A}/${env:B}!", "Bearer one/two!"),
        ("${env:NONE:-some text: here}", "some text: here"),
        ("${env:NONE:-}", ""),
        ("${env:EMPTY:-default}", "default"),
        ("${env:A:-default}${env:A:?why}", "oneone"),
        ("$${env:A} ${env:A}", "${env:A} one"),
        ("no reference: {date} $", "no reference: {date} $"),
    ],
)
def test_variables_and_defaults_take_the_place_of_references(text: str, resolved: str) -> None:
    assert make_resolver({"A": "one", "B": "two", "EMPTY": ""}).resolve(text) == resolved


@pytest.mark.row("S50")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${env:NONE}", "the environment variable NONE is not set; set it"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty; set it"),
        ("${env:NONE:?make a key in Settings}", "the environment variable NONE is not set; make a key in Settings"),
        ("${file:none}", "the file none does not exist; check the path"),
        ("${file:.}", "the file . is a folder, expected a file; give the path of a file"),
    ],
)
def test_what_is_unset_is_an_error_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    assert refuse(make_resolver({"EMPTY": ""}, tmp_path), text) == message


@pytest.mark.row("S14")
@pytest.mark.parametrize(
    "value", ["a: b", "[1, 2]", "x\njob: other", "!!python/name:os.system", "${env:X}", "*a", "12", "true"]
)
def test_a_value_that_looks_like_yaml_or_a_reference_stays_one_text(value: str) -> None:
    assert resolve_yaml('a: ["${env:X}", "x${env:X}"]\nb: 1', {"X": value}) == {"a": [value, f"x{value}"], "b": 1}


@pytest.mark.row("S50")
def test_a_file_gives_its_text_without_the_last_line_break(tmp_path: Path) -> None:
    resolver = make_resolver({}, tmp_path)
    for data, value in [
        (b"k1", "k1"),
        (b"k1\n", "k1"),
        (b"k1\r\n", "k1"),
        (b"k1\n\n", "k1\n"),
        (b"\xef\xbb\xbfk\xc3\xa9", "ké"),
    ]:
        (tmp_path / "key").write_bytes(data)
        assert resolver.resolve("${file:key}") == value
        assert resolver.resolve(f"<${{file:{(tmp_path / 'key').as_posix()}}}>") == f"<{value}>"


@pytest.mark.row("S50")
def test_a_file_is_small_readable_text(tmp_path: Path) -> None:
    resolver = make_resolver({}, tmp_path)
    path = tmp_path / "key"
    path.write_bytes(b"x" * MAX_FILE)
    assert len(resolver.resolve("${file:key}")) == MAX_FILE
    path.write_bytes(b"x" * (MAX_FILE + 1))
    assert refuse(resolver, "${file:key}").startswith("the file key is too large, more than 65,536 bytes")
    for data in (b"s3cret\xff", b"s3cret\0", "s3cret".encode("utf-16")):
        path.write_bytes(data)
        assert refuse(resolver, "${file:key}") == "the file key holds more than UTF-8 text; save it as UTF-8 text"


@pytest.mark.row("S15")
def test_a_relative_file_does_not_lead_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "key").write_text("s3cret", encoding="utf-8")
    shown = "leads out of the folder"
    assert shown in refuse(make_resolver({}, root), "${file:../key}")
    assert shown in refuse(make_resolver({}, root), "${file:x/../../nothing}")


@pytest.mark.row("S15")
@pytest.mark.skipif(os.name != "posix", reason="making a link needs a right of its own on Windows")
def test_a_link_does_not_lead_out_of_the_root_either(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "key").write_text("s3cret", encoding="utf-8")
    (root / "link").symlink_to(tmp_path / "key")
    assert "leads out of the folder" in refuse(make_resolver({}, root), "${file:link}")


@pytest.mark.row("S50")
@pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights elsewhere")
def test_a_file_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret", encoding="utf-8")
    path.chmod(0o646)
    shown = "the file key can be changed by everybody; take that permission away: chmod o-w"
    assert refuse(make_resolver({}, tmp_path), "${file:key}") == shown
    path.chmod(0o444)
    assert make_resolver({}, tmp_path).resolve("${file:key}") == "s3cret"


class Numbers(Options):
    """Options as a sink declares them."""

    port: int
    wait: float
    tls: bool
    password: Secret


def test_resolved_text_is_read_as_a_number_or_boolean_where_one_is_wanted() -> None:
    text = '{port: "${env:P}", wait: "${env:W}", tls: "${env:T}", password: "${env:S}"}'
    values = resolve_yaml(text, {"P": "25", "W": "1.5", "T": "true", "S": "0123"})
    assert convert_values(values, Numbers, strict=False) == Numbers(
        port=25, wait=1.5, tls=True, password=Secret("0123")
    )


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["${env:A}", "x${env:B}y", "$${env:A}", "plain", "{date}"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "${env:A}"]), inner, max_size=3)
    ),
    max_leaves=15,
)


def strip_texts(values: Value) -> Value:
    return change_texts(values, lambda _text, _path: "text")


READABLE = st.text(min_size=1).filter(lambda text: find_unseen(text) is None)


@settings(deadline=None, max_examples=100)
@given(values=VALUES, a=READABLE, b=READABLE)
def test_resolving_never_changes_the_structure(values: Value, a: str, b: str) -> None:
    resolved = resolve_yaml(json.dumps([values]), {"A": a, "B": b})
    assert strip_texts(resolved) == strip_texts([values])
