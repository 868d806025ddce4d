"""A storm over real daemons, in its short form; the long one is ``make chaos``."""

import random
import sys
from itertools import islice

import pytest

from tests.blows import TROUBLE, plan_blows
from tests.chaos import run_storm

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="it looks for worker processes in /proc, and Windows has none"),
    pytest.mark.timeout(400),
]
KILLS = 20


@pytest.mark.row("R11")
@pytest.mark.parametrize("store", ["file", "database"])
def test_no_slot_is_lost_and_none_delivered_twice_whatever_is_killed(store, tmp_path, request):
    """Daemons and workers are killed, the service fails, the database crashes, the disk is full."""
    server = request.getfixturevalue("postgres") if store == "database" else None
    database = request.getfixturevalue("database").name if server else ""
    seed = random.SystemRandom().randrange(1 << 32)
    faults, storm = run_storm(tmp_path, seed, KILLS, server, database)
    assert faults == [], f"python -m tests.chaos --seed {seed} --kills {KILLS} --store {store}"
    assert storm.done["kill_daemon"] + storm.done["kill_worker"] == KILLS
    assert storm.done["slot done"] > 0


def test_a_seed_says_what_is_done():
    first, again, other = (list(islice(plan_blows(seed), 300)) for seed in (1, 1, 2))
    assert first == again != other
    assert {blow.act for blow in first} == {"kill_daemon", "kill_worker", *TROUBLE}
