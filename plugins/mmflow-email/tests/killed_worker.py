"""Delivers a mail again and again, each time in a process that is killed before its n-th step; run by test_killed.py.

Steps are what can be seen from outside of the process: a file takes its place or goes, a line goes to the server. What
came of each try is printed as a line of JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from mmflow.clock import FixedClock
from mmflow.options import convert_values
from mmflow.sinks import Partial
from mmflow.table import make_table
from mmflow.testing.deliveries import MACHINE, PARTS, make_run
from mmflow_email import EmailConnection, EmailOptions
from mmflow_email.deliver import deliver_email
from mmflow_email.letter import write_letter
from mmflow_email.smtp import send_by_smtp

STEPS = {"os.rename", "os.remove", "smtplib.send"}
MOST = 60
TRIES = 6
LOADED = (write_letter, send_by_smtp)  # before the first fork, so that no child imports them anew


def kill_before(step):
    """End this process before its n-th step, as the system would: without a chance to tidy up."""
    done = 0

    def watch(event, _args):
        nonlocal done
        if event in STEPS:
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def deliver(root, port, step, fence, policy):
    written = {"to": [f"ann{step}@example.com", f"bob{step}@example.com"], "template": "table", "on_unknown": policy}
    connection = {"from": "reports@example.com", "host": "127.0.0.1", "port": port, "security": "none"}
    run = make_run(root, key=f"job/mail@{step}", fence=fence, connection=convert_values(connection, EmailConnection))
    object.__setattr__(run, "clock", FixedClock(run.slot))
    table = make_table([("Haas 1", 7)], columns=(MACHINE, PARTS), path=root / "snapshot.parquet")
    if fence == 1:
        kill_before(step)
    return deliver_email(table, convert_values(written, EmailOptions), run)


def try_once(root, port, step, fence, policy):
    """Deliver in a child; give the name of what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            deliver(root, port, step, fence, policy)
            said = "done"
        except Partial as part:
            said = "partly" if part.retry else "done in part"
        except Exception as error:  # noqa: BLE001  what came of it, whatever it was
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said or "killed"


def main(folder, port, policy):
    for step in range(1, MOST):
        root = Path(folder) / str(step)
        root.mkdir()
        outcomes = [try_once(root, port, step, 1, policy)]
        while outcomes[-1] != "done" and len(outcomes) < TRIES:
            outcomes.append(try_once(root, port, step, len(outcomes) + 1, policy))
        sys.stdout.write(json.dumps({"step": step, "outcomes": outcomes}) + "\n")
        if outcomes[0] != "killed":
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
