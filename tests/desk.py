"""A desk to work at in tests: a root in a temporary folder, a simulated plant, a fixed clock, and the command line."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.simulator import Plant, Simulator

# A Sunday; 06:40 in Boston.
NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
KEY = "key-of-boston-3f9a7c21"

SETTINGS = """
    version: 1
    sites:
      boston:
        base_url: "{url}"
        api_key: "${{env:MM_BOSTON_KEY}}"
        timezone: America/New_York
        start_of_day: "06:00"
        shifts:
          - {{name: First, days: mon-fri, from: "06:00", to: "14:00"}}
          - {{name: Second, days: mon-fri, from: "14:00", to: "22:00"}}
          - {{name: Third, days: mon-fri, from: "22:00", to: "06:00"}}
    defaults: {{owner: ops@example.com}}
"""


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


@dataclass
class Desk:
    """Run commands as a user would, in this process."""

    root: Path
    simulator: Simulator
    clock: FixedClock
    environ: dict[str, str] = field(default_factory=lambda: {"MM_BOSTON_KEY": KEY})

    def write(self, name: str, text: str) -> Path:
        """Write a file under the root; its common indentation is taken away."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def job(self, text: str, name: str = "daily") -> Path:
        """Write ``jobs/NAME.yaml``."""
        return self.write(f"jobs/{name}.yaml", text)

    def mmflow(self, *words: str) -> Done:
        """Run one command line."""
        out, err = io.StringIO(), io.StringIO()
        around = Surroundings(environ=self.environ, cwd=self.root, clock=self.clock, stdout=out, stderr=err)
        code = run_guarded(list(words), around)
        return Done(code, out.getvalue(), err.getvalue())

    def text(self, name: str) -> str:
        """Read a file under the root."""
        return (self.root / name).read_text(encoding="utf-8-sig")


def open_desk(root: Path, simulator: Simulator) -> Desk:
    """Make a desk with one site, whose service is the simulator."""
    desk = Desk(root, simulator, FixedClock(NOW))
    desk.write("mmflow.yaml", SETTINGS.format(url=simulator.url))
    return desk


@cache
def know_plant(seed: int = 1, zone: str = "America/New_York", start_of_day: str = "06:00") -> Plant:
    """Give a plant that all tests share: nothing changes it, and what happened in it is worked out once."""
    return Plant(seed=seed, zone=zone, start_of_day=start_of_day, week_starts="monday")


def open_plant() -> Simulator:
    """Give a service of one plant, whose clock stands still; start it with ``with``."""
    return Simulator(plants={KEY: know_plant()}, now=NOW)
