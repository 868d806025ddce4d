"""The formulas of conditional formats colour each cell as the traffic lights of the report do."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.lights import Light, find_lights
from mmflow.table import Column
from mmflow_excel.colours import paint_column
from mmflow_excel.options import Pivot
from mmflow_excel.pivot import lay_out
from mmflow_excel.rows import Rows
from mmflow_excel.values import sheet_value

NAME = Column("machine", "Machine", "text", "group")
DAY = Column("shift", "Shift", "text", "group")
LIMITS = (
    Column("oeeWarningThreshold", "Warning", "number", unit="ratio"),
    Column("oeeFailureThreshold", "Failure", "number", unit="ratio"),
)
OEE = Column("oee", "OEE", "number", unit="ratio", direction="up")
PERCENT = Column("oee", "OEE (%)", "number", unit="%", direction="up")
PARTS = (
    Column("goodParts", "Good", "number", unit="parts", direction="up"),
    Column("partsGoal", "Goal", "number", unit="parts"),
    Column("partsGoalWarningThreshold", "Warning", "number"),
    Column("partsGoalFailureThreshold", "Failure", "number"),
)
DOWN = Column("downtime", "Down", "number", unit="min", direction="down")


class Number(float):
    """A number of Excel's in a formula; what is not one is nan, of which nothing is true."""

    def __truediv__(self, other):
        return Number(float(self) / float(other)) if other else Number("nan")


FUNCTIONS = {
    "IF": lambda test, then, other: then if test else other,
    "AND": lambda *tests: all(tests),
    "OR": lambda *tests: any(tests),
    "ISNUMBER": lambda value: not math.isnan(value),
    "TRUE": True,
    "FALSE": False,
}


def compute(formula, cells):
    """Work out a formula; ``cells`` are values by address."""
    text = re.sub(r"\$?([A-Z])(\d+)\b", r"cell('\1\2')", formula.removeprefix("=")).replace("<>", "!=")

    def cell(place):
        value = cells.get(place)
        return Number("nan") if value is None else Number(value)

    return eval(text, {"cell": cell, **FUNCTIONS})


def painted(paints, cells):
    return next((paint.colour for paint in paints if compute(paint.formula, cells)), None)


numbers = st.none() | st.sampled_from([0.0, 0.4, 0.5, 0.6, 0.7, 1.0, 40.0, 50.0, 60.0, 65.0, 100.0])
CASES = [
    ((OEE, *LIMITS), "plant"),
    ((PERCENT, *LIMITS), "plant"),
    (PARTS, "plant"),
    ((OEE,), {"oee": Light(amber=0.6, red=0.5)}),
    ((PERCENT,), {"oee": Light(amber=60.0)}),
    ((PERCENT, DOWN), {"oee": Light(red="downtime")}),
    ((DOWN, PERCENT), {"downtime": Light(red="oee", amber=1.0, better="up")}),
    ((DOWN,), {"downtime": Light(amber=40.0, red=60.0)}),
]


@pytest.mark.parametrize(("columns", "lights"), CASES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_formula_and_rule_agree(columns, lights, data):
    row = data.draw(st.tuples(*(numbers for _ in columns)))
    (rule, *_) = find_lights(lights, columns)
    cells = {
        f"{letter}2": sheet_value(cell, column) for letter, cell, column in zip("ABCD", row, columns, strict=False)
    }
    assert painted(paint_column(rule, columns, 2, 2), cells) == rule.colour(row)


@pytest.mark.parametrize(("columns", "lights"), CASES)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_pivot_and_rule_agree(columns, lights, data):
    """Each cell of a pivot lies in the areas of its own limits, and those give the colour of its row."""
    every = (NAME, DAY, *columns)
    places = [(name, shift) for name in "abc" for shift in ("1", "2", "3")]
    values = [data.draw(st.tuples(*(numbers for _ in columns))) for _ in places]
    rows = [(*place, *row) for place, row in zip(places, values, strict=True)]
    rules = find_lights(lights, every)
    pivot = Pivot(rows="machine", columns="shift", value=columns[0].name)
    paints = lay_out(pivot, Rows.of_list(every, rows), "By shift", rules).paint(2, 3)
    for number, row in enumerate(rows):
        line, across = divmod(number, 3)
        found = [
            (paint.colour, shift_formula(paint, line + 2, across + 2))
            for paint in paints
            if paint.area.top <= line + 2 <= paint.area.bottom and paint.area.left <= across + 2 <= paint.area.right
        ]
        cells = {f"{'ABCD'[across + 1]}{line + 2}": sheet_value(row[2], columns[0])}
        assert next((colour for colour, formula in found if compute(formula, cells)), None) == rules[0].colour(row)


def shift_formula(paint, row, column):
    """Write the formula for another cell of its area, as Excel does."""
    first = f"{'_ABCD'[paint.area.left]}{paint.area.top}"
    return re.sub(rf"\b{first}\b", f"{'_ABCD'[column]}{row}", paint.formula)
