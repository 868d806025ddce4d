"""A letter says which numbers of earlier reports have changed, of a job that looks at them again."""

from dataclasses import replace
from datetime import date

from mmflow import MovedCell, MovedWindow

DAY = date(2026, 11, 19)
CELLS = (
    MovedCell(row={"machine": "Mill 1"}, change="changed", column="oee", before=0.61, after=0.598),
    MovedCell(row={"machine": "Mill 2"}, change="changed", column="downtime", before=None, after=12.0),
    MovedCell(row={"machine": "Lathe <9>"}, change="new"),
)


def window(day=DAY, total=3, last=None, cells=CELLS):
    return MovedWindow(first_day=day, last_day=last or day, total=total, cells=cells)


def about(run, *windows):
    """Give the run of a report whose earlier windows have moved."""
    return replace(run, facts=replace(run.facts, moved=windows))


def test_a_letter_says_how_many_numbers_changed_and_of_which_days(write, run):
    later = window(date(2026, 11, 20), 1200, date(2026, 11, 22), ())
    said = "1,203 numbers of earlier reports have changed since the report before (2026-11-19: 3, 2026-11-20 to "
    for template in ("morning", "table"):
        letter = write(about=about(run, window(), later), template=template)
        assert f"{said}2026-11-22: 1,200)." in letter.text
        assert f"{said}2026-11-22: 1,200)." in letter.html


def test_one_number_is_one_and_many_windows_are_counted(write, run):
    assert "1 number of an earlier report has changed" in write(about=about(run, window(total=1))).text
    windows = [window(date(2026, 11, day), 1) for day in range(1, 10)]
    assert ", 2026-11-07: 1, and 2 more)." in write(about=about(run, *windows)).text


def test_a_letter_of_a_job_whose_past_did_not_change_says_nothing_of_it(write, run):
    letter = write()
    assert "earlier report" not in letter.html + letter.text


def test_a_template_gets_what_moved_as_the_letter_writes_such_values(fill, run):
    words = "{{ one.days }}|{{ one.row }}|{{ one.change }}|{{ one.column }}|{{ one.before }}|{{ one.after }}"
    html = fill(f"{{% for one in moved.cells %}}<p>{words}</p>{{% endfor %}}", about=about(run, window()))
    assert "<p>2026-11-19|Mill 1|changed|OEE|61.0 %|59.8 %</p>" in html
    assert "<p>2026-11-19|Mill 2|changed|Down time|\N{EN DASH}|12.0 min</p>" in html
    assert "<p>2026-11-19|Lathe &lt;9&gt;|new||\N{EN DASH}|\N{EN DASH}</p>" in html


def test_a_template_gets_the_first_of_many_and_the_count_of_all(fill, run):
    many = tuple(CELLS[:1] * 50)
    html = fill("{{ moved.count }}/{{ moved.cells|length }}", about=about(run, window(total=400, cells=many)))
    assert "400/20" in html


def test_a_column_that_the_report_has_no_more_is_written_as_it_was(fill, run):
    gone = MovedCell(row={"machine": None, "day": "2026-11-19"}, change="gone", column="scrap", before=3, after="x")
    html = fill(
        "{% for one in moved.cells %}{{ one.values()|join('|') }}{% endfor %}", about=about(run, window(cells=(gone,)))
    )
    assert "2026-11-19|2026-11-19|gone|scrap|3|x" in html
