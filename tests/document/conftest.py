from __future__ import annotations

from collections.abc import Iterator

import pytest

from .reading import PARSERS, choose_parser


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Iterator[str]:
    with choose_parser(request.param):
        yield request.param
