"""A process that is killed between any two steps leaves a mail that nobody gets twice without a doubt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).parent / "killed_worker.py"
MOST = 60

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")


def run_worker(folder, server, policy):
    words = [sys.executable, str(WORKER), str(folder), str(server.port), policy]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.row("R9", "R60")
@pytest.mark.timeout(300)  # some thirty processes, one after the other
@pytest.mark.parametrize(("policy", "bob"), [("resend", "451 4.7.1 greylisted"), ("hold", "250 2.1.5 ok")])
def test_everybody_gets_it_once_or_it_is_known_that_nobody_can_tell(policy, bob, tmp_path, server):
    for step in range(1, MOST):
        if bob.startswith("451"):
            server.answer(f"RCPT bob{step}@example.com", bob)
    found = run_worker(tmp_path, server, policy)
    *killed, last = found
    assert len(killed) > 10
    assert {one["outcomes"][0] for one in killed} == {"killed"}
    assert last["outcomes"][0] != "killed"
    doubtful = 0
    for one in found:
        assert one["outcomes"][-1] == "done", one
        unknown = any(outcome.startswith("Unknown") for outcome in one["outcomes"])
        for name in ("ann", "bob"):
            copies = server.copies(f"{name}{one['step']}@example.com")
            assert len({mail.content for mail in copies}) == 1, one
            assert len(copies) <= (2 if policy == "resend" or unknown else 1), one
            doubtful += len(copies) == 2
    # A second copy is possible only when the process ended between the server's word and our note of it.
    assert doubtful <= 2
    if policy == "hold":
        assert sum(any(said.startswith("Unknown") for said in one["outcomes"]) for one in found) == 2
