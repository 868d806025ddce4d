"""What ``/metrics`` says, collected when it is asked; the one place that knows Prometheus."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, TypeAlias

from mmflow import __version__
from mmflow.errors import StateError
from mmflow.ledger import Ledger
from mmflow.ledger.notices import Figures, Labelled
from mmflow.metrics import COUNTERS, LENGTHS, Health

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)

PATIENCE: Final = 5.0  # seconds for the ledger; Prometheus itself gives up after ten
MOST_JOBS: Final = 100  # that are named one by one
Figure: TypeAlias = tuple[str, tuple[str, ...], Labelled]  # what it is, its labels, its values


class Meters:
    """What ``/metrics`` says: what was counted since the start, and what stands in the ledger now.

    ``dropped`` gives how many lines of the log were dropped.
    """

    def __init__(self, health: Health, open_ledger: Callable[[], Ledger], dropped: Callable[[], int]) -> None:
        from prometheus_client import CollectorRegistry

        self._health, self._open_ledger, self._dropped = health, open_ledger, dropped
        self._reads = Lock()  # one reader at a time, however long the ledger holds it up
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def show(self) -> bytes:
        """Give all of it in the text form of Prometheus."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Give each metric with its values now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        def gauge(name: str, text: str, values: Iterable[tuple[Sequence[str], float]], *labels: str) -> Metric:
            family = GaugeMetricFamily(f"mmflow_{name}", text, labels=labels)
            for given, value in values:
                family.add_metric(given, value)
            return family

        counts, reasons = self._health.counts, self._health.reasons
        for name, (text, labels) in COUNTERS.items():
            counter = CounterMetricFamily(f"mmflow_{name}", text, labels=labels)
            known = {key[1:]: value for key, value in counts.items() if key[0] == name}
            for given, value in known.items() if labels else [((), known.get((), 0))]:
                counter.add_metric(given, value)
            yield counter
        for name, spread in self._health.lengths.items():
            histogram = HistogramMetricFamily(f"mmflow_{name}_seconds", LENGTHS[name])
            histogram.add_metric([], spread.buckets, spread.total)
            yield histogram
        lines = CounterMetricFamily("mmflow_log_lines_dropped", "Lines of the log that could not be written.")
        lines.add_metric([], self._dropped())
        yield lines
        yield gauge("build_info", "Which version this is.", [((__version__,), 1)], "version")
        yield gauge("healthy", "1 when /health says ok.", [((), float(not reasons))])
        figures = self._read_figures()
        yield gauge("ledger_up", "1 when the ledger could be read just now.", [((), float(figures is not None))])
        for name, (text, labels, values) in (figures or {}).items():
            yield gauge(name, text, values, *labels)

    def _read_figures(self) -> Mapping[str, Figure] | None:
        try:
            found = self._wait_for_figures()
        except (StateError, TimeoutError) as error:
            log.warning("the ledger cannot be read for /metrics: %s", str(error) or f"no answer in {PATIENCE:.0f} s")
            return None
        return {
            "slots": ("Slots that are due or being worked on.", ("state",), found.slots),
            "deliveries_open": ("Deliveries that have not ended.", ("state", "type"), found.deliveries),
            "notices": ("What people are to be told, or were.", ("state",), found.notices),
            "breakers_open": ("Services and connections that are left alone for a while.", (), found.breakers),
            "jobs_paused": ("Jobs that are paused.", (), found.paused),
            "job_failures": ("Failures in a row, of jobs that fail.", ("job",), found.failing),
        }

    def _wait_for_figures(self) -> Figures:
        """Have a thread of its own read, which is left to itself when that lasts: a lock may be waited for longer."""
        end, found = time.monotonic() + PATIENCE, Future[Figures]()
        if not self._reads.acquire(timeout=PATIENCE):
            raise TimeoutError
        try:
            Thread(target=self._read_ledger, args=(found,), name="mmflow-figures", daemon=True).start()
        except RuntimeError:
            self._reads.release()
            raise
        return found.result(max(end - time.monotonic(), 0.0))

    def _read_ledger(self, found: Future[Figures]) -> None:
        try:
            with self._open_ledger() as ledger:
                found.set_result(ledger.notices.read_figures(MOST_JOBS))
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            found.set_exception(error)
        finally:
            self._reads.release()
