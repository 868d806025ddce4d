"""A row of docs/reliability.md or docs/security.md and the tests that bear its id are held to each other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = """
| id | fault | what mmflow does |
|---|---|---|
| R1 | a fault | survives |
| R2 | another | survives |
| R3 | a third | not tested: nobody can |
"""
# Only what a test of rows asks for: the plugins of a developer cost more than the test.
ALONE = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
PASS, FAIL, SKIP = "assert True", "assert False", "pytest.skip('nobody may here')"
TEST = "import pytest\n\n\n@pytest.mark.row({})\ndef test_it():\n    {}\n"


def run_tests(root: Path, rows: str, does: str, *words: str) -> tuple[int, str]:
    """Run one test, which bears these rows, in a project of two promised rows."""
    shutil.copy(ROOT / "conftest.py", root)
    (root / "docs").mkdir()
    (root / "docs" / "reliability.md").write_text(PAGE, encoding="utf-8")
    (root / "docs" / "security.md").write_text("", encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\nmarkers = row: a row\n", encoding="utf-8")
    (root / "test_it.py").write_text(TEST.format(rows, does), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *words]
    done = subprocess.run(command, cwd=root, env=ALONE, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("rows", "does", "words", "code", "said"),
    [
        ("'R1', 'R2', 'R3'", PASS, (), 0, ""),
        ("'R1'", PASS, (), 1, "rows without a test that passed: R2"),
        ("'R1', 'R2'", FAIL, (), 1, "rows without a test that passed: R1, R2"),
        ("'R1', 'R2'", SKIP, (), 0, "rows not shown on this machine, for the reasons of the skipped tests: R1, R2"),
        ("'R1'", SKIP, (), 1, "rows without a test that passed: R2"),
        ("'R1'", PASS, ("test_it.py",), 0, ""),
        ("'R99'", PASS, ("test_it.py",), 1, "rows that tests bear and no page has: R99"),
        ("'R99'", PASS, ("test_it.py", "-p", "xdist", "-n", "1"), 1, "rows that tests bear and no page has: R99"),
    ],
)
def test_rows_and_tests_are_held_to_each_other(tmp_path, rows, does, words, code, said):
    found, out = run_tests(tmp_path, rows, does, *words)
    assert found == code, out
    assert said in out
    assert said or "rows" not in out


def test_a_page_that_is_not_there_is_not_taken_for_one_without_rows(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(command, cwd=tmp_path, env=ALONE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "reliability.md" in done.stdout + done.stderr
