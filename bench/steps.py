"""The steps of one run, timed in one process: ``python bench/steps.py mmflow|pandas`` in a bench workspace.

Prints a JSON object: ``seconds`` by step, and ``peak``, the most memory in MB, null where the system does not say.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from measure import read_peak


class Watch:
    """Keeps how long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun


def time_mmflow(watch: Watch) -> None:
    """Go down the line step by step, as ``mmflow.run`` does."""
    from mmflow.cli.plants import open_hosts
    from mmflow.clock import SystemClock
    from mmflow.fetch import fetch
    from mmflow.load import load
    from mmflow.refs import Redactor, Resolver
    from mmflow.resolve import resolve_job, resolve_settings
    from mmflow.run import Engine, Order, plan_job
    from mmflow.shape import shape
    from mmflow.workspace import open_workspace

    root, clock, redactor = Path.cwd(), SystemClock(), Redactor()
    with ExitStack() as stack:
        with watch.step("read, check, plan"):
            workspace = open_workspace(root, clock.now())
            resolver = Resolver(os.environ, root, redactor)
            settings = resolve_settings(workspace.checked, resolver)
            checked = resolve_job(workspace.read_job("bench"), workspace.checked, workspace.registry, resolver)
            job = checked.job
            hosts = stack.enter_context(open_hosts(workspace.checked, settings, job.sites, clock))
            engine = Engine(root=root, settings=settings, clock=clock, redactor=redactor, hosts=hosts)
            plan = plan_job(engine, job, Order(slot=clock.now()))
        with watch.step("fetch"):
            spool = fetch(plan, job, engine.service, root / "spool")
        with watch.step("load"):
            raw = stack.enter_context(load(plan, job, spool, root / "spool"))
        with watch.step("shape"):
            table = shape(raw, job, plan, root / "table.parquet", checked.document).table
        with watch.step("csv"), (root / "steps.csv").open("wb") as file:
            file.writelines(table.csv())


def time_pandas(watch: Watch) -> None:
    """The same with the answers that are on disk already."""
    import pandas as pd

    texts = [path.read_bytes() for path in sorted(Path("spool").rglob("*.json"))]
    with watch.step("parse"):
        answers = [json.loads(text) for text in texts]
    with watch.step("frame"):
        table = pd.concat([pd.DataFrame(answer["items"]) for answer in answers], ignore_index=True)
    with watch.step("sort"):
        table = table.sort_values(["machine", "day"])
    with watch.step("csv"):
        table.to_csv("steps-pandas.csv", index=False)


if __name__ == "__main__":
    watch = Watch()
    {"mmflow": time_mmflow, "pandas": time_pandas}[sys.argv[1]](watch)
    print(json.dumps({"seconds": watch.seconds, "peak": read_peak()}))
