"""A desk to try the client at: it opens clients, hears what they say, and closes them."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from mmflow.api.answers import check_grouped
from mmflow.api.client import Api
from mmflow.clock import Clock, FixedClock
from mmflow.hosts import Host
from mmflow.refs import Secret
from mmflow.settings import Network

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "key-boston-8d21f0"
PATH = "/reports/production"
BODY = {
    "startDay": "2026-11-17",
    "endDay": "2026-11-18",
    "data": [{"metric": "goodParts"}, {"metric": "oee"}],
    "groupBy": [{"group": "machine"}, {"group": "day"}],
    "flatten": True,
}


class Desk:
    """Opens clients and remembers what they said; all are closed at the end."""

    def __init__(self, folder: Path) -> None:
        self.sink = folder / "answer.json"
        self.clock = FixedClock(NOW)
        self.said: list[str] = []
        self.stack = ExitStack()

    def open(
        self, url: str, key: str = KEY, *, clock: Clock | None = None, key_name: str = "the key", **network: object
    ) -> Api:
        host = Host(url, Secret(key), key_name)
        made = Api(host, Network(**network), clock or self.clock, rng=Random(7), tell=self.said.append)
        return self.stack.enter_context(made)

    def ask(self, api: Api) -> bytes:
        size = api.post(PATH, BODY, sink=self.sink, check=check_grouped)
        data = self.sink.read_bytes()
        assert len(data) == size
        return data


def refused(api: Api, desk: Desk, kind: type[Exception]) -> str:
    """The text of the error that asking raises; it leaves no file and never holds the key."""
    with pytest.raises(kind) as caught:
        desk.ask(api)
    assert type(caught.value) is kind
    assert not desk.sink.exists()
    assert api.host.key.reveal() not in str(caught.value)
    return str(caught.value)
