"""Letters as a browser shows them, on a phone and on a desk."""

import pytest

from mmflow import Column

LIGHTS = {"oee": {"amber": 0.65, "red": 0.5}}
CHARTS = [
    {"kind": "pareto", "x": "machine", "y": "downtime"},
    {"kind": "bar", "x": "machine", "y": "oee", "title": "OEE <b>now</b>"},
]
WIDE = tuple(Column(f"n{i}", f"Number {i} of many (min)", "number", unit="min", decimals=1) for i in range(11))


@pytest.mark.parametrize("template", ["morning", "table"])
def test_a_letter_fits_shows_its_pictures_and_can_be_read(write, plant, browse, template):
    letter = write(plant(compared=True), template=template, lights=LIGHTS, charts=CHARTS)
    for seen in browse(letter, 360, 1200):
        assert seen.scroll <= seen.inner
        assert len(seen.pictures) == 2
        assert all(natural == 792 and 280 < shown <= 480 for natural, shown in seen.pictures)
        assert seen.contrast[0] >= 4.5, seen.contrast
        assert seen.small >= 10.5
        for word in ("Yesterday by machine", "Mill 1", "41.2 %", "✕", "detroit is missing", "Total", "15,360"):
            assert word in seen.text


def test_twelve_columns_with_long_numbers_do_not_make_the_page_scroll(write, plant, browse):
    columns = (Column("machine", "Machine", "text", "group"), *WIDE)
    row = ("W" * 160, *[123_456_789.5] * 11)
    letter = write(plant([row] * 3, columns=columns, total=("Total", *[99_999_999.9] * 11)), template="table")
    for seen in browse(letter, 360, 1200):
        assert seen.scroll <= seen.inner
        assert seen.text.count("123,456,789.5") == 33
        assert seen.contrast[0] >= 4.5, seen.contrast


def test_a_phone_shows_the_label_of_each_number_when_the_table_is_too_wide_for_it(write, plant, browse):
    columns = (Column("machine", "Machine", "text", "group"), *WIDE)
    letter = write(plant([("Mill 1", *[1234.5] * 11)], columns=columns, total=None), template="table")
    assert [seen.text.count("Number 3 of many") for seen in browse(letter, 360, 1200)] == [1, 1]


@pytest.mark.row("S40")
def test_markup_in_cells_is_shown_as_text_and_runs_nothing(write, plant, browse):
    nasty = [
        ("<script>ran=1</script>", 0.4, 1.0, 1.0),
        ('<img src=x onerror="ran=1">', 0.4, 1.0, 1.0),
        ("</td></table><h1>", 0.4, 1.0, 1.0),
    ]
    letter = write(plant(nasty, total=None), lights=LIGHTS, charts=CHARTS, intro="<svg onload=ran=1>")
    (seen,) = browse(letter, 360)
    assert seen.ran == 0
    assert seen.scripts == 1  # the one that measures
    assert "<script>ran=1</script>" in seen.text
    assert "</td></table><h1>" in seen.text
    assert seen.scroll <= 360
