"""The chart of the delivered rows: what it is made of, whatever stands around them."""

from datetime import date

import pytest

from mmflow.table import FooterRow
from mmflow.testing.deliveries import day_rows

SATURDAY = date(2026, 11, 21)
FOOTER = (FooterRow("total", ("Total", None, 200.0, 3.0)),)


@pytest.fixture
def draw(quick, table):
    """Deliver rows with a chart of good parts, and give what is drawn."""

    def call(rows, written, **options):
        chart = {"x": "machine", "y": ["goodParts"], **written}
        quick.deliver(table(rows, footer=options.pop("totals", ())), chart=chart, **options)
        [drawn] = quick.book.tab("Data").charts
        return drawn["spec"]

    return call


@pytest.mark.parametrize(
    ("written", "kind", "axis", "stacked"),
    [
        ({}, "COLUMN", "LEFT_AXIS", None),
        ({"kind": "bar", "stacked": "yes"}, "BAR", "BOTTOM_AXIS", "STACKED"),
        ({"kind": "area", "stacked": "percent"}, "AREA", "LEFT_AXIS", "PERCENT_STACKED"),
        ({"kind": "scatter"}, "SCATTER", "LEFT_AXIS", None),
    ],
)
def test_kind_decides_about_axis_and_stacking(draw, written, kind, axis, stacked):
    spec = draw(day_rows(SATURDAY, 1), written)
    basic = spec["basicChart"]
    assert (basic["chartType"], basic["series"][0]["targetAxis"], basic.get("stackedType")) == (kind, axis, stacked)
    assert spec["title"] == "morning-oee"


def span(spec, part, name):
    [source] = spec["basicChart"][part][0][name]["sourceRange"]["sources"]
    return tuple(source[key] for key in ("startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"))


def test_totals_are_no_part_of_it(draw):
    spec = draw(day_rows(SATURDAY, 1), {}, totals=FOOTER)
    assert span(spec, "domains", "domain") == (0, 3, 1, 2)
    assert span(spec, "series", "series") == (0, 3, 2, 3)
    assert spec["basicChart"]["headerCount"] == 1


def test_table_without_rows_and_headings_still_has_one(draw):
    spec = draw([], {}, header="none")
    assert span(spec, "series", "series") == (0, 1, 2, 3)
    assert spec["basicChart"]["headerCount"] == 0


def test_it_stands_right_of_the_table_until_people_move_it(draw, quick):
    draw(day_rows(SATURDAY, 1), {}, anchor="B3")
    [drawn] = quick.book.tab("Data").charts
    assert drawn["position"]["overlayPosition"]["anchorCell"]["columnIndex"] == 6
    assert drawn["position"]["overlayPosition"]["anchorCell"]["rowIndex"] == 2
