"""The doctor's bundle helps whoever is to help, and holds no secret, no figure, and of addresses where they lead."""

import json
import re
import sys
import zipfile

import pytest

from mmflow.doctor.bundle import MOST_JOBS, mask
from mmflow.refs import Redactor
from tests.desk import KEY
from tests.test_doctor import JOB


@pytest.fixture
def well(desk):
    """A desk at which all is well."""
    desk.job(JOB)
    return desk


# Secrets, each where somebody once put one.
IN_ENV, IN_FILE = "pw-3f9a7c21-env", "file-c4n4ry-99"
LITERAL, TOKEN = "correct horse", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
URL_PART, DEFAULT, COMMENT = "p4rt-of-url", "hunter2-default", "in-a-comment-7f3a"
CANARIES = (KEY, IN_ENV, IN_FILE, LITERAL, TOKEN, URL_PART, DEFAULT, COMMENT)


@pytest.fixture
def leaky(well):
    """A desk whose files and log hold what they should not."""
    assert well.mmflow("run", "daily").code == 0
    well.environ["DB_PASSWORD"] = IN_ENV
    well.write("db.pass", IN_FILE)
    well.write(
        "mmflow.yaml",
        well.text("mmflow.yaml")
        + f"""connections:  # the old one was {COMMENT}
  a: {{type: sql, url: "postgresql://robot:{URL_PART}@db/plant", password: "${{env:DB_PASSWORD}}"}}
  b: {{type: sql, url: "postgresql://db/plant", password: "{LITERAL}"}}
  c: {{type: sql, url: "postgresql://db/plant", password: "${{file:db.pass}}"}}
""",
    )
    named = JOB.replace("daily.csv", f'"${{env:NAME:-{DEFAULT}}}.csv"')
    well.job(named.replace("job: daily", f"job: daily\n    description: use {TOKEN}"))
    lines = [IN_ENV, IN_FILE, f"logged in with {KEY}", f"https://robot:{URL_PART}@db/", f"token {TOKEN}"]
    log = "".join(
        json.dumps({"time": "2026-11-22T11:00:00Z", "level": "info", "logger": "x", "message": text}) + "\n"
        for text in [f"line {number}" for number in range(300)] + lines
    )
    well.write(".mmflow/logs/daemon-2026-11-22.jsonl", log)
    return well


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sent Authorization: Bearer abc1, got 401", "sent Authorization: Bearer ***, got 401"),
        ("{'authorization': 'Basic abc2'}", "{'authorization': 'Basic ***'}"),
        ("with bearer abc3", "with bearer ***"),
        ("Bearer ${env:MM_KEY}", "Bearer ${env:MM_KEY}"),
    ],
)
def test_what_stands_behind_a_word_of_a_header_is_masked_however_short(text, shown):
    assert mask(text, ("message",), Redactor()) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hc-ping.com/8c2b1f3e-9d7a-4b2e-8f61-2a1f6a1f2a3b", "https://hc-ping.com/***"),
        ("no 'HTTP://hooks.example.com:8443/in?sig=ab1'", "no 'HTTP://hooks.example.com:8443/***'"),
        (
            "https://example.com?key=ab1 (see https://example.com/)",
            "https://example.com/*** (see https://example.com/)",
        ),
        ("https://user:pw@example.com/x answered 500", "*** answered 500"),
        ("Ada Lovelace <ada.l@example.com>, ops@mill.example", "Ada Lovelace <***@example.com>, ***@mill.example"),
        ("postgresql://mmflow@db.example.com/mmflow is down", "postgresql://***@db.example.com/mmflow is down"),
    ],
)
def test_of_addresses_no_more_is_shown_than_where_they_lead(text, shown):
    assert mask(text, ("message",), Redactor()) == shown


def test_a_report_that_was_held_shows_no_figure_in_a_bundle(well):
    checks = "checks: [{column: goodParts, min: 1e9}, {column: goodParts, min: totalParts}]"
    well.job(f"{JOB}    {checks}\n".replace("[goodParts]", "[goodParts, totalParts]"))
    held = well.mmflow("run", "daily", "--json")
    assert held.code == 1
    figures = re.findall(r"(?<= is )-?[\d.]+|(?<=\()-?[\d.]+(?=\))", held.data["error"])
    assert len(figures) >= 2, held.data
    line = {"time": "2026-11-22T11:00:00Z", "level": "warning", "logger": "x", "message": held.data["error"]}
    well.write(".mmflow/logs/daemon-2026-11-22.jsonl", json.dumps(line) + "\n")
    assert well.mmflow("doctor", "--bundle", "help.zip").code == 0
    with zipfile.ZipFile(well.root / "help.zip") as bundle:
        line, ledger = (json.loads(bundle.read(name)) for name in ("log.json", "ledger.json"))
    for text in (line[0]["message"], ledger["runs"][0]["error"]):
        assert "goodParts is *** for machine " in text
        assert not [figure for figure in figures if re.search(rf"(?<![\w.]){re.escape(figure)}(?!\w)", text)]


@pytest.mark.row("S51")
def test_a_bundle_helps_and_holds_no_secret_and_no_figures(leaky):
    figures = [line.split(",")[-1] for line in leaky.text("out/daily.csv").splitlines()[1:]]
    done = leaky.mmflow("doctor", "--bundle", "help.zip", "--json")
    assert "can be sent" in done.err
    path = leaky.root / "help.zip"
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    whole = "".join(texts.values())
    assert [secret for secret in CANARIES if secret in whole] == []
    assert [figure for figure in figures if len(figure) > 3 and figure in whole] == []
    assert set(texts) == {
        "doctor.json", "packages.json", "mmflow.yaml.json", "jobs/daily.yaml.json", "log.json", "ledger.json"
    }  # fmt: skip
    settings = json.loads(texts["mmflow.yaml.json"])
    assert settings["sites"]["boston"]["api_key"] == "${env:MM_BOSTON_KEY}"
    assert settings["connections"]["a"]["password"] == "${env:DB_PASSWORD}"
    assert settings["connections"]["b"]["password"] == "***"
    assert json.loads(texts["jobs/daily.yaml.json"])["sinks"][0]["path"] == "${env:NAME:-***}.csv"
    log = json.loads(texts["log.json"])
    assert (len(log), log[0]["message"], log[-1]["message"]) == (200, "line 105", "token ***")
    ledger = json.loads(texts["ledger.json"])
    assert [(run["job"], run["state"]) for run in ledger["runs"]] == [("daily", "ok")]
    assert ledger["runs"][0]["deliveries"] == [{"sink": "csv", "type": "csv", "state": "done", "error": ""}]
    assert any(package.startswith("mmflow-reports ") for package in json.loads(texts["packages.json"]))


def test_of_very_many_jobs_the_first_are_in_a_bundle_and_the_secrets_of_none(well):
    for number in range(MOST_JOBS + 1):
        well.job(JOB.replace("job: daily", f"job: daily-{number:03}"), f"daily-{number:03}")
    well.write("last.pass", IN_FILE)
    well.job(JOB.replace("job: daily", 'job: last\n    description: "${file:last.pass}"'), "zz-last")
    line = {"time": "2026-11-22T11:00:00Z", "level": "warning", "logger": "x", "message": f"no {IN_FILE} there"}
    well.write(".mmflow/logs/daemon-2026-11-22.jsonl", json.dumps(line) + "\n")
    assert well.mmflow("doctor", "--bundle", "help.zip").code == 0
    with zipfile.ZipFile(well.root / "help.zip") as bundle:
        assert sum(name.startswith("jobs/") for name in bundle.namelist()) == MOST_JOBS
        assert json.loads(bundle.read("log.json"))[0]["message"] == "no *** there"


def test_a_bundle_takes_no_file_s_place(well):
    (well.root / "help.zip").write_bytes(b"mine")
    done = well.mmflow("doctor", "--bundle", "help.zip")
    assert (done.code, "is there already; name another file" in done.err) == (2, True)
    assert (well.root / "help.zip").read_bytes() == b"mine"
