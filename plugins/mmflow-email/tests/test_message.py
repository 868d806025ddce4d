"""The mail as MIME: the same bytes each time, and nothing in it that a report could have smuggled in."""

import email
import email.policy
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow_email.addresses import Mailbox, read_mailbox
from mmflow_email.letter import Letter, Picture
from mmflow_email.message import Attachment, Envelope, build_message, clean_name, make_message_id

SENT = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
SENDER = Mailbox("reports@example.com", "Reports")
ENVELOPE = Envelope(
    sender=SENDER,
    to=(Mailbox("ann@example.com", "Ann, Plant 2"), Mailbox("bob@example.com")),
    cc=(Mailbox("cid@example.com"),),
    bcc=(Mailbox("dot@example.com"),),
    reply_to=(Mailbox("ops@example.com"),),
)
PICTURE = Picture("chart-1@mmflow", "downtime.png", b"\x89PNG\r\n\x1a\n" + bytes(300), "Haas 1: 12 min")


def build(subject="OEE 2026-11-21", html="<p>Grüße</p>", text="Grüße\n", pictures=(PICTURE,), files=()):
    letter = Letter(subject, html, text, tuple(pictures))
    return build_message(letter, ENVELOPE, files, message_id=make_message_id("key\n1", SENDER), sent=SENT)


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_parts_are_where_mail_programs_look_for_them():
    mail = parse(build(files=[Attachment("oee.xlsx", b"PK")]))
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ]
    assert mail.get_body(("plain",)).get_content().splitlines() == ["Grüße"]
    assert mail.get_body(("html",)).get_content().splitlines() == ["<p>Grüße</p>"]
    (picture,) = (part for part in mail.walk() if part.get_content_type() == "image/png")
    assert (picture["Content-ID"], picture.get_content()) == ("<chart-1@mmflow>", PICTURE.content)
    assert [part.get_filename() for part in mail.iter_attachments()] == ["oee.xlsx"]


def test_headers_say_who_what_and_when():
    mail = parse(build())
    assert str(mail["From"]) == "Reports <reports@example.com>"
    assert [box.addr_spec for box in mail["To"].addresses] == ["ann@example.com", "bob@example.com"]
    assert mail["To"].addresses[0].display_name == "Ann, Plant 2"
    assert (str(mail["Cc"]), str(mail["Reply-To"])) == ("cid@example.com", "ops@example.com")
    assert mail["Date"].datetime == SENT
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.defects == []


def test_hidden_recipients_stand_in_no_header():
    content = build()
    assert b"dot@example.com" not in content
    assert b"bcc" not in content.lower()
    assert "dot@example.com" in ENVELOPE.addresses


def test_same_letter_gives_the_same_bytes():
    assert build(files=[Attachment("a.csv", b"1")]) == build(files=[Attachment("a.csv", b"1")])


def test_message_id_belongs_to_the_delivery_and_the_domain_of_the_sender():
    assert make_message_id("key\n1", SENDER) == make_message_id("key\n1", SENDER)
    assert make_message_id("key\n1", SENDER) != make_message_id("key\n2", SENDER)
    assert make_message_id("key\n1", SENDER).endswith("@example.com>")


def test_every_line_is_ascii_and_short_enough_for_any_server():
    long = "ä" * 40_000 + "\n.\n..\n" + "x" * 40_000
    for line in build(html=f"<p>{long}</p>", text=long).split(b"\r\n"):
        assert line.isascii()
        assert b"\n" not in line
        assert b"\r" not in line
        assert len(line) <= 998


@pytest.mark.row("S38")
@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x0b", "\x1b[31m", "\u202e"])
def test_subject_from_data_is_one_line(sign):
    mail = parse(build(subject=f"OEE{sign}Bcc: eve@example.org"))
    assert mail["Subject"].startswith("OEE ")
    assert str(mail["Subject"]).isprintable()
    assert mail["Bcc"] is None


@pytest.mark.row("S38")
@settings(deadline=None, max_examples=150)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_subject_comes_back_without_another_header(subject):
    mail = parse(build(subject=subject, pictures=()))
    assert set(mail.keys()) <= {
        "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted",
        "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert len(str(mail["Subject"])) <= 250


@pytest.mark.row("S38")
@settings(deadline=None, max_examples=150)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_any_name_of_a_mailbox_comes_back_with_its_address_alone(name):
    try:
        box = read_mailbox(f"{name} <ann@example.com>")
    except ValueError:
        return
    envelope = Envelope(sender=SENDER, to=(box,))
    letter = Letter("OEE", "<p>x</p>", "x\n")
    content = build_message(letter, envelope, (), message_id=make_message_id("k", SENDER), sent=SENT)
    mail = parse(content)
    assert [one.addr_spec for one in mail["To"].addresses] == ["ann@example.com"]
    assert set(mail.keys()) & {"Bcc", "Cc"} == set()


@pytest.mark.row("S38")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\x\\y.csv", "y.csv"),
        ("a\r\nX-Evil: 1.csv", "a X-Evil- 1.csv"),
        ("a\0b.csv", "a b.csv"),
        ("a\u202ecsv.exe", "a csv.exe"),
        ('a";filename="b.exe', "a--filename=-b.exe"),
        ("..", "file"),
        ("", "file"),
        ("Größe 1.xlsx", "Größe 1.xlsx"),
        ("x" * 300 + ".xlsx", "x" * 115 + ".xlsx"),
    ],
)
def test_name_of_an_attachment_is_a_name(name, shown):
    assert clean_name(name) == shown
    (file,) = parse(build(files=[Attachment(name, b"1")])).iter_attachments()
    assert file.get_filename() == shown


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "text/csv"),
        ("a.XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a.pdf", "application/pdf"),
        ("a.exe", "application/octet-stream"),
    ],
)
def test_kind_of_an_attachment_is_that_of_its_name(name, kind):
    (file,) = parse(build(files=[Attachment(name, b"a,b\n1,2\n")])).iter_attachments()
    assert (file.get_content_type(), file.get_payload(decode=True)) == (kind, b"a,b\n1,2\n")


def test_text_that_looks_like_a_boundary_stays_text():
    boundary = parse(build()).get_boundary()
    text = f"--{boundary}\nContent-Type: text/html\n\n<script>\n--{boundary}--\n"
    mail = parse(build(text=text, pictures=()))
    assert mail.get_body(("plain",)).get_content().splitlines() == text.splitlines()
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
