"""The simulated plant from a command line: ``mmflow simulate`` and ``python -m mmflow.simulator``."""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

import pytest

from mmflow.simulator import Simulator
from mmflow.simulator.command import add_arguments, describe, open_simulator, serve_until

from .client import call


def parse(*argv: str) -> Simulator:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return open_simulator(parser.parse_args(argv))


def test_the_command_line_serves_a_plant_for_each_key() -> None:
    simulator = parse("--port", "0", "--key", "a", "--key", "b", "--now", "2026-07-15T12:00", "--zone", "Europe/Berlin")
    assert describe(simulator) == f"the simulated plant answers at {simulator.url} to the key a, b; Ctrl-C ends it"
    end = Event()
    thread = Thread(target=serve_until, args=(end, simulator))
    thread.start()
    try:
        homes = [call(simulator, "GET", "/", key=key) for key in ("a", "b")]
        account = call(simulator, "GET", "/accounts/current", key="a").json
    finally:
        end.set()
        thread.join()
    assert [home.json["company"] for home in homes] == ["Plant 1", "Plant 2"]
    assert homes[0].headers["date"] == "Wed, 15 Jul 2026 12:00:00 GMT"
    assert account["company"]["timezone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--zone", "Mars"), "'Mars' is not a time zone; expected one like America/New_York"),
        (("--zone", "../etc"), "'../etc' is not a time zone"),
        (("--start-of-day", "06:10"), "'06:10' is not a quarter of an hour such as 06:00 or 06:15"),
        (("--now", "yesterday"), "'yesterday' is not a time; expected one like 2026-11-22T06:40Z"),
        (("--profile", "other"), "invalid choice: 'other'"),
    ],
)
def test_a_wrong_argument_is_named(argv: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(*argv)
    assert message in capsys.readouterr().err


@contextmanager
def started(*command: str) -> Iterator[str]:
    """Start a simulator as a process of its own, and give the line that it prints first."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline()
        finally:
            process.terminate()


def get_home(url: str, key: str) -> object:
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)) as connection:
        connection.request("GET", "/", headers={"Authorization": f"Bearer {key}"})
        return json.load(connection.getresponse())


def test_the_module_runs_by_itself() -> None:
    with started("mmflow.simulator", "--port", "0", "--key", "a") as line:
        url = next(word for word in line.split() if word.startswith("http://"))
        assert get_home(url, "a") == {"company": "Plant 1"}


def test_mmflow_simulate_says_where_it_answers() -> None:
    with started("mmflow", "simulate", "--port", "0") as line:
        url = next(word for word in line.split() if word.startswith("http://"))
        assert line.startswith("the simulated plant answers at http://127.0.0.1:")
        assert get_home(url, "simulated") == {"company": "Plant 1"}


def test_a_port_that_is_taken_is_an_error_in_words(sim: Simulator) -> None:
    port = sim.url.rpartition(":")[2]
    command = [sys.executable, "-m", "mmflow", "simulate", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "choose another --port" in done.stderr
