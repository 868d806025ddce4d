"""The example runs as a user would run it: the command, a plant, and a spreadsheet."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.simulator import Plant, Simulator

NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
HERE = Path(__file__).parents[1]
EXAMPLE = (HERE / "example.yaml").read_text(encoding="utf-8")
README = (HERE / "README.md").read_text(encoding="utf-8")
ADDRESS = "https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789/edit"
KEY = "key-of-the-plant-4711"
SETTINGS = """
version: 1
sites:
  plant: {base_url: "PLANT", api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}
connections:
  google: {type: sheets, credentials: "${file:secrets/google.json}", base_url: "GOOGLE"}
"""


@pytest.fixture
def root(tmp_path, server, book):
    """A root with the example as its job, a simulated plant and a spreadsheet."""
    plant = Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday")
    with Simulator(plants={KEY: plant}, now=NOW) as simulator:
        for folder in ("jobs", "secrets"):
            (tmp_path / folder).mkdir()
        job = EXAMPLE.replace(ADDRESS, book.id)
        (tmp_path / "jobs" / "morning-sheet.yaml").write_text(job, encoding="utf-8")
        secret = tmp_path / "secrets" / "google.json"
        secret.write_bytes(msgspec.json.encode(server.service_account()))
        secret.chmod(0o600)
        settings = SETTINGS.replace("PLANT", simulator.url).replace("GOOGLE", server.url)
        (tmp_path / "mmflow.yaml").write_text(settings, encoding="utf-8")
        yield tmp_path


def mmflow(root, *words):
    out, err = StringIO(), StringIO()
    code = run_guarded([*words], Surroundings({"KEY": KEY}, root, FixedClock(NOW), stdout=out, stderr=err))
    return code, out.getvalue(), err.getvalue()


def test_readme_shows_the_example():
    assert f"```yaml\n{EXAMPLE}```" in README


def test_example_keeps_each_day_once(root, book):
    for day in ("2026-11-20", "2026-11-21", "2026-11-21"):
        code, _, err = mmflow(root, "run", "morning-sheet", "--for", day)
        assert code == 0, err
    header, *rows = book.tab("Morning").formatted()
    assert header == ["Day", "OEE", "Good parts", "Down time (h)"]
    assert [row[0] for row in rows] == [f"2026-11-{day}" for day in range(14, 22)]
    assert all(re.fullmatch(r"\d+\.\d%", row[1]) for row in rows)
    assert len(book.tab("Morning").charts) == 1


def test_live_check_preview_and_difference_write_nothing(root, book):
    before = book.state()
    code, out, err = mmflow(root, "validate", "--live")
    assert code == 0, out + err
    code, out, err = mmflow(root, "preview", "morning-sheet", "--sink", "sheets")
    assert code == 0, err
    assert "go to the tab Morning, from A1" in out
    assert book.state() == before


def test_difference_to_what_stands_there_is_shown(root, book):
    for day in ("2026-11-15", "2026-11-20"):
        code, _, err = mmflow(root, "run", "morning-sheet", "--for", day)
        assert code == 0, err
    look = ("preview", "morning-sheet", "--for", "2026-11-20", "--diff", "--sink", "sheets")
    assert mmflow(root, *look)[1] == "0 new, 0 gone, 0 changed, 7 the same\n"
    tab = book.tab("Morning")
    tab.put("C8", 1)
    tab.delete_rows(8)
    assert re.fullmatch(
        r"~ day 2026-11-15, goodParts 1 -> \d+\n\+ day 2026-11-16, .*\n1 new, 0 gone, 1 changed, 5 the same\n",
        mmflow(root, *look)[1],
    )


def test_no_secret_is_in_anything_said_or_kept(root, server, book):
    book.share("reports@mmflow-testing.iam.gserviceaccount.com", "reader")
    code, out, err = mmflow(root, "run", "morning-sheet", "--for", "2026-11-20", "-v")
    assert code == 1
    assert "share the sheet with reports@mmflow-testing.iam.gserviceaccount.com as editor" in out + err
    secret = server.service_account()["private_key"].splitlines()[3]
    kept = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "google.json")
    for text in (secret, "ya29.", "BEGIN PRIVATE"):
        assert text not in out + err
        assert text.encode() not in kept


def test_window_in_cells_is_what_every_command_asks_about(root, book):
    job = root / "jobs" / "morning-sheet.yaml"
    text = job.read_text(encoding="utf-8")
    job.write_text(text.replace("window: {last: 7 days}", "window: {cells: 'Charts!D2:F2'}"), encoding="utf-8")
    book.apply({"addSheet": {"properties": {"title": "Charts"}}})
    for place, value in (("D2", 46341), ("E2", "to"), ("F2", 46343)):  # 15 to 17 November
        book.tab("Charts").put(place, value)
    code, out, err = mmflow(root, "window", "morning-sheet")
    assert code == 0, err
    assert "2026-11-15" in out
    assert "2026-11-17" in out
    code, out, err = mmflow(root, "preview", "morning-sheet", "--plan")
    assert code == 0, err
    assert "2026-11-15" in out
    code, _, err = mmflow(root, "run", "morning-sheet")
    assert code == 0, err
    assert [row[0] for row in book.tab("Morning").formatted()[1:]] == [f"2026-11-{day}" for day in (15, 16, 17)]
    book.tab("Charts").put("F2", "soon")
    for words in (("run",), ("window",), ("preview", "--plan")):
        code, out, err = mmflow(root, words[0], "morning-sheet", *words[1:])
        assert code == 1
        assert "Charts!D2:F2 hold 1 day, expected two: the first and the last" in out + err
