"""Slices to files: several sites, filters, what is missing, and both dialects."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from mmflow.api.client import open_client
from mmflow.api.wire import Timer
from mmflow.clock import FixedClock, SystemClock
from mmflow.errors import BadRequest, GiveUp, TryLater
from mmflow.fetch import Service, Spool, fetch, fetch_site, list_tasks, open_apis
from mmflow.hosts import Host
from mmflow.job import Compare, Job, Report, Shape, WindowSpec
from mmflow.plan import make_plan
from mmflow.plant import PlantCalendar
from mmflow.refs import Secret
from mmflow.settings import Network, Site
from mmflow.simulator import Plant, Simulator
from mmflow.windows import resolve_window

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CALENDAR = PlantCalendar.from_site("boston", Site(timezone="America/New_York", start_of_day="06:00"), Path())
# Enough machines for every kind of name, and no more, which keeps the tests quick.
SOME = (
    *("Mill 01", "Mill 02", "Mill 24", "Mill-Turn 1", "Mill-Turn 2", "Lathe 01", "Lathe 02", "Lathe 18"),
    *("Swiss 1", "Grinder 1", 'Saw 1 (12" bar, wet)', "Wire EDM 1"),
)


def make_plant(seed: int, company: str, names: Sequence[str] = SOME) -> Plant:
    plant = Plant(seed=seed, company=company)
    plant.machines = tuple(machine for machine in plant.machines if machine.name in names)
    return plant


PLANT = make_plant(1, "Plant")
OTHER = make_plant(2, "Other plant")
SITES = ("boston", "reno", "austin")


@pytest.fixture(params=["documented", "contrary"])
def sim(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    plants = {"key-boston": PLANT, "key-reno": OTHER, "key-austin": PLANT}
    with Simulator(plants, now=NOW, profile=request.param) as simulator:
        yield simulator


class Order:
    """Fetches jobs from a simulator into a folder, and remembers what was told."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.clock = FixedClock(NOW)
        self.told: list[str] = []
        self.keys: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.network = Network()

    def __call__(self, job: Job, spans: object = None) -> Spool:
        plan = make_plan(job, dict.fromkeys(job.sites, CALENDAR), NOW, spans=spans)
        keys = {site: self.keys.get(site, f"key-{site}") for site in job.sites}
        hosts = {
            site: Host(self.urls.get(site, self.sim.url), Secret(key), f"the api_key of site {site}")
            for site, key in keys.items()
        }
        cache, tell = self.folder / "cache", self.told.append
        service = Service(hosts=hosts, network=self.network, clock=self.clock, cache=cache, tell=tell)
        return fetch(plan, job, service, self.folder / "spool")


@pytest.fixture
def order(sim: Simulator, tmp_path: Path) -> Order:
    return Order(sim, tmp_path)


def job(window: object = "yesterday", sites: Sequence[str] = ("boston",), **keys: object) -> Job:
    own = {name: keys.pop(name) for name in ("slice", "shape") if name in keys}
    report = Report(**{"metrics": ("goodParts", "allTime"), "group_by": ("machine", "day"), **keys})
    return Job(job="test", sites=tuple(sites), report=report, window=window, sinks=({},), **own)


def rows_of(spool: Spool) -> list[dict[str, object]]:
    return [row for answer in spool.answers for row in json.loads(answer.path.read_bytes())["items"]]


def reports(sim: Simulator) -> list[dict[str, object]]:
    """The bodies of the report requests, without those that look for names (which ask for allTime alone)."""
    bodies = [request.body for request in sim.requests if request.path == "/reports/production"]
    return [body for body in bodies if body["data"] != [{"metric": "allTime"}]]


# --- the spool --------------------------------------------------------------------------------------------------------


def test_every_slice_becomes_a_file_in_the_order_of_the_plan(order: Order) -> None:
    spool = order(job("last_month", slice="5 days"))
    assert [answer.slice.number for answer in spool.answers] == list(range(7))
    assert len({answer.path for answer in spool.answers}) == 7
    for answer in spool.answers:
        assert answer.path.stat().st_size == answer.bytes > 0
    assert spool.missing == ()
    assert spool.extracted_at == NOW
    assert sorted(order.told) == ["", *(f"boston: {number} of 7 answers" for number in range(1, 8))]
    assert order.told[-1] == ""
    assert sorted(path.name for path in spool.folder.iterdir()) == [answer.path.name for answer in spool.answers]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_nobody_else_may_read_the_spool(order: Order) -> None:
    spool = order(job(filter={"machine": ("Mill 01",)}))
    assert spool.folder.stat().st_mode & 0o077 == 0
    files = [*spool.folder.iterdir(), *(order.folder / "cache").iterdir()]
    assert len(files) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_an_answer_without_groups_is_accepted_for_its_totals(order: Order) -> None:
    (answer,) = order(job(group_by=())).answers
    assert set(json.loads(answer.path.read_bytes())["aggregate"]) == {"goodParts", "allTime"}


@pytest.mark.row("R38")
def test_no_rows_is_an_answer(order: Order) -> None:
    order.sim.faults({"kind": "items_empty"})
    (answer,) = order(job()).answers
    assert json.loads(answer.path.read_bytes())["items"] == []


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_requests_are_on_their_way_than_the_settings_allow(order: Order, in_flight: int) -> None:
    order.network = Network(in_flight=in_flight)
    order.sim.faults({"kind": "latency", "delay": 0.02})
    order(job("last_month", slice="2 days"))
    assert max(request.in_flight for request in order.sim.requests) == in_flight


def test_sites_with_one_key_share_its_budget(order: Order) -> None:
    order.keys = dict.fromkeys(SITES, "key-boston")
    order.sim.faults({"kind": "latency", "delay": 0.02})
    spool = order(job("last_week", SITES, slice="1 day"))
    assert max(request.in_flight for request in order.sim.requests) <= 2
    assert len(spool.answers) == 21


def test_sites_with_one_address_and_key_share_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Host] = []

    def watch(host: Host, network: Network, timer: Timer) -> httpx.Client:
        opened.append(host)
        return open_client(host, network, timer)

    monkeypatch.setattr("mmflow.api.client.open_client", watch)
    ours, theirs = (Host("http://127.0.0.1:9", Secret(key)) for key in ("key-boston", "key-reno"))
    with ExitStack() as stack:
        hosts = {"boston": ours, "reno": theirs, "austin": ours}
        service = Service(hosts=hosts, network=Network(), clock=FixedClock(NOW), cache=Path("cache"))
        apis = open_apis(hosts, service, stack)
        assert apis["boston"] is apis["austin"] is not apis["reno"]
    assert opened == [ours, theirs]


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid"), reason="POSIX paths")
def test_a_spool_that_cannot_be_written_is_no_fault_of_a_site(order: Order) -> None:
    (order.folder / "spool").write_text("in the way", encoding="utf-8")
    with pytest.raises(GiveUp, match=r"cannot write .*spool: a part of the path is a file"):
        order(job())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_ends_requests_that_hang(tmp_path: Path) -> None:
    made, main = job("last_week", slice="1 day"), threading.get_ident()
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def interrupt() -> None:
            for _ in range(2):
                stack.enter_context(listener.accept()[0]).recv(1)
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        host = Host(f"http://127.0.0.1:{listener.getsockname()[1]}", Secret("key-boston"))
        service = Service(hosts={"boston": host}, network=Network(), clock=SystemClock(), cache=tmp_path / "cache")
        plan, began = make_plan(made, {"boston": CALENDAR}, NOW), time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            fetch(plan, made, service, tmp_path)
        assert time.monotonic() - began < 60
        thread.join(10)
        for worker in threading.enumerate():
            if worker.name.startswith("ThreadPoolExecutor"):
                worker.join(10)
                assert not worker.is_alive()


# --- both dialects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-07-14", "2026-07-16"),
        ("2026-01-20", "2026-01-20"),
        ("2026-03-06", "2026-03-09"),  # clocks go forward on the 8th
        ("2026-10-31", "2026-11-02"),  # and back on the 1st
    ],
)
def test_both_dialects_give_the_same_rows(order: Order, first: str, last: str) -> None:
    made = job(WindowSpec(from_=first, to=last), metrics=("goodParts", "allTime", "oee"))
    by_day = rows_of(order(made))
    span = resolve_window(made.window, CALENDAR, NOW)
    by_instant = rows_of(order(made, spans={"boston": replace(span, whole_days=False)}))
    assert [sorted(set(body) - {"data", "groupBy", "flatten"}) for body in reports(order.sim)] == [
        ["endDay", "startDay"],
        ["end", "start"],
    ]
    truth = [atom for atoms in PLANT.truth(span.start, span.end, NOW).values() for atom in atoms]
    assert sum(row["allTime"] for row in by_day) == sum(atom.length for atom in truth)
    assert sum(row["goodParts"] for row in by_day) == sum(atom.good for atom in truth) > 0
    assert sorted(map(str, by_day)) == sorted(map(str, by_instant))


# --- filters ----------------------------------------------------------------------------------------------------------


def test_names_become_ids_and_only_those_machines_are_in_the_answer(order: Order) -> None:
    spool = order(job(filter={"machineGroup": ("Lathes",)}, exclude={"machine": ("Swiss *", "Mill-Turn 2")}))
    machines = {row["machine"] for row in rows_of(spool) if row["goodParts"] or row["allTime"]}
    assert machines == {"Lathe 01", "Lathe 02", "Mill-Turn 1"}
    (body,) = [body for body in reports(order.sim) if "filter" in body]
    assert [len(ids) for ids in (body["filter"]["machineGroup"], body["exclude"]["machine"])] == [1, 2]


@pytest.mark.parametrize("kind", ["shift", "operator", "jobOperation"])
def test_shifts_operators_and_jobs_are_filtered_by_name_too(order: Order, kind: str) -> None:
    name = {"shift": "Night", "operator": "Frank O'Neill", "jobOperation": "J-1040 *"}[kind]
    spool = order(job("last_week", group_by=(kind,), filter={kind: (name,)}))
    found = {row[kind] for row in rows_of(spool)}
    assert found
    assert all(str(one).startswith(name.removesuffix("*")) for one in found)


def test_a_shift_name_of_several_schedules_means_all_of_them(order: Order) -> None:
    order(job("last_week", group_by=("shift",), filter={"shift": ("First",)}))
    (body,) = reports(order.sim)
    assert len(body["filter"]["shift"]) == 2


def test_an_id_stands_for_itself_and_asks_for_no_names(order: Order) -> None:
    machine = next(machine for machine in PLANT.machines if machine.name == "Mill 02")
    spool = order(job(filter={"machine": (str(machine.id),)}))
    assert {row["machine"] for row in rows_of(spool) if row["allTime"]} == {"Mill 02"}
    assert [request.path for request in order.sim.requests] == ["/reports/production"]


def test_every_name_that_no_site_knows_is_told_at_once_before_anything_is_asked(order: Order) -> None:
    wrong = {"machine": ("Mill 01", "Mil 2"), "machineGroup": ("Lathe",), "shift": ("Fird",)}
    with pytest.raises(BadRequest) as caught:
        order(job(sites=("boston", "reno"), filter=wrong, exclude={"operator": ("Ana Garcia",)}))
    assert [str(complaint) for complaint in caught.value.complaints] == [
        "no machine of boston or reno is named 'Mil 2'; did you mean 'Mill 24'?",
        "no machine group of boston or reno is named 'Lathe'; did you mean 'Lathes'?",
        "no shift of boston or reno is named 'Fird'; did you mean 'Third'?",
        "no operator of boston or reno is named 'Ana Garcia'; did you mean 'Ana García'?",
    ]
    assert reports(order.sim) == []


def test_a_decommissioned_machine_is_explained_where_the_window_begins_after_its_end(order: Order) -> None:
    with pytest.raises(BadRequest, match="'Lathe 18' of boston was decommissioned on 2026-04-01, before the window"):
        order(job(filter={"machine": ("Lathe 18",)}))
    march = WindowSpec(from_="2026-03-30", to="2026-03-31")
    spool = order(job(march, filter={"machine": ("Lathe 18",)}))
    assert {row["machine"] for row in rows_of(spool) if row["allTime"]} == {"Lathe 18"}


def test_a_machine_that_was_there_in_the_window_compared_with_is_asked_for(order: Order) -> None:
    april = WindowSpec(from_="2026-04-02", to="2026-04-05")
    spool = order(job(april, filter={"machine": ("Lathe 18",)}, shape=Shape(compare=Compare())))
    assert {row["machine"] for row in rows_of(spool) if row["allTime"]} == {"Lathe 18"}
    assert [answer.slice.query for answer in spool.answers] == ["rows", "previous"]


def test_a_site_without_any_of_the_names_is_missing_and_never_asked_without_a_filter(
    sim: Simulator, tmp_path: Path
) -> None:
    """To the service an empty list of ids means "everything"."""
    small = make_plant(3, "Small plant", ("Grinder 1",))
    with Simulator({"key-boston": PLANT, "key-reno": small}, now=NOW) as both:
        order = Order(both, tmp_path)
        spool = order(job(sites=("boston", "reno"), filter={"machine": ("Mill 0*",)}))
        assert [answer.slice.site for answer in spool.answers] == ["boston"]
        assert [(one.site, one.reason) for one in spool.missing] == [
            ("reno", "no machine there has a name that is asked for")
        ]
        assert all(request.body["filter"]["machine"] for request in both.requests if "data" in request.body)


# --- sites that fail --------------------------------------------------------------------------------------------------


@pytest.mark.row("R46")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "status", "status": 503}, "answered 503; gave up after 6 tries"),
        ({"kind": "revoked_key"}, "answered 401: the api_key of site reno is unknown there"),
        ({"kind": "html"}, "is a web page, not JSON"),
        ({"kind": "status", "status": 503, "after": 3}, "answered 503"),  # in the middle of its slices
    ],
    ids=["down", "revoked", "portal", "half way"],
)
def test_a_site_that_fails_is_missing_and_the_others_are_whole(
    order: Order, fault: dict[str, object], reason: str
) -> None:
    order.sim.faults({**fault, "key": "key-reno"})
    spool = order(job("last_week", SITES, slice="1 day"))
    assert [answer.slice.site for answer in spool.answers] == ["boston"] * 7 + ["austin"] * 7
    (missing,) = spool.missing
    assert missing.site == "reno"
    assert reason in missing.reason
    assert "key-reno" not in missing.reason


@pytest.mark.row("R31")
@pytest.mark.row("R46")
def test_a_site_that_cannot_be_reached_is_missing_and_says_why(order: Order) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    order.urls["reno"] = f"http://127.0.0.1:{port}"
    spool = order(job(sites=("boston", "reno")))
    assert [answer.slice.site for answer in spool.answers] == ["boston"]
    (missing,) = spool.missing
    assert missing.site == "reno"
    assert missing.reason.startswith(f"http://127.0.0.1:{port} cannot be reached: ")
    assert "gave up after 6 tries" in missing.reason


@pytest.mark.row("R46")
def test_a_site_whose_names_cannot_be_had_is_missing_too(order: Order) -> None:
    order.sim.faults({"kind": "status", "status": 500, "key": "key-reno", "match": "/graphql"})
    spool = order(job(sites=("boston", "reno"), filter={"machine": ("Mill 01",)}))
    assert [one.site for one in spool.missing] == ["reno"]
    assert len(spool.answers) == 1


def test_a_name_is_not_called_wrong_while_a_site_that_may_know_it_is_down(order: Order) -> None:
    order.sim.faults({"kind": "status", "status": 500, "key": "key-reno", "match": "/graphql"})
    with pytest.raises(TryLater, match=r"^boston: no machine there has a name that is asked for; reno: .*500"):
        order(job(sites=("boston", "reno"), filter={"machine": ("Reno Mill",)}))


def test_when_every_site_fails_the_error_says_whether_to_try_again(order: Order) -> None:
    order.sim.faults({"kind": "revoked_key", "key": "key-boston"})
    order.sim.faults({"kind": "status", "status": 429, "retry_after": 1800, "key": "key-reno"})
    with pytest.raises(GiveUp, match=r"^boston: .* answered 401"):
        order(job())
    with pytest.raises(TryLater, match=r"^boston: .* answered 401.*; reno: .* answered 429") as caught:
        order(job(sites=("boston", "reno")))
    assert caught.value.after == 1800


def test_a_wait_that_nobody_named_stays_unknown_when_every_site_fails(order: Order) -> None:
    order.sim.faults({"kind": "status", "status": 503})
    with pytest.raises(TryLater) as caught:
        order(job(sites=("boston", "reno")))
    assert caught.value.after is None


class Failing:
    """A service whose requests all fail at the same moment, each in its own way."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        self.in_flight = len(errors)
        self.errors = list(errors)
        self.together = threading.Barrier(len(errors))

    def post(self, *_request: object, **_how: object) -> int:
        error = self.errors[self.together.wait(10)]
        raise error


LATER, STOP, MISTAKE, FULL = TryLater("later"), GiveUp("stop"), BadRequest("mistake"), OSError(28, "full")


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ((LATER, LATER, STOP), STOP),
        ((STOP, LATER, MISTAKE), MISTAKE),
        ((MISTAKE, STOP, FULL), FULL),
    ],
)
def test_of_errors_that_come_together_the_one_that_lasts_is_raised(
    tmp_path: Path, errors: Sequence[Exception], raised: Exception
) -> None:
    made = job("last_week", slice="1 day")
    plan = make_plan(made, {"boston": CALENDAR}, NOW)
    for _ in range(5):  # which request fails in which way is up to the threads
        tasks = list_tasks(plan, tmp_path, {"boston": {}})["boston"][: len(errors)]
        with pytest.raises(type(raised)) as caught:
            fetch_site(Failing(errors), tasks, lambda _text: None)  # type: ignore[arg-type]
        assert caught.value is raised


def test_a_request_that_no_service_can_answer_is_raised_even_if_other_sites_are_down(order: Order) -> None:
    order.sim.faults({"kind": "status", "status": 503, "key": "key-reno"})
    with pytest.raises(BadRequest, match="Metric 'sparkle' is not valid"):
        order(job(sites=("reno", "boston"), metrics=("goodParts", "sparkle")))


def test_the_first_failed_slice_spares_the_rest(order: Order) -> None:
    order.network = Network(in_flight=1)
    order.sim.faults({"kind": "revoked_key"})
    with pytest.raises(GiveUp):
        order(job("last_month", slice="1 day"))
    assert len(order.sim.requests) == 1
