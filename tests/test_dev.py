"""dev.py, the Makefile and the README speak of the same commands."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).parents[1]


def test_make_passes_every_command_on():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert listed.split() == list(dev.COMMANDS)
    assert f"\n{listed}:\n" in makefile


def test_commands_are_listed_with_what_they_do():
    done = subprocess.run([sys.executable, ROOT / "dev.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for name, command in dev.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.do.__doc__)}$", done.stderr, re.MULTILINE)


def test_demo_does_not_wait_for_tools():
    assert dev.COMMANDS["demo"].stages == ("mmflow",)
    assert {stage for command in dev.COMMANDS.values() for stage in command.stages} == set(dev.STAGES)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), subprocess.CalledProcessError(1, "ensurepip")])
def test_environment_that_was_not_finished_is_made_anew(tmp_path, monkeypatch, end):
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / ".venv" / "python")
    monkeypatch.setattr(dev, "UNFINISHED", tmp_path / ".venv-unfinished")
    made = []

    def create(folder, *, with_pip, clear):
        made.append((folder, with_pip, clear))
        folder.mkdir(exist_ok=True)
        dev.PYTHON.touch()
        if len(made) == 1:
            raise end

    monkeypatch.setattr(venv, "create", create)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        dev.prepare(())
    dev.prepare(())
    dev.prepare(())
    assert made == [(tmp_path / ".venv", True, True)] * 2
    assert [path.name for path in tmp_path.iterdir()] == [".venv"]


def test_every_package_of_the_project_is_installed_in_place():
    folders = [ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
    assert dev.STAGES["mmflow"] == [word for folder in folders for word in ("--editable", str(folder))]


def test_what_tests_start_keeps_what_it_has_compiled(tmp_path):
    (tmp_path / "module.py").write_text("", encoding="utf-8")
    subprocess.run([sys.executable, "-c", "import module"], cwd=tmp_path, check=True)
    assert list(tmp_path.glob("__pycache__/module.*.pyc"))
