"""Looking without writing: ``validate --live``, ``preview``, ``--diff``, and windows that stand in cells."""

from datetime import date, datetime

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, day_rows

SATURDAY = date(2026, 11, 21)


def test_check_writes_nothing_and_finds_nothing_wrong(desk, book, server):
    before = book.state()
    assert desk.call("check") is None
    assert book.state() == before
    assert server.calls == [f"GET /v4/spreadsheets/{book.id}"]


def test_check_says_what_is_in_the_way(desk):
    with pytest.raises(GiveUp, match="tab: the spreadsheet has no tab 'Data'"):
        desk.call("check", create_tab=False)


def test_check_does_not_mind_protections_elsewhere(desk, book):
    book.protect("Sheet1!F1:G9")
    desk.call("check", tab="Sheet1")
    with pytest.raises(GiveUp, match=r"Sheet1!F1:G9 is protected"):
        desk.call("check", tab="Sheet1", anchor="G4")


def test_check_minds_only_what_is_closed_to_this_account(desk, book):
    whole = {"sheetId": 0}
    free = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 9}
    for more in ({"warningOnly": True}, {"unprotectedRanges": [free], "editors": {"users": ["owner@example.com"]}}):
        book.apply({"addProtectedRange": {"protectedRange": {"range": whole, **more}}})
    desk.call("check", tab="Sheet1")
    with pytest.raises(GiveUp, match=r"is protected; let .* edit it, or take the protection away"):
        desk.call("check", tab="Sheet1", anchor="A10")


def test_diff_reads_rows_without_header_and_totals(desk, table):
    rows = day_rows(SATURDAY, 2)
    made = table(rows, footer=[FooterRow("total", ("Total", None, 1.0, 1.0))])
    assert list(desk.call("read", made)) == []
    desk.deliver(made)
    assert list(desk.call("read", made)) == rows


def test_diff_knows_columns_by_name(desk, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    other = table([], [PARTS, Column("oee", "OEE", "number"), MACHINE])
    assert list(desk.call("read", other)) == [(100, None, "Haas 1"), (100, None, "Mazak, 2")]


def test_diff_of_an_appending_sink_leaves_its_keys_out(desk, table):
    made = table(day_rows(SATURDAY, 1))
    desk.deliver(made, mode="append")
    assert list(desk.call("read", made, mode="append")) == day_rows(SATURDAY, 1)


def test_diff_reads_only_the_rows_that_would_be_replaced(desk, table):
    for day, key in ((SATURDAY, "a"), (date(2026, 11, 22), "b")):
        for mode, sink in (("replace_window", "w"), ("append", "a")):
            run = desk.run(first=day, key=key, sink=sink)
            desk.deliver(table(day_rows(day, 1)), run, mode=mode, tab=sink)
    for mode, sink in (("replace_window", "w"), ("append", "a")):
        found = desk.call("read", table([]), mode=mode, tab=sink, run=desk.run(first=SATURDAY, key="a", sink=sink))
        assert list(found) == day_rows(SATURDAY, 1)


def test_probe_knows_each_delivery_by_key_and_generation(desk, table):
    assert desk.call("probe") == "absent"
    desk.deliver(table([]))
    assert desk.call("probe") == "present"
    assert desk.call("probe", run=desk.run(generation=2)) == "absent"
    desk.deliver(table([]), desk.run(key="other"))
    assert [desk.call("probe"), desk.call("probe", run=desk.run(key="other"))] == ["present", "present"]


def test_preview_shows_place_types_and_first_rows_offline(desk, table):
    shown = desk.call("render", table(day_rows(SATURDAY, 8), [DAY, MACHINE, PARTS, DOWN]), run=desk.run(open_http=None))
    assert shown.splitlines()[:9] == [
        f"16 rows of 4 columns go to the tab Data, from A1, of the spreadsheet {desk.book.id},",
        "in the place of what was delivered before",
        "",
        "heading     column     type    format",
        "----------  ---------  ------  ----------",
        "Day         day        date    yyyy-mm-dd",
        "Machine     machine    text    automatic",
        "Good parts  goodParts  number  automatic",
        "Down (min)  downtime   number  #,##0.0",
    ]
    assert shown.splitlines()[-1] == "and 6 more rows"


@pytest.fixture
def window(desk, book):
    """Put values into the cells of a tab, and read a window from them."""

    def read(*values, cells="Charts!D2:F2"):
        if "Charts" not in book.titles:
            book.apply({"addSheet": {"properties": {"title": "Charts"}}})
        for place, value in zip(("D2", "E2", "F2"), values, strict=False):
            book.tab("Charts").put(place, value)
        return desk.call("read_window", after=[cells])

    return read


def test_two_days_in_cells_are_both_included(window):
    assert window(46347, "to", 46349) == (date(2026, 11, 21), date(2026, 11, 23))
    assert window("2026-11-21", None, "2026-11-21 ") == (SATURDAY, SATURDAY)


def test_times_of_day_make_the_last_excluded(window):
    assert window(46347.25, "to", 46348.75) == (datetime(2026, 11, 21, 6), datetime(2026, 11, 22, 18))
    assert window("2026-11-21T06:00", None, 46348.75) == (datetime(2026, 11, 21, 6), datetime(2026, 11, 22, 18))


def test_last_day_beside_a_time_means_its_whole_day(window):
    assert window(46347.25, "to", 46348) == (datetime(2026, 11, 21, 6), datetime(2026, 11, 23))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((46347, "to", None), "hold 1 day, expected two"),
        ((46347, 46348, 46349), "hold 3 days, expected two"),
        ((46349, "to", 46347), r"the last \(2026-11-21\) lies before the first \(2026-11-23\)"),
        ((12, "x", True), "hold 0 days"),
        ((36525, "x", 73051), "hold 0 days"),
        ((46347.5, "x", 46347.5), "lies before the first"),
        (("2026-11-21T06:00+01:00", "", "2026-13-01"), "hold 0 days"),
    ],
)
def test_cells_that_hold_no_window_are_refused(window, values, words):
    with pytest.raises(GiveUp, match=words):
        window(*values)


def test_cells_without_a_tab_are_those_of_the_sinks_own(window):
    with pytest.raises(GiveUp, match="Unable to parse range"):
        window(46347, None, 46348, cells="D2:F2")
    with pytest.raises(GiveUp, match=r"'Charts!everything' are no cells"):
        window(cells="Charts!everything")


def test_title_of_a_tab_may_hold_anything(desk, book):
    book.apply({"addSheet": {"properties": {"title": "It's a tab!"}}})
    for place, value in (("A1", 46347), ("A2", 46348)):
        book.tab("It's a tab!").put(place, value)
    expected = (date(2026, 11, 21), date(2026, 11, 22))
    assert desk.call("read_window", after=["'It''s a tab!'!A1:A2"]) == expected
    assert desk.call("read_window", after=["It's a tab!!A1:A2"]) == expected
