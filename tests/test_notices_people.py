"""Who is told, also where they are references, and what they read of a reason."""

import json

import pytest

from mmflow.ledger import Ledger
from mmflow.notices.office import open_office
from mmflow.notices.post import send_due
from mmflow.refs import Redactor
from tests.ledgers import ledger_file
from tests.test_notices_sent import SITE, notice

FILE = {"type": "file"}
SETTINGS = f"version: 1\nsites: {{boston: {SITE}}}\n"


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(ledger_file(tmp_path), clock) as opened:
        yield opened


@pytest.fixture
def tell(ledger, tmp_path, clock):
    """Send one notice to some people by a file, and give whom it names."""

    def send(to, environ=None, settings=SETTINGS):
        ledger.notices.add([notice("a", clock, via=FILE, to=to)])
        clock.sleep(60)
        assert send_due(open_office(tmp_path, settings, clock, environ or {}, Redactor())) == 1
        return json.loads((tmp_path / "out" / "notices.jsonl").read_text().splitlines()[-1])["to"]

    return send


def test_who_is_named_by_a_reference_is_told_by_its_value(tell):
    environ = {"OWNER_MAIL": "ann@example.com", "PLANT": "boston"}
    assert tell(("${env:OWNER_MAIL}", "${env:PLANT}@example.com", "ann@example.com"), environ) == [
        "ann@example.com",
        "boston@example.com",
    ]


def test_a_name_without_a_value_is_left_out_with_a_word_in_the_log(tell, caplog):
    assert tell(("${env:NOBODY}", "ann@example.com")) == ["ann@example.com"]
    said = "nobody is told as ${env:NOBODY}: the environment variable NOBODY is not set; set it"
    assert said in caplog.text


@pytest.mark.parametrize("common", [None, "owner", "to"])
def test_only_people_of_mmflow_yaml_may_stand_in_files_anywhere(tell, tmp_path, caplog, common):
    outside = tmp_path.parent / f"{tmp_path.name}-people.txt"
    outside.write_text("ann@example.com", encoding="utf-8")
    name = f"${{file:{outside.as_posix()}}}"
    defaults = {"owner": {"owner": name}, "to": {"notify": {"to": [name]}}}.get(common, {})
    told = tell((name,), settings=f"{SETTINGS}defaults: {json.dumps(defaults)}\n")
    assert told == (["ann@example.com"] if common else [])
    assert ("only mmflow.yaml may name files by absolute paths" in caplog.text) is (common is None)


def test_a_reason_of_several_lines_is_told_and_logged_as_one(ledger, tmp_path, clock, caplog):
    reason = "mmflow.yaml:1:1: sites: this key is missing\n\n1 problem in 1 file\n"
    ledger.notices.add([notice("a", clock, via=FILE, reason=reason)])
    clock.sleep(60)
    send_due(open_office(tmp_path, "version: 1\n", clock, {}, Redactor()))
    assert "by the name that jobs use; 1 problem in 1 file; tried again at " in caplog.text
    clock.sleep(3600)
    assert send_due(open_office(tmp_path, SETTINGS, clock, {}, Redactor())) == 1
    told = json.loads((tmp_path / "out" / "notices.jsonl").read_text())
    assert told["items"][0]["reason"] == "mmflow.yaml:1:1: sites: this key is missing; 1 problem in 1 file"
