"""What a letter says, in HTML and in plain text."""

import re
from datetime import date, timedelta
from html import unescape

import pytest

from mmflow import Column, Facts, FooterRow
from mmflow.table import make_table
from mmflow.testing.deliveries import make_run

LIGHTS = {"oee": {"amber": 0.65, "red": 0.5}}


def read(letter):
    """Give the words of the HTML, one blank between them."""
    body = re.sub(r"<style.*?</style>", "", letter.html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.mark.parametrize("template", ["morning", "table"])
def test_both_parts_tell_window_extraction_owner_and_what_is_missing(write, plant, template):
    letter = write(plant(notices=["numbers are not complete"]), template=template, notes=["a file was too large"])
    for said in (read(letter), " ".join(letter.text.split())):
        assert "Yesterday by machine" in said
        assert "Sat 2026-11-21 (Sat 00:00 to Sun 00:00, America/New_York)" in said
        assert "Numbers as of 2026-11-22 06:00 EST" in said
        assert "may still change" in said
        assert "run 20261122T114002-7f3a" in said
        assert "ops@example.com" in said
        assert "only machineGroup: Mills, Lathes" in said
        assert re.search(r"detroit( is missing)?: no answer within 30 seconds", said)
        assert re.search(r"(?i)note: a file was too large", said)
        assert re.search(r"(?i)note: numbers are not complete", said)


def test_a_window_that_is_not_over_is_said_to_be_incomplete(write, tmp_path):
    run = make_run(tmp_path)
    early = make_run(tmp_path, extracted_at=run.spans[0][1].end - timedelta(hours=2))
    assert "The window was not over then: the numbers are not complete." in write(about=early).text


def test_sites_with_other_times_are_named_with_their_own_windows(write, tmp_path):
    boston = make_run(tmp_path).spans[0][1]
    munich = make_run(tmp_path, first=date(2026, 11, 20)).spans[0][1]
    run = make_run(tmp_path, spans=(("boston", boston), ("munich", munich)))
    assert "boston: Sat 2026-11-21" in write(about=run).text
    assert "munich: Fri 2026-11-20" in write(about=run).text


def test_numbers_are_rounded_and_what_is_not_known_is_a_dash(write):
    letter = write()
    for said in (read(letter), letter.text):
        assert "87.5 %" in said
        assert "12,345" in said
        assert "240.2" in said
        assert re.search(r"Lathe 3\s+\N{EN DASH}\s+\N{EN DASH}", said)


def test_totals_stand_under_the_table_and_on_top(write):
    letter = write()
    assert re.search(r"Total\s+63.3 %\s+15,360\s+370.8", letter.text)
    assert "Down time: 370.8 min" in letter.text
    assert "How did we do?" in letter.html
    assert "All rows" in letter.html


def test_a_light_is_a_symbol_and_a_word_beside_its_colour(write):
    letter = write(lights=LIGHTS)
    assert re.search(r'<b class="red"[^>]*>(&nbsp;|\xa0)✕(&nbsp;|\xa0)41.2 %', letter.html)
    assert "41.2 % [red]" in letter.text
    assert "61.0 % [amber]" in letter.text
    assert "Lights: 1 red, 1 amber, 1 green" in letter.text
    assert "✕ red: beyond the limit" in read(letter)


def test_rows_with_a_red_light_come_first_with_the_owner(write):
    said = read(write(lights=LIGHTS))
    assert said.index("Needs a decision · ops@example.com Mill 1 ✕ OEE 41.2 %") < said.index("How did we do?")


def test_many_red_rows_are_counted(write, plant):
    letter = write(plant([(f"Mill {i}", 0.1, 1.0, 1.0) for i in range(10)]), lights=LIGHTS)
    assert "and 4 more with a red light" in letter.text
    assert "and 4 more with a red light" in read(letter)


def test_of_many_red_rows_those_farthest_beyond_their_limit_are_named_the_worst_first(write, plant):
    rows = [(f"Mill {i}", 0.49 - i / 100, 1.0, 1.0) for i in range(9)]
    rows += [("Mill 9", 0.45, 1.0, 90.0), ("Mill 10", 0.41, 1.0, 1.0)]
    letter = write(plant(rows), lights={"oee": {"red": 0.5}, "downtime": {"red": 60.0, "better": "down"}})
    named = [line.partition(":")[0] for line in letter.text.splitlines() if line.startswith("* Mill")]
    assert named == ["* Mill 9", "* Mill 8", "* Mill 10", "* Mill 7", "* Mill 6", "* Mill 5"]
    assert "* and 5 more with a red light" in letter.text


def test_a_change_is_told_beside_its_number_and_is_good_or_bad_by_the_better_direction(write, plant):
    letter = write(plant(compared=True))
    assert "a week before" in read(letter)
    assert "OEE, a week before" not in letter.html
    assert re.search(r'class="bad"[^>]*>▼(&nbsp;|\xa0)-5.0 pt', letter.html)  # less OEE
    assert re.search(r'class="good"[^>]*>▲(&nbsp;|\xa0)\+100', letter.html)  # more good parts
    assert re.search(r'class="bad"[^>]*>▲(&nbsp;|\xa0)\+20.0', letter.html)  # more down time
    assert "41.2 % (-5.0 pt)" in letter.text
    assert "Changes are against a week before." in letter.text


def test_a_change_that_rounds_to_nothing_is_neither_good_nor_bad(write, tmp_path):
    columns = [Column("machine", "Machine", "text", "group"), Column("n", "N", "number", decimals=0, direction="down")]
    columns += [Column("n_change", "N, change", "number", "compare", decimals=0, direction="down")]
    html = write(make_table([("Mill 1", 7, 0.2)], columns=columns, path=tmp_path / "s")).html
    assert re.search(r'class="even"[^>]*>=(&nbsp;|\xa0)0<', html)


def test_the_job_may_show_the_columns_of_a_comparison_themselves(write, plant):
    letter = write(plant(compared=True), columns=["machine", "oee_previous", "oee_change"])
    assert "OEE, a week before" in letter.html
    assert re.search(r"▼(&nbsp;|\xa0)-5.0 pt", letter.html)
    assert "Good parts" not in letter.text.partition("Machine ")[2]


def test_the_morning_ranks_by_down_time(write):
    letter = write()
    assert "Top 3 losses: Down time" in read(letter)
    assert "1. Lathe 3: 240.2 min (65 % of the total)" in letter.text
    assert "2. Mill 1: 118.0 min (32 % of the total)" in letter.text
    assert "Lathe 4: 0" not in letter.text  # no loss at all


def test_top_losses_are_by_the_worse_direction_and_can_be_left_out(write):
    letter = write(top={"by": "oee", "count": 2})
    assert "Top 2 losses: OEE" in letter.text
    assert letter.text.index("1. Mill 1: 41.2 %") < letter.text.index("2. Lathe 4: 61.0 %")
    assert "losses" not in write(top="none").text
    assert "Worst of all" in write(top={"by": "oee", "title": "Worst of all"}).html


def test_rows_beyond_the_limit_are_counted_and_looked_for_in_the_files(write, plant):
    rows = [(f"Mill {i}", 0.9, 1.0, 1.0) for i in range(30)]
    letter = write(plant(rows), rows=10, attached=["morning.xlsx", "more.csv"])
    assert "and 20 more rows; see morning.xlsx, more.csv" in letter.text
    assert "and 20 more rows; see morning.xlsx, more.csv" in read(letter)
    assert "First 10 of 30 rows" in read(letter)
    assert "All rows" not in letter.html
    assert "Mill 9" in letter.html
    assert "Mill 10" not in letter.html


def test_columns_beyond_twelve_are_named(write, plant):
    columns = [
        Column("machine", "Machine", "text", "group"),
        *(Column(f"n{i}", f"No {i}", "number") for i in range(13)),
    ]
    letter = write(plant([("Mill 1", *range(13))], columns=columns, total=None))
    assert "not shown: No 11, No 12" in letter.text
    assert "Not shown: No 11, No 12" in read(letter)


@pytest.mark.parametrize("template", ["morning", "table"])
def test_a_report_without_rows_says_so(write, plant, template):
    letter = write(
        plant([], total=None), template=template, lights=LIGHTS, charts=[{"kind": "bar", "x": "machine", "y": "oee"}]
    )
    assert "No rows: nothing was found for this window." in letter.text
    assert "No rows: nothing was found for this window." in read(letter)
    assert letter.pictures == ()


def test_a_report_without_groups_is_one_row_of_numbers(write, tmp_path):
    table = make_table(
        [(0.5,)],
        columns=[Column("oee", "OEE", "number", unit="ratio", decimals=3, direction="up")],
        path=tmp_path / "s",
    )
    letter = write(table, lights=LIGHTS)
    assert "OEE: 50.0 % [amber]" in letter.text
    assert "50.0 %" in letter.html


def test_the_rest_row_has_no_light(write, plant, tmp_path):
    columns = [Column("machine", "Machine", "text", "group"), Column("oee", "OEE", "number", unit="ratio", decimals=3)]
    table = make_table(
        [("Mill 1", 0.9)], columns=columns, path=tmp_path / "s", footer=[FooterRow("rest", ("Rest", 0.1))]
    )
    assert "Rest" in write(table, lights=LIGHTS).text
    assert "[red]" not in write(table, lights=LIGHTS).text


def test_a_table_too_wide_for_lines_of_text_becomes_a_paragraph_for_each_row(write, plant):
    columns = [
        Column("machine", "Machine", "text", "group"),
        *(Column(f"n{i}", f"A long heading {i}", "number") for i in range(9)),
    ]
    letter = write(plant([("Mill 1", *range(9))], columns=columns, total=None))
    assert "Mill 1\n  A long heading 0: 0\n  A long heading 1: 1" in letter.text


def test_the_same_letter_has_the_same_bytes(write, plant):
    table = plant(compared=True)
    assert write(table, lights=LIGHTS) == write(table, lights=LIGHTS)


def test_a_job_without_a_description_is_called_by_its_name(write, tmp_path):
    assert "<h1" in write(about=make_run(tmp_path, facts=Facts())).html
    assert write(about=make_run(tmp_path)).text.startswith("morning-oee\n")


@pytest.mark.parametrize("template", ["morning", "table"])
def test_five_thousand_rows_stay_below_what_mail_programs_cut_off(write, plant, template):
    rows = [(f"Mill <{i}> ü " + "x" * 200, 0.4, 1234.5 * i, 12.0) for i in range(5_000)]
    letter = write(plant(rows), template=template, rows=1000, lights=LIGHTS)
    assert len(letter.html.encode()) <= 100_000
    shown = letter.html.count("12.0</td>")
    assert 50 < shown < 1000
    assert f"and {5_000 - shown:,} more rows" in read(letter)
    assert f"and {5_000 - shown:,} more rows" in letter.text


def test_a_cell_of_forty_thousand_characters_is_cut(write, plant):
    letter = write(plant([("x" * 40_000, 0.5, 1.0, 1.0)]))
    assert len(letter.html) < 30_000
    assert "x" * 100 + "x" in letter.html
    assert "…" in letter.html


def test_unseen_and_turning_characters_never_reach_the_reader(write, plant):
    letter = write(plant([("Mill\u202e1\x00\x1b[31m\r\nBcc: x", 0.5, 1.0, 1.0)]))
    for said in (letter.html, letter.text):
        assert not {"\u202e", "\x00", "\x1b", "\r"} & set(said)


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("OEE {date}", "OEE 2026-11-21"),
        ("{job} of {site}", "morning-oee of boston"),
        ("OEE {date}: {{ lights.red }} red", "OEE 2026-11-21: 1 red"),
        ("{% if count > 3 %}many & more{% else %}few{% endif %}", "many & more"),
        ("{{ rows[0].machine.text }}", "A <b> & Bcc: x@example.com"),
    ],
)
def test_a_subject_is_one_line_of_words_or_jinja(write, plant, subject, line):
    table = plant([("A <b> & \u2028Bcc: x@example.com", 0.1, 1.0, 1.0), *[("M", 0.9, 1.0, 1.0)] * 3])
    assert write(table, subject=subject, lights=LIGHTS).subject == line


def test_a_long_subject_is_cut(write):
    assert len(write(subject="x" * 500).subject) == 180
