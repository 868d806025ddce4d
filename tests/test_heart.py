"""The heartbeat that an address outside waits for stops when all is not well."""

import logging

import pytest

from mmflow.api.outward import open_client
from mmflow.daemon.beside import Heart
from mmflow.deadlines import beat
from mmflow.errors import UnresolvedReference
from mmflow.ledger import Ledger
from mmflow.metrics import Health
from mmflow.refs import Redactor, Resolver
from mmflow.settings import Network
from tests.hooks import open_hook
from tests.rosters import SETTINGS, Plant


def test_a_heart_beats_while_all_is_well():
    with open_hook() as hook:
        beat(hook.url, lambda: open_client(Network()), lambda: ())
        assert len(hook.headers) == 1


def test_a_heart_stands_still_when_something_is_wrong(caplog):
    with open_hook() as hook, caplog.at_level(logging.WARNING):
        beat(hook.url, lambda: open_client(Network()), lambda: ("loop: has not moved for 100 seconds",))
        assert hook.headers == []
    assert "has not moved" in caplog.text


def test_a_heartbeat_that_is_not_heard_is_logged_without_its_address(caplog):
    with open_hook() as hook:
        hook.answers += [500]
        beat(hook.url, lambda: open_client(Network()), lambda: ())
    beat(hook.url, lambda: open_client(Network()), lambda: ())
    beat("http://plant.example.com/t0ken", lambda: open_client(Network()), lambda: ())
    assert "127.0.0.1 answered 500" in caplog.text
    assert "127.0.0.1 cannot be reached" in caplog.text
    assert "must begin with https://" in caplog.text
    assert "t0ken" not in caplog.text


def test_a_heart_whose_address_has_no_value_is_not_well_until_it_has_one(tmp_path):
    plant, environ = Plant(tmp_path), {}
    plant.write("mmflow.yaml", SETTINGS + 'daemon: {heartbeat: "${env:ADDRESS}"}\n')
    plant.roster.refresh()
    heart = Heart(plant.roster, Resolver(environ, tmp_path, Redactor()), plant.clock, Health())
    with Ledger.open(tmp_path / "ledger.sqlite", plant.clock) as ledger, open_hook() as hook:
        plant.clock.sleep(60)
        for _ in range(3):
            with pytest.raises(UnresolvedReference, match="ADDRESS is not set"):
                heart.look(ledger)
            plant.clock.sleep(1)
        environ["ADDRESS"] = hook.url
        for _ in range(3):
            heart.look(ledger)
        assert len(hook.headers) == 1
