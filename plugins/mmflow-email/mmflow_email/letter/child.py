"""A process of its own for what a letter must not do in the process of a run: users' templates, and drawing.

It reads one request as JSON from stdin and writes one answer to stdout. Run by :mod:`mmflow_email.letter.apart`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

MEGABYTE: Final = 1 << 20
LARGEST: Final = 5 * MEGABYTE  # of what a template gives
TOO_LONG: Final = 9  # exit code of a child that used up its time


def limit_time(seconds: float) -> None:
    """End this process after so many seconds of the clock, whatever it does then."""
    alarm = threading.Timer(seconds, os._exit, (TOO_LONG,))
    alarm.daemon = True
    alarm.start()


def limit_resources(seconds: int, memory: int) -> None:
    """Bound processor time and memory beyond what is in use now, where the system can; allow no core file."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time on the clock is bounded everywhere
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    lower_limit(resource.RLIMIT_CPU, int(used) + seconds + 1)
    lower_limit(resource.RLIMIT_AS, memory_now() + memory)
    lower_limit(resource.RLIMIT_CORE, 0)


def lower_limit(kind: int, value: int) -> None:
    """Set a limit of this process, never above what it may have."""
    import resource

    soft, hard = resource.getrlimit(kind)
    known = [limit for limit in (soft, hard, value) if limit != resource.RLIM_INFINITY]
    with suppress(ValueError, OSError):  # macOS knows the limit of addresses, but refuses most values
        resource.setrlimit(kind, (min(known), hard))


def memory_now() -> int:
    """Give the addresses that this process holds; a quarter of a gigabyte where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 256 * MEGABYTE
    return pages * os.sysconf("SC_PAGE_SIZE")


def fill_templates(request: dict[str, Any]) -> dict[str, Any]:
    """Fill a template file and a subject; gives texts, or the sentence that says what is wrong with them."""
    from mmflow_email.letter.filling import fill_file, fill_line

    folder, limits = Path(request["folder"]), request["limits"]
    limit_time(limits["wait"])
    limit_resources(limits["seconds"], limits["memory"])
    answer: dict[str, Any] = {}
    if request.get("subject"):
        answer["subject"] = fill_line(request["subject"], request["content"])
    if request.get("template"):
        answer["html"] = fill_file(request["template"], request["content"], folder, LARGEST)
    return answer


def draw_pictures(request: dict[str, Any]) -> dict[str, Any]:
    """Draw pictures as PNG files in base64."""
    limit_time(request["limits"]["wait"])
    from mmflow_email.letter.drawing import draw_picture

    limit_resources(request["limits"]["seconds"], request["limits"]["memory"])
    return {"pictures": [b64encode(draw_picture(plot)).decode() for plot in request["plots"]]}


TASKS: Final = {"fill": fill_templates, "draw": draw_pictures}


def main() -> None:
    """Answer one request."""
    from mmflow_email.letter.filling import Refused

    request = json.load(sys.stdin.buffer)
    try:
        answer = TASKS[request["task"]](request)
    except Refused as refusal:
        answer = {"refused": str(refusal)}
    except MemoryError:
        answer = {"refused": "it needs too much memory"}
    sys.stdout.buffer.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
