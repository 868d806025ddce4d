"""Names to ids: from the service, from the cache, and on the command line."""

import io
import json
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.__main__ import run_guarded
from mmflow.api.client import Api
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.errors import BadResponse, GiveUp
from mmflow.fetch.names import PAGE, Entry, Match, NameBook, match_name
from mmflow.hosts import Host
from mmflow.refs import Secret
from mmflow.settings import Network
from mmflow.simulator import Plant, Simulator
from tests.raw_server import RawServer, read_request, send_json

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOME = ("Mill 01", "Mill 02", "Mill-Turn 1", "Lathe 01", "Lathe 18", "Swiss 1", "Grinder 1", 'Saw 1 (12" bar, wet)')
KEY = "key-boston-8d21f0"


def make_plant(seed: int = 1) -> Plant:
    plant = Plant(seed=seed)
    plant.machines = tuple(machine for machine in plant.machines if machine.name in SOME)
    return plant


PLANT = make_plant()


@pytest.fixture(params=["documented", "contrary"])
def sim(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with Simulator({KEY: PLANT, "key-2": make_plant(2)}, now=NOW, profile=request.param) as simulator:
        yield simulator


class Desk:
    """Opens name books of one folder, as different runs would."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.clock = FixedClock(NOW)
        self.apis: list[Api] = []

    def open(self, key: str = KEY, site: str = "boston") -> NameBook:
        self.apis.append(Api(Host(self.sim.url, Secret(key)), Network(), self.clock))
        return NameBook(site, self.apis[-1], self.folder, self.clock)


def count_looks(sim: Simulator) -> int:
    """How often names were asked for, however many pages they came in."""
    return sum(request.body.get("variables", {}).get("offset", 0) == 0 for request in sim.requests)


@pytest.fixture
def desk(sim: Simulator, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(sim, tmp_path / "cache")
    yield made
    for api in made.apis:
        api.close()


# --- from the service -------------------------------------------------------------------------------------------------


def test_machines_have_ids_numbers_and_the_day_they_were_decommissioned(desk: Desk) -> None:
    found = desk.open().list_names("machine")
    assert [entry.name for entry in found] == sorted(SOME)
    assert {entry.id for entry in found} == {str(machine.id) for machine in PLANT.machines}
    assert all(isinstance(entry.ref, int) for entry in found)
    assert {entry.name: entry.retired_at for entry in found if entry.retired_at} == {
        "Lathe 18": datetime(2026, 4, 1, 1, tzinfo=UTC)
    }


def test_members_of_other_groups_have_ids_whatever_form_the_answer_has(desk: Desk) -> None:
    """Where flat rows have no id, as in one of the profiles, the nested form is asked for."""
    book = desk.open()
    assert {(entry.name, entry.id) for entry in book.list_names("machineGroup")} == {
        (group.name, str(group.id)) for machine in PLANT.machines for group in machine.groups
    }
    assert {entry.name for entry in book.list_names("operator")} >= {"Ana García", "Frank O'Neill"}
    shifts = {entry.name for entry in book.list_names("shift")} - {"No Shift"}
    assert shifts == {"First", "Second", "Third", "Day", "Night"}
    assert len([entry for entry in book.list_names("shift") if entry.name == "First"]) == 2


def test_machines_are_asked_for_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmflow.fetch.names.PAGE", 3)
    assert [entry.name for entry in desk.open().list_names("machine")] == sorted(SOME)
    pages = [request.body["variables"] for request in desk.sim.requests]
    assert pages == [{"limit": 3, "offset": offset} for offset in (0, 3, 6, 8)]
    assert PAGE == 500


MILLS = [{"machineId": f"id-{number}", "name": f"Mill {number}"} for number in range(5)]


@pytest.mark.parametrize(
    ("give", "offsets"),
    [
        (lambda offset: MILLS[offset : offset + 2], [0, 2, 4, 5]),
        (lambda _offset: MILLS, [0, 5]),
        (lambda offset: MILLS[max(offset - 1, 0) : offset + 2], [0, 2, 5, 6]),
    ],
    ids=["gives fewer than asked for", "knows no offset", "overlaps"],
)
def test_all_machines_are_found_however_the_service_cuts_its_pages(
    tmp_path: Path, give: Callable[[int], object], offsets: list[int]
) -> None:
    asked: list[int] = []

    def answer(conn: socket.socket) -> None:
        while request := read_request(conn):
            asked.append(json.loads(request.partition(b"\r\n\r\n")[2])["variables"]["offset"])
            send_json(conn, json.dumps({"data": {"machines": give(asked[-1])}}).encode())

    assert [entry.id for entry in list_raw(answer, tmp_path)] == [machine["machineId"] for machine in MILLS]
    assert asked == offsets


def test_a_name_that_is_no_utf8_is_no_answer(tmp_path: Path) -> None:
    def answer(conn: socket.socket) -> None:
        read_request(conn)
        send_json(conn, b'{"data": {"machines": [{"machineId": "1", "name": "S\xe4ge"}]}}')

    with pytest.raises(BadResponse, match="the answer is not UTF-8"):
        list_raw(answer, tmp_path)


def list_raw(answer: Callable[[socket.socket], None], folder: Path) -> tuple[Entry, ...]:
    """The machines of a service that is written by hand."""
    clock = FixedClock(NOW)
    with RawServer(answer) as server, Api(Host(server.url, Secret(KEY)), Network(), clock) as api:
        return NameBook("boston", api, folder, clock).list_names("machine")


def test_an_error_of_graphql_is_told_though_its_status_is_200(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mmflow.fetch.names.MACHINES", "query Machines($limit: Int!, $offset: Int!) {machines {colour}}"
    )
    with pytest.raises(GiveUp, match=r"/graphql gave no machines: .*colour"):
        desk.open().list_names("machine")


@pytest.mark.row("R37")
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("machine", "html"),
        ("machine", "error_in_200"),
        ("shift", "html"),
        ("shift", "error_in_200"),
        ("shift", "items_missing"),
    ],
)
def test_what_is_no_answer_is_never_taken_for_no_names(desk: Desk, kind: str, fault: str) -> None:
    desk.sim.faults({"kind": fault})
    with pytest.raises((BadResponse, GiveUp)):
        desk.open().list_names(kind)
    assert not desk.folder.exists()


# --- from the cache ---------------------------------------------------------------------------------------------------


def test_names_are_kept_for_a_day(desk: Desk) -> None:
    first = desk.open().list_names("machine")
    desk.clock.sleep(timedelta(hours=24).total_seconds() - 1)
    assert desk.open().list_names("machine") == first
    assert count_looks(desk.sim) == 1
    desk.clock.sleep(1)
    desk.open().list_names("machine")
    assert count_looks(desk.sim) == 2


def test_a_clock_that_went_back_makes_the_cache_stale(desk: Desk) -> None:
    desk.open().list_names("machine")
    desk.clock.set(NOW - timedelta(hours=1))
    desk.open().list_names("machine")
    assert count_looks(desk.sim) == 2


def test_a_refresh_asks_again(desk: Desk) -> None:
    desk.open().list_names("machine")
    desk.open().list_names("machine", refresh=True)
    assert count_looks(desk.sim) == 2


def test_a_name_that_is_not_found_asks_once_more_and_only_once(desk: Desk) -> None:
    desk.open().list_names("machine")
    book = desk.open()
    assert book.find("machine", "Mill 99", NOW).ids == ()
    assert count_looks(desk.sim) == 2
    assert book.find("machine", "Mill 98", NOW).ids == ()
    assert book.find("machine", "Mill 01", NOW).ids != ()
    assert count_looks(desk.sim) == 2


def test_a_report_about_older_days_looks_as_far_back(desk: Desk) -> None:
    book = desk.open()
    book.list_names("shift")
    book.list_names("shift", date(2026, 10, 1))
    asked = [request.body["startDay"] for request in desk.sim.requests]
    assert list(dict.fromkeys(asked)) == ["2026-10-21", "2026-10-01"]
    book.list_names("shift", date(2026, 10, 5))
    assert len(desk.sim.requests) == len(asked)


def test_another_key_has_other_ids(desk: Desk) -> None:
    """The same address and the same names, but another company."""
    ours = desk.open().find("machine", "Mill 01", NOW)
    theirs = desk.open("key-2").find("machine", "Mill 01", NOW)
    assert ours.ids != theirs.ids


def test_each_site_has_a_file_of_its_own_without_the_key(desk: Desk) -> None:
    desk.open(site="boston").list_names("machine")
    desk.open(site="../reno").list_names("machine")
    files = sorted(desk.folder.parent.rglob("*.*"))
    assert [path.name for path in files] == ["..%2Freno.json", "boston.json"]
    assert all(KEY not in path.read_text(encoding="utf-8") for path in files)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"owner": 5}', b'{"owner": "x", "kinds": {"machine": {}}}', b"\xff", b'{"owner": "\xff"}']
)
def test_a_damaged_cache_is_asked_for_again(desk: Desk, content: bytes) -> None:
    desk.folder.mkdir()
    (desk.folder / "boston.json").write_bytes(content)
    assert len(desk.open().list_names("machine")) == len(SOME)
    assert json.loads((desk.folder / "boston.json").read_bytes())["kinds"]["machine"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")
def test_names_that_cannot_be_kept_are_used_all_the_same(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that is full stops whoever needs it; a cache is not needed."""
    desk.folder.write_text("in the way", encoding="utf-8")
    assert len(desk.open().list_names("machine")) == len(SOME)
    assert len(desk.open().list_names("machine")) == len(SOME)
    assert count_looks(desk.sim) == 2
    (first, _second) = caplog.messages
    assert first.startswith(f"{desk.folder / 'boston.json'} cannot be written: ")
    assert first.endswith("; names are asked for each time")


# --- matching ---------------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ENTRIES = (
    Entry("First", "1a"),
    Entry("First", "1b"),
    Entry("Mill 7", "7-old", LONG_AGO),
    Entry("Mill 7", "7-new"),
    Entry("Mill 8", "8", LONG_AGO),
    Entry("Mill 70", "70"),
    Entry("a.c [x]*?", "odd"),
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("First", ("1a", "1b")),
        ("Mill 7", ("7-new",)),
        ("Mill 7*", ("7-new", "70")),
        ("*7*", ("7-new", "70")),
        ("mill 7", ()),
        ("7-new", ("7-new",)),
        ("a.c [x]*?", ("odd",)),
        ("a?c*", ()),
        ("", ()),
    ],
)
def test_a_name_means_all_entries_it_fits_and_star_is_the_only_sign(text: str, ids: tuple[str, ...]) -> None:
    assert match_name(text, ENTRIES, NOW).ids == ids


@pytest.mark.parametrize(
    ("text", "names"), [("First", {"First"}), ("Mill 7*", {"Mill 7", "Mill 70"}), ("7-new", set()), ("Mill 8", set())]
)
def test_a_match_has_the_names_that_were_meant_and_none_for_an_id(text: str, names: set[str]) -> None:
    assert match_name(text, ENTRIES, NOW).names == names


def test_a_machine_that_was_gone_is_told_apart_from_one_that_never_was() -> None:
    assert match_name("Mill 8", ENTRIES, NOW) == Match((), retired=(ENTRIES[4],))
    assert match_name("Mill 8", ENTRIES, LONG_AGO - timedelta(days=1)).ids == ("8",)
    assert match_name("Mil 8", ENTRIES, NOW) == Match((), hint="did you mean 'Mill 8'?")
    assert match_name("zzz", ENTRIES, NOW).hint.startswith("there are: First, Mill 7, ")


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_text_finds_itself_and_a_star_finds_everything(name: str, other: str) -> None:
    entries = (Entry(name, "id-1"),)
    assert match_name("*", entries, NOW).ids == ("id-1",)
    if "*" not in name:
        assert match_name(name, entries, NOW).ids == ("id-1",)
        assert match_name(f"{name}*", (Entry(name + other, "id-1"),), NOW).ids == ("id-1",)


def test_an_id_needs_no_question(desk: Desk) -> None:
    key = "06A6C3AF-e519-4453-a449-889c165c5007"
    assert desk.open().find("machine", key, NOW) == Match((key,))
    assert desk.sim.requests == []


# --- the commands -----------------------------------------------------------------------------------------------------


class Shell:
    """Runs commands in a folder with two sites, one of which may be down."""

    def __init__(self, root: Path, sim: Simulator) -> None:
        self.root = root
        self.err = io.StringIO()
        site = "  {}:\n    base_url: {}\n    api_key: ${{env:{}}}\n    timezone: America/New_York\n"
        sites = site.format("boston", sim.url, "BOSTON") + site.format("reno", sim.url, "RENO")
        (root / "mmflow.yaml").write_text(f"version: 1\nsites:\n{sites}", encoding="utf-8")

    def __call__(self, *words: str) -> tuple[int, str]:
        out, self.err = io.StringIO(), io.StringIO()
        environ = {"BOSTON": KEY, "RENO": "key-2"}
        around = Surroundings(environ, self.root, FixedClock(NOW), stdout=out, stderr=self.err)
        return run_guarded(list(words), around), out.getvalue()


@pytest.fixture
def shell(sim: Simulator, tmp_path: Path) -> Shell:
    return Shell(tmp_path, sim)


def test_machines_lists_names_and_ids_of_every_site(shell: Shell) -> None:
    code, text = shell("machines")
    lines = text.splitlines()
    assert code == 0
    assert lines[0].split() == ["name", "id", "site", "decommissioned"]
    assert len(lines) == 2 + 2 * len(SOME)
    assert [line.split()[-1] for line in lines if line.startswith("Lathe 18")] == ["2026-04-01", "2026-04-01"]


def test_a_text_and_a_site_narrow_the_list(shell: Shell) -> None:
    code, text = shell("machines", "mill", "--site", "boston")
    assert code == 0
    assert [line.partition("  ")[0] for line in text.splitlines()[2:]] == ["Mill 01", "Mill 02", "Mill-Turn 1"]
    code, text = shell("machines", "mil-turn", "--site", "boston")
    assert code == 0
    assert "no machine has a name with 'mil-turn'; did you mean 'Mill-Turn 1'?" in shell.err.getvalue()


@pytest.mark.parametrize(("command", "name"), [("shifts", "Third"), ("operators", "Li Wei"), ("machines", "Mill 01")])
def test_json_is_for_scripts(shell: Shell, command: str, name: str) -> None:
    code, text = shell(command, name.upper(), "--json", "--site", "reno")
    (entry,) = json.loads(text)[command]
    assert code == 0
    assert (entry["site"], entry["name"]) == ("reno", name)
    assert set(entry) == {"site", "name", "id", "ref", "decommissioned_at"}


def test_a_second_look_needs_no_service_unless_it_is_refreshed(shell: Shell, sim: Simulator) -> None:
    shell("machines")
    assert count_looks(sim) == 2
    shell("machines")
    assert count_looks(sim) == 2
    shell("machines", "--refresh")
    assert count_looks(sim) == 4


def test_a_site_that_is_down_is_named_and_the_other_one_listed(shell: Shell, sim: Simulator) -> None:
    sim.faults({"kind": "revoked_key", "key": "key-2"})
    code, text = shell("machines")
    assert code == 1
    assert len(text.splitlines()) == 2 + len(SOME)
    assert "reno: " in shell.err.getvalue()
    assert "the api_key of site reno (${env:RENO}) is unknown there" in shell.err.getvalue()


def test_nothing_is_listed_when_no_site_answered(shell: Shell, sim: Simulator) -> None:
    """An empty table, or a word about names that are not there, would be an answer."""
    sim.faults({"kind": "revoked_key"})
    assert shell("machines", "mill") == (1, "")
    assert [line.partition(":")[0] for line in shell.err.getvalue().splitlines()] == ["boston", "reno"]
    code, text = shell("machines", "--json")
    assert (code, json.loads(text)) == (1, {"machines": []})


def test_an_unknown_site_is_a_mistake(shell: Shell) -> None:
    code, _ = shell("shifts", "--site", "bostn")
    assert code == 2
    assert shell.err.getvalue() == "mmflow.yaml has no site 'bostn'; did you mean 'boston'?\n"
