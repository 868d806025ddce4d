"""What may be said in YAML about a mail, and what is found wrong with it before any run."""

import subprocess
import sys

import pytest

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import find_function
from mmflow.testing.deliveries import make_outline
from mmflow_email.options import EmailOptions, list_recipients, validate_email


def find(**written):
    options = convert_values({"to": "ann@example.com"} | written, EmailOptions)
    return dict(validate_email(options, make_outline()))


def test_usual_mail_is_in_order():
    assert find() == {}


@pytest.mark.row("S38", "S39")
@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ({"to": []}, "to", "is empty"),
        ({"to": "ann"}, ("to",), "no mail address"),
        ({"to": ["ann@example.com", "bob"]}, ("to", 1), "'bob' is no mail address"),
        ({"cc": "a@example.com\r\nBcc: b@example.com"}, ("cc",), "U+000D"),
        ({"bcc": ["a@example.com\0"]}, ("bcc", 0), "U+0000"),
        ({"reply_to": "{machine}@example.com"}, ("reply_to",), "never filled in from a report"),
        ({"send_when": "breach"}, "send_when", "needs traffic lights"),
        ({"expires": "soon"}, "expires", "expected a whole number"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(written, place, said):
    found = find(**written)
    assert list(found) == [place]
    assert said in found[place]


def test_everybody_who_gets_mail_is_listed_once():
    written = {"to": "Ann <ann@example.com>", "cc": ["bob@example.com"], "bcc": "ann@example.com", "reply_to": "x@y"}
    assert list_recipients(convert_values(written, EmailOptions)) == ["ann@example.com", "bob@example.com"]


def test_sink_declares_a_message_and_everything_it_names_is_there():
    sink = load().sinks["email"]
    assert sink.semantics == "message"
    for reference in (sink.deliver, sink.validate, sink.check, sink.render, sink.probe, sink.recipients):
        assert callable(find_function(reference))


def test_listing_sinks_imports_nothing_heavy():
    heavy = "{'jinja2', 'css_inline', 'httpx', 'smtplib', 'email.message', 'matplotlib', 'duckdb', 'ssl'}"
    code = f"import mmflow_email, sys; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_password_shows_nowhere(make_connection):
    connection = make_connection(25, username="reports", password="geheim-4711", client_secret="auch-geheim")
    assert "geheim" not in repr(connection) + str(connection)
