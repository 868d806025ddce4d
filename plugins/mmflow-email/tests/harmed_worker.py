"""Delivers a mail again and again, each time in a process that is harmed before a later step; run by test_harmed.py.

Steps are what can be seen from outside of the process: a file takes its place or goes, a line goes to the server. The
harm is a kill, a disk that is full from then on, or an outbox that somebody deletes. What came of each try is printed
as a line of JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit
from shutil import rmtree

from mmflow.clock import FixedClock
from mmflow.options import convert_values
from mmflow.sinks import Partial
from mmflow.table import make_table, share_database
from mmflow.testing.deliveries import MACHINE, PARTS, make_run
from mmflow_email import EmailConnection, EmailOptions
from mmflow_email.deliver import deliver_email
from mmflow_email.letter import write_letter
from mmflow_email.smtp import send_by_smtp

STEPS = {"os.rename", "os.remove", "smtplib.send"}
MOST = 60
TRIES = 6
LOADED = (write_letter, send_by_smtp)  # before the first fork, so that no child imports them anew
HARMS = {
    "kill": lambda _store: os.kill(os.getpid(), signal.SIGKILL),  # without a chance to tidy up
    "fill": lambda _store: setrlimit(RLIMIT_FSIZE, (0, RLIM_INFINITY)),  # no file can grow
    "delete": rmtree,
}


class Harm:
    """Does harm before the n-th step; ``done`` tells that it came to that."""

    def __init__(self, kind, step, store):
        self.kind, self.left, self.store = kind, step, store
        self.done = False
        sys.addaudithook(self.watch)

    def watch(self, event, _args):
        if event in STEPS and not self.done:
            self.left -= 1
            if self.left == 0:
                self.done = True
                HARMS[self.kind](self.store)


def prepare(root, port, step, fence, policy):
    written = {"to": [f"ann{step}@example.com", f"bob{step}@example.com"], "template": "table", "on_unknown": policy}
    connection = {"from": "reports@example.com", "host": "127.0.0.1", "port": port, "security": "none"}
    run = make_run(root, key=f"job/mail@{step}", fence=fence, connection=convert_values(connection, EmailConnection))
    object.__setattr__(run, "clock", FixedClock(run.slot))
    return convert_values(written, EmailOptions), run


def try_once(table, options, run, kind, step):
    """Deliver in a child; give whether it was harmed, and the name of what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        harm = Harm(kind, step if run.fence == 1 else 0, run.store)
        try:
            with share_database():  # as in a run
                deliver_email(table, options, run)
            said = "done"
        except Partial as part:
            said = "partly" if part.retry else "done in part"
        except Exception as error:  # noqa: BLE001  what came of it, whatever it was
            said = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps([harm.done, said]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return json.loads(said) if said else [True, "killed"]


def main(folder, port, policy, kind, stride):
    table = make_table([("Haas 1", 7)], columns=(MACHINE, PARTS), path=Path(folder) / "snapshot.parquet")
    for step in range(1, MOST, stride):
        root = Path(folder) / str(step)
        root.mkdir()
        harmed, said = try_once(table, *prepare(root, port, step, 1, policy), kind, step)
        outcomes = [said]
        while outcomes[-1] != "done" and len(outcomes) < TRIES:
            outcomes.append(try_once(table, *prepare(root, port, step, len(outcomes) + 1, policy), kind, 0)[1])
        sys.stdout.write(json.dumps({"step": step, "harmed": harmed, "outcomes": outcomes}) + "\n")
        if not harmed:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
