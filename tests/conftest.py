"""Fixtures of all tests that go through the front door."""

import pytest

from tests.desk import open_desk, open_plant


@pytest.fixture(scope="session")
def service():
    """A simulated plant that no test may disturb."""
    with open_plant() as simulator:
        yield simulator


@pytest.fixture
def desk(tmp_path, service):
    """A root with one site, answered by the undisturbed plant."""
    return open_desk(tmp_path, service)


@pytest.fixture
def stormy_desk(tmp_path):
    """A root whose service the test may disturb with faults."""
    with open_plant() as simulator:
        yield open_desk(tmp_path, simulator)
