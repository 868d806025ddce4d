"""Hands work to a process of its own, which has limits and knows no secret of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mmflow import TryLater
from mmflow_email.letter.child import TOO_LONG

START: Final = 30  # seconds that a slow machine may take to start Python and to import
MEGABYTE: Final = 1 << 20
LIMITS: Final[Mapping[str, dict[str, int]]] = {
    "fill": {"seconds": 5, "wait": 15, "memory": 256 * MEGABYTE},
    "draw": {"seconds": 60, "wait": 120, "memory": 1024 * MEGABYTE},
}
# What Python needs of its surroundings; keys and passwords stand there too, and are no business of a template.
PASSED: Final = frozenset(
    "PATH SYSTEMROOT SYSTEMDRIVE WINDIR TEMP TMP TMPDIR HOME USERPROFILE LOCALAPPDATA APPDATA LD_LIBRARY_PATH "  # noqa: SIM905
    "PYTHONPATH PYTHONHOME VIRTUAL_ENV".split()
)


class Unfit(Exception):  # noqa: N818  a finding that the caller puts into its own words
    """The child refused the request, or used up its time or memory; the message is a sentence."""


def work_apart(task: str, request: dict[str, Any], *, cache: Path | None = None) -> dict[str, Any]:
    """Do one task of :mod:`mmflow_email.letter.child`; ``cache`` is a folder for what its libraries keep."""
    limits = LIMITS[task]
    answer = run_child({**request, "task": task, "limits": limits}, limits["wait"] + START, surroundings(cache))
    if "refused" in answer:
        raise Unfit(answer["refused"])
    return answer


def run_child(request: dict[str, Any], seconds: float, environment: dict[str, str]) -> dict[str, Any]:
    """Start the child, hand it the request, and read its answer."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-m", "mmflow_email.letter.child"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unfit("it took too long") from None
    except OSError as error:
        reason = (error.strerror or "unknown failure").lower()
        raise TryLater(f"no further process could be started: {reason}; close other programs") from error
    return read_answer(done, request["limits"])


def read_answer(done: subprocess.CompletedProcess[bytes], limits: Mapping[str, int]) -> dict[str, Any]:
    """Give what a child wrote; it ended without a word when it went beyond its limits."""
    if done.returncode == 0:
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
    if done.returncode < 0 or done.returncode == TOO_LONG:
        raise Unfit(f"it took more than {limits['seconds']} seconds or {limits['memory'] // MEGABYTE} MB of memory")
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2].partition(":")[0][:60]
    raise Unfit(f"the process for it failed with {last or 'no word'}; report this as a fault of mmflow")


def surroundings(cache: Path | None) -> dict[str, str]:
    """Give the variables of the child: what Python needs, and where the list of fonts is kept."""
    passed = {name: value for name, value in os.environ.items() if name.upper() in PASSED}
    if cache is not None:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        passed["MPLCONFIGDIR"] = str(cache)
    return {**passed, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
