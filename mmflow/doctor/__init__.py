"""Looks at everything that reports depend on, side by side and each for so long only, and says what to do.

A check is a function that yields what it finds. Nothing is delivered and nothing changed: a draft is made in each
folder to see whether it can be, and removed again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from mmflow.errors import MmflowError
from mmflow.text import describe, read_error

log = logging.getLogger(__name__)

Level = Literal["ok", "warn", "fail"]

PATIENCE: Final = 45.0  # seconds for all checks, which run side by side


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: how it is, in a sentence, and ``advice``, which says what to do, "" for nothing."""

    check: str = ""
    level: Level
    text: str
    advice: str = ""


Check = Callable[[], Iterable[Diagnosis]]


def ok(text: str) -> Diagnosis:
    """Say that something is as it should be."""
    return Diagnosis(level="ok", text=text)


def warn(text: str, advice: str) -> Diagnosis:
    """Say what works, but not for long or not for all."""
    return Diagnosis(level="warn", text=text, advice=advice)


def fail(text: str, advice: str) -> Diagnosis:
    """Say what keeps reports from being made or delivered."""
    return Diagnosis(level="fail", text=text, advice=advice)


def examine(checks: Mapping[str, Check], patience: float = PATIENCE) -> list[Diagnosis]:
    """Run all checks side by side, and give what they found in their order.

    A check that raises, or has not ended after ``patience`` real seconds, is a finding itself; it is left behind in a
    thread that does not keep the process alive.
    """
    found: dict[str, Sequence[Diagnosis]] = {}

    def work(name: str, check: Check) -> None:
        found[name] = run_check(check)

    threads = [
        threading.Thread(target=work, args=item, name=f"doctor-{item[0]}", daemon=True) for item in checks.items()
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + patience  # real seconds, whatever clock the checks are given
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = [fail(f"gave no answer within {patience:g} seconds", "see what it waits for, and try again")]
    return [msgspec.structs.replace(one, check=name) for name in checks for one in found.get(name, late)]


def run_check(check: Check) -> list[Diagnosis]:
    """Give what a check finds; what it raises is a finding, after those it made before."""
    found: list[Diagnosis] = []
    try:
        found.extend(check())
    except MmflowError as error:
        text, _, advice = read_error(error).partition("; ")
        found.append(fail(text, advice))
    except Exception as error:
        log.info("a check of the doctor failed", exc_info=True)
        found.append(fail(f"could not be looked at: {describe(error)}", "report it as a bug of mmflow"))
    return found


def worst(found: Iterable[Diagnosis]) -> Level:
    """Give the worst level."""
    levels = {one.level for one in found}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"
