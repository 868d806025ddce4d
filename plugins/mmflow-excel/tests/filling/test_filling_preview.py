"""What is said of a workbook that is filled before it is: what is in the way, and what would stand where."""

from datetime import date

import pytest

from mmflow.errors import GiveUp
from mmflow.testing.deliveries import make_run

ROWS = [(date(2026, 11, 20), "Haas 1", 12.5, 87.5)]
FILL = {"template": "template.xlsm", "target": "Downtimes", "path": "filled.xlsm"}


@pytest.fixture
def check(excel, tmp_path):
    """Check the options as ``mmflow validate --live`` does."""
    from mmflow.options import convert_values
    from mmflow.sinks import find_function

    return lambda **written: find_function(excel.check)(
        convert_values(FILL | written, excel.options), make_run(tmp_path)
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"template": "gone.xlsm"}, r"template: there is no template .*gone\.xlsm"),
        ({"template": "../../out.xlsm"}, r"template: the template .* lies outside of"),
        ({"target": "Losses"}, r"target: .*template\.xlsm has no table and no name 'Losses'"),
        ({"template": ""}, r"path: there is no workbook .*filled\.xlsm"),
    ],
)
def test_what_is_in_the_way_begins_with_the_option_to_be_mended(template, check, written, expected):
    template()
    check()
    with pytest.raises(GiveUp, match=rf"^{expected}"):
        check(**written)


def test_a_damaged_workbook_is_said_of_the_option_that_names_it(tmp_path, template, check):
    source = template()
    damaged = source.with_name("damaged.xlsm")
    damaged.write_bytes(source.read_bytes()[:2000])
    with pytest.raises(GiveUp, match=r"^template: .*damaged\.xlsm is damaged"):
        check(template="damaged.xlsm")
    (tmp_path / "out").mkdir()
    damaged.rename(tmp_path / "out" / "filled.xlsm")
    with pytest.raises(GiveUp, match=r"^path: .*filled\.xlsm is damaged"):
        check(mode="replace_window")


def test_the_preview_lists_the_first_rows_under_the_headings_of_the_target(tmp_path, template, table, call):
    template()
    lines = call("render", table(ROWS * 25), make_run(tmp_path), **FILL).text.splitlines()
    assert lines[:2] == ["filled.xlsm: 25 rows in Downtimes", ""]
    assert lines[2].split() == ["Day", "Machine", "Down", "(min)", "OEE", "Hours"]
    assert [line.split() for line in lines if "Haas" in line] == [["2026-11-20", "Haas", "1", "12.5", "87.5", "="]] * 20
    assert lines[-1] == "and 5 more"


def test_the_preview_of_no_rows_shows_the_headings(tmp_path, template, table, call):
    template()
    assert "Down (min)" in call("render", table([]), make_run(tmp_path), **FILL).text
