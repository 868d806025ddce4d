"""Threads beside the daemon look again and again, whatever a look raises, by a ledger of their own."""

import logging
import time

import pytest

from mmflow.errors import GiveUp, StateError
from mmflow.notices.rounds import Rounds


class Ledger:
    """What can be opened and closed."""

    closed = False

    def close(self):
        self.closed = True


def wait_until(fact, seconds=10.0):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("error", "opened", "said"),
    [
        (StateError("the disk is full"), 2, "the disk is full"),
        (GiveUp("nobody is there"), 1, "nobody is there"),
        (KeyError("x"), 1, "KeyError; the log has the rest"),
    ],
)
def test_trouble_is_told_once_and_the_next_look_comes(error, opened, said, caplog):
    ledgers, looks, told = [], [], []

    def look(ledger):
        looks.append(ledger)
        if len(looks) <= 3 and not (isinstance(error, StateError) and len(looks) > 1):
            raise error

    def open_ledger():
        ledgers.append(Ledger())
        return ledgers[-1]

    with caplog.at_level(logging.WARNING), Rounds("test", look, open_ledger, 0.001, told.append):
        wait_until(lambda: len(looks) > 5)
    assert told == [said, ""]
    assert len(ledgers) == opened
    assert all(ledger.closed for ledger in ledgers)
    assert caplog.text.count(f"test: {said}") == 1
    assert "test: all is well again" in caplog.text


def test_trouble_that_lasts_is_logged_once_an_hour(monkeypatch, caplog):
    monkeypatch.setattr("mmflow.notices.rounds.LOG_AGAIN", 0.2)
    looks, told = [], []

    def look(_ledger):
        looks.append(time.monotonic())
        raise GiveUp("nobody is there")

    with caplog.at_level(logging.WARNING), Rounds("test", look, Ledger, 0.001, told.append):
        wait_until(lambda: caplog.text.count("nobody is there") == 3)
    assert len(looks) > 10
    assert told == ["nobody is there"]


def test_a_ledger_that_cannot_be_opened_is_tried_again():
    looks, tries = [], []

    def open_ledger():
        tries.append(1)
        if len(tries) < 3:
            raise StateError("locked")
        return Ledger()

    with Rounds("test", looks.append, open_ledger, 0.001):
        wait_until(lambda: len(looks) > 1)
    assert len(tries) == 3


def test_a_look_that_the_ledger_makes_impossible_is_made_without_it_and_counts_as_one():
    blind, looked, ledgers = [], [], []

    def look(_ledger):
        raise StateError("locked")

    def open_ledger():
        ledgers.append(Ledger())
        return ledgers[-1]

    def see(error):
        assert ledgers[-1].closed
        blind.append(str(error))

    with Rounds("test", look, open_ledger, 0.001, blind=see, looked=lambda: looked.append(1)):
        wait_until(lambda: len(looked) > 2)
    assert blind[:3] == ["locked"] * 3
