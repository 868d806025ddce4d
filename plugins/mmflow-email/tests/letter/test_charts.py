"""Pictures of the rows: what they show, what they say to those who cannot see them, and what they leave out."""

import struct
from dataclasses import replace
from datetime import date, timedelta

import pytest

from mmflow import Column
from mmflow_email.letter.charts import Collector
from mmflow_email.letter.content import make_cid
from mmflow_email.letter.options import LetterChart

DAY = Column("day", "Day", "date", "group")
MACHINE = Column("machine", "Machine", "text", "group")
OEE = Column("oee", "OEE", "number", unit="ratio", decimals=3, direction="up")
DOWN = Column("downtime", "Down time (min)", "number", unit="min", decimals=0, direction="down")
SETUP = Column("setupTime", "Setup (min)", "number", unit="min", decimals=0)


def collect(chart, columns, rows, colours=()):
    collector = Collector.of(LetterChart(**chart), columns)
    for row in rows:
        collector.add(row, dict(colours))
    return collector, collector.plot()


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def test_every_kind_is_drawn_the_same_bytes_each_time(write, plant):
    charts = [
        {"kind": kind, "x": "machine", "y": y}
        for kind, y in [
            ("bar", "oee"),
            ("column", "goodParts"),
            ("pareto", "downtime"),
            ("line", "oee"),
            ("stacked", ["goodParts", "downtime"]),
        ]
    ]
    letter = write(charts=charts)
    assert len(letter.pictures) == 5
    assert {size_of(picture.content)[0] for picture in letter.pictures} == {792}
    assert len({picture.content for picture in letter.pictures}) == 5
    assert letter.pictures == write(charts=charts).pictures
    for picture in letter.pictures:
        assert f'src="cid:{picture.cid}"' in letter.html
        assert picture.alt
        assert picture.name.endswith(".png")
        assert f"[picture] {picture.alt}" in letter.text


def test_the_alternative_text_says_the_gist(write):
    (bar, line) = write(
        charts=[
            {"kind": "bar", "x": "machine", "y": "oee"},
            {"kind": "line", "x": "machine", "y": "downtime", "title": "Down"},
        ]
    ).pictures
    assert bar.alt == "OEE by Machine: highest Mill 2 87.5 %; lowest Mill 1 41.2 %"
    assert (
        line.alt == "Down: from Mill 1 118.0 min to Lathe 4 0.0 min; highest Lathe 3 240.2 min; lowest Lathe 4 0.0 min"
    )


def test_a_pareto_puts_the_largest_first_and_adds_the_small_ones_up():
    rows = [(f"Mill {i:03}", float(i)) for i in range(200)]
    collector, plot = collect({"kind": "pareto", "x": "machine", "y": "downtime"}, [MACHINE, DOWN], rows)
    values = plot["series"][0]["values"]
    assert plot["labels"][0] == "Mill 199"
    assert values == list(range(199, 187, -1))
    assert plot["running"] == sorted(plot["running"])
    assert plot["running"][-1] == pytest.approx(100 * sum(values) / sum(range(200)))
    assert "187 others make up 88 % and are not shown" in collector.say(plot)  # a machine without any is no loss


def test_a_pareto_of_very_many_rows_keeps_few_in_memory():
    _, plot = collect(
        {"kind": "pareto", "x": "machine", "y": "downtime"}, [MACHINE, DOWN], [(str(i), 1.0) for i in range(40_000)]
    )
    assert len(plot["labels"]) == 12
    assert plot["running"][-1] == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("kind", "column", "shown", "said"),
    [
        ("bar", OEE, range(30), "the worst 30 of 60 are shown, the worst first"),
        ("column", OEE, range(20), "the worst 20 of 60 are shown, the worst first"),
        ("column", DOWN, range(58, 38, -1), "the worst 20 of 60 are shown, the worst first"),
        ("column", SETUP, range(58, 38, -1), "the largest 20 of 60 are shown, the largest first"),
    ],
)
def test_of_too_many_bars_the_worst_are_drawn(kind, column, shown, said):
    rows = [(f"Mill {i}", i / 100) for i in (*range(30, 59), *range(30))]
    rows.insert(7, ("not known", None))
    collector, plot = collect({"kind": kind, "x": "machine", "y": column.name}, [MACHINE, column], rows)
    assert plot["labels"] == [f"Mill {i}" for i in shown]
    assert collector.say(plot).endswith(f"; {said}")
    assert collector.say_cut() == f"; {said}"


def test_bars_that_fit_stand_in_the_order_of_the_table():
    rows = [("Mill 2", 0.5), ("Mill 3", None), ("Mill 1", 0.1)]
    collector, plot = collect({"kind": "bar", "x": "machine", "y": "oee"}, [MACHINE, OEE], rows)
    assert plot["labels"] == ["Mill 2", "Mill 3", "Mill 1"]
    assert collector.say_cut() == ""


def test_of_too_many_days_the_first_are_drawn_in_their_order():
    rows = [(date(2026, 11, 1) + timedelta(days=d), 1.0 - d / 100) for d in range(28)]
    collector, plot = collect({"kind": "column", "x": "day", "y": "oee"}, [DAY, OEE], rows)
    assert (plot["labels"][0], len(plot["labels"]), plot["lying"]) == ("Sun 1 Nov", 20, False)
    assert collector.say_cut() == "; the first 20 of 28 are shown"


def test_very_many_bars_keep_few_in_memory_and_the_worst_among_them():
    rows = ((str(i), 1.0 - i / 20_000) for i in range(12_000))
    collector, plot = collect({"kind": "bar", "x": "machine", "y": "oee"}, [MACHINE, OEE], rows)
    assert plot["labels"] == [str(i) for i in range(11_999, 11_969, -1)]
    assert collector.say_cut().startswith("; the worst 30 of 12,000 ")


@pytest.mark.parametrize(("kind", "lies"), [("column", True), ("stacked", True), ("pareto", False), ("line", False)])
def test_more_than_eight_names_have_no_room_below_bars_on_a_phone(kind, lies):
    rows = [(f"Mill {i}", 5.0) for i in range(9)]
    chart = {"kind": kind, "x": "machine", "y": "downtime"}
    assert collect(chart, [MACHINE, DOWN], rows[:8])[1]["lying"] is False
    assert collect(chart, [MACHINE, DOWN], rows)[1]["lying"] is lies


@pytest.mark.parametrize("kind", ["column", "stacked", "line", "bar"])
def test_names_that_differ_at_their_end_stay_apart(kind):
    rows = [(f"Assembly station of hall B, number {i}", 5.0) for i in range(12)]
    _, plot = collect({"kind": kind, "x": "machine", "y": "downtime"}, [MACHINE, DOWN], rows)
    assert plot["labels"] == [name for name, _ in rows]


def test_letters_of_a_picture_can_be_read_where_it_is_shown_on_a_phone(write, plant):
    from mmflow_email.letter.drawing import SMALL, WIDTH

    assert SMALL / 72 * 330 / WIDTH > 10.5
    charts = [{"kind": kind, "x": "machine", "y": "downtime"} for kind in ("bar", "column", "stacked", "pareto")]
    rows = [(f"Assembly station of hall B, number {i}", 0.5, 1.0, 1.0 + i) for i in range(40)]
    letter = write(plant(rows), charts=charts)
    heights = [size_of(picture.content)[1] * 330 / 792 for picture in letter.pictures]
    assert heights[0] > 30 * 2 * 11  # names in two lines
    assert heights[1] > 20 * 2 * 11
    assert heights[2] > 20 * 2 * 11
    assert heights[3] < 360


def test_rows_are_never_added_up_so_days_of_one_machine_stay_apart():
    rows = [("Mill 1", date(2026, 11, 21), 0.4), ("Mill 1", date(2026, 11, 22), 0.6)]
    _, plot = collect({"kind": "column", "x": "machine", "y": "oee"}, [MACHINE, DAY, OEE], rows)
    assert plot["labels"] == ["Mill 1 · Sat 2026-11-21", "Mill 1 · Sun 2026-11-22"]
    assert plot["series"][0]["values"] == [40.0, 60.0]


def test_a_line_has_a_series_for_each_machine_and_a_gap_where_nothing_is_known():
    first = date(2026, 11, 1)
    rows = [(first + timedelta(days=d), m, None if d == 1 else 0.5) for d in range(3) for m in ("Mill 1", "Mill 2")]
    collector, plot = collect({"kind": "line", "x": "day", "y": "oee"}, [DAY, MACHINE, OEE], rows)
    assert collector.say(plot) == "OEE by Day, 3 points: Mill 1 ends at 50.0 %, Mill 2 ends at 50.0 %"
    assert [one["name"] for one in plot["series"]] == ["Mill 1", "Mill 2"]
    assert plot["series"][0]["values"] == [50.0, None, 50.0]


def test_a_stack_shows_several_columns():
    _, plot = collect(
        {"kind": "stacked", "x": "machine", "y": ["downtime", "setupTime"]},
        [MACHINE, DOWN, SETUP],
        [("Mill 1", 5.0, 3.0)],
    )
    assert [(one["name"], one["values"]) for one in plot["series"]] == [("Down time", [5.0]), ("Setup", [3.0])]


@pytest.mark.parametrize("kind", ["pareto", "stacked"])
def test_rates_are_not_stacked_or_added_up(write, kind):
    letter = write(charts=[{"kind": kind, "x": "machine", "y": "oee"}])
    assert letter.pictures == ()
    assert f"NOTE: no {kind} chart of oee: oee is a rate" in letter.text
    assert "is a rate" in letter.html


def test_a_column_that_is_not_there_or_no_number_costs_the_picture_and_not_the_letter(write):
    letter = write(charts=[{"kind": "bar", "x": "machine", "y": "gone"}, {"kind": "bar", "x": "oee", "y": "machine"}])
    assert "the report has no column gone" in letter.text
    assert "machine holds no numbers" in letter.text


def test_bars_have_the_colour_of_their_light():
    _, plot = collect({"kind": "bar", "x": "machine", "y": "oee"}, [MACHINE, OEE], [("Mill 1", 0.4)], {1: "red"})
    assert plot["series"][0]["lights"] == ["red"]


def test_names_of_any_kind_are_drawn(write, plant):
    rows = [
        ("$\\frac{1}{0}$ _x_", 0.5, 1.0, 3.0),
        ("Łódź Станок Ω", 0.5, 1.0, 2.0),
        ("旋盤 🏭", 0.5, 1.0, 1.0),
        ("", 0.5, 1.0, 1.0),
    ]
    charts = [{"kind": kind, "x": "machine", "y": "downtime"} for kind in ("pareto", "bar", "line")]
    assert len(write(plant(rows), charts=charts).pictures) == 3


def test_only_fonts_of_the_package_are_used(monkeypatch):
    monkeypatch.setenv("MPLCONFIGDIR", "")
    pytest.importorskip("matplotlib")
    from pathlib import Path

    import matplotlib as mpl
    from matplotlib import font_manager

    from mmflow_email.letter.drawing import use_own_fonts

    kept = list(font_manager.fontManager.ttflist)
    try:
        use_own_fonts()
        own = Path(mpl.get_data_path())
        assert {Path(font.fname).is_relative_to(own) for font in font_manager.fontManager.ttflist} == {True}
    finally:
        font_manager.fontManager.ttflist = kept


def test_settings_of_the_user_do_not_change_a_picture(write, tmp_path, monkeypatch):
    charts = [{"kind": "bar", "x": "machine", "y": "oee"}]
    plain = write(charts=charts).pictures
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 20\nfont.size: 40\naxes.facecolor: black\n")
    monkeypatch.chdir(tmp_path)
    assert write(charts=charts).pictures == plain


def test_a_picture_that_cannot_be_drawn_becomes_a_sentence(write, monkeypatch):
    from mmflow_email.letter import apart

    monkeypatch.setitem(apart.LIMITS, "draw", {"seconds": 60, "wait": 0, "memory": 1 << 30})
    letter = write(charts=[{"kind": "bar", "x": "machine", "y": "oee"}])
    assert letter.pictures == ()
    assert "NOTE: the pictures were not drawn: " in letter.text
    assert "41.2 %" in letter.text


def test_the_folder_of_the_drawing_library_is_private(write, run):
    write(charts=[{"kind": "bar", "x": "machine", "y": "oee"}])
    assert run.store.stat().st_mode & 0o077 == 0
    assert (run.store / "drawing").is_dir()


def test_a_picture_is_named_for_its_delivery_and_not_for_the_try(run):
    assert make_cid(run, 1) == make_cid(replace(run, fence=7), 1)
    assert len({make_cid(run, 1), make_cid(run, 2), make_cid(replace(run, generation=2), 1)}) == 3
    assert make_cid(run, 1).endswith("@mmflow")
