"""What ``spreadsheets.get`` shows, and how metadata is found."""

import pytest

AREA = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 2}


def remember(key, location, value="v"):
    return {
        "createDeveloperMetadata": {
            "developerMetadata": {
                "metadataKey": key,
                "metadataValue": value,
                "visibility": "DOCUMENT",
                "location": location,
            }
        }
    }


def test_without_grid_data_there_are_no_cells(caller):
    caller.write([[1]])
    found = caller.get()
    assert [sheet["properties"]["title"] for sheet in found["sheets"]] == ["Data", "My notes"]
    assert found["properties"]["title"] == "Report"
    assert "data" not in found["sheets"][0]
    assert (
        caller.get(includeGridData="true")["sheets"][0]["data"][0]["rowData"][0]["values"][0]["formattedValue"] == "1"
    )


def test_a_mask_decides_alone(caller):
    caller.write([[1, "x"]])
    found = caller.get(fields="sheets(properties/title,data.rowData.values(userEnteredValue))")
    values = [{"userEnteredValue": {"numberValue": 1}}, {"userEnteredValue": {"stringValue": "x"}}]
    assert found["sheets"][0] == {"properties": {"title": "Data"}, "data": [{"rowData": [{"values": values}]}]}
    assert caller.get(fields="properties(title)", includeGridData="true") == {"properties": {"title": "Report"}}
    assert caller.get(fields="sheets.properties.*")["sheets"][0]["properties"]["index"] == 0


def test_ranges_choose_tabs_and_cells(caller):
    caller.write([[1, 2], [3, 4], [5, 6]])
    found = caller.get(
        ranges=["Data!B2:B3"],
        fields="sheets(properties.title,data(startRow,startColumn,rowData.values.effectiveValue))",
    )
    assert len(found["sheets"]) == 1
    data = found["sheets"][0]["data"][0]
    assert (data["startRow"], data["startColumn"], len(data["rowData"])) == (1, 1, 2)
    assert data["rowData"][0]["values"] == [{"effectiveValue": {"numberValue": 4}}]


def test_an_effective_format_is_the_own_one_over_the_common_one(caller):
    caller.book.tab("Data").put("A1", 1, form={"textFormat": {"bold": True}})
    found = caller.get(
        ranges=["Data!A1"], fields="sheets.data.rowData.values.effectiveFormat.textFormat(bold,fontSize)"
    )
    assert found["sheets"][0]["data"][0]["rowData"][0]["values"][0]["effectiveFormat"]["textFormat"] == {
        "bold": True,
        "fontSize": 10,
    }


def test_ranges_of_the_first_sheet_have_no_sheet_id(caller):
    caller.book.name_range("first", "Data!A1:B2")
    caller.book.name_range("second", "'My notes'!A1:B2")
    first, second = caller.get(fields="namedRanges.range")["namedRanges"]
    assert "sheetId" not in first["range"]
    assert second["range"]["sheetId"] == caller.book.tab("My notes").id


def test_metadata_is_shown_where_it_belongs(caller):
    row = {"dimensionRange": {"dimension": "ROWS", "startIndex": 2, "endIndex": 3}}
    caller.batch(remember("book", {"spreadsheet": True}), remember("tab", {"sheetId": 0}), remember("row", row))
    found = caller.get(
        fields="developerMetadata.metadataKey,sheets(developerMetadata.metadataKey,data.rowMetadata.developerMetadata.metadataKey)"
    )
    assert found["developerMetadata"] == [{"metadataKey": "book"}]
    assert found["sheets"][0]["developerMetadata"] == [{"metadataKey": "tab"}]
    assert found["sheets"][0]["data"][0]["rowMetadata"][2] == {"developerMetadata": [{"metadataKey": "row"}]}


@pytest.mark.parametrize(
    ("data_filter", "keys"),
    [
        ({"developerMetadataLookup": {"metadataKey": "tab"}}, ["tab"]),
        ({"developerMetadataLookup": {"metadataValue": "v"}}, ["book", "tab", "row"]),
        ({"developerMetadataLookup": {"locationType": "ROW"}}, ["row"]),
        ({"developerMetadataLookup": {"metadataLocation": {"sheetId": 0}}}, ["tab"]),
        (
            {
                "developerMetadataLookup": {
                    "metadataLocation": {"sheetId": 0},
                    "locationMatchingStrategy": "INTERSECTING_LOCATION",
                }
            },
            ["book", "tab", "row"],
        ),
        ({"gridRange": {"startRowIndex": 1, "endRowIndex": 4}}, ["row"]),
        ({"a1Range": "Data"}, ["tab", "row"]),
        ({"developerMetadataLookup": {"metadataKey": "none"}}, []),
    ],
)
def test_metadata_is_found_by_filters(caller, data_filter, keys):
    row = {"dimensionRange": {"dimension": "ROWS", "startIndex": 2, "endIndex": 3}}
    caller.batch(remember("book", {"spreadsheet": True}), remember("tab", {"sheetId": 0}), remember("row", row))
    found = caller.send("POST", "/developerMetadata:search", {"dataFilters": [data_filter]}).json()
    assert [one["developerMetadata"]["metadataKey"] for one in found.get("matchedDeveloperMetadata", [])] == keys
    for one in found.get("matchedDeveloperMetadata", []):
        metadata_id = one["developerMetadata"]["metadataId"]
        assert caller.get(f"/developerMetadata/{metadata_id}") == one["developerMetadata"]


def test_metadata_is_changed_and_deleted_by_filters(caller):
    caller.batch(remember("a", {"spreadsheet": True}), remember("b", {"spreadsheet": True}))
    by_key = {"developerMetadataLookup": {"metadataKey": "a"}}
    change = {"dataFilters": [by_key], "developerMetadata": {"metadataValue": "new"}, "fields": "metadataValue"}
    caller.batch({"updateDeveloperMetadata": change})
    assert [one["metadataValue"] for one in caller.book.metadata] == ["new", "v"]
    reply = caller.batch({"deleteDeveloperMetadata": {"dataFilter": by_key}})[0]
    assert reply["deleteDeveloperMetadata"]["deletedDeveloperMetadata"][0]["metadataKey"] == "a"
    assert [one["metadataKey"] for one in caller.book.metadata] == ["b"]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"visibility": "DOCUMENT", "location": {"spreadsheet": True}}, "metadataKey"),
        ({"metadataKey": "k", "location": {"spreadsheet": True}}, "visibility"),
        ({"metadataKey": "k", "visibility": "PROJECT"}, "location"),
        (
            {"metadataKey": "k", "visibility": "PROJECT", "location": {"dimensionRange": {"dimension": "ROWS"}}},
            "exactly one row",
        ),
        ({"metadataKey": "k" * 30_001, "visibility": "PROJECT", "location": {"spreadsheet": True}}, "30000 characters"),
    ],
)
def test_metadata_that_google_would_not_take_is_refused(caller, metadata, message):
    assert message in caller.refuse({"createDeveloperMetadata": {"developerMetadata": metadata}})


def test_cells_are_found_by_filters(caller):
    caller.write([[1], [2]])
    caller.batch(remember("row", {"dimensionRange": {"dimension": "ROWS", "startIndex": 1, "endIndex": 2}}))
    body = {"dataFilters": [{"developerMetadataLookup": {"metadataKey": "row"}}], "includeGridData": True}
    found = caller.send("POST", ":getByDataFilter", body).json()
    data = found["sheets"][0]["data"][0]
    assert (data["startRow"], data["rowData"][0]["values"][0]["formattedValue"]) == (1, "2")


def test_objects_are_added_changed_and_deleted(caller):
    named = caller.batch({"addNamedRange": {"namedRange": {"name": "n", "range": AREA}}})[0]["addNamedRange"][
        "namedRange"
    ]
    spec = {"title": "Parts", "basicChart": {"chartType": "COLUMN"}}
    chart = caller.batch({"addChart": {"chart": {"spec": spec}}})[0]["addChart"]["chart"]
    caller.batch(
        {"updateNamedRange": {"namedRange": {"namedRangeId": named["namedRangeId"], "name": "m"}, "fields": "name"}},
        {"updateChartSpec": {"chartId": chart["chartId"], "spec": {"title": "Scrap", "pieChart": {}}}},
    )
    assert (caller.book.named, caller.book.tab("Data").charts[0]["spec"]["title"]) == ({"m": "Data!A1:Z2"}, "Scrap")
    caller.batch(
        {"deleteNamedRange": {"namedRangeId": named["namedRangeId"]}},
        {"deleteEmbeddedObject": {"objectId": chart["chartId"]}},
    )
    assert (caller.book.named, caller.book.tab("Data").charts) == ({}, [])


def test_colours_come_back_as_google_keeps_them(caller):
    style = {"backgroundColor": {"red": 0.1 + 0.2, "green": 0, "blue": 1}}
    area = {"endRowIndex": 1, "endColumnIndex": 1}
    caller.batch({"repeatCell": {"range": area, "cell": {"userEnteredFormat": style}, "fields": "userEnteredFormat"}})
    assert caller.book.tab("Data").formats() == [[{"backgroundColor": {"red": 0.3, "blue": 1}}]]


@pytest.mark.parametrize("name", ["A1", "true", "2nd", "two words", "n" * 251, ""])
def test_names_that_google_would_not_take_are_refused(caller, name):
    assert "is not valid" in caller.refuse({"addNamedRange": {"namedRange": {"name": name, "range": AREA}}})


def test_conditional_formats_keep_their_order(caller):
    def rule(red):
        style = {"backgroundColor": {"red": red}}
        return {"ranges": [AREA], "booleanRule": {"condition": {"type": "NOT_BLANK"}, "format": style}}

    def order():
        return [
            one["booleanRule"]["format"]["backgroundColor"]["red"]
            for one in caller.book.tab("Data").conditional_formats
        ]

    caller.batch(
        {"addConditionalFormatRule": {"rule": rule(1)}}, {"addConditionalFormatRule": {"rule": rule(2), "index": 1}}
    )
    caller.batch({"addConditionalFormatRule": {"rule": rule(3), "index": 0}})
    assert order() == [3, 1, 2]
    caller.batch({"updateConditionalFormatRule": {"index": 1, "rule": rule(9)}})
    reply = caller.batch({"deleteConditionalFormatRule": {"index": 0}})[0]
    assert reply["deleteConditionalFormatRule"]["rule"] == rule(3) | {
        "ranges": [{"startRowIndex": 0, "endRowIndex": 2}]
    }
    assert order() == [9, 2]


def test_columns_are_fitted_and_hidden(caller):
    caller.write([["a longer text", 1]])
    span = {"dimension": "COLUMNS", "startIndex": 0, "endIndex": 2}
    caller.batch({"autoResizeDimensions": {"dimensions": span}})
    hide = {"range": span | {"startIndex": 1}, "properties": {"hiddenByUser": True}, "fields": "hiddenByUser"}
    caller.batch({"updateDimensionProperties": hide})
    tab = caller.book.tab("Data")
    assert tab.dimension(0)["pixelSize"] > tab.dimension(1)["pixelSize"]
    assert tab.dimension(1)["hiddenByUser"] is True
