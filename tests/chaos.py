"""A storm over real daemons: processes are killed at random, the service and the database fail, the disk is full.

``python -m tests.chaos [--seed N] [--kills N] [--store file|database]`` runs one and says what was found, ``make
chaos`` the long form. The seed decides what is done to which of those that are there, and after which pause; it is
printed. The machine decides what the killed process was doing just then.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmflow.simulator import Simulator
from tests.blows import Blow, plan_blows
from tests.daemons import RealDaemon, start_daemon
from tests.desk import SETTINGS, open_plant

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SPEED = 10.0  # so that a job is due every six seconds
SETTLING = 150.0  # seconds in which everything that was due has to end, once the storm is over
ENDED = ("done", "failed", "skipped", "expired")

# Messages go to a file that only grows, so that a second one of the same slot would be seen.
POST = """
    import json, os
    from mmflow import Options, Receipt, SinkType, hookimpl


    def mailbox(run):
        return run.root / "mailbox.jsonl"


    def send(table, options, run):
        line = json.dumps({"key": run.key, "generation": run.generation, "rows": len(table)}) + "\\n"
        handle = os.open(mailbox(run), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
        return Receipt(rows=len(table))


    def probe(options, run):
        if not mailbox(run).exists():
            return "absent"
        sent = [json.loads(line) for line in mailbox(run).read_text().splitlines()]
        return "present" if any(one["key"] == run.key for one in sent) else "absent"


    @hookimpl
    def mmflow_sinks():
        yield SinkType(
            name="post", summary="Mail.", options=Options, deliver=send, probe=probe, semantics="message",
            recipients=lambda options: ["ann@example.com"],
        )
"""

JOB = """
    job: {name}
    report: {{metrics: [goodParts, totalParts], group_by: [machine]}}
    window: yesterday
    schedule: {{cron: "* * * * *", timezone: America/New_York, catch_up: {catch_up}, overlap: {overlap}}}
    sinks:
      - {{type: csv, path: "{name}.csv"}}
      - {{type: sql, connection: target, table: "{table}", mode: replace_window}}
      - {{type: post}}
"""
JOBS = {"one": ("latest", "skip"), "two": ("all", "queue"), "three": ("none", "skip"), "four": ("latest", "queue")}
FAULTS = (
    {"kind": "status", "status": 503, "times": 3},
    {"kind": "status", "status": 429, "retry_after": 1, "times": 2},
    {"kind": "cut", "times": 2},
    {"kind": "truncated_json", "times": 2},
)


@dataclass
class Storm:
    """One storm: a root, its daemons, and what may be done to them."""

    root: Path
    service: Simulator
    server: Any = None  # a PostgreSQL, when the ledger is in one
    database: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    daemons: list[RealDaemon] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.time)

    # -- the stage

    def prepare(self) -> None:
        """Write the root: settings, four jobs, and a package that sends messages."""
        settings = textwrap.dedent(SETTINGS).format(url=self.service.url)
        settings += 'connections:\n  target: {type: sql, url: "sqlite:///out/target.sqlite"}\n'
        settings += 'daemon: {workers: 2, grace: "20 seconds", lease: "10 seconds"}\n'
        if self.server:
            settings += f'state: {{url: "{self.server.url(self.database)}"}}\n'
        (self.root / "mmflow.yaml").write_text(settings, encoding="utf-8")
        (self.root / "jobs").mkdir()
        (self.root / "out").mkdir()
        for name, (catch_up, overlap) in JOBS.items():
            text = JOB.format(name=name, catch_up=catch_up, overlap=overlap, table=f"report_{name}")
            (self.root / "jobs" / f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
        site = self.root / "site"
        info = site / "post-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "post.py").write_text(textwrap.dedent(POST), encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: post\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("[mmflow]\npost = post\n", encoding="utf-8")
        self.environ = {"PYTHONPATH": str(site)}

    def start(self) -> None:
        """Bring as many daemons to life as there should be: two can share a database, one a file."""
        self.daemons = [daemon for daemon in self.daemons if daemon.process.poll() is None]
        while len(self.daemons) < (2 if self.server else 1):
            clock = {"start": START, "real": self.began, "speed": SPEED}
            self.daemons.append(start_daemon(self.root, "--verbose", **clock, environ=self.environ))

    # -- what is done

    def kill_daemon(self, blow: Blow) -> bool:
        """End a daemon as a power cut would."""
        blow.choose(self.daemons).kill()
        return True

    def kill_worker(self, blow: Blow) -> bool:
        """End one of the processes that a daemon has started."""
        children = [child for daemon in self.daemons for child in children_of(daemon.process.pid)]
        if not children:
            return False
        with suppress(ProcessLookupError):
            os.kill(blow.choose(children), signal.SIGKILL)
        return True

    def disturb_service(self, blow: Blow) -> bool:
        """Let the service answer with a few errors."""
        self.service.faults(blow.choose(FAULTS))
        return True

    def restart_database(self, blow: Blow) -> bool:
        """Crash the database of the ledger and start it again."""
        if not self.server:
            return False
        self.server.stop("immediate")
        time.sleep(0.2 + 1.3 * blow.length)
        self.server.start()
        return True

    def fill_disk(self, blow: Blow) -> bool:
        """Leave no room where files are written, for a moment."""
        if not os.path.ismount(self.root):
            return False
        ballast = self.root / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * (1 << 16))
        time.sleep(0.5 + 1.5 * blow.length)
        ballast.unlink()
        return True

    def rage(self, blows: Iterator[Blow], kills: int) -> None:
        """Kill so many processes, with other trouble in between."""
        acts: Sequence[Callable[[Blow], bool]] = (
            self.kill_daemon,
            self.kill_worker,
            self.disturb_service,
            self.restart_database,
            self.fill_disk,
        )
        named = {act.__name__: act for act in acts}
        while self.done["kill_daemon"] + self.done["kill_worker"] < kills:
            blow = next(blows)
            time.sleep(blow.pause)
            self.done[blow.act] += named[blow.act](blow)
            self.start()

    def settle(self) -> datetime:
        """Let what was due until now end, then stop the daemons; give the instant."""
        self.service.clear_faults()
        until = START + timedelta(seconds=(time.time() - self.began) * SPEED)
        end = time.monotonic() + SETTLING
        while left := [slot for slot in self.slots() if slot["due"] <= text_of(until) and slot["state"] not in ENDED]:
            assert time.monotonic() < end, f"these have not ended: {left}\n{self.tail()}"
            self.start()
            time.sleep(0.5)
        for daemon in self.daemons:
            # One just started does not heed signals yet; and lines of its log are lost while the disk is full.
            daemon.wait_for(lambda pid=daemon.process.pid: heeds_stops(pid), 60)
            code = daemon.stop()
            assert code == 0, f"ended with {code}: {daemon.text[-3000:]}"
        return until

    # -- what is found

    def ask(self, question: str) -> list[dict[str, Any]]:
        """Ask the ledger."""
        if self.server:
            return self._ask_server(question)
        path = self.root / ".mmflow" / "ledger.sqlite"
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(question)]

    def _ask_server(self, question: str) -> list[dict[str, Any]]:
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(self.server.url(self.database), row_factory=dict_row) as connection:
            connection.execute("SET search_path TO mmflow, public")
            return connection.execute(question.encode()).fetchall()

    def slots(self) -> list[dict[str, Any]]:
        """Give every slot."""
        return self.ask("SELECT job, due, kind, state, reason, send, deaths FROM slot ORDER BY job, due")

    def tail(self) -> str:
        """Give the end of what the living daemons have logged."""
        return "\n".join(daemon.text[-3000:] for daemon in self.daemons)

    def find_faults(self, until: datetime) -> Iterator[str]:
        """Say what is wrong with what the storm has left."""
        yield from self._look_at_slots(until)
        yield from self._look_at_messages()
        yield from self._look_at_files()
        yield from self._look_at_tables()
        if not self.server and (found := self.ask("PRAGMA integrity_check")) != [{"integrity_check": "ok"}]:
            yield f"the ledger is damaged: {found}"
        if left := self.ask("SELECT id, job, due FROM run WHERE state = 'running'"):
            yield f"runs that have no end: {left}"

    def _look_at_slots(self, until: datetime) -> Iterator[str]:
        for job in JOBS:
            known = {slot["due"]: slot for slot in self.slots() if slot["job"] == job and slot["due"] <= text_of(until)}
            if not known:
                yield f"{job} was never due"
                continue
            first = datetime.fromisoformat(min(known))
            minutes = int((until - first).total_seconds() // 60)
            lost = [due for at in range(minutes) if (due := text_of(first + timedelta(minutes=at))) not in known]
            if lost:
                yield f"{job}: {len(lost)} of {minutes} times were lost: {lost[:5]}"
            silent = [slot for slot in known.values() if slot["state"] != "done" and not slot["reason"]]
            if silent:
                yield f"{job}: these ended without a reason: {silent[:5]}"
            self.done.update(f"slot {slot['state']}" for slot in known.values())

    def _look_at_messages(self) -> Iterator[str]:
        box = self.root / "mailbox.jsonl"
        sent = Counter(json.loads(line)["key"] for line in box.read_text().splitlines()) if box.exists() else Counter()
        self.done["messages"] = len(sent)
        if twice := [key for key, count in sent.items() if count > 1]:
            yield f"sent twice: {twice}"
        done = self.ask("SELECT DISTINCT key FROM delivery WHERE type = 'post' AND state = 'done'")
        if missing := [row["key"] for row in done if row["key"] not in sent]:
            yield f"done in the ledger and never sent: {missing}"

    def _look_at_files(self) -> Iterator[str]:
        rows = {}
        for job in JOBS:
            path = self.root / "out" / f"{job}.csv"
            if path.exists():
                with path.open(encoding="utf-8-sig", newline="") as file:
                    rows[job] = list(csv.reader(file))
                if {len(row) for row in rows[job]} != {len(rows[job][0])} or len(rows[job]) < 3:
                    yield f"{path.name} is torn: {rows[job]}"
        if len({json.dumps(found) for found in rows.values()}) > 1:
            yield f"equal questions have unequal files: { {job: len(found) for job, found in rows.items()} }"

    def _look_at_tables(self) -> Iterator[str]:
        path = self.root / "out" / "target.sqlite"
        if not path.exists():
            yield "there is no database"
            return
        with closing(sqlite3.connect(path)) as target:
            if (found := target.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
                yield f"the target is damaged: {found}"
            for job in JOBS:
                with suppress(sqlite3.OperationalError):
                    machines = [row[0] for row in target.execute(f"SELECT machine FROM report_{job}")]
                    if len(machines) != len(set(machines)):
                        yield f"report_{job} holds rows twice"


def children_of(pid: int) -> list[int]:
    """Give the processes that one has started."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        threads = [path for path in Path(f"/proc/{pid}/task").iterdir() if path.name != str(pid)]
        more = [word for path in threads for word in (path / "children").read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [int(word) for word in [*listed, *more] if not is_tracker(word)]


def heeds_stops(pid: int) -> bool:
    """Tell whether a process does something of its own when it is told to stop."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)


def is_tracker(pid: str) -> bool:
    """Tell whether a process only keeps count of what others share."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def text_of(moment: datetime) -> str:
    """Write an instant as the ledger does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def small_disk(root: Path, megabytes: int) -> Iterator[None]:
    """Put a root on a disk of its own that can be filled, when this user may."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(root)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(root)], check=True)


def run_storm(root: Path, seed: int, kills: int, server: Any = None, database: str = "") -> tuple[list[str], Storm]:
    """Let one storm pass over an empty root; give what is wrong afterwards, and the storm."""
    say(f"seed {seed}, {kills} kills, ledger in {'PostgreSQL' if server else 'a file'}")
    with ExitStack() as stack:
        stack.enter_context(small_disk(root, 200))
        service = stack.enter_context(open_plant())
        storm = Storm(root, service, server, database)
        storm.prepare()
        try:
            storm.start()
            storm.daemons[0].wait_text("at work", 60)
            storm.rage(plan_blows(seed), kills)
            found = list(storm.find_faults(storm.settle()))
        finally:
            for daemon in storm.daemons:
                if daemon.process.poll() is None:
                    daemon.kill()
        return found, storm


def say(*lines: str) -> None:
    """Print lines at once."""
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


def main() -> int:
    """Run the long form."""
    parser = argparse.ArgumentParser(description="Kill daemons and workers at random, and look for what is lost.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store", choices=["file", "database", "both"], default="both")
    args = parser.parse_args()
    faults: list[str] = []
    for store in ("file", "database") if args.store == "both" else (args.store,):
        with ExitStack() as stack:
            root = Path(stack.enter_context(TemporaryDirectory(prefix="mmflow-chaos-")))
            server = None
            if store == "database":
                from mmflow_sql.testing import run_postgres

                server = stack.enter_context(run_postgres())
            found, storm = run_storm(root, args.seed, args.kills, server, "postgres")
            say(f"{store}: {dict(storm.done)}", *(f"  WRONG: {fault}" for fault in found))
            faults += found
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
