"""The example and the README say what is true, through the engine and a real mail server."""

import csv
import re
from datetime import UTC, datetime
from html import unescape
from io import StringIO
from pathlib import Path

import pytest

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.simulator import Plant, Simulator
from mmflow_email.testing import KEEP_AND_CUT

NOW = datetime(2026, 11, 21, 11, 40, tzinfo=UTC)  # a Saturday: yesterday was a working day
HERE = Path(__file__).parents[1]
EXAMPLE = (HERE / "example.yaml").read_text(encoding="utf-8")
README = (HERE / "README.md").read_text(encoding="utf-8")
KEY = "key-of-the-plant-4711"
SETTINGS = """
version: 1
sites:
  plant: {base_url: "URL", api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}
connections:
  office_mail:
    type: email
    host: 127.0.0.1
    port: PORT
    security: none
    from: reports@example.com
    allowed_domains: [example.com]
"""
PICTURE = "    charts: [{kind: pareto, x: machine, y: downtime}]\n"
EVERYBODY = ("plant@example.com", "quality@example.com", "archive@example.com")


@pytest.fixture
def mmflow(tmp_path, server):
    """Run commands at a root with the example as its job, whose site is a simulated plant."""
    plant = Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday")
    with Simulator(plants={KEY: plant}, now=NOW) as simulator:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "morning-mail.yaml").write_text(EXAMPLE, encoding="utf-8")
        settings = SETTINGS.replace("URL", simulator.url).replace("PORT", str(server.port))
        (tmp_path / "mmflow.yaml").write_text(settings, encoding="utf-8")

        def call(*words, code=0):
            out, err = StringIO(), StringIO()
            around = Surroundings({"KEY": KEY}, tmp_path, FixedClock(NOW), stdout=out, stderr=err)
            assert run_guarded(list(words), around) == code, out.getvalue() + err.getvalue()
            return out.getvalue() + err.getvalue()

        yield call


@pytest.fixture
def plain(mmflow, tmp_path):
    """The same without the picture, which takes longer to draw than all the rest."""
    assert PICTURE in EXAMPLE
    (tmp_path / "jobs" / "morning-mail.yaml").write_text(EXAMPLE.replace(PICTURE, ""), encoding="utf-8")
    return mmflow


@pytest.mark.row("S42")
def test_example_is_delivered_with_its_numbers_and_its_file(mmflow, server, tmp_path):
    said = mmflow("run", "morning-mail")
    assert f"messages go to {', '.join(EVERYBODY)}" in said
    (mail,) = server.mails
    assert mail.recipients == EVERYBODY
    assert str(mail.message["Subject"]) == "OEE 2026-11-20"
    assert "archive" not in mail.content.decode()
    (file,) = mail.message.iter_attachments()
    written = tmp_path / "out" / "morning-mail" / "2026-11-20.csv"
    assert (file.get_filename(), file.get_payload(decode=True)) == ("2026-11-20.csv", written.read_bytes())
    html = mail.message.get_body(("html",)).get_content()
    with written.open(encoding="utf-8-sig", newline="") as rows:
        machines = [row[0] for row in csv.reader(rows)][1:-1]
    assert len(machines) > 5
    assert [machine for machine in machines[:50] if machine not in unescape(html)] == []
    assert f"and {len(machines) - 50} more rows; see 2026-11-20.csv" in html
    pictures = [part for part in mail.message.walk() if part.get_content_type() == "image/png"]
    assert [picture["Content-ID"].strip("<>") in html for picture in pictures] == [True]


def test_slot_whose_mail_is_out_sends_no_second_one_but_resend_does(plain, server):
    plain("run", "morning-mail", "--at", "2026-11-21T06:40")
    plain("run", "morning-mail", "--at", "2026-11-21T06:40")
    assert len(server.mails) == 1
    plain("resend", re.search(r"[0-9]{8}T[0-9]{6}-[0-9a-f]+", plain("runs"))[0], "--sink", "email")
    assert len(server.mails) == 2


def test_mail_to_somebody_goes_only_there(plain, server):
    plain("run", "morning-mail", "--to", "me@example.com")
    assert [mail.recipients for mail in server.mails] == [("me@example.com",)]
    plain("run", "morning-mail", "--to", "me@example.org", code=1)
    assert len(server.mails) == 1


@pytest.mark.row("R57")
def test_recipient_who_was_put_off_gets_it_by_resend_and_nobody_else_again(plain, server):
    server.answer("RCPT archive@example.com", "451 4.7.1 greylisted")
    plain("run", "morning-mail", code=1)
    run = re.search(r"[0-9]{8}T[0-9]{6}-[0-9a-f]+", plain("runs"))[0]
    assert "not delivered yet to archive@example.com: 451 4.7.1 greylisted" in plain("runs", "show", run)
    plain("resend", run, "--failed")
    assert [mail.recipients for mail in server.mails] == [EVERYBODY[:2], EVERYBODY[2:]]
    assert server.mails[0].content == server.mails[1].content


@pytest.mark.row("R59")
def test_recipient_who_is_refused_degrades_the_run_and_no_more(plain, server):
    server.answer_always("RCPT quality@example.com", "550 5.1.1 no such user")
    said = plain("run", "morning-mail")
    assert "degraded" in said
    assert "not delivered to quality@example.com: 550 5.1.1 no such user" in said
    assert server.mails[0].recipients == ("plant@example.com", "archive@example.com")


@pytest.mark.row("R60")
def test_mail_nobody_can_tell_about_goes_again_at_once(plain, server):
    server.answer("END", KEEP_AND_CUT)
    plain("run", "morning-mail")
    assert len(server.mails) == 2
    assert len({mail.content for mail in server.mails}) == 1


@pytest.mark.row("S39")
def test_connection_that_cannot_be_and_who_may_get_no_mail_are_found_offline(mmflow, server, tmp_path):
    settings, job = tmp_path / "mmflow.yaml", tmp_path / "jobs" / "morning-mail.yaml"
    settings.write_text(settings.read_text().replace("host: 127.0.0.1", "host: mail.example.com"), encoding="utf-8")
    job.write_text(EXAMPLE.replace("quality@example.com", "quality@example.org"), encoding="utf-8")
    said = mmflow("validate", code=2)
    assert "mmflow.yaml:10:15: connections.office_mail.security: none is for a server on this machine" in said
    assert "sinks[1].to[1]: quality@example.org may not get mail: the connection allows example.com" in said
    assert server.seen == []


def test_live_check_reaches_the_mail_server_and_sends_nothing(mmflow, server):
    mmflow("validate", "--live")
    assert server.seen[:2] == ["CONNECT", "EHLO"]
    assert server.mails == []


def test_readme_shows_the_example_as_it_is():
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert EXAMPLE in blocks


def test_package_uses_nothing_of_mmflow_but_its_public_names():
    for module in sorted((HERE / "mmflow_email").rglob("*.py")):
        source = module.read_text(encoding="utf-8")
        assert not re.findall(r"^\s*(?:from|import) mmflow\.", source, re.MULTILINE), module
