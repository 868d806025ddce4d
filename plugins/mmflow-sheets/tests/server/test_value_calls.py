"""The calls about plain values: RAW keeps what is written, USER_ENTERED reads it as if it were typed."""

import pytest

from mmflow_sheets.testing.formats import format_value


def put(caller, values, how, place="Data!A1", **query):
    answer = caller.send("PUT", f"/values/{place}", {"values": values}, valueInputOption=how, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.row("S33")
def test_raw_keeps_texts_and_user_entered_reads_them(caller):
    texts = ["=1+1", "12%", "2026-11-22", "'007", "TRUE", "1,234.5", "$5", "Mill 1", "10:30"]
    tab = caller.book.tab("Data")
    put(caller, [texts], "RAW")
    assert tab.values() == [texts]
    put(caller, [texts], "USER_ENTERED", "Data!A2")
    assert tab.formulas("A2:I2") == [["=1+1", 0.12, 46348, "007", True, 1234.5, 5, "Mill 1", 0.4375]]
    assert tab.formatted("B2:I2") == [["12%", "2026-11-22", "007", "TRUE", "1,234.50", "$5", "Mill 1", "10:30"]]
    assert "formulaValue" in tab.cell("A2")["userEnteredValue"]


def test_null_leaves_a_cell_and_an_empty_text_clears_it(caller):
    put(caller, [[1, 2, 3]], "RAW")
    assert put(caller, [[None, "", 4]], "RAW")["updatedCells"] == 2
    assert caller.book.tab("Data").values() == [[1, None, 4]]


def test_values_are_read_as_text_as_number_or_as_formula(caller):
    tab = caller.book.tab("Data")
    tab.put("A1", 46348.5, form={"numberFormat": {"type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm"}})
    tab.put("B1", formula="=A1", result=7)
    shown = {
        how: caller.get("/values/Data!A1:C9", valueRenderOption=how)["values"]
        for how in ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
    }
    assert shown == {
        "FORMATTED_VALUE": [["2026-11-22 12:00", "7"]],
        "UNFORMATTED_VALUE": [[46348.5, 7]],
        "FORMULA": [[46348.5, "=A1"]],
    }
    more = {"valueRenderOption": "UNFORMATTED_VALUE", "dateTimeRenderOption": "FORMATTED_STRING"}
    assert caller.get("/values/Data!A1:B1", **more)["values"] == [["2026-11-22 12:00", 7]]


def test_empty_cells_at_the_end_are_left_out_and_columns_can_lead(caller):
    put(caller, [[1], [], [2, 3]], "RAW")
    assert caller.get("/values/Data!A1:F20", valueRenderOption="UNFORMATTED_VALUE")["values"] == [[1], [], [2, 3]]
    found = caller.get("/values/Data!A1:F20", valueRenderOption="UNFORMATTED_VALUE", majorDimension="COLUMNS")
    assert found == {"range": "Data!A1:F20", "majorDimension": "COLUMNS", "values": [[1, "", 2], ["", "", 3]]}
    assert "values" not in caller.get("/values/Data!K1:L5")


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("Data", "Data!A1:Z1000"),
        ("'My notes'!B2", "'My notes'!B2"),
        ("B2:B", "Data!B2:B1000"),
        ("Data!C:D", "Data!C1:D1000"),
        ("Data!3:4", "Data!A3:Z4"),
        ("Data!A1:ZZ5000", "Data!A1:Z1000"),
        ("report", "Data!A1:B2"),
        ("DATA!A1", "Data!A1"),
    ],
)
def test_ranges_are_understood_as_people_write_them(caller, place, shown):
    caller.book.name_range("report", "Data!A1:B2")
    assert caller.get(f"/values/{place}")["range"] == shown


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("Nowhere!A1", "Unable to parse range: Nowhere!A1"),
        ("Data!A0", "Unable to parse range: Data!A0"),
        ("Data!A1001", "Range (Data!A1001) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("Data!AA1:AB2", "Range (Data!AA1:AB2) exceeds grid limits. Max rows: 1000, max columns: 26"),
    ],
)
def test_ranges_that_do_not_exist_are_refused(caller, place, message):
    assert caller.send("GET", f"/values/{place}").json()["error"]["message"] == message


def test_writing_beyond_the_grid_or_the_range_is_refused(caller):
    for place, values in (("Data!A1000", [[1], [2]]), ("Data!Z1", [[1, 2]]), ("Data!A1:B2", [[1, 2, 3]])):
        assert caller.send("PUT", f"/values/{place}", {"values": values}, valueInputOption="RAW").status_code == 400
    assert caller.send("PUT", "/values/Data!A1", {"values": [[{}]]}, valueInputOption="RAW").status_code == 400
    message = caller.send("PUT", "/values/Data!A1", {"values": [[1]]}).json()["error"]["message"]
    assert message == "'valueInputOption' is required but not specified"
    assert caller.book.tab("Data").values() == []


def test_appended_values_go_below_the_table(caller):
    put(caller, [["day", "parts"], ["Mon", 1]], "RAW")
    answer = caller.send("POST", "/values/Data!A1:B1:append", {"values": [["Tue", 2]]}, valueInputOption="RAW").json()
    assert (answer["tableRange"], answer["updates"]["updatedRange"]) == ("Data!A1:B2", "Data!A3:B3")
    more = {"valueInputOption": "RAW", "insertDataOption": "INSERT_ROWS"}
    caller.send("POST", "/values/Data!A1:B1:append", {"values": [["Wed", 3]]}, **more)
    assert caller.book.tab("Data").values() == [["day", "parts"], ["Mon", 1], ["Tue", 2], ["Wed", 3]]


def test_many_ranges_are_read_written_and_cleared_at_once(caller):
    data = [{"range": "Data!A1", "values": [[1]]}, {"range": "'My notes'!A1:B1", "values": [[2, 3]]}]
    answer = caller.send("POST", "/values:batchUpdate", {"valueInputOption": "RAW", "data": data}).json()
    assert (answer["totalUpdatedCells"], answer["totalUpdatedSheets"]) == (3, 2)
    found = caller.get("/values:batchGet", ranges=["Data!A1", "'My notes'!A1:B1"])["valueRanges"]
    assert [one["values"] for one in found] == [[["1"]], [["2", "3"]]]
    assert caller.send("POST", "/values/Data!A:A:clear", {}).json()["clearedRange"] == "Data!A1:A1000"
    cleared = caller.send("POST", "/values:batchClear", {"ranges": ["'My notes'!A1"]}).json()["clearedRanges"]
    assert cleared == ["'My notes'!A1"]
    assert (caller.book.tab("Data").values(), caller.book.tab("My notes").values()) == ([], [[None, 3]])


def test_a_batch_of_values_with_one_wrong_range_writes_nothing(caller):
    data = [{"range": "Data!A1", "values": [[1]]}, {"range": "Nowhere!A1", "values": [[1]]}]
    assert caller.send("POST", "/values:batchUpdate", {"valueInputOption": "RAW", "data": data}).status_code == 400
    assert caller.book.tab("Data").values() == []


@pytest.mark.parametrize(
    ("number", "kind", "pattern", "text"),
    [
        (5, "", "", "5"),
        (5.0, "", "", "5"),
        (0.1, "", "", "0.1"),
        (-2.5, "", "", "-2.5"),
        (1e21, "", "", "1E+21"),
        (0.875, "PERCENT", "0.0%", "87.5%"),
        (0.875, "PERCENT", "", "87.50%"),
        (87.5, "NUMBER", '0.0"%"', "87.5%"),
        (1234567.5, "NUMBER", "#,##0", "1,234,568"),
        (1234567.5, "NUMBER", "#,##0.00", "1,234,567.50"),
        (-0.04, "NUMBER", "0.0", "0.0"),
        (-1234.5, "NUMBER", "#,##0.0", "-1,234.5"),
        (0, "NUMBER", "#,##0", "0"),
        (0.5, "NUMBER", "#.##", ".5"),
        (-3, "NUMBER", "0;(0)", "(3)"),
        (46348, "DATE", "yyyy-mm-dd", "2026-11-22"),
        (46348, "DATE", "", "11/22/2026"),
        (46348.25, "DATE_TIME", "yyyy-mm-dd hh:mm", "2026-11-22 06:00"),
        (46348.75, "DATE_TIME", "d mmm yyyy h:mm AM/PM", "22 Nov 2026 6:00 PM"),
        (46348.999999, "DATE_TIME", "yyyy-mm-dd hh:mm:ss", "2026-11-22 23:59:59"),
        (0.4375, "TIME", "hh:mm", "10:30"),
        (3, "TEXT", "@", "3"),
    ],
)
def test_numbers_look_as_their_format_says(number, kind, pattern, text):
    assert format_value({"numberValue": number}, {"type": kind, "pattern": pattern}) == text
