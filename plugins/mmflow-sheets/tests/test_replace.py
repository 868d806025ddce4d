"""``mode: replace``: the tab holds this table and nothing that was delivered before."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from mmflow.errors import GiveUp
from mmflow.sinks import Facts
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import day_rows
from mmflow_sheets.cells import Value
from mmflow_sheets.grid import Rect
from mmflow_sheets.standing import list_full

SATURDAY = date(2026, 11, 21)
FOOTER = (FooterRow("total", ("Total", None, 200.0, 3.0)),)
HEAD = ["Day", "Machine", "Good parts", "Down (min)"]
ROWS = [[46347, "Haas 1", 100, 1.5], [46347, "Mazak, 2", 100, 1.5]]


def test_first_delivery_makes_the_tab_with_header_rows_and_totals(desk, book, table):
    receipt = desk.deliver(table(day_rows(SATURDAY, 1), footer=FOOTER))
    tab = book.tab("Data")
    assert tab.values() == [HEAD, *ROWS, ["Total", None, 200, 3]]
    assert receipt.rows == 2
    assert receipt.details["range"] == "A1:D4"
    assert receipt.details["tab"] == "Data"
    assert receipt.details["spreadsheet"].startswith("https://docs.google.com/spreadsheets/d/")
    assert len(receipt.sha256) == 64
    assert tab.properties["gridProperties"]["frozenRowCount"] == 1
    assert book.titles == ["Sheet1", "Data"]


def test_people_see_days_and_numbers_as_the_report_means_them(desk, book, table):
    columns = [
        Column("day", "Day", "date", "group"),
        Column("oee", "OEE", "number", unit="ratio", decimals=3),
        Column("scrap", "Scrap (%)", "number", unit="%", decimals=1),
        Column("parts", "Parts", "number", unit="parts", decimals=0),
        Column("hour", "Hour", "datetime", zone="America/New_York"),
        Column("open", "Open", "boolean"),
    ]
    at = datetime(2026, 11, 21, 11, 30, tzinfo=UTC)
    desk.deliver(table([(SATURDAY, 0.875, 12.5, 34805.0, at, True), (None,) * 6], columns))
    shown = book.tab("Data").formatted()[1:]
    assert shown == [["2026-11-21", "87.5%", "12.5%", "34,805", "2026-11-21 06:30", "TRUE"]]
    assert book.tab("Data").values("B2:C2") == [[0.875, 12.5]]


@pytest.mark.row("R65")
def test_smaller_and_larger_tables_leave_nothing_behind(desk, book, table):
    for generation, days in enumerate((3, 1, 5, 0, 2), start=1):
        desk.deliver(table(day_rows(SATURDAY, days), footer=FOOTER), desk.run(generation=generation))
        values = book.tab("Data").values()
        assert len(values) == 2 + 2 * days
        assert values[-1] == ["Total", None, 200, 3]
        assert book.named["mmflow_morning_oee_sink"] == f"Data!A1:D{2 + 2 * days}"


def test_no_rows_leave_the_header_alone(desk, book, table):
    assert desk.deliver(table([])).rows == 0
    assert book.tab("Data").values() == [HEAD]


def test_no_rows_and_no_header_are_possible_too(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)), header="none")
    desk.deliver(table([]), desk.run(generation=2), header="none")
    assert book.tab("Data").values() == []


def test_fewer_columns_leave_nothing_behind(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    narrow = [Column("machine", "Machine", "text", "group")]
    desk.deliver(table([("Haas 1",)], narrow), desk.run(generation=2))
    assert book.tab("Data").values() == [["Machine"], ["Haas 1"]]
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=3))
    assert book.tab("Data").values() == [HEAD, *ROWS]


def test_more_columns_find_room(desk, book, table):
    narrow = [Column("machine", "Machine", "text", "group")]
    desk.deliver(table([("Haas 1",), ("Mazak, 2",)], narrow))
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2))
    assert book.tab("Data").size == (3, 4)
    assert book.tab("Data").values() == [HEAD, *ROWS]


def test_name_of_a_tab_is_known_whatever_its_capitals(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)), tab="SHEET1")
    assert book.titles == ["Sheet1"]


def test_job_that_names_another_tab_leaves_the_old_one(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=2), tab="Other")
    assert book.titles == ["Sheet1", "Data", "Other"]
    assert book.tab("Data").values() == [HEAD, *ROWS]


def test_name_of_the_cells_may_be_changed_by_people(desk, book, table):
    for generation in (1, 2):
        desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=generation))
    [named] = book.state()["namedRanges"]
    book.apply({"updateNamedRange": {"namedRange": named | {"name": "Oee"}, "fields": "name"}})
    desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=3))
    assert book.named == {"Oee": "Data!A1:D5"}


def test_looks_go_with_the_table_to_another_place(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2), anchor="F3")
    first = book.tab("Data").cell("A1")
    assert "note" not in first
    assert not first.get("userEnteredFormat", {}).get("textFormat", {}).get("bold")
    assert book.tab("Data").values("F3:I5") == [HEAD, *ROWS]


def test_other_limits_are_another_delivery(desk, table):
    lights = [{"goodParts": {"red": limit}} for limit in (50, 200, 200)]
    found = [desk.deliver(table(day_rows(SATURDAY, 1)), lights=each).details["written"] for each in lights]
    assert found == [True, True, False]


def test_tab_of_a_newer_version_is_left_alone(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    [note] = book.metadata
    newer = {"metadataValue": note["metadataValue"].replace('"version":1', '"version":2')}
    lookup = [{"developerMetadataLookup": {"metadataId": note["metadataId"]}}]
    change = {"dataFilters": lookup, "developerMetadata": newer, "fields": "metadataValue"}
    book.apply({"updateDeveloperMetadata": change})
    with pytest.raises(GiveUp, match="the tab was written by a newer version of mmflow; upgrade mmflow"):
        desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2))


def test_header_has_the_words_that_were_asked_for(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)), header="names")
    assert book.tab("Data").values()[0] == ["day", "machine", "goodParts", "downtime"]
    desk.deliver(table(day_rows(SATURDAY, 1), footer=FOOTER), desk.run(generation=2), header="none", footer="drop")
    assert book.tab("Data").values() == ROWS


@pytest.mark.row("R65")
def test_what_people_keep_outside_of_the_table_stays(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 2)))
    tab = book.tab("Data")
    green = {"backgroundColor": {"green": 1}}
    desk.enlarge(tab, columns=3)
    tab.put("F2", "mine", form=green)
    tab.put("F3", formula="=SUM(C2:C5)", result=400)
    tab.put("A1", "Day", form={"textFormat": {"italic": True}})
    tab.put("C3", 100, form=green)
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2))
    assert tab.values("F2:F3") == [["mine"], [400]]
    assert tab.cell("F2")["userEnteredFormat"] == green
    assert tab.cell("F3")["userEnteredValue"] == {"formulaValue": "=SUM(C2:C5)"}
    assert tab.cell("A1")["userEnteredFormat"]["textFormat"] == {"italic": True, "bold": True}
    assert tab.cell("C3")["userEnteredFormat"]["backgroundColor"] == {"green": 1}


@pytest.mark.row("R65")
def test_what_people_keep_below_the_table_moves_down_when_it_grows(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    tab = book.tab("Data")
    desk.enlarge(tab, rows=5)
    tab.put("B5", "my own line")
    tab.put("C5", formula="=SUM(C2:C3)", result=200)
    desk.deliver(table(day_rows(SATURDAY, 3)), desk.run(generation=2))
    assert len(tab.values("A1:A7")) == 7
    assert tab.values("B8:C8") == [["my own line", 200]]
    assert "formulaValue" in tab.cell("C8")["userEnteredValue"]
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=3))
    assert tab.values("A4:D8") == [[], [], [], [], [None, "my own line", 200]]
    desk.deliver(table(day_rows(SATURDAY, 3)), desk.run(generation=4))
    assert tab.values("B8:C8") == [["my own line", 200]]


@pytest.mark.row("R65")
def test_table_follows_when_people_move_and_rename(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    tab = book.tab("Data")
    tab.insert_rows(0, 2)
    tab.insert_columns(0, 1)
    tab.put("A1", "Title")
    tab.rename("Morning figures")
    receipt = desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=2))
    assert book.titles == ["Sheet1", "Morning figures"]
    assert receipt.details["range"] == "B3:E7"
    assert tab.values("A1:E3") == [["Title"], [], [None, *HEAD]]
    assert len(tab.values()) == 7


def test_another_anchor_moves_the_table(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2), anchor="B3")
    assert book.tab("Data").values() == [[], [], [None, *HEAD], *([None, *row] for row in ROWS)]


@pytest.mark.row("R65")
def test_cells_of_other_people_are_never_written_over(desk, book, table):
    tab = book.tab("Sheet1")
    tab.put("C2", "precious")
    with pytest.raises(GiveUp, match=r"the cell Sheet1!C2 is not empty and lies where the table goes \(Sheet1!A1:D3\)"):
        desk.deliver(table(day_rows(SATURDAY, 1)), tab="Sheet1")
    assert tab.values() == [[], [None, None, "precious"]]
    assert book.metadata == []
    tab.put("C2")
    tab.put("F2", "beside it")
    desk.deliver(table(day_rows(SATURDAY, 1)), tab="Sheet1")
    assert tab.values("A2:F2") == [[*ROWS[0], None, "beside it"]]


@pytest.mark.row("R65")
def test_columns_inserted_within_the_table_are_not_wiped_out(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    book.tab("Data").insert_columns(2, 1)
    book.tab("Data").put("C2", "mine")
    with pytest.raises(GiveUp, match=r"Data!A1:E3 has 5 columns, and 4 were written; undo what was inserted"):
        desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2))


def test_table_whose_rows_were_all_deleted_begins_anew(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    desk.enlarge(book.tab("Data"), rows=5)
    book.tab("Data").delete_rows(0, 3)
    desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=2))
    assert len(book.tab("Data").values()) == 5
    assert "Data!A1:D5" in book.named.values()
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=3))
    assert "Data!A1:D3" in book.named.values()


def test_two_tables_stand_side_by_side_in_one_tab(desk, book, table):
    for generation, days in enumerate((1, 3, 2), start=1):
        desk.deliver(table(day_rows(SATURDAY, days)), desk.run(generation=generation))
        desk.enlarge(book.tab("Data"), columns=12 * (generation == 1))
        desk.deliver(table(day_rows(SATURDAY, 4 - days)), desk.run(generation=generation, sink="b"), anchor="F2")
    assert book.named == {"mmflow_morning_oee_sink": "Data!A1:D5", "mmflow_morning_oee_b": "Data!F2:I6"}
    assert len(book.metadata) == 2
    assert [len(row) for row in book.tab("Data").values()] == [4, 9, 9, 9, 9, 9]


@pytest.mark.row("R65")
@pytest.mark.parametrize("cells", [("D6", "E6"), ("C9", "D9", "E9")], ids=["in the way", "further below"])
def test_cells_that_would_be_torn_apart_stop_a_table_that_grows(desk, book, table, cells):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    tab = book.tab("Data")
    desk.enlarge(tab, rows=9, columns=3)
    tab.put("A5", "my own line")
    for place in cells:
        tab.put(place, "mine")
    before = book.state()
    with pytest.raises(GiveUp, match=rf"Data!{cells[-2]} below it belongs to cells that reach beyond its columns"):
        desk.deliver(table(day_rows(SATURDAY, 3)), desk.run(generation=2))
    assert book.state() == before
    desk.deliver(table(day_rows(SATURDAY, 1, 7.0)), desk.run(generation=2))
    tab.put(cells[-1])
    desk.deliver(table(day_rows(SATURDAY, 3)), desk.run(generation=3))
    assert tab.values("A8") == [["my own line"]]


def test_table_that_grows_to_the_right_stops_at_somebodys_cells(desk, book, table):
    desk.deliver(table([("Haas 1",), ("X",)], [Column("machine", "Machine", "text", "group")]))
    desk.enlarge(book.tab("Data"), rows=2, columns=2)
    book.tab("Data").put("C2", "mine")
    with pytest.raises(GiveUp, match=r"the cell Data!C2 is not empty and lies where the table goes \(Data!A1:D5\)"):
        desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=2))
    assert book.tab("Data").values("A1:C3") == [["Machine"], ["Haas 1", None, "mine"], ["X"]]


def test_table_that_moves_onto_somebodys_cells_is_stopped(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    desk.enlarge(book.tab("Data"), rows=5)
    book.tab("Data").put("A5", "mine")
    before = book.state()
    with pytest.raises(GiveUp, match=r"the cell Data!A5 is not empty and lies where the table goes \(Data!A3:D5\)"):
        desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2), anchor="A3")
    assert book.state() == before


def test_cells_left_of_a_table_are_not_torn_from_those_below_it(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)), anchor="B1")
    tab = book.tab("Data")
    desk.enlarge(tab, rows=9)
    for place in ("A5", "B5"):
        tab.put(place, "mine")
    with pytest.raises(GiveUp, match="Data!B5 below it belongs to cells"):
        desk.deliver(table(day_rows(SATURDAY, 3)), desk.run(generation=2), anchor="B1")


def test_list_beside_the_table_may_reach_further_down(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)))
    tab = book.tab("Data")
    desk.enlarge(tab, rows=9, columns=3)
    for row in range(1, 9):
        tab.put(f"E{row}", row)
    tab.put("D5", "sum")
    desk.deliver(table(day_rows(SATURDAY, 3)), desk.run(generation=2))
    assert [row[0] for row in tab.values("E1:E8")] == list(range(1, 9))
    assert tab.values("D8") == [["sum"]]


def test_formula_that_gives_nothing_counts_as_a_filled_cell(desk, book, table):
    book.tab("Sheet1").put("B3", formula='=IF(A1="","",1)', result="")
    with pytest.raises(GiveUp, match=r"the cell Sheet1!B3 is not empty"):
        desk.deliver(table(day_rows(SATURDAY, 1)), tab="Sheet1")


def test_formula_that_failed_counts_as_a_filled_cell():
    found = msgspec.json.decode(b'{"errorValue": {"type": "N_A", "message": "none"}}', type=Value)
    assert list_full(Rect(2, 1, 4, 3), [[], [Value(), found]]) == [(3, 2)]
    assert found.plain is None


def test_what_was_bold_is_no_longer_when_something_else_stands_there(desk, book, table):
    def bold():
        found = book.tab("Data").formats()
        return [bool(row and (row[0] or {}).get("textFormat", {}).get("bold")) for row in found]

    desk.deliver(table(day_rows(SATURDAY, 1), footer=FOOTER))
    assert bold() == [True, False, False, True]
    desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=2), header="none")
    assert bold() == [False] * 4


def test_named_range_is_a_target_and_reaches_over_the_table_afterwards(desk, book, table):
    tab = book.tab("Sheet1")
    for place in ("B3", "C9"):
        tab.put(place, "old")
    tab.put("A1", "Title")
    book.name_range("OeeTable", "Sheet1!B3:E10")
    desk.deliver(table(day_rows(SATURDAY, 1)), range="OeeTable")
    assert tab.values() == [["Title"], [], [None, *HEAD], *([None, *row] for row in ROWS)]
    assert book.named == {"OeeTable": "Sheet1!B3:E5"}
    tab.insert_rows(0, 4)
    desk.deliver(table(day_rows(SATURDAY, 2)), desk.run(generation=2), range="OeeTable")
    assert book.named == {"OeeTable": "Sheet1!B7:E11"}
    assert tab.values("B7:E8") == [HEAD, ROWS[0]]


def test_named_range_that_is_not_there_is_named_with_the_nearest(desk, book, table):
    book.name_range("OeeTable", "Sheet1!B3:E10")
    with pytest.raises(GiveUp, match=r"range: the spreadsheet has no named range 'OeTable'; did you mean 'OeeTable'\?"):
        desk.deliver(table([]), range="OeTable")


def test_grid_fits_the_table_when_asked(desk, book, table):
    for generation, days in enumerate((3, 1, 2), start=1):
        desk.deliver(table(day_rows(SATURDAY, days)), desk.run(generation=generation), grid="fit")
        assert book.tab("Data").size == (1 + 2 * days, 4)


def test_grid_only_grows_unless_asked(desk, book, table):
    for generation, days in enumerate((3, 1), start=1):
        desk.deliver(table(day_rows(SATURDAY, days)), desk.run(generation=generation))
        assert book.tab("Data").size == (7, 4)


def test_grid_is_not_cut_below_a_table_that_did_not_reach_its_end(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 3)), grid="fit")
    desk.enlarge(book.tab("Data"), rows=5)
    book.tab("Data").put("A12", "mine")
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2), grid="fit")
    assert book.tab("Data").size == (12, 4)


def test_formats_stay_as_they_stand_when_asked(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)), formats="keep")
    assert book.tab("Data").formats() == []


def test_totals_are_bold_only_where_they_stand(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1), footer=FOOTER))
    desk.deliver(table(day_rows(SATURDAY, 2), footer=FOOTER), desk.run(generation=2))
    bold = [bool((one or {}).get("textFormat", {}).get("bold")) for [one, *_] in book.tab("Data").formats()]
    assert bold == [True, False, False, False, False, True]


def test_note_on_the_first_cell_says_what_readers_must_know(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1), notices=["no total value for OEE"]))
    note = book.tab("Data").cell("A1")["note"]
    assert note.splitlines() == [
        "morning-oee",
        "boston, 2026-11-21",
        "extracted 2026-11-22 06:00 (America/New_York)",
        "no total value for OEE",
    ]
    desk.deliver(table(day_rows(SATURDAY, 1)), desk.run(generation=2), note="notices")
    assert "note" not in book.tab("Data").cell("A1")


@pytest.mark.parametrize(("freeze", "rows"), [("new_tab", None), ("always", 2), ("never", None)])
def test_headings_of_a_tab_that_people_made_are_frozen_only_when_asked(desk, book, table, freeze, rows):
    desk.deliver(table([]), tab="Sheet1", anchor="A2", freeze_header=freeze)
    assert book.tab("Sheet1").properties["gridProperties"].get("frozenRowCount") == rows
    if freeze == "never":
        desk.deliver(table([]), desk.run(generation=2), tab="New", freeze_header=freeze)
        assert "frozenRowCount" not in book.tab("New").properties["gridProperties"]


def test_note_names_missing_sites_and_stays_short(desk, book, table):
    facts = Facts(missing=(("reno", "its key was refused"),))
    desk.deliver(table([]), desk.run(facts=facts))
    assert book.tab("Data").cell("A1")["note"].splitlines()[-1] == "reno is missing: its key was refused"
    desk.deliver(table([], notices=["so long " * 1000]), desk.run(generation=2))
    assert len(book.tab("Data").cell("A1")["note"]) == 5_000


def test_lights_colour_cells_and_go_with_their_rows(desk, book, table):
    def colours():
        found = book.tab("Data").formats("C2:C5")
        return [(one[0] or {}).get("backgroundColorStyle") is not None if one else False for one in found]

    lights = {"goodParts": {"red": 50, "amber": 80}}
    desk.deliver(table(day_rows(SATURDAY, 2, parts=60)), lights=lights)
    assert colours() == [True] * 4
    amber = book.tab("Data").cell("C2")["userEnteredFormat"]["backgroundColorStyle"]
    desk.deliver(table([(SATURDAY, "Haas 1", 10, 1), (SATURDAY, "X", None, 1)]), desk.run(generation=2), lights=lights)
    assert book.tab("Data").cell("C2")["userEnteredFormat"]["backgroundColorStyle"] != amber
    assert colours()[:1] == [True]
    assert not any(colours()[1:])
    desk.deliver(table([(SATURDAY, "Haas 1", 10, 1)]), desk.run(generation=3))
    assert not any(colours())


def test_chart_follows_the_table(desk, book, table):
    chart = {"kind": "line", "x": "machine", "y": ["goodParts", "downtime"], "title": "Parts"}
    desk.deliver(table(day_rows(SATURDAY, 1)), chart=chart)
    [drawn] = book.tab("Data").charts
    assert drawn["spec"]["title"] == "Parts"
    assert drawn["spec"]["basicChart"]["chartType"] == "LINE"
    desk.deliver(table(day_rows(SATURDAY, 4)), desk.run(generation=2), chart=chart)
    [drawn] = book.tab("Data").charts
    [source] = drawn["spec"]["basicChart"]["domains"][0]["domain"]["sourceRange"]["sources"]
    assert (source["startRowIndex"], source["endRowIndex"], source["startColumnIndex"]) == (0, 9, 1)


def test_chart_has_room_for_its_corner(desk, book, table):
    desk.deliver(table(day_rows(SATURDAY, 1)), chart={"x": "machine", "y": ["goodParts"], "at": "H40"})
    assert book.tab("Data").size == (40, 8)
    [drawn] = book.tab("Data").charts
    corner = drawn["position"]["overlayPosition"]["anchorCell"]
    assert (corner["rowIndex"], corner["columnIndex"]) == (39, 7)


def test_a_delivery_takes_three_calls_at_most(desk, server, table):
    for generation, days in enumerate((1, 3, 2), start=1):
        before = len(server.calls)
        receipt = desk.deliver(table(day_rows(SATURDAY, days)), desk.run(generation=generation))
        assert receipt.details["calls"] == len(server.calls) - before <= 3
