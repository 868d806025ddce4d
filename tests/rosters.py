"""A root with a roster for tests, whose clock moves only when it is told to."""

from __future__ import annotations

from pathlib import Path

from mmflow.clock import FixedClock
from mmflow.roster import Changes, Roster
from tests.desk import NOW

SETTINGS = """\
version: 1
sites:
  boston: {environment: simulator, timezone: America/New_York, start_of_day: "06:00"}
defaults: {owner: ops@example.com}
"""
JOB = """\
job: NAME
report: {metrics: [oee], group_by: [machine], filter: {machineGroup: [Mills]}}
window: yesterday
schedule: {every: weekday, at: "06:40"}
deadline: "06:55"
sinks: [{type: csv}]
"""


class Plant:
    """A root, its roster, and a clock that moves only here."""

    def __init__(self, root: Path, environ: dict[str, str] | None = None) -> None:
        self.root = root
        self.clock = FixedClock(NOW)
        self.environ = environ or {}
        self.write("mmflow.yaml", SETTINGS)
        self.start()

    def start(self) -> None:
        """Begin anew, as a daemon would."""
        self.roster = Roster(self.root, self.clock, self.environ)

    def write(self, name: str, text: str) -> Path:
        """Write a file under the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def job(self, name: str, text: str = JOB, file: str = "") -> Path:
        """Write a job, in a file of its name unless another is given."""
        return self.write(f"jobs/{file or name}.yaml", text.replace("NAME", name))

    def settle(self) -> Changes:
        """Look twice, half a second apart."""
        assert not self.roster.refresh(), "nothing counts at the first look"
        self.clock.sleep(0.5)
        return self.roster.refresh()


def texts(problems) -> list[str]:
    """Problems as they are shown."""
    return [str(problem) for problem in problems]
