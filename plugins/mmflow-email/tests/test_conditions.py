"""When a mail goes, and when there is a good reason that it does not."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import GiveUp
from mmflow.sinks import Partial, Skip
from mmflow.testing.deliveries import DAY, HOUR, MACHINE, PARTS
from mmflow_email.deliver import deliver_email

ANN, BOB = "ann@example.com", "bob@example.com"


class TestConditions:
    def test_report_without_rows_is_skipped_when_asked(self, table, options, run, server):
        with pytest.raises(Skip, match="the report has no rows"):
            deliver_email(table([]), options(send_when="rows"), run())
        assert server.seen == []

    def test_same_rows_as_in_the_mail_before_are_skipped_when_asked(self, table, options, run, server):
        written = options(send_when="change")
        deliver_email(table(), written, run(key="monday"))
        with pytest.raises(Skip, match="the same as the mail before"):
            deliver_email(table(), written, run(key="tuesday"))
        deliver_email(table([("Haas 1", 99, 12.5)]), written, run(key="wednesday"))
        deliver_email(table([("Haas 1", 99, 12.5)]), written, run(key="wednesday", generation=2))
        assert len(server.mails) == 3

    def test_every_kind_of_cell_counts_as_a_change(self, table, options, run, server):
        columns = (DAY, HOUR, MACHINE, PARTS)
        day, hour = date(2026, 11, 21), datetime(2026, 11, 21, 12, tzinfo=UTC)
        rows = [(day, hour, "Haas 1", 7), (None, None, None, None)]
        written = options(send_when="change")
        deliver_email(table(rows, columns), written, run(key="k1"))
        with pytest.raises(Skip):
            deliver_email(table(rows, columns), written, run(key="k2"))
        for number, other in enumerate(
            [(day, hour, "Haas 1", 0), (day, hour, None, 7), (day, None, "Haas 1", 7), (None, hour, "Haas 1", 7)]
        ):
            deliver_email(table([other, rows[1]], columns), written, run(key=f"k{number + 3}"))
        assert len(server.mails) == 5

    def test_mail_that_nobody_got_does_not_count_as_the_one_before(self, table, options, run, server):
        written = options(send_when="change")
        server.answer(f"RCPT {ANN}", "550 never")
        server.answer(f"RCPT {BOB}", "550 never")
        with pytest.raises(GiveUp):
            deliver_email(table(), written, run(key="monday"))
        deliver_email(table(), written, run(key="tuesday"))
        assert len(server.mails) == 1

    def test_mail_goes_when_a_light_is_red(self, table, options, run, server):
        written = options(send_when="breach", lights={"downtime": {"red": 10, "better": "down"}})
        deliver_email(table(), written, run(key="monday"))
        with pytest.raises(Skip, match="no traffic light is red"):
            deliver_email(table([("Haas 1", 100, 9.5)]), written, run(key="tuesday"))
        assert len(server.mails) == 1

    def test_scheduled_mail_that_comes_too_late_is_skipped(self, table, options, run, server):
        late = FixedClock(run().slot + timedelta(hours=8, seconds=1))
        written = options(expires="8 hours")
        with pytest.raises(Skip, match="expired after 8 hours"):
            deliver_email(table(), written, run(kind="schedule", clock=late))
        deliver_email(table(), written, run(kind="backfill", clock=late))
        assert len(server.mails) == 1

    def test_rest_of_a_mail_expires_too(self, table, options, run, server):
        server.answer(f"RCPT {BOB}", "451 later")
        written = options(expires="8 hours")
        with pytest.raises(Partial):
            deliver_email(table(), written, run(kind="schedule"))
        late = FixedClock(run().slot + timedelta(hours=9))
        with pytest.raises(Partial, match=r"not delivered to bob@example.com: it was due") as part:
            deliver_email(table(), written, run(kind="schedule", fence=2, clock=late))
        assert part.value.retry == ()
        assert len(server.mails) == 1
