"""The simulated plant from a command line: ``mmflow simulate`` and ``python -m mmflow.simulator``."""

from __future__ import annotations

import argparse
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mmflow.simulator.days import read_minutes
from mmflow.simulator.plant import Plant
from mmflow.simulator.profiles import PROFILES
from mmflow.simulator.server import Simulator

DEFAULT_KEYS = ("simulated",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where to listen, for which keys, and which plant at which time."""
    add = parser.add_argument
    add("--port", type=int, default=8765, metavar="N", help="port to listen on, 0 for any free one (default: 8765)")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--key", action="append", help="a key to accept, each opens a plant of its own (default: simulated)")
    add("--seed", type=int, default=1, metavar="N", help="which plant; a second key gets the next seed (default: 1)")
    add("--zone", type=_read_zone, default="America/New_York", help="its time zone (default: America/New_York)")
    add(
        "--start-of-day",
        type=_read_start,
        default="06:00",
        metavar="HH:MM",
        help="when its day begins (default: 06:00)",
    )
    add("--profile", choices=list(PROFILES), default="documented", help="how the unpublished is settled")
    add(
        "--now", type=_read_now, metavar="TIME", help="stand still at this time, UTC without an offset (default: go on)"
    )


def open_simulator(args: argparse.Namespace) -> Simulator:
    """Give the simulator that the arguments describe, bound to its port; raise OSError when that is taken."""
    plants = {
        key: Plant(seed=args.seed + place, zone=args.zone, start_of_day=args.start_of_day, company=f"Plant {place + 1}")
        for place, key in enumerate(args.key or DEFAULT_KEYS)
    }
    return Simulator(plants, now=args.now, profile=args.profile, host=args.host, port=args.port)


def serve_until(end: Event, simulator: Simulator) -> None:
    """Answer until the event is set or Ctrl-C is pressed."""
    with simulator, suppress(KeyboardInterrupt):
        while not end.wait(1):  # Windows delivers Ctrl-C only between two waits
            pass


def describe(simulator: Simulator) -> str:
    """Give the line for the person who started it."""
    keys = ", ".join(simulator.service.keys)
    return f"the simulated plant answers at {simulator.url} to the key {keys}; Ctrl-C ends it"


def _read_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time zone; expected one like America/New_York") from None


def _read_start(text: str) -> str:
    try:
        read_minutes(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a quarter of an hour such as 06:00 or 06:15") from None
    return text


def _read_now(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; expected one like 2026-11-22T06:40Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
