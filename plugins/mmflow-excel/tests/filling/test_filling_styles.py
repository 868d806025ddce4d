"""What a format shows: days, times of day or percent, however it is written."""

import pytest

from mmflow_excel.filling.markup import Element
from mmflow_excel.filling.styles import Styles


def styles_of(code):
    """Give the styles of a workbook whose one format is this code, or one of Excel's own by its number."""
    number, codes = (code, {}) if isinstance(code, int) else (164, {164: code})
    return Styles((Element("xf", {"numFmtId": str(number)}, None, 0, 0),), codes)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("yyyy-mm-dd", "days"),
        ("dd.mm.yyyy hh:mm", "days"),
        ("[$-409]d mmm;@", "days"),
        ("hh:mm", "times"),
        ("[h]:mm", "times"),
        ("[mm]:ss", "times"),
        ("0.0%", "percent"),
        ('0.0" days"', ""),
        ("[Red]0.00", ""),
        ("General", ""),
        ('0\\d;"y"', ""),
        (14, "days"),
        (20, "times"),
        (46, "times"),
        (9, "percent"),
        (0, ""),
    ],
)
def test_format_shows_one_thing(code, shown):
    found = styles_of(code)
    told = {"days": found.shows_days(0), "times": found.shows_times(0), "percent": found.shows_percent(0)}
    assert [name for name, does in told.items() if does] == ([shown] if shown else [])
