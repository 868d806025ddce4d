"""dev.py, the Makefile and the README speak of the same commands."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_every_package_of_the_project_is_installed_in_place():
    folders = [ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
    assert dev.STAGES["mmflow"] == [word for folder in folders for word in ("--editable", str(folder))]
