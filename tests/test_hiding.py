"""A secret shows nowhere: not in output, not in logs and tracebacks, not in any encoding."""

from __future__ import annotations

import base64
import copy
import html
import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmflow.errors import UnresolvedReference, UserError
from mmflow.options import Options
from mmflow.refs import (
    RedactingFormatter,
    Redactor,
    Resolver,
    Secret,
    check_key_characters,
)
from mmflow.text import show_start

CANARY = "c4n4ry/K3y+With=Signs&\"quotes'"


class Login(Options):
    """Options as a sink declares them."""

    user: str
    password: Secret


@pytest.mark.row("S51")
def test_a_secret_shows_nowhere_but_where_it_is_revealed() -> None:
    secret = Secret(CANARY)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>8}",
        f"{secret!r}",
        "{0} {0!r}".format(secret),  # noqa: UP032  the method is what is tested
        repr([secret]),
    ]
    shown += [repr(Login(user="me", password=secret)), str({"k": secret}), repr(vars(Secret))]
    assert not any(CANARY in text for text in shown)
    assert secret.reveal() == CANARY


@pytest.mark.row("S51")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled_copied_or_encoded(protocol: int) -> None:
    with pytest.raises(TypeError, match="a secret cannot be pickled"):
        pickle.dumps(Secret(CANARY), protocol)
    with pytest.raises(TypeError, match="a secret cannot be pickled"):
        copy.deepcopy({"key": Secret(CANARY)})
    with pytest.raises(TypeError) as caught:
        msgspec.json.encode({"key": Secret(CANARY)})
    assert CANARY not in str(caught.value)
    with pytest.raises(TypeError):
        json.dumps(Secret(CANARY))


def test_secrets_are_equal_by_value_and_never_to_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


@pytest.mark.row("S51")
def test_a_resolver_and_what_it_raises_show_no_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(CANARY, encoding="utf-8")
    resolver = Resolver({"MM_KEY": CANARY, "BAD": f"{CANARY}\udcff"}, tmp_path, Redactor())
    assert CANARY not in repr(resolver)
    for text in (f"${{env:MM_KEY}} {CANARY} ${{", "${file:key} ${env:NONE}", "${env:BAD}"):
        try:
            resolver.resolve(text)
        except UnresolvedReference:
            assert CANARY not in traceback.format_exc()
        else:
            pytest.fail("nothing was wrong")


ENCODINGS: tuple[Callable[[str], str], ...] = (
    str,
    repr,
    json.dumps,
    html.escape,
    quote,
    quote_plus,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(json.dumps({"key": text})),
    lambda text: quote(text, safe=""),
    lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    lambda text: urlencode({"key": text, "next": text}),
    lambda text: base64.b64encode(text.encode()).decode(),
)


@pytest.mark.row("S51")
@pytest.mark.parametrize("encode", ENCODINGS)
def test_a_known_secret_is_hidden_in_every_usual_encoding(encode: Callable[[str], str]) -> None:
    secret = "s3cr+t/\"key'<&>é="
    redactor = Redactor()
    redactor.remember(Secret(secret))
    shown = redactor.redact(f"before {encode(secret)} behind")
    assert "***" in shown
    assert "s3cr" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" behind")


@pytest.mark.row("S51")
@pytest.mark.parametrize("before", ["", "u", "us", "user:", "user12:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_longer_text_is_hidden_wherever_the_secret_begins(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    secret = "topsecret?>value"
    redactor = Redactor()
    redactor.remember(secret)
    shown = redactor.redact(encode(f"{before}{secret}:behind".encode()).decode())
    decoded = base64.b64decode(shown.split("***")[0] + "===", altchars=b"-_")
    assert "***" in shown
    assert b"top" not in decoded


@settings(deadline=None, max_examples=300)
@given(
    secrets=st.lists(
        st.text("ab*\"'\\/+=&é\n ", min_size=4, max_size=9) | st.text(min_size=4, max_size=20), min_size=1, max_size=4
    ),
    pieces=st.lists(st.text("ab*\"'\\/+=&é\n ", max_size=4) | st.text(max_size=6), min_size=4, max_size=6),
)
@example(secrets=["aaaa", "b**b", "ab***ba"], pieces=["ab", "a", "b", "x"])
def test_no_secret_is_left_in_redacted_text(secrets: list[str], pieces: list[str]) -> None:
    redactor = Redactor()
    for secret in secrets:
        redactor.remember(secret)
    mixed = "".join(piece + secret for piece, secret in zip(pieces, secrets * 6, strict=False))
    for text in (
        mixed,
        json.dumps(mixed),
        repr(mixed),
        quote(mixed.encode("utf-8", "surrogatepass")),
        html.escape(mixed),
    ):
        shown = redactor.redact(text)
        assert not any(secret in shown for secret in secrets)
        assert redactor.redact(shown) == shown


@pytest.mark.parametrize("before", [*range(4_096 // 2 - 2, 4_096 // 2 + 90), 10_000])
def test_a_long_text_is_cut_and_leaves_nothing_of_a_secret_at_the_cut(before: int) -> None:
    redactor = Redactor()
    redactor.remember("7f3a9c1e5b")
    edge = "." * before
    shown = redactor.shorten(f"{edge}7f3a9c1e5b{'.' * 6_000}7f3a9c1e5b{edge}")
    assert len(shown) < 4_200
    assert "characters left out" in shown
    assert not set(shown.replace("***", "").split(" … ")[0] + shown.split(" … ")[2].replace("***", "")) - {"."}


@pytest.mark.parametrize("secret", ["7f3a9c1e5b-7f3a9c1e5c", CANARY, 'two "lines"\nof a\tsecret'])
def test_nothing_is_left_of_a_secret_that_somebody_else_has_cut_short(secret: str) -> None:
    redactor = Redactor()
    redactor.remember(secret)
    for said in (secret, repr(secret)[1:-1], base64.b64encode(secret.encode()).decode()):
        text = f"the server has answered: {said}"
        for most in range(25, len(text)):
            shown = redactor.redact(f"not cut … {show_start(text, most)} or so")
            assert said[:6] not in shown, shown
    assert redactor.redact(f"{secret[:8]}…") == "***…"
    line = redactor.redact(f"it said {show_start(secret)} and … {secret[:5]}…")
    assert line == f"it said *** and … {secret[:5]}…", "what is that short begins too many words"


def test_a_text_of_fifty_megabytes_is_cut_at_once_and_a_short_one_stays_whole() -> None:
    redactor = Redactor()
    redactor.remember("7f3a9c1e5b")
    assert redactor.shorten("it is 7f3a9c1e5b" + "." * 4_000) == "it is ***" + "." * 4_000
    assert redactor.shorten("begin" + "x" * 50_000_000 + "end").startswith("beginx")
    assert redactor.shorten("begin" + "x" * 50_000_000 + "end").endswith("xend")


def test_values_shorter_than_four_characters_are_left_alone() -> None:
    redactor = Redactor()
    redactor.remember("oee")
    redactor.remember("")
    assert redactor.redact("oee of machine 12") == "oee of machine 12"


@pytest.mark.row("S51")
def test_a_file_and_a_variable_with_a_telling_name_or_value_are_hidden_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("filevalue\n", encoding="utf-8")
    environ = {"DB_PW": "password1", "MM_API_KEY": "keyvalue", "URL": "https://me:hidden1@db/x", "PLANT": "boston"}
    resolver = Resolver(environ, tmp_path, Redactor())
    for name in environ:
        resolver.resolve(f"${{env:{name}}}")
    resolver.resolve("${file:word}")
    text = "filevalue password1 keyvalue hidden1 boston"
    assert resolver.redactor.redact(text) == "*** *** *** *** boston"


@pytest.mark.row("S51")
def test_the_parts_of_a_key_file_that_are_secret_by_themselves_are_hidden() -> None:
    account = {
        "type": "service_account",
        "private_key_id": "3f9a8b7c2d1e4f5a6b7c8d9e0f1a2b3c",
        "client": "reports@x.example",
    }
    redactor = Redactor()
    redactor.remember(json.dumps(account, indent=1))
    shown = redactor.redact("reports@x.example of type service_account with 3f9a8b7c2d1e4f5a6b7c8d9e0f1a2b3c")
    assert shown == "reports@x.example of type service_account with ***"


@pytest.mark.row("S51")
def test_a_log_line_and_its_traceback_carry_no_secret() -> None:
    redactor = Redactor()
    redactor.remember(CANARY)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter(logging.Formatter("%(levelname)s %(message)s"), redactor))
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        int(CANARY)
    except ValueError:
        log.exception("key %s was refused", CANARY)
    assert CANARY not in stream.getvalue()
    assert stream.getvalue().startswith("ERROR key *** was refused\nTraceback")
    assert stream.getvalue().endswith("base 10: '***'\n")


@pytest.mark.row("S45")
@pytest.mark.parametrize(
    "key", ["", "s3cret\n", "s3cret\r", "s3 cret", "s3cret\t", "s3crét", "\ufeffs3cret", "s3cret\0", "s3cret\x7f"]
)
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UserError, match=r"^the key of site boston (is empty|holds a space)") as caught:
        check_key_characters(Secret(key), "the key of site boston")
    assert "s3c" not in str(caught.value)


@pytest.mark.row("S45")
def test_every_visible_ascii_character_may_be_part_of_a_key() -> None:
    check_key_characters("".join(map(chr, range(0x21, 0x7F))))
