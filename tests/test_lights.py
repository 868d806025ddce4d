"""Traffic lights: limits of a job and of the plant, which way is better, and what is wrong with them offline."""

import pytest

from mmflow.lights import Light, as_number, check_lights, find_lights
from mmflow.table import Column

MACHINE = Column("machine", "Machine", "text", "group")
OEE = Column("oee", "OEE", "number", direction="up")
PERCENT = Column("oee", "OEE", "number", unit="%", direction="up")
DOWN = Column("downtime", "Down", "number", unit="min", direction="down")
PLAIN = Column("plain", "Plain", "number")
WARNING = Column("oeeWarningThreshold", "Warning", "number")
FAILURE = Column("oeeFailureThreshold", "Failure", "number")
PARTS = Column("goodParts", "Parts", "number")
GOAL = Column("partsGoal", "Goal", "number")
PARTS_WARNING = Column("partsGoalWarningThreshold", "Warning", "number")
PARTS_FAILURE = Column("partsGoalFailureThreshold", "Failure", "number")


def colours(lights, columns, *rows):
    (rule,) = find_lights(lights, columns)
    return [rule.colour(row) for row in rows]


def test_a_value_at_a_limit_is_not_beyond_it():
    rows = [(0.7,), (0.65,), (0.64,), (0.5,), (0.49,), (None,)]
    lights = {"oee": Light(amber=0.65, red=0.5)}
    assert colours(lights, (OEE,), *rows) == ["green", "green", "amber", "amber", "red", None]
    rows = [(30.0,), (30.5,), (60.0,), (60.5,)]
    assert colours({"downtime": Light(amber=30.0, red=60.0)}, (DOWN,), *rows) == ["green", "amber", "amber", "red"]


@pytest.mark.parametrize(
    ("light", "column", "cell", "share"),
    [
        (Light(red=0.5), OEE, 0.4, 0.2),
        (Light(red=0.5), OEE, 0.5, 0.0),
        (Light(red=0.5), OEE, 0.9, 0.0),
        (Light(red=0.5), OEE, None, 0.0),
        (Light(amber=0.5), OEE, 0.1, 0.0),
        (Light(red=60.0), DOWN, 90.0, 0.5),
        (Light(red=0.0), DOWN, 3.0, 3.0),
    ],
)
def test_how_far_a_value_lies_beyond_its_limit_of_red_is_a_share_of_it(light, column, cell, share):
    (rule,) = find_lights({column.name: light}, (column,))
    assert rule.excess((cell,)) == pytest.approx(share)


def test_how_far_a_value_lies_beyond_a_limit_of_the_plant_is_measured_in_ratios():
    (rule,) = find_lights("plant", (PERCENT, WARNING, FAILURE))
    assert rule.excess((40.0, 65.0, 50.0)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("light", "column", "low", "high"),
    [
        (Light(amber=30.0, red=60.0), PLAIN, "green", "red"),
        (Light(amber=60.0, red=30.0), DOWN, "red", "green"),
        (Light(red=50.0), DOWN, "green", "red"),
        (Light(red=50.0), OEE, "red", "green"),
        (Light(red=50.0), PLAIN, "red", "green"),
        (Light(red=50.0, amber=50.0), DOWN, "green", "red"),
        (Light(red=50.0, amber=50.0), OEE, "red", "green"),
        (Light(red=50.0, better="down"), OEE, "green", "red"),
        (Light(amber=60.0, red=30.0, better="down"), OEE, "green", "red"),
    ],
    ids=[
        "red above amber",
        "red below amber",
        "less down",
        "more oee",
        "unknown",
        "equal down",
        "equal up",
        "said",
        "said beside",
    ],
)
def test_which_way_is_worse_is_said_or_shown_by_the_limits_or_known_of_the_column(light, column, low, high):
    assert colours({column.name: light}, (column,), (1.0,), (100.0,)) == [low, high]


def test_one_limit_alone_leaves_the_other_colour_out():
    assert colours({"oee": Light(amber=0.6)}, (OEE,), (0.1,), (0.7,)) == ["amber", "green"]
    assert colours({"oee": Light(red=0.6)}, (OEE,), (0.1,), (0.7,)) == ["red", "green"]


def test_a_limit_may_be_a_column_and_counts_only_where_it_is_known():
    lights = {"downtime": Light(amber="plain", red=60.0)}
    rows = [(50.0, 40.0), (50.0, None), (70.0, None), (30.0, 40.0)]
    assert colours(lights, (DOWN, PLAIN), *rows) == ["amber", "green", "red", "green"]
    only = {"downtime": Light(amber="plain")}
    assert colours(only, (DOWN, PLAIN), (50.0, None)) == [None]
    assert colours(only, (DOWN,), (50.0,)) == [None], "a run may leave that column out"


def test_lights_come_in_the_order_of_the_columns_and_none_for_columns_that_are_not_there():
    lights = {"downtime": Light(red=1.0), "gone": Light(red=1.0), "oee": Light(red=1.0)}
    assert [rule.place for rule in find_lights(lights, (MACHINE, OEE, DOWN))] == [1, 2]
    assert find_lights(None, (OEE,)) == []
    assert find_lights({}, (OEE,)) == []


@pytest.mark.parametrize(("warning", "failure"), [(0.6, 0.4), (60.0, 40.0)])
@pytest.mark.parametrize(("column", "factor"), [(OEE, 1), (PERCENT, 100)])
def test_limits_of_the_plant_mean_the_same_as_ratios_and_in_percent(column, factor, warning, failure):
    columns = (column, WARNING, FAILURE)
    rows = [(value * factor, warning, failure) for value in (0.7, 0.5, 0.3)]
    assert colours("plant", columns, *rows, (0.1, None, None)) == ["green", "amber", "red", None]


def test_a_limit_of_one_and_a_half_is_still_a_ratio():
    columns = (PARTS, GOAL, PARTS_WARNING, PARTS_FAILURE)
    rows = [(140.0, 100.0, 1.5, 1.0), (160.0, 100.0, 1.5, 1.0), (140.0, 100.0, 151.0, 1.0), (140.0, 100.0, 1.55, 1.0)]
    assert colours("plant", columns, *rows) == ["amber", "green", "amber", "green"]


@pytest.mark.parametrize(
    ("goal", "colour"), [(100.0, "red"), (50.0, "amber"), (40.0, "green"), (0.0, None), (None, None)]
)
def test_parts_are_held_against_their_share_of_the_goal(goal, colour):
    columns = (PARTS, GOAL, PARTS_WARNING, PARTS_FAILURE)
    assert colours("plant", columns, (40.0, goal, 90.0, 50.0)) == [colour]


def test_limits_of_the_plant_need_all_their_columns():
    assert find_lights("plant", (OEE, WARNING)) == []
    assert find_lights("plant", (PARTS, PARTS_WARNING, PARTS_FAILURE)) == []


@pytest.mark.parametrize(("cell", "number"), [(5, 5.0), (0.5, 0.5), (True, None), ("5", None), (None, None)])
def test_only_numbers_are_numbers(cell, number):
    assert as_number(cell) == number


@pytest.mark.parametrize(
    ("lights", "columns", "found"),
    [
        ({"oee": Light(amber=0.6)}, ("oee",), []),
        ({"oee": Light(amber="limit")}, ("oee", "limit"), []),
        ({"oee": Light()}, ("oee",), [(("oee",), "has no limit; write amber, red or both")]),
        ({"oe": Light(red=1.0)}, ("oee",), [(("oe",), "the report has no column 'oe'; did you mean 'oee'?")]),
        (
            {"oee": Light(red="limt", amber="limit")},
            ("oee", "limit"),
            [(("oee", "red"), "the report has no column 'limt'; did you mean 'limit'?")],
        ),
        ("plant", ("oee", "oeeWarningThreshold", "oeeFailureThreshold"), []),
        ("plant", ("goodParts", "partsGoal", "partsGoalWarningThreshold", "partsGoalFailureThreshold"), []),
        (None, ("oee",), []),
    ],
)
def test_what_is_wrong_with_lights_is_found_offline(lights, columns, found):
    assert list(check_lights(lights, columns)) == found


@pytest.mark.parametrize(
    "columns",
    [("oee",), ("oeeWarningThreshold", "oeeFailureThreshold"), ("oee", "oeeWarningThreshold")],
)
def test_a_report_without_the_plants_limits_is_told_which_to_add(columns):
    ((path, message),) = check_lights("plant", columns)
    assert path == ()
    assert message == (
        "the report has no limits of the plant; add the metrics oee and oeeWarningThreshold and oeeFailureThreshold; "
        "goodParts and partsGoalWarningThreshold and partsGoalFailureThreshold and partsGoal"
    )


@pytest.mark.parametrize(("unit", "paths"), [("", ["sinks[0].lights.oee.amber"]), (", unit: '%'", [])])
def test_a_limit_in_percent_of_a_ratio_is_found_before_any_run(desk, unit, paths):
    desk.job(
        f"""
        job: daily
        report: {{metrics: [{{metric: oee{unit}}}]}}
        window: yesterday
        sinks: [{{type: excel, lights: {{oee: {{amber: 65, red: 0.5}}}}}}]
        """
    )
    problems = desk.mmflow("validate", "--json").data["problems"]
    assert [problem["path"] for problem in problems] == paths
    assert all("is 65, and oee is 0 to 1 here" in one["message"] for one in problems)
