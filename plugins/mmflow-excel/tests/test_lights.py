"""Traffic lights of a workbook are rules of its cells."""

from datetime import date, timedelta

import pytest

from mmflow.lights import Light, find_lights
from mmflow.table import Column
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, make_run
from mmflow_excel.colours import paint_column

OEE = Column("oee", "OEE", "number", unit="ratio", decimals=3, direction="up")
OEE_PERCENT = Column("oee", "OEE (%)", "number", unit="%", decimals=1, direction="up")
WARNING = Column("oeeWarningThreshold", "Warning", "number", unit="ratio", decimals=3)
FAILURE = Column("oeeFailureThreshold", "Failure", "number", unit="ratio", decimals=3)
FIRST = date(2026, 11, 21)


def rules_of(sheet):
    return {
        str(area.sqref): [(rule.formula[0], rule.dxf.fill.bgColor.rgb[2:], rule.stopIfTrue) for rule in found]
        for area, found in sheet.conditional_formatting._cf_rules.items()
    }


def test_lights_are_conditional_formats(tmp_path, table, deliver, open_book):
    rows = [("a", 87.5), ("b", None)]
    deliver(table(rows, (MACHINE, OEE_PERCENT)), make_run(tmp_path), lights={"oee": {"amber": 65, "red": 50}})
    assert rules_of(open_book()["Data"]) == {
        "B2:B3": [
            ("IF(AND(ISNUMBER($B2),TRUE),$B2<0.5,FALSE)", "FFC7CE", True),
            ("IF(AND(ISNUMBER($B2),TRUE),$B2<0.65,FALSE)", "FFEB9C", True),
            ("AND(ISNUMBER($B2),OR(TRUE,TRUE))", "C6EFCE", True),
        ]
    }


def test_lights_of_a_pivot_take_the_limits_of_each_machine(tmp_path, table, deliver, open_book):
    columns = (DAY, MACHINE, OEE_PERCENT, WARNING, FAILURE)
    second = FIRST + timedelta(days=1)
    rows = [(day, name, 55.0, warning, 0.5) for day in (FIRST, second) for name, warning in (("a", 0.6), ("b", 70.0))]
    cross = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "oee"}}
    deliver(table(rows, columns), make_run(tmp_path), lights="plant", sheets=[cross])
    found = rules_of(open_book()["By day"])
    assert {area: rules[1][0] for area, rules in found.items()} == {
        "B2:C2": "IF(AND(ISNUMBER(B2),TRUE),B2<0.6,FALSE)",
        "B3:C3": "IF(AND(ISNUMBER(B3),TRUE),B3<0.7,FALSE)",
    }


@pytest.mark.parametrize(
    ("columns", "lights", "formula"),
    [
        ((OEE, WARNING, FAILURE), "plant", "IF(AND(ISNUMBER($A2),ISNUMBER($C2)),$A2<IF($C2>1.5,$C2/100,$C2),FALSE)"),
        (
            (DOWN, PARTS),
            {"downtime": Light(red="goodParts", better="down")},
            "IF(AND(ISNUMBER($A2),ISNUMBER($B2)),$A2>$B2,FALSE)",
        ),
        (
            (OEE_PERCENT, PARTS),
            {"oee": Light(red="goodParts")},
            "IF(AND(ISNUMBER($A2),ISNUMBER($B2)),$A2<$B2/100,FALSE)",
        ),
        ((DOWN,), {"downtime": Light(amber=1.0, red=2.0)}, "IF(AND(ISNUMBER($A2),TRUE),$A2>2.0,FALSE)"),
    ],
)
def test_limits_in_columns_are_compared_with_them(columns, lights, formula):
    (rule,) = find_lights(lights, columns)
    assert paint_column(rule, columns, 2, 9)[0].formula == "=" + formula
