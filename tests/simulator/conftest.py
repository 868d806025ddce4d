from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mmflow.simulator import Plant, Simulator

from .client import KEY

NOW = datetime(2026, 11, 22, 12, 34, tzinfo=UTC)


@pytest.fixture(scope="session")
def plant() -> Plant:
    return Plant()


@pytest.fixture
def sim(plant: Plant) -> Iterator[Simulator]:
    with Simulator({KEY: plant}, now=NOW) as simulator:
        yield simulator
