"""Everything a developer runs, on any system: ``python dev.py demo|test|cover|check|docs|bench|chaos``.

Needs Python 3.11 or later and nothing else: it makes ``.venv`` beside this file, installs there what the command needs
(mmflow and its own plugins; for all but the demo the tools too), and does the work inside.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
UNFINISHED = HERE / ".venv-unfinished"  # there until the environment is made, so that one half made is made anew
PYTHON = BIN / ("python.exe" if sys.platform == "win32" else "python")
PROJECTS = [HERE / "pyproject.toml", *sorted((HERE / "plugins").glob("*/pyproject.toml"))]

# What pip installs, in stages, so that a command waits only for what it uses.
STAGES: dict[str, list[str]] = {
    "mmflow": [word for project in PROJECTS for word in ("--editable", str(project.parent))],
    "tools": ["--upgrade", "pip>=25.1"],  # the first that knows dependency groups
    "dev": ["--group", "dev"],
    "bench": ["--group", "bench"],
}


def run(*words: str | Path) -> None:
    """Run Python inside the environment; its failure is ours."""
    done = subprocess.run([str(PYTHON), *map(str, words)], cwd=HERE, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def prepare(stages: tuple[str, ...]) -> None:
    """Make the environment, and install each stage that is not there or whose pyproject.toml files have changed."""
    if UNFINISHED.exists() or not PYTHON.exists():
        print("setting up .venv (once, about a minute) ...", flush=True)
        make_environment()
    for stage in stages:
        mark = VENV / f"installed-{stage}.txt"
        if not mark.exists() or mark.read_text(encoding="utf-8") != fingerprint():
            print(f"installing {stage} ...", flush=True)
            run("-m", "pip", "install", "-qq", "--disable-pip-version-check", *STAGES[stage])
            mark.write_text(fingerprint(), encoding="utf-8")


def make_environment() -> None:
    """Make an empty environment with pip in it."""
    UNFINISHED.touch()
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        sys.exit("this Python cannot make environments with pip; on Debian and Ubuntu: apt install python3-venv")
    UNFINISHED.unlink()


def fingerprint() -> str:
    """Give a hash of everything that decides what gets installed."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in [*PROJECTS, Path(__file__)])).hexdigest()


def demo(*words: str) -> None:
    """Run the main job on the simulated plant and show what it made."""
    run("-m", "mmflow", "demo", *words)
    print(f"mmflow is {(BIN / 'mmflow').relative_to(HERE)} here; with the environment activated, just mmflow")


# One worker more than cores, since some tests wait for other processes. Those of one file stay together as long as all
# workers have enough to do: what a file sets up is set up once.
ALL = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")


def test(*words: str) -> None:
    """Run all tests, in parallel and in random order; or those that are named."""
    run("-m", "pytest", *(words or ALL))


def cover(*words: str) -> None:
    """Run all tests and say which lines none of them has reached; it takes a third longer."""
    run("-m", "pytest", *(words or ALL), "--cov", "--cov-report=term", "--cov-fail-under=90")


def check(*words: str) -> None:
    """Check style, types and that everything generated is fresh; or style and types of what is named."""
    run("-m", "ruff", "check", *words)
    run("-m", "ruff", "format", "--check", *words)
    run("-m", "mypy", *words)
    if not words:
        run("-m", "mypy", "dev.py", "conftest.py", "tools")
        run("-m", "tools.generated", "--check")


def docs(*words: str) -> None:
    """Write anew everything that is generated: schemas, option tables, reference pages."""
    run("-m", "tools.generated", *words)


def bench(*words: str) -> None:
    """Measure speed and memory beside peers; or only the benches that are named."""
    run("bench/run.py", *words)


def chaos(*words: str) -> None:
    """Let a storm pass over real daemons: 200 processes are killed at random; --seed N repeats one."""
    run("-m", "tests.chaos", *words)


class Command(NamedTuple):
    """What a command does, and what has to be installed for it."""

    do: Callable[..., None]
    stages: tuple[str, ...]


TOOLS = ("mmflow", "tools", "dev")
COMMANDS: dict[str, Command] = {
    "demo": Command(demo, ("mmflow",)),
    "test": Command(test, TOOLS),
    "cover": Command(cover, TOOLS),
    "check": Command(check, TOOLS),
    "docs": Command(docs, ("mmflow",)),
    "bench": Command(bench, ("mmflow", "tools", "bench")),
    "chaos": Command(chaos, TOOLS),
}


def main() -> None:
    """Do what the command line says."""
    name, words = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in COMMANDS:
        listed = "\n".join(f"  {key:6} {command.do.__doc__}" for key, command in COMMANDS.items())
        sys.exit(f"usage: python dev.py COMMAND\n{listed}")
    if sys.version_info < (3, 11):  # noqa: UP036  whatever Python the system has may run this file
        sys.exit(f"this is Python {sys.version.split()[0]}, mmflow needs 3.11 or later: make {name} PYTHON=python3.11")
    prepare(COMMANDS[name].stages)
    COMMANDS[name].do(*words)


if __name__ == "__main__":
    main()
