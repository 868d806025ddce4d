"""Everything a developer runs, on any system: ``python dev.py demo|test|check|bench|docs``.

Needs Python 3.11 or later and nothing else: it makes ``.venv`` beside this file, installs mmflow with its own plugins
and tools there, and does the work inside.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
PYTHON = BIN / ("python.exe" if sys.platform == "win32" else "python")
PLUGINS = sorted((HERE / "plugins").glob("*/pyproject.toml"))


def run(*words: str | Path) -> None:
    """Run a tool inside the environment; its failure is ours."""
    done = subprocess.run([str(PYTHON), *map(str, words)], cwd=HERE, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def fingerprint() -> str:
    """Give a hash of everything that decides what gets installed."""
    files = [HERE / "pyproject.toml", *PLUGINS, Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def prepare() -> None:
    """Make the environment, or bring it up to date when a pyproject.toml has changed."""
    mark = VENV / "installed.txt"
    if mark.exists() and mark.read_text(encoding="utf-8") == fingerprint():
        return
    print("setting up .venv (once, about a minute) ...", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    run("-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    packages = [word for plugin in PLUGINS for word in ("--editable", plugin.parent)]
    run("-m", "pip", "install", "--quiet", "--editable", HERE, *packages, "--group", HERE / "pyproject.toml:dev")
    mark.write_text(fingerprint(), encoding="utf-8")


def demo(*words: str) -> None:
    """Run the main job on the simulated plant and show what it made."""
    run("-m", "mmflow", "demo", *words)


def test(*words: str) -> None:
    """Run all tests, in parallel and in random order, with coverage; or the ones named."""
    whole = ["-n", "auto", "--cov", "--cov-report=term", "--cov-fail-under=90"]
    run("-m", "pytest", *(words or whole))


def check(*words: str) -> None:
    """Check style, types and that everything generated is fresh."""
    run("-m", "ruff", "check", *words)
    run("-m", "ruff", "format", "--check", *words)
    run("-m", "mypy", *words)
    run("-m", "mmflow.testing.generated", "--check")


def docs(*words: str) -> None:
    """Write anew everything that is generated: schemas, option tables, reference pages."""
    run("-m", "mmflow.testing.generated", *words)


def bench(*words: str) -> None:
    """Measure speed and memory beside peers; give the names of single benches to run only those."""
    run("-m", "pip", "install", "--quiet", "--group", HERE / "pyproject.toml:bench")
    run("bench/run.py", *words)


COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "test": test,
    "check": check,
    "docs": docs,
    "bench": bench,
}


def main() -> None:
    """Do what the command line says."""
    name, words = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in COMMANDS:
        listed = "\n".join(f"  {key:6} {command.__doc__}" for key, command in COMMANDS.items())
        sys.exit(f"usage: python dev.py COMMAND\n{listed}")
    if sys.version_info < (3, 11):
        sys.exit(f"mmflow needs Python 3.11 or later; this is {sys.version.split()[0]}")
    prepare()
    COMMANDS[name](*words)


if __name__ == "__main__":
    main()
