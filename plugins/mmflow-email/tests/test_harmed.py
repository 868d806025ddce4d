"""A process that is killed, or loses its disk, between any two steps leaves a mail that nobody gets twice unawares."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).parent / "harmed_worker.py"
MOST = 60
# A delivery takes some twenty steps. Every other one is tried; MMFLOW_EVERY_KILL=1 in the environment: all.
STRIDE = 1 if os.environ.get("MMFLOW_EVERY_KILL") else 2

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")


def run_worker(folder, server, policy, kind):
    words = [sys.executable, str(WORKER), str(folder), str(server.port), policy, kind, str(STRIDE)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr
    *harmed, last = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(harmed) > 10 // STRIDE
    assert all(one["harmed"] for one in harmed)
    assert not last["harmed"]
    return [*harmed, last]


def copies(server, one):
    """Give how many mails each of the two got, all of the same bytes."""
    got = [server.copies(f"{name}{one['step']}@example.com") for name in ("ann", "bob")]
    assert [len({mail.content for mail in mails}) for mails in got] == [1, 1], one
    return [len(mails) for mails in got]


@pytest.mark.row("R9", "R60")
@pytest.mark.timeout(300)  # some twenty processes, one after the other
@pytest.mark.parametrize(("policy", "bob"), [("resend", "451 4.7.1 greylisted"), ("hold", "250 2.1.5 ok")])
def test_everybody_gets_it_once_or_it_is_known_that_nobody_can_tell(policy, bob, tmp_path, server):
    for step in range(1, MOST):
        if bob.startswith("451"):
            server.answer(f"RCPT bob{step}@example.com", bob)
    found = run_worker(tmp_path, server, policy, "kill")
    assert {one["outcomes"][0] for one in found[:-1]} == {"killed"}
    doubtful = 0
    for one in found:
        assert one["outcomes"][-1] == "done", one
        unknown = any(outcome.startswith("Unknown") for outcome in one["outcomes"])
        got = copies(server, one)
        assert max(got) <= (2 if policy == "resend" or unknown else 1), one
        doubtful += got.count(2)
    # A second copy is possible only when the process ended between the server's word and our note of it.
    assert doubtful <= 2
    if policy == "hold":
        assert sum(any(said.startswith("Unknown") for said in one["outcomes"]) for one in found) == 2 // STRIDE


@pytest.mark.row("R9")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["fill", "delete"])
def test_disk_that_is_full_or_emptied_at_any_step_puts_the_mail_off_or_it_is_out(kind, tmp_path, server):
    for one in run_worker(tmp_path, server, "hold", kind):
        first, *later = one["outcomes"]
        assert first == "done" or first.startswith("TryLater") or "(EFBIG)" in first, one
        assert later in ([], ["done"]), one
        assert copies(server, one) == [1, 1], one
