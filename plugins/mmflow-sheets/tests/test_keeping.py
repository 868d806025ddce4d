"""``mode: replace_window`` and ``mode: append``: one tab over many runs, in which rows of other deliveries stay."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, HOUR, MACHINE, PARTS, SITE, day_rows, make_span
from mmflow.windows import Span
from mmflow_sheets.serials import day_serial

FIRST = date(2026, 11, 1)


def days(start, count, parts):
    return day_rows(FIRST + timedelta(days=start), count, parts)


def as_read(rows):
    return [[day_serial(cell) if isinstance(cell, date) else cell for cell in row] for row in rows]


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def roll(desk, table):
    """Deliver rows of some days, and give the rows that the tab then holds."""
    generation = iter(range(1, 1000))

    def call(start, count, listed, *, mode="replace_window", **written):
        first = FIRST + timedelta(days=start)
        last = first + timedelta(days=count - 1)
        run = desk.run(first=first, last=last, key=f"k{start}-{count}", generation=next(generation))
        receipt = desk.deliver(table(listed), run, mode=mode, **written)
        assert receipt.rows == len(listed)
        return desk.book.tab("Data").values()[1:]

    return call


def test_first_delivery_makes_the_table(roll):
    assert roll(0, 2, days(0, 2, 100)) == as_read(days(0, 2, 100))


def test_rows_of_the_window_are_replaced_and_others_stay(roll):
    roll(0, 5, days(0, 5, 100))
    assert roll(2, 2, days(2, 2, 7)) == as_read(days(0, 2, 100) + days(2, 2, 7) + days(4, 1, 100))


def test_rows_that_are_no_longer_there_go_and_the_rest_moves_up(roll):
    roll(0, 4, days(0, 4, 100))
    assert roll(1, 2, days(1, 1, 5)) == as_read(days(0, 1, 100) + days(1, 1, 5) + days(3, 1, 100))
    assert roll(0, 4, []) == []


def test_later_and_earlier_days_find_their_place(roll):
    roll(3, 1, days(3, 1, 1))
    roll(5, 1, days(5, 1, 1))
    roll(0, 1, days(0, 1, 1))
    assert roll(4, 1, days(4, 1, 1)) == as_read(days(0, 1, 1) + days(3, 1, 1) + days(4, 1, 1) + days(5, 1, 1))


@pytest.mark.parametrize(("header", "runs"), [("labels", 30), ("none", 8)])
def test_thirty_runs_of_the_last_week_leave_each_day_once(desk, table, book, header, runs):
    order = list(range(runs))
    random.Random(4).shuffle(order)
    for generation, start in enumerate(order, start=1):
        first = FIRST + timedelta(days=start)
        run = desk.run(first=first, last=first + timedelta(days=6), key=f"k{start}", generation=generation)
        desk.deliver(table(days(start, 7, 3)), run, mode="replace_window", header=header)
    assert book.tab("Data").values()[header == "labels" :] == as_read(days(0, runs + 6, 3))


def test_only_rows_that_change_are_sent(desk, server, table, roll):
    roll(0, 30, days(0, 30, 100))
    large = server.requests[-1].size
    roll(30, 1, days(30, 1, 100))
    assert server.requests[-1].size < large / 2
    roll(30, 1, days(30, 1, 7))
    written = [one["updateCells"] for one in server.requests[-1].body["requests"] if "updateCells" in one]
    assert max(len(one.get("rows", [])) for one in written) == 2


def test_same_window_twice_is_once(roll):
    once = roll(0, 3, days(0, 3, 5))
    assert roll(0, 3, days(0, 3, 5)) == once


def test_rows_of_another_site_stay(desk, table, book):
    columns = [Column("day", "Day", "date", "group"), SITE, PARTS]

    def deliver(sites, rows, generation):
        run = desk.run(first=FIRST, sites=sites, generation=generation)
        desk.deliver(table(rows, columns), run, mode="replace_window")

    deliver(("boston", "reno"), [(FIRST, "boston", 1), (FIRST, "reno", 2)], 1)
    deliver(("reno",), [(FIRST, "reno", 3)], 2)
    number = day_serial(FIRST)
    assert book.tab("Data").values()[1:] == [[number, "reno", 3], [number, "boston", 1]]


def test_hour_that_comes_twice_is_replaced_by_itself_alone(desk, table, book):
    """On 1 November 2026 clocks in New York go from 01:59 EDT back to 01:00 EST."""
    columns = [HOUR, MACHINE, PARTS]
    hours = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in range(4, 8)]

    def deliver(rows, start, end, generation):
        span = Span(start, end, "America/New_York", FIRST, FIRST, whole_days=False, why="by hand")
        run = desk.run(spans=(("boston", span),), time_column="hour", generation=generation, key=f"{start}")
        desk.deliver(table(rows, columns), run, mode="replace_window")

    deliver([(hour, "M", 1) for hour in hours], hours[0], hours[-1] + timedelta(hours=1), 1)
    deliver([(hours[2], "M", 9)], hours[2], hours[3], 2)
    assert [row[2] for row in book.tab("Data").values()[1:]] == [1, 1, 9, 1]
    assert [row[0] for row in book.tab("Data").formatted()[2:4]] == ["2026-11-01 01:00", "2026-11-01 01:00"]
    read = [row[0] for row in desk.call("read", table([], columns))]
    assert read == hours


def test_totals_are_left_out(roll, desk, book, table):
    total = FooterRow("total", ("Total", None, 1.0, 1.0))
    desk.deliver(table(days(0, 1, 1), footer=[total]), desk.run(first=FIRST), mode="replace_window")
    assert book.tab("Data").values()[1:] == as_read(days(0, 1, 1))


def test_totals_that_replace_wrote_go_when_the_mode_changes(roll, desk, book, table):
    total = FooterRow("total", ("Total", None, 1.0, 1.0))
    desk.deliver(table(days(0, 1, 1), footer=[total]), desk.run(first=FIRST), mode="replace")
    assert roll(1, 1, days(1, 1, 2)) == as_read(days(0, 1, 1) + days(1, 1, 2))


def test_other_columns_are_refused(roll, desk, table):
    roll(0, 1, days(0, 1, 1))
    with pytest.raises(
        GiveUp, match=r"Data!A1:D3 holds the columns day, machine, goodParts, downtime, expected day, goo"
    ):
        desk.deliver(
            table([(FIRST, 1)], [Column("day", "Day", "date", "group"), PARTS]),
            desk.run(generation=9),
            mode="replace_window",
        )


@pytest.mark.parametrize("mode", ["replace_window", "append"])
def test_rows_of_another_unit_are_refused(roll, desk, table, book, mode):
    roll(0, 1, days(0, 1, 1), mode=mode)
    hours = [*(DAY, MACHINE, PARTS), Column("downtime", "Down", "number", unit="h", decimals=1)]
    before = book.state()
    with pytest.raises(GiveUp, match=r"holds downtime in min, the report gives h; keep that unit, or use another tab"):
        desk.deliver(table(days(1, 1, 1), hours), desk.run(key="b", generation=9), mode=mode)
    assert book.state() == before
    minutes = [*(DAY, MACHINE, PARTS), Column("downtime", "Standing still", "number", unit="min", decimals=1)]
    desk.deliver(table(days(1, 1, 1), minutes), desk.run(first=FIRST, key="b", generation=9), mode=mode)
    desk.deliver(table(days(1, 1, 1), hours), desk.run(key="c", generation=10), mode="replace")


def test_values_of_any_type_move(desk, table, book):
    columns = [DAY, Column("live", "Live", "boolean"), Column("name", "Name", "text"), PARTS]
    for generation, shift in enumerate((2, 0), start=1):
        day = FIRST + timedelta(days=shift)
        run = desk.run(first=day, key=f"k{shift}", generation=generation)
        desk.deliver(table([(day, shift == 2, "0042", None)], columns), run, mode="replace_window")
    number = day_serial(FIRST)
    assert book.tab("Data").values()[1:] == [[number, False, "0042"], [number + 2, True, "0042"]]


def test_headings_may_be_renamed_by_the_job(roll, desk, book, table):
    roll(0, 1, days(0, 1, 1))
    assert roll(1, 1, days(1, 1, 2), header="names") == as_read(days(0, 1, 1) + days(1, 1, 2))
    assert book.tab("Data").values()[0] == ["day", "machine", "goodParts", "downtime"]
    assert roll(2, 1, days(2, 1, 2), header="none")[-1] == as_read(days(2, 1, 2))[-1]
    assert book.tab("Data").values() == as_read(days(0, 1, 1) + days(1, 1, 2) + days(2, 1, 2))


def test_cell_that_people_made_unreadable_is_named(roll, book):
    roll(0, 2, days(0, 2, 1))
    book.tab("Data").put("A4", "soon")
    with pytest.raises(GiveUp, match=r"Data!A4 holds 'soon', expected a day; mend that cell"):
        roll(2, 1, days(2, 1, 1))


def test_named_range_with_somebodys_rows_is_not_taken_over(desk, book, table):
    book.tab("Sheet1").put("A2", "precious")
    book.name_range("Rows", "Sheet1!A1:D9")
    with pytest.raises(GiveUp, match=r"Sheet1!A1:D9 holds values that mmflow did not write"):
        desk.deliver(table(days(0, 1, 1)), mode="append", range="Rows")


def test_named_range_that_people_widened_is_asked_about(desk, book, table):
    book.name_range("Mine", "Sheet1!B2:E2")
    run = desk.run(first=FIRST)
    desk.deliver(table(days(0, 1, 1)), run, mode="append", range="Mine")
    book.tab("Sheet1").insert_columns(3, 1)
    with pytest.raises(GiveUp, match="has 6 columns, and 5 were written; undo what was inserted"):
        desk.deliver(table(days(1, 1, 1)), desk.run(key="b"), mode="append", range="Mine")


def test_empty_named_range_is_a_target_for_many_runs(desk, book, table):
    book.tab("Sheet1").put("A9", "below")
    book.name_range("Rows", "Sheet1!B3:E5")
    for start in range(4):
        run = desk.run(first=FIRST + timedelta(days=start), key=f"k{start}")
        desk.deliver(table(days(start, 1, 1)), run, mode="replace_window", range="Rows")
    assert book.named == {"Rows": "Sheet1!B3:E11"}
    assert book.tab("Sheet1").values("B4:E11") == as_read(days(0, 4, 1))
    assert book.tab("Sheet1").values("A9") == [["below"]]


def test_formula_among_rows_that_stay_is_kept_until_its_row_moves(roll, book):
    roll(0, 3, days(0, 3, 1))
    book.tab("Data").put("C7", formula="=C6+1", result=2)
    roll(1, 1, days(1, 1, 1))
    assert book.tab("Data").cell("C7")["userEnteredValue"] == {"formulaValue": "=C6+1"}
    found = roll(1, 1, [])
    assert found[-1][2] == 2
    assert book.tab("Data").cell("C5")["userEnteredValue"] == {"numberValue": 2}


def test_appended_rows_stay_and_the_same_window_is_there_once(roll, book):
    roll(0, 1, days(0, 1, 1), mode="append")
    roll(1, 1, days(1, 1, 2), mode="append")
    roll(0, 1, days(0, 1, 3)[:1], mode="append")
    found = roll(1, 1, days(1, 1, 4), mode="append")
    assert [row[:4] for row in found] == as_read(days(0, 1, 3)[:1] + days(1, 1, 4))
    assert len({row[4] for row in found}) == 2
    assert book.tab("Data").dimension(4)["hiddenByUser"] is True
    assert book.tab("Data").values("A1:E1") == [["Day", "Machine", "Good parts", "Down (min)"]]


def test_windows_that_overlap_stay_apart_when_appended(roll):
    roll(0, 2, days(0, 2, 1), mode="append")
    found = roll(1, 2, days(1, 2, 2), mode="append")
    assert [row[:4] for row in found] == as_read(days(0, 2, 1) + days(1, 2, 2))


def test_appended_rows_need_no_time_group(desk, book, table):
    columns = [MACHINE, PARTS]
    for generation, key in enumerate(("a", "b", "a"), start=1):
        run = desk.run(time_column="", key=key, generation=generation)
        desk.deliver(table([("Haas 1", float(generation))], columns), run, mode="append")
    assert [row[:2] for row in book.tab("Data").values()[1:]] == [["Haas 1", 3], ["Haas 1", 2]]


def test_column_of_keys_is_shown_again_when_it_is_no_longer_needed(roll, book):
    roll(0, 1, days(0, 1, 1), mode="append")
    assert roll(1, 1, days(1, 1, 2)) == as_read(days(0, 1, 1) + days(1, 1, 2))
    assert book.tab("Data").dimension(4).get("hiddenByUser", False) is False
    found = roll(2, 1, days(2, 1, 2), mode="append")
    assert [len(row) for row in found] == [4, 4, 4, 4, 5, 5]


def test_what_people_keep_below_moves_down_when_rows_are_appended(roll, desk, book):
    roll(0, 2, days(0, 2, 1), mode="append")
    tab = book.tab("Data")
    desk.enlarge(tab, rows=2)
    tab.put("A7", "mine")
    found = roll(2, 2, days(2, 2, 2), mode="append")
    assert [row[:4] for row in found[:-1]] == as_read(days(0, 2, 1) + days(2, 2, 2))
    assert found[-1] == ["mine"]


def test_rows_that_people_sorted_and_moved_are_still_known(roll, book):
    roll(0, 1, days(0, 1, 1), mode="append")
    book.tab("Data").insert_rows(0, 3)
    found = roll(1, 1, days(1, 1, 1), mode="append")
    assert [row[:4] for row in found[3:]] == as_read(days(0, 1, 1) + days(1, 1, 1))
    again = roll(1, 1, days(1, 1, 1), mode="append")
    assert again == found


def test_lights_follow_rows_that_move(roll, book):
    lights = {"goodParts": {"red": 50}}

    def red():
        found = book.tab("Data").formats(f"C2:C{book.tab('Data').size[0]}")
        lit = [one[0]["backgroundColorStyle"]["rgbColor"] if one and "backgroundColorStyle" in (one[0] or {}) else None
               for one in found]  # fmt: skip
        return ["-" if one is None else "red" if one["red"] > one["green"] else "green" for one in lit]

    roll(0, 1, days(0, 1, 10), lights=lights)
    roll(2, 1, days(2, 1, 90), lights=lights)
    assert red() == ["red", "red", "green", "green"]
    roll(1, 1, days(1, 1, 10), lights=lights)
    assert red() == ["red"] * 4 + ["green"] * 2
    roll(1, 1, [], lights=lights)
    assert red() == ["red", "red", "green", "green"] + ["-"] * (len(red()) - 4)


def is_lit(book, cells):
    found = book.tab("Data").formats(cells)
    return [bool(row and (row[0] or {}).get("backgroundColorStyle")) for row in found]


def test_lights_that_the_job_no_longer_has_go_from_all_rows(roll, book):
    roll(0, 1, days(0, 1, 10), lights={"goodParts": {"red": 50}})
    assert is_lit(book, "C2:C3") == [True] * 2
    roll(1, 1, days(1, 1, 10))
    assert not any(is_lit(book, "C2:C5"))


def test_rows_that_are_written_elsewhere_keep_their_lights(roll, book):
    lights = {"goodParts": {"red": 50}}
    roll(0, 1, days(0, 1, 10), lights=lights)
    roll(2, 1, days(2, 1, 10), lights=lights)
    roll(1, 1, days(1, 1, 10), lights=lights, header="none")
    assert is_lit(book, "C1:C6") == [True] * 6


def test_column_of_keys_that_people_look_at_stays_in_view(roll, book):
    roll(0, 1, days(0, 1, 1), mode="append")
    tab = book.tab("Data")
    span = {"sheetId": tab.id, "dimension": "COLUMNS", "startIndex": 4, "endIndex": 5}
    shown = {"range": span, "properties": {"hiddenByUser": False}, "fields": "hiddenByUser"}
    book.apply({"updateDimensionProperties": shown})
    roll(1, 1, days(1, 1, 1), mode="append")
    assert not tab.dimension(4).get("hiddenByUser")


def test_sites_in_the_other_order_are_the_same_window(desk, table, book):
    span = make_span(FIRST, FIRST)
    for generation, sites in enumerate((("a", "b"), ("b", "a")), start=1):
        run = desk.run(spans=tuple((site, span) for site in sites), generation=generation)
        desk.deliver(table(days(0, 1, generation)), run, mode="replace_window")
    assert book.tab("Data").values()[1:] == as_read(days(0, 1, 2))
