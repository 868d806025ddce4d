"""Who is left alone for a while: after how much trouble, for how long, and who asks when that is over."""

from contextlib import suppress
from datetime import timedelta

import pytest
from msgspec.structs import replace

from mmflow.breaker import find_parked, free_sites, name_host, watch_sites
from mmflow.errors import GiveUp, KeyRefused, TryLater
from mmflow.fetch import Service
from mmflow.hosts import Host
from mmflow.ledger.breakers import LONGEST_PAUSE, WINDOW
from mmflow.refs import Secret
from mmflow.settings import Network

MINUTE = timedelta(minutes=1)
HOST = "https://api"
BOSTON, RENO = (Host("https://api", Secret(f"key-{name}")) for name in ("boston", "reno"))
HOSTS = {"boston": BOSTON, "austin": BOSTON, "reno": RENO}  # two sites of one key


def ask(ledger, clock, outcomes, host=HOST):
    """Have runs follow each other, ``x`` for one that fails; give how many were let in."""
    for number, outcome in enumerate(outcomes):
        clock.sleep(1)
        admitted = clock.now()
        if ledger.breakers.admit(host, admitted):
            return number
        tell(ledger, admitted, outcome, host)
    return len(outcomes)


def tell(ledger, admitted, outcome, host=HOST):
    if outcome == "x":
        ledger.breakers.fail(host, admitted, "the api")
    else:
        ledger.breakers.answer(host, admitted)


def let_in(ledger, clock):
    """Be let in, and give the instant."""
    assert ledger.breakers.admit(HOST, clock.now()) is None
    return clock.now()


def open_it(ledger, clock):
    """Have five runs fail, and give the trouble."""
    assert ask(ledger, clock, "x" * 5) == 5
    return ledger.breakers.look(HOST)


@pytest.mark.parametrize(
    ("outcomes", "let_in"),
    [
        ("xxxx" + "." + "xxxx", 9),
        ("xxxxx" + "x", 5),
        ("....." + "xxxxx" + "x", 10),
        ("xx." * 5 + "." * 4, 19),  # ten of twenty
        ("xx." * 5 + "x" + "." * 4, 16),  # the eleventh
        ("x." * 30, 60),  # half of them
        ("xxx." + "." * 19 + "xxx." * 3, 35),  # the first are long ago
    ],
)
def test_it_opens_after_five_failures_in_a_row_or_when_more_than_half_of_twenty_failed(ledger, clock, outcomes, let_in):
    assert ask(ledger, clock, outcomes) == let_in


def test_what_works_leaves_no_trace_and_a_failure_is_forgotten_after_twenty_runs(ledger, clock):
    ask(ledger, clock, "..")
    assert list(ledger.export())[-1]["table"] != "breaker"
    ask(ledger, clock, "x" + "." * (WINDOW - 1))
    assert list(ledger.export())[-1]["recent"] == "x" + "." * (WINDOW - 1)
    ask(ledger, clock, ".")
    assert list(ledger.export())[-1]["table"] != "breaker"


def test_when_its_time_is_up_one_asks_for_all_and_the_others_look_again_soon(ledger, clock):
    trouble = open_it(ledger, clock)
    assert trouble.resume_at == clock.now() + MINUTE
    assert trouble.reason == "parked: the api is not answering since 2026-11-03 12:00 UTC"
    for seconds in (59, 60, 60):  # the pause grows, the others' second look does not
        clock.set(ledger.breakers.look(HOST).resume_at)
        admitted = let_in(ledger, clock)
        clock.sleep(1)
        assert ledger.breakers.admit(HOST, clock.now()).resume_at == clock.now() + timedelta(seconds=seconds)
        tell(ledger, admitted, "x")
    assert ledger.breakers.look(HOST).resume_at == clock.now() + 8 * MINUTE
    clock.sleep(8 * 60)
    admitted = let_in(ledger, clock)
    tell(ledger, admitted, ".")
    assert ask(ledger, clock, "xxxx") == 4, "it begins anew"


def test_the_longest_pause_is_a_quarter_of_an_hour(ledger, clock):
    trouble = open_it(ledger, clock)
    for _ in range(12):
        clock.set(trouble.resume_at)
        assert ledger.breakers.admit(HOST, clock.now()) is None
        tell(ledger, clock.now(), "x")
        trouble = ledger.breakers.look(HOST)
    assert trouble.resume_at - clock.now() == LONGEST_PAUSE


def test_another_asks_when_the_one_that_was_let_in_tells_nothing(ledger, clock):
    clock.set(open_it(ledger, clock).resume_at)
    lost = let_in(ledger, clock)
    clock.sleep(59)
    assert ledger.breakers.admit(HOST, clock.now())
    clock.sleep(1)
    assert ledger.breakers.admit(HOST, clock.now()) is None
    tell(ledger, lost, "x")
    assert ledger.breakers.look(HOST).pauses == 1, "its word comes too late"


def test_one_that_cannot_wait_to_the_end_asks_for_all_a_minute_after_the_last(ledger, clock):
    ledger.breakers.refuse(HOST, clock.now() + 60 * MINUTE, "the api refuses the key", "key of boston")
    until = clock.now() + 15 * MINUTE
    assert ledger.breakers.admit(HOST, clock.now(), until).resume_at == clock.now() + MINUTE
    clock.sleep(60)
    assert ledger.breakers.admit(HOST, clock.now()).resume_at == clock.now() + 59 * MINUTE, "who can wait does"
    assert ledger.breakers.look(HOST, until) is None
    assert ledger.breakers.admit(HOST, clock.now(), until) is None
    admitted = clock.now()
    clock.sleep(30)
    assert ledger.breakers.admit(HOST, clock.now(), until).probe == admitted, "one at a time"
    ledger.breakers.answer(HOST, admitted)
    assert ledger.breakers.look(HOST) is None


def test_who_asked_for_patience_gets_it_also_of_those_who_cannot_wait(ledger, clock):
    ledger.breakers.fail(HOST, clock.now(), "the api", clock.now() + 30 * MINUTE)
    clock.sleep(120)
    assert ledger.breakers.admit(HOST, clock.now(), clock.now() + MINUTE).why == "the api asked for patience"


@pytest.mark.parametrize("outcome", ["x", "."])
def test_those_who_were_let_in_before_it_opened_change_nothing(ledger, clock, outcome):
    early = clock.now()
    before = open_it(ledger, clock)
    tell(ledger, early, outcome)
    assert ledger.breakers.look(HOST) == before
    clock.set(before.resume_at)
    assert ledger.breakers.admit(HOST, clock.now()) is None
    probing = ledger.breakers.look(HOST)
    tell(ledger, early, outcome)
    assert replace(ledger.breakers.look(HOST), updated=probing.updated) == probing


def test_who_asks_for_patience_gets_it_and_the_longest_wait_counts(ledger, clock):
    now = clock.now()
    ledger.breakers.fail(HOST, now, "the api", now + 30 * MINUTE)
    ledger.breakers.fail(HOST, now, "the api", now + MINUTE)
    trouble = ledger.breakers.look(HOST)
    assert (trouble.resume_at, trouble.why) == (now + 30 * MINUTE, "the api asked for patience")
    clock.set(trouble.resume_at)
    assert ask(ledger, clock, "xx") == 2, "all may ask"
    assert ask(ledger, clock, "xx") == 1, "five failures in a row, of whatever kind"


def test_a_key_that_is_refused_is_shown_by_one_and_another_that_is_accepted_in_its_place_frees_all(ledger, clock):
    ledger.breakers.refuse("api old", clock.now() + 60 * MINUTE, "the api refuses the key", "key of boston")
    assert ledger.breakers.list_refused() == {"key of boston": "the api refuses the key"}
    clock.sleep(3600)
    assert ledger.breakers.admit("api old", clock.now()) is None
    assert ledger.breakers.admit("api old", clock.now())
    ledger.breakers.answer("api new", clock.now(), "key of reno")
    assert ledger.breakers.list_refused()
    ledger.breakers.answer("api new", clock.now(), "key of boston")
    assert ledger.breakers.list_refused() == {}
    assert ledger.breakers.look("api old") is None


# --- the sites of a run


@pytest.fixture
def service(clock, tmp_path):
    return Service(hosts=HOSTS, network=Network(), clock=clock, cache=tmp_path)


def break_host(ledger, clock, host, pause=MINUTE):
    ledger.breakers.refuse(name_host(host), clock.now() + pause, f"trouble with {host.key.reveal()}", "")


def test_a_job_waits_only_when_none_of_its_sites_may_be_asked_and_then_for_the_first(ledger, clock):
    assert find_parked(HOSTS, HOSTS, ledger) is None
    break_host(ledger, clock, BOSTON, 5 * MINUTE)
    assert find_parked(HOSTS, HOSTS, ledger) is None
    assert find_parked(HOSTS, ["boston", "austin"], ledger).why == "trouble with key-boston"
    break_host(ledger, clock, RENO)
    assert find_parked(HOSTS, HOSTS, ledger).why == "trouble with key-reno"


def test_a_site_in_trouble_is_left_out_with_all_of_its_key_and_the_others_are_asked(ledger, clock, service):
    break_host(ledger, clock, BOSTON)
    with watch_sites(service, HOSTS, ledger) as watched:
        told = {site: (str(error), error.after) for site, error in watched.parked.items()}
        assert told == dict.fromkeys(("boston", "austin"), ("parked: trouble with key-boston", 60.0))
        assert watched.tries < service.tries


@pytest.mark.parametrize("order", [("boston", "austin"), ("austin", "boston")])
def test_a_key_answers_when_one_of_its_sites_does_and_also_when_it_gives_up_a_question(ledger, clock, service, order):
    down = TryLater("it is down")
    for boston in (None, down):
        for _ in range(5):
            clock.sleep(1)
            with watch_sites(service, HOSTS, ledger) as watched:
                for site in order:
                    watched.heard(site, boston if site == "boston" else down)
                watched.heard("reno", GiveUp("it has no such shift"))
        assert (ledger.breakers.look(name_host(BOSTON)) is None) is (boston is None)
    assert ledger.breakers.look(name_host(RENO)) is None


def test_what_was_heard_counts_also_when_the_run_ends_before_its_time(ledger, clock, service):
    for _ in range(5):
        with suppress(TryLater), watch_sites(service, ["reno"], ledger) as watched:
            watched.heard("reno", TryLater("it is down", after=1800.0))
            raise TryLater("no site answered")
    assert ledger.breakers.look(name_host(RENO)).resume_at == clock.now() + 30 * MINUTE


def test_who_answers_somebody_by_hand_is_left_alone_no_more(ledger, clock, service):
    break_host(ledger, clock, BOSTON)
    break_host(ledger, clock, RENO)
    with suppress(GiveUp), free_sites(service, ledger) as watched:
        assert watched.parked == {}
        watched.heard("boston", KeyRefused("it is refused"))
        watched.heard("reno", GiveUp("it has no such shift"))
        raise GiveUp("the table cannot be made")
    assert find_parked(HOSTS, ["boston"], ledger)
    assert find_parked(HOSTS, ["reno"], ledger) is None
