"""Killed or cut off between any two steps, then run again: the spreadsheet is as after one delivery."""

from dataclasses import replace
from datetime import date

import httpx
import pytest

from mmflow.errors import RunError
from mmflow.table import FooterRow
from mmflow.testing.deliveries import day_rows
from mmflow_sheets.testing import Fault

DAY = date(2026, 11, 21)
WRITTEN = {
    "replace": {"chart": {"x": "machine", "y": ["goodParts"]}, "lights": {"goodParts": {"red": 50}}},
    "replace_window": {},
    "append": {},
}
modes = pytest.mark.parametrize("mode", list(WRITTEN))
LONGEST = 5  # requests of a delivery, with that for the token


class Killed(BaseException):
    """The process ends here."""


class Mortal(httpx.Client):
    """A client whose process is killed before its request number ``fatal``, or right after it was answered."""

    def __init__(self, fatal: int, *, after: bool) -> None:
        super().__init__(trust_env=False)
        self.left, self.after = fatal, after

    def request(self, *args, **more):
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Killed
        answer = super().request(*args, **more)
        if self.left < 0:
            raise Killed
        return answer


def show(book):
    """Give everything that readers see or programs find, but for ids that Google draws anew."""
    found = book.state()
    for name in ("spreadsheetId", "spreadsheetUrl", "properties"):
        found.pop(name)
    for named in found["namedRanges"]:
        del named["namedRangeId"]
    for sheet in found["sheets"]:
        for note in sheet.get("developerMetadata", []):
            del note["metadataId"]
    return found


@pytest.fixture
def world(quick, table):
    """A spreadsheet that holds an earlier delivery, one for each call, and the delivery that comes next."""
    earlier = table(day_rows(date(2026, 11, 20), 1), footer=[FooterRow("total", ("Total", None, 1.0, 1.0))])
    made = table(day_rows(DAY, 2))

    def make(mode):
        quick.open_book()
        before = quick.run(first=date(2026, 11, 20), key="earlier")
        quick.deliver(earlier, before, mode=mode, **WRITTEN[mode])

        def deliver(**changes):
            run = quick.run(first=DAY, last=date(2026, 11, 22), key="k", generation=3)
            return quick.deliver(made, replace(run, **changes), mode=mode, **WRITTEN[mode])

        return quick.book, deliver

    return make


@pytest.mark.row("R10")
@modes
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_process_that_is_killed_at_any_request(world, mode, after):
    expected, deliver = world(mode)
    deliver()
    killed = 0
    for fatal in range(LONGEST):
        book, deliver = world(mode)
        try:
            deliver(open_http=lambda fatal=fatal: Mortal(fatal, after=after))
        except Killed:
            killed += 1
        receipt = deliver(fence=2)
        assert receipt.rows == 4
        assert show(book) == show(expected)
    assert killed >= 3


@modes
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut", "unavailable"])
def test_connection_that_breaks_at_any_request(world, server, mode, kind):
    expected, deliver = world(mode)
    deliver()
    failed = 0
    for passed in range(LONGEST):
        book, deliver = world(mode)
        server.faults(Fault(kind, after=passed, match=""))
        try:
            deliver()
        except RunError:
            failed += 1
            server.clear_faults()
            deliver(fence=2)
        server.clear_faults()
        assert show(book) == show(expected)
    assert failed


@modes
def test_same_delivery_twice_is_written_once(world, server, mode):
    book, deliver = world(mode)
    first = deliver()
    once = show(book)
    again = deliver(fence=2)
    assert show(book) == once
    assert (first.sha256, first.rows) == (again.sha256, again.rows)
    assert (first.details["written"], again.details["written"]) == (True, False)
    assert first.details["range"] == again.details["range"]


@modes
def test_same_window_anew_leaves_what_one_delivery_leaves(world, mode):
    book, deliver = world(mode)
    deliver()
    [tab] = [tab for tab in book.titles if tab == "Data"]
    once = (book.tab(tab).values(), book.tab(tab).formats(), book.named, book.tab(tab).size)
    deliver(generation=4)
    assert (book.tab(tab).values(), book.tab(tab).formats(), book.named, book.tab(tab).size) == once


@modes
def test_refused_request_changes_nothing(world, server, mode):
    book, deliver = world(mode)
    before = show(book)
    server.faults(Fault("internal", match=":batchUpdate"))
    with pytest.raises(RunError):
        deliver()
    assert show(book) == before
