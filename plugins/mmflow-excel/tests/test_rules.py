"""What is wrong with the options of a workbook is said before any run, with the place of it."""

import pytest

from mmflow.errors import GiveUp
from mmflow.options import convert_values
from mmflow.sinks import find_function
from mmflow.testing.deliveries import make_outline, make_run

PIVOT = {"rows": "machine", "columns": "day", "value": "goodParts"}


def test_defaults_are_sound(validate):
    assert validate() == {}


@pytest.mark.parametrize(
    ("written", "place", "words"),
    [
        ({"path": "../x.xlsx"}, "path", "has '..' where a name was expected"),
        ({"path": "x.xls"}, "path", "ends in '.xls', expected .xlsx"),
        ({"path": "x.xlsm"}, "path", "holds no macros; write .xlsx"),
        ({"sheet": "a/b"}, ("sheet",), "holds '/'"),
        ({"sheet": "about"}, ("sheet",), "a second sheet 'about'"),
        ({"sheets": [{"name": "data"}]}, ("sheets", 0, "name"), "a second sheet 'data'"),
        ({"sheets": [{"name": "x" * 32}]}, ("sheets", 0, "name"), "has 32 characters"),
        ({"charts": [{"sheet": "ABOUT"}]}, ("charts", 0, "sheet"), "is taken by the sheet about the report"),
        ({"charts": [{"sheet": "a?"}]}, ("charts", 0, "sheet"), "holds '?'"),
        ({"formats": {"goodPart": "0"}}, ("formats", "goodPart"), "did you mean 'goodParts'?"),
        ({"formats": {"day": ""}}, ("formats", "day"), "has 0 characters"),
        ({"formats": {"day": 'yyyy" year'}}, ("formats", "day"), "is no number format of Excel"),
        ({"formats": {"day": "[red"}}, ("formats", "day"), "close its quotes and brackets"),
        ({"hidden": ["oee"]}, ("hidden", 0), "the report has no column 'oee'"),
        ({"lights": {"oee": {"red": 1}}}, ("lights", "oee"), "the report has no column 'oee'"),
        ({"lights": "plant"}, ("lights",), "the report has no limits of the plant"),
        ({"charts": [{"x": "machin"}]}, ("charts", 0, "x"), "did you mean 'machine'?"),
        ({"charts": [{"y": ["downtime", "oee"]}]}, ("charts", 0, "y", 1), "no column 'oee'"),
        ({"charts": [{"line": ["oee"]}]}, ("charts", 0, "line", 0), "no column 'oee'"),
        ({"charts": [{"type": "bar", "line": ["downtime"]}]}, ("charts", 0, "line"), "not in a bar chart"),
        ({"charts": [{"type": "pareto", "line": ["downtime"]}]}, ("charts", 0, "line"), "draws its own line"),
        ({"charts": [{"type": "pareto", "y": ["downtime", "goodParts"]}]}, ("charts", 0, "y"), "one column"),
        ({"charts": [{"y_min": 2, "y_max": 1}]}, ("charts", 0, "y_max"), "is not above y_min"),
        ({"sheets": [{"name": "A", "columns": ["oee"]}]}, ("sheets", 0, "columns", 0), "no column 'oee'"),
        ({"sheets": [{"name": "A", "columns": ["day", "day"]}]}, ("sheets", 0, "columns", 1), "is there twice"),
        ({"sheets": [{"name": "A", "sort": ["-oee"]}]}, ("sheets", 0, "sort", 0), "no column 'oee'"),
        (
            {"sheets": [{"name": "A", "columns": ["day"], "charts": [{"x": "machine"}]}]},
            ("sheets", 0, "charts", 0, "x"),
            "no column 'machine'",
        ),
        ({"sheets": [{"name": "A", "columns": ["day"], "pivot": PIVOT}]}, ("sheets", 0, "columns"), "no effect beside"),
        ({"sheets": [{"name": "A", "pivot": PIVOT | {"value": "oee"}}]}, ("sheets", 0, "pivot", "value"), "no column"),
        ({"sheets": [{"name": "A", "pivot": PIVOT | {"columns": "machine"}}]}, ("sheets", 0, "pivot"), "twice"),
        ({"sheets": [{"name": "A", "pivot": PIVOT | {"rows": []}}]}, ("sheets", 0, "pivot", "rows"), "is empty"),
        (
            {"sheets": [{"name": "A", "pivot": PIVOT, "charts": [{"x": "day"}]}]},
            ("sheets", 0, "charts", 0, "x"),
            "the pivot has no column 'day' of names",
        ),
        ({"mode": "replace_window", "path": "{date}.xlsx"}, "path", "is a new file every time"),
        ({"template": "a.xlsx"}, "template", "needs target"),
        ({"template": "a.xls", "target": "T"}, "template", "ends in '.xls'"),
        ({"template": "a.xlsm", "target": "T"}, "path", "has another suffix than the template; write .xlsm"),
        ({"target": "T", "charts": [{"x": "machine"}]}, "charts", "has no effect in a workbook that is filled"),
        ({"target": "T", "about": False}, "about", "has no effect in a workbook that is filled"),
        ({"target": "T", "sheet": "Other"}, "sheet", "has no effect in a workbook that is filled"),
        ({"formats": {"day": "0;0;0;@;0"}}, ("formats", "day"), "is no number format of Excel"),
        ({"formats": {"day": "0.0 q"}}, ("formats", "day"), "put 'q' between double quotes"),
    ],
)
def test_fault_is_named_with_its_place(validate, written, place, words):
    found = validate(**written)
    assert words in found[place], found
    assert len(found) == 1


def test_usual_formats_are_sound(validate):
    forms = ["#,##0.00 €", "dd. mmmm yyyy", "[$-409]d mmm;@", "hh:mm AM/PM", "_-* #,##0.00_-", "0.0\\q"]
    for form in forms:
        assert validate(formats={"downtime": form}) == {}
    forms = ['0.0" min"', "[h]:mm", '#,##0;[Red]-#,##0;"-"', 'ddd dd\\"', "0%"]
    for form in forms:
        assert validate(formats={"downtime": form}) == {}


def test_window_needs_a_time_group(validate):
    found = validate(make_outline(columns=("machine",), time_column=""), mode="replace_window")
    assert found == {"mode": "replace_window needs a time group in the report, such as day; add one, or use replace"}


def check(excel, run, **written):
    find_function(excel.check)(convert_values(written, excel.options), run)


@pytest.mark.row("R50")
def test_check_finds_what_is_in_the_way_and_writes_nothing(tmp_path, excel):
    check(excel, make_run(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").write_text("a file")
    with pytest.raises(GiveUp, match="may not write to"):
        check(excel, make_run(tmp_path))
    (tmp_path / "out").unlink()
    (tmp_path / "out/morning-oee.xlsx").mkdir(parents=True)
    with pytest.raises(GiveUp, match="is a folder"):
        check(excel, make_run(tmp_path))


def test_check_finds_a_template_that_is_not_there_or_lies_elsewhere(tmp_path, excel):
    with pytest.raises(GiveUp, match="there is no template"):
        check(excel, make_run(tmp_path), template="gone.xlsx", target="T")
    with pytest.raises(GiveUp, match="lies outside of"):
        check(excel, make_run(tmp_path), template="../../gone.xlsx", target="T")
    with pytest.raises(GiveUp, match=r"there is no workbook .* to be filled"):
        check(excel, make_run(tmp_path), target="T")
