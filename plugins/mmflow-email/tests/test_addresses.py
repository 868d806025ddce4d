"""Addresses come from YAML alone and are read strictly."""

from smtplib import quoteaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow_email.addresses import _ADDRESS, Mailbox, list_mailboxes, read_mailbox


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ops@example.com", Mailbox("ops@example.com")),
        ("  ops@example.com ", Mailbox("ops@example.com")),
        ("Plant Ops <ops+oee@mail.example.com>", Mailbox("ops+oee@mail.example.com", "Plant Ops")),
        ('"Ops, Plant 2" <ops@plant-2>', Mailbox("ops@plant-2", "Ops, Plant 2")),
        ("Jürgen Größe <j.g@example.com>", Mailbox("j.g@example.com", "Jürgen Größe")),
    ],
)
def test_address_as_people_write_it(text, found):
    assert read_mailbox(text) == found


@pytest.mark.row("S38")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ops@example.com\r\nBcc: eve@example.org", r"holds U\+000D"),
        ("ops@example.com\nBcc: eve@example.org", r"holds U\+000A"),
        ("ops@example.com\u2028Bcc: eve@example.org", r"holds U\+2028 \(line separator\)"),
        ("ops\0@example.com", r"holds U\+0000"),
        ("Ops\u202e <ops@example.com>", r"holds U\+202E \(right-to-left override\)"),
        ("a@example.com, b@example.com", "more than one address"),
        ("a@example.com; b@example.com", "more than one address"),
        ("<a@example.com> <b@example.com>", "more than one address"),
        ("a@example.com>, <b@example.com", "more than one address"),
        ("ops", "no mail address"),
        ("", "no mail address"),
        ("@example.com", "no mail address"),
        ("a..b@example.com", "no mail address"),
        (".a@example.com", "no mail address"),
        ("a@-example.com", "no mail address"),
        ("a@exa mple.com", "no mail address"),
        ("a@[127.0.0.1]", "no mail address"),
        ("a@müller.example", "outside of ASCII"),
        ("x" * 65 + "@example.com", "longer than an address can be"),
        ("a@" + ".".join(["x" * 60] * 5), "longer than an address can be"),
    ],
)
def test_what_is_no_address(text, said):
    with pytest.raises(ValueError, match=said):
        read_mailbox(text)


@pytest.mark.row("S39")
@pytest.mark.parametrize("text", ["{machine}@example.com", "{{ rows[0].mail }}@example.com", "{{ a }} <a@example.com>"])
def test_recipient_is_never_filled_in_from_data(text):
    with pytest.raises(ValueError, match="never filled in from a report"):
        read_mailbox(text)


def test_address_is_shown_as_it_was_written():
    assert str(read_mailbox("Plant Ops <ops@example.com>")) == "Plant Ops <ops@example.com>"
    assert str(read_mailbox("ops@example.com")) == "ops@example.com"


def test_nobody_is_listed_twice():
    assert list_mailboxes(["A@example.com", "a@example.com", "b@example.com"]) == [
        Mailbox("A@example.com"),
        Mailbox("b@example.com"),
    ]


@settings(deadline=None, max_examples=50)
@given(st.from_regex(_ADDRESS, fullmatch=True).filter(lambda text: len(text) < 200))
def test_smtplib_names_the_very_address(text):
    try:
        box = read_mailbox(text)
    except ValueError:
        return
    assert quoteaddr(box.address) == f"<{text}>"


@pytest.mark.row("S38")
@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80))
def test_what_is_read_can_be_put_on_a_line_of_smtp(text):
    try:
        box = read_mailbox(text)
    except ValueError:
        return
    assert box.address.isascii()
    assert box.address.isprintable()
    assert not set(box.address) & set(' <>,;:\\"()[]{}')
    assert box.name.isprintable()
