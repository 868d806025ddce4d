"""What a ledger knows of runs and of their deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from mmflow.errors import UserError
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver, as_text
from mmflow.ledger.records import Delivery, Moved, Run, as_delivery, as_run
from mmflow.sinks import Receipt


class Known:
    """The part of a ledger that changes nothing."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._do = driver.do

    def noted(self, key: str) -> str:
        """Give what was noted under this key, "" when nothing was."""
        row = self._do(sql.READ_META, key).fetchone()
        return str(row[0]) if row else ""

    def read_run(self, run: str) -> Run:
        """Give one run; an unknown id raises :class:`UserError`."""
        found = self.find_run(run)
        if not found:
            raise UserError(f"there is no run {run!r}; 'mmflow runs' lists them")
        return found

    def find_run(self, run: str) -> Run | None:
        """Give one run, None when there is none, or none any more."""
        row = self._do(sql.READ_RUN, run).fetchone()
        return as_run(row) if row else None

    def runs(self, job: str = "", limit: int = 20) -> list[Run]:
        """Give the latest runs, newest first."""
        rows = self._do(sql.RECENT_RUNS_OF, job, limit) if job else self._do(sql.RECENT_RUNS, limit)
        return [as_run(row) for row in rows.fetchall()]

    def deliveries(self, run: str) -> list[Delivery]:
        """Give the deliveries of a run, by sink name."""
        return [as_delivery(row) for row in self._do(sql.READ_DELIVERIES, run).fetchall()]

    def delivery(self, run: str, sink: str) -> Delivery:
        """Give one delivery; the caller knows that it exists."""
        return as_delivery(self._do(sql.READ_DELIVERY, run, sink).fetchone())

    def read_moved(self, run: str) -> Moved | None:
        """Give what moved since the table that a run's took the place of, None when it was not compared with any."""
        row = self._do(sql.READ_MOVED, run).fetchone()
        return msgspec.json.decode(row[0], type=Moved) if row and row[0] else None

    def list_restated(self, run: Run) -> list[tuple[Run, Moved]]:
        """Give the runs that restated a window of a run's job between its scheduled report before and this one.

        Only those whose windows have moved, the earliest window first.
        """
        began = as_text(run.started)
        runs = map(as_run, self._do(sql.RESTATED_RUNS, run.job, began, began).fetchall())
        found = [(restated, self.read_moved(restated.id)) for restated in runs]
        return [(restated, moved) for restated, moved in found if moved and moved.total]

    def last_receipt(self, key: str) -> Receipt | None:
        """Give the receipt of the latest generation delivered under this key."""
        row = self._do(sql.LAST_RECEIPT, key).fetchone()
        return msgspec.json.decode(row[0], type=Receipt) if row else None

    def standing_run(self, key: str) -> str:
        """Give the run whose delivery stands at the destination of this key, "" when none does."""
        row = self._do(sql.STANDING_RUN, key).fetchone()
        return str(row[0]) if row else ""

    def list_newer(self, job: str, sink: str, slot: datetime) -> Iterator[Run]:
        """Give the runs of later due instants of which a sink has a delivery that stands, newest first."""
        return map(as_run, self._do(sql.NEWER_RUNS, job, as_text(slot), sink).fetchall())

    def doubtful_run(self, key: str) -> str:
        """Give the run of which nobody can tell whether its delivery of this key arrived, "" when there is none."""
        row = self._do(sql.DOUBTFUL_RUN, key).fetchone()
        return str(row[0]) if row else ""
