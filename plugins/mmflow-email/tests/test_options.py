"""What may be said in YAML about a mail, and what is found wrong with it before any run."""

import subprocess
import sys
from dataclasses import replace

import pytest

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import find_function
from mmflow.testing.deliveries import make_outline
from mmflow_email.connection import validate_connection
from mmflow_email.options import EmailConnection, EmailOptions
from mmflow_email.rules import list_recipients, validate_email


def find(connection=None, **written):
    options = convert_values({"to": "ann@example.com"} | written, EmailOptions)
    return dict(validate_email(options, replace(make_outline(), connection=connection)))


def look(**written):
    given = {"from": "reports@example.com", "host": "mail.example.com"} | written
    return dict(validate_connection(convert_values(given, EmailConnection)))


def test_usual_mail_is_in_order():
    assert find() == {}


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("smtp.example.com:587", "write host: smtp.example.com and port: 587"),
        ("smtp://mail.example.com:25", "write host: mail.example.com and port: 25"),
        ("mail.example.com/", "write host: mail.example.com"),
        ("https://mail.example.com", "write host: mail.example.com"),
        ("[::1]:25", "write host: ::1 and port: 25"),
        ("me@mail.example.com", "write host: mail.example.com"),
        ("mail.example.com:smtp", "write host: smtp.example.com"),
        ("mail .example.com", "is not the bare name of a server"),
    ],
)
def test_host_with_a_port_or_an_address_of_the_web_is_no_host(host, wanted):
    found = look(host=host)
    assert list(found) == ["host"]
    assert found["host"].startswith(repr(host))
    assert wanted in found["host"]


@pytest.mark.parametrize("host", ["mail", "Mail.Example.com", "10.0.0.7", "::1", "[fe80::1]", "${env:MAIL_HOST}"])
def test_host_is_a_name_or_a_number_or_a_reference(host):
    assert look(host=host) == {}


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


@pytest.mark.row("S39")
def test_who_may_get_no_mail_by_the_connection_is_told_with_the_place(make_connection):
    connection = make_connection(25, allowed_domains=["@Example.com", "plant.example.org"])
    written = {"to": ["ann@EXAMPLE.com", "eve@example.org"], "cc": "x@sub.example.com", "reply_to": "any@example.net"}
    allowed = "may not get mail: the connection allows example.com, plant.example.org"
    outside = {("to", 1): f"eve@example.org {allowed}", ("cc",): f"x@sub.example.com {allowed}"}
    assert find(connection, **written) == outside
    assert find(make_connection(25), **written) == {}
    assert find(make_connection(25, allowed_domains=["example.net", "${env:DOMAIN}"]), **written) == {}


KEYS = {"tenant": "t", "client_id": "c", "client_secret": "${env:GRAPH}"}
LOGIN = {"username": "reports", "password": "${env:PW}"}


@pytest.mark.parametrize(
    ("written", "places"),
    [
        ({}, []),
        ({"from": "reports"}, ["from"]),
        ({"host": ""}, ["host"]),
        ({"host": "", "security": "none"}, ["host"]),
        ({"security": "none"}, ["security"]),
        ({"security": "none", "host": "localhost"}, []),
        ({"security": "none", "host": "[::1]"}, []),
        ({"security": "cleartext"}, []),
        (LOGIN, []),
        (LOGIN | {"security": "tls"}, []),
        (LOGIN | {"security": "cleartext"}, ["username"]),
        (LOGIN | {"security": "none", "host": "127.0.0.1"}, ["username"]),
        ({"username": "reports"}, ["password"]),
        ({"password": "${env:PW}"}, ["username"]),
        ({"timeout": "soon"}, ["timeout"]),
        ({"session_timeout": "0 minutes"}, ["session_timeout"]),
        (KEYS | {"login": "xoauth2"}, ["username"]),
        ({"login": "xoauth2", "username": "a@example.com", "tenant": "t"}, ["client_id"]),
        ({"transport": "graph", "host": ""}, ["tenant"]),
        ({"transport": "graph", "tenant": "t", "client_id": "c"}, ["client_secret"]),
        (KEYS | {"transport": "graph", "host": "", "security": "none"}, []),
        (KEYS | {"transport": "graph", "sender": "nobody"}, ["sender"]),
        (KEYS | {"transport": "graph", "base_url": "http://graph.example.com"}, ["base_url"]),
        (KEYS | {"transport": "graph", "login_url": "login.example.com"}, ["login_url"]),
        ({"allowed_domains": ["example.com", "*.example.com"]}, [("allowed_domains", 1)]),
    ],
)
def test_connection_is_looked_at_before_anything_is_opened(written, places):
    assert list(look(**written)) == places


def test_everybody_who_gets_mail_is_listed_once():
    written = {"to": "Ann <ann@example.com>", "cc": ["bob@example.com"], "bcc": "ann@example.com", "reply_to": "x@y"}
    assert list_recipients(convert_values(written, EmailOptions)) == ["ann@example.com", "bob@example.com"]
    capitals = {"to": ["Ann@Example.com", "ann@example.com"], "cc": "ANN@example.com", "bcc": ["BOB@example.com"]}
    assert list_recipients(convert_values(capitals, EmailOptions)) == ["Ann@Example.com", "BOB@example.com"]


def test_sink_declares_a_message_and_everything_it_names_is_there():
    sink = load().sinks["email"]
    assert sink.semantics == "message"
    for reference in (
        sink.deliver,
        sink.validate,
        sink.validate_connection,
        sink.check,
        sink.render,
        sink.probe,
        sink.recipients,
    ):
        assert callable(find_function(reference))


def test_listing_sinks_imports_nothing_heavy():
    heavy = "{'jinja2', 'css_inline', 'httpx', 'smtplib', 'email.message', 'matplotlib', 'duckdb', 'ssl'}"
    code = f"import mmflow_email, sys; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_password_shows_nowhere(make_connection):
    connection = make_connection(25, username="reports", password="geheim-4711", client_secret="auch-geheim")
    assert "geheim" not in repr(connection) + str(connection)
