"""What one key may ask is shared by all processes of a machine, and given back by one that dies."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mmflow.api.client import Api
from mmflow.budget import Budget
from mmflow.clock import FixedClock
from mmflow.errors import GiveUp, TryLater
from mmflow.hosts import Host
from mmflow.refs import Secret
from mmflow.settings import Network
from tests.desk import KEY, NOW

HOST = Host("http://127.0.0.1:9", Secret(KEY))
OTHER = Host("http://127.0.0.1:9", Secret("key-of-reno-7c1f93ab"))
ROOT = Path(__file__).parents[1]

HOLDER = """
import sys, time
from pathlib import Path
from mmflow.budget import Budget
from mmflow.clock import SystemClock
from mmflow.hosts import Host
from mmflow.refs import Secret
with Budget(Host("http://127.0.0.1:9", Secret(sys.argv[2])), 1, SystemClock(), Path(sys.argv[1])).take_place(print):
    print("held", flush=True)
    time.sleep(600)
"""


def make(folder, *, host=HOST, most=1, clock=None):
    return Budget(host, most, clock or FixedClock(NOW), folder)


def go_on():
    """Do not mind waiting."""


def stop():
    raise GiveUp("stopped")


def test_a_place_is_free_again_when_the_one_who_had_it_is_done(tmp_path):
    with make(tmp_path).take_place(go_on), pytest.raises(GiveUp, match="stopped"), make(tmp_path).take_place(stop):
        pass
    with make(tmp_path).take_place(stop):
        pass


def test_there_are_as_many_places_as_the_settings_say_and_each_key_has_its_own(tmp_path):
    with make(tmp_path, most=2).take_place(stop), make(tmp_path, most=2).take_place(stop):
        with pytest.raises(GiveUp), make(tmp_path, most=2).take_place(stop):
            pass
        with make(tmp_path, host=OTHER).take_place(stop):
            pass


def test_who_waits_goes_on_as_soon_as_a_place_is_free(tmp_path):
    order = []
    first, second = make(tmp_path), make(tmp_path)

    def wait():
        with second.take_place(go_on):
            order.append("second")

    with first.take_place(go_on):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_process_that_is_killed_gives_its_place_back(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path), KEY]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(GiveUp), make(tmp_path).take_place(stop):
            pass
        process.kill()
    end = time.monotonic() + 10

    def check():
        assert time.monotonic() < end

    with make(tmp_path).take_place(check):
        pass


def test_a_wait_that_the_service_asks_for_holds_every_process(tmp_path):
    clock = FixedClock(NOW)
    here, there = make(tmp_path, clock=clock), make(tmp_path, clock=clock)
    here.hold(90)
    here.hold(5)
    assert there.rest() == 90
    assert make(tmp_path, host=OTHER, clock=clock).rest() == 0
    clock.sleep(90)
    assert there.rest() == 0


@pytest.mark.parametrize("text", ["", "soon", "2026-11-22T11:41:00", "2036-11-22T11:41:00+00:00"])
def test_a_wait_that_makes_no_sense_holds_nobody(tmp_path, text):
    budget = make(tmp_path)
    budget.hold(60)
    (file,) = tmp_path.glob("*.until")
    file.write_text(text)
    assert budget.rest() == 0


def test_no_file_tells_the_key_or_the_address(tmp_path):
    budget = make(tmp_path)
    with budget.take_place(go_on):
        budget.hold(60)
    texts = [path.name + path.read_text() for path in tmp_path.iterdir()]
    assert len(texts) == 2
    assert not [text for text in texts if KEY in text or "127.0.0.1" in text]


@pytest.mark.row("R29")
def test_a_client_does_not_even_ask_while_another_process_was_told_to_wait(tmp_path, service):
    clock = FixedClock(NOW)
    host = Host(service.url, Secret(KEY))
    make(tmp_path, host=host, clock=clock).hold(3000)
    before = len(service.requests)
    with Api(host, Network(), clock, folder=tmp_path) as api, pytest.raises(TryLater) as raised:
        api.json("/reports/production", {}, dict)
    assert raised.value.after == pytest.approx(3000)
    assert len(service.requests) == before
