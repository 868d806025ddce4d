"""The rules of a zone change between two runs, as an update of the zone data brings it."""

import os
import struct
import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.daemons import ROOT, ask, slots
from tests.desk import KEY

ZONE = Path("America", "New_York")
JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {every: day, at: "06:40"}
    sinks: [{type: csv, path: "{date}.csv"}]
"""


def write_zone(moment: datetime) -> bytes:
    """A zone as RFC 8536 has it: five hours behind UTC until a moment, six from then on."""
    empty = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + struct.pack(">lbB", 0, 0, 0) + b"UTC\0"
    head = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 1, 2, 8)
    types = struct.pack(">lbBlbB", -5 * 3600, 0, 0, -6 * 3600, 0, 4)
    return empty + head + struct.pack(">qB", int(moment.timestamp()), 1) + types + b"EST\0CST\0\nCST6\n"


def work_once(root: Path, moment: datetime, folders: str) -> None:
    """Let a daemon do what is due at a moment, by the zone data in some folders."""
    words = [moment.isoformat(), str(datetime.now(UTC).timestamp()), "1", "daemon", "--once", "--root", str(root)]
    around = {**os.environ, "MM_BOSTON_KEY": KEY, "PYTHONTZPATH": folders}
    around.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "tests.daemons", *words]
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.row("R71")
def test_new_rules_count_for_times_to_come_and_what_was_done_stays_as_it_was(desk, tmp_path_factory):
    desk.job(JOB)
    old = os.pathsep.join(zoneinfo.TZPATH)
    new = tmp_path_factory.mktemp("zones")
    (new / ZONE).parent.mkdir()
    (new / ZONE).write_bytes(write_zone(datetime(2026, 11, 19, 22, tzinfo=UTC)))
    updated = os.pathsep.join([str(new), old])
    work_once(desk.root, datetime(2026, 11, 18, 11, 30, tzinfo=UTC), old)
    work_once(desk.root, datetime(2026, 11, 19, 11, 45, tzinfo=UTC), old)
    before = ask(desk.root, "SELECT id, state, spans FROM run ORDER BY started")
    work_once(desk.root, datetime(2026, 11, 20, 11, 45, tzinfo=UTC), updated)
    assert [due[:16] for due, *_ in slots(desk.root)] == ["2026-11-18T11:40", "2026-11-19T11:40"]
    work_once(desk.root, datetime(2026, 11, 20, 12, 45, tzinfo=UTC), updated)
    assert [(due[:16], state) for due, state, _ in slots(desk.root)][2:] == [("2026-11-20T12:40", "done")]
    after = ask(desk.root, "SELECT id, state, spans FROM run ORDER BY started")
    assert after[: len(before)] == before
