"""What a workbook says of itself: the sheet about it, and the preview."""

from datetime import UTC, date, datetime

from mmflow.sinks import Facts
from mmflow.testing.deliveries import HOUR, MACHINE, day_rows, make_run

FIRST = date(2026, 11, 21)
CROSS = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "downtime"}}
SETTLED = (
    "Down time may still be given other reasons, and parts may be corrected; a later run then shows other numbers."
)
CLOCKS = (
    "Times in the sheets are those on the clocks of America/New_York; an hour that the clocks show twice bears the "
    "name of summer or winter time."
)


def test_about_of_a_workbook_that_is_kept_speaks_of_other_days(tmp_path, table, deliver, cells):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), mode="replace_window")
    (said,) = (row[1] for row in cells("About") if row[0] == "Other days")
    assert said == "Rows of days that are not in this window are from earlier runs, as the numbers were then."


def test_about_says_what_the_numbers_are(tmp_path, table, deliver, cells):
    facts = Facts(
        description="Yesterday by machine.",
        owner="ops@example.com",
        filter={"machineGroup": ("Mills", "Lathes")},
        exclude={"machine": ("Test *",)},
        missing=(("austin", "no answer"),),
    )
    made = table([(datetime(2026, 11, 21, 17, tzinfo=UTC), "a")], (HOUR, MACHINE), notices=["Two rows were dropped."])
    deliver(made, make_run(tmp_path, facts=facts))
    assert [tuple(row) for row in cells("About")] == [
        ("Report", "morning-oee"),
        ("Description", "Yesterday by machine."),
        ("Owner", "ops@example.com"),
        ("Site", "boston"),
        ("Production days", "2026-11-21 (made by hand)"),
        ("Window, plant time", "2026-11-21 00:00 EST to 2026-11-22 00:00 EST (America/New_York)"),
        ("Window, UTC", "2026-11-21 05:00 to 2026-11-22 05:00, 24 hours"),
        ("Read at", "2026-11-22 06:00 EST (2026-11-22 11:00 UTC)"),
        ("Due at", "2026-11-22 06:00 EST (2026-11-22 11:00 UTC)"),
        ("Missing", "austin: no answer"),
        ("Only", "machineGroup: Mills, Lathes"),
        ("Without", "machine: Test *"),
        ("Notes", "Two rows were dropped."),
        ("May change", SETTLED),
        ("Times", CLOCKS),
        ("Empty cells", "The value is not known; that is not 0."),
        ("Run", "20261122T114002-7f3a"),
    ]


def test_about_warns_of_a_window_that_is_not_over(tmp_path, table, deliver, cells):
    noon = datetime(2026, 11, 21, 17, tzinfo=UTC)
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path, extracted_at=noon))
    (said,) = (row[1] for row in cells("About") if row[0] == "May change")
    assert said.startswith("The window was not over when the numbers were read")


def test_about_may_be_left_out_and_notices_stay(tmp_path, table, deliver, cells, open_book):
    deliver(table(day_rows(FIRST, 1), notices=["Look out."]), make_run(tmp_path), about=False)
    assert open_book().sheetnames == ["Data"]
    assert [row[0] for row in cells()[3:]] == [None, "Look out."]


def test_preview_lists_sheets_and_gives_the_workbook(tmp_path, table, call):
    made = table(day_rows(FIRST, 11), notices=["Look out."])
    shown = call("render", made, make_run(tmp_path), sheets=[CROSS], charts=[{"x": "machine"}])
    assert shown.text.startswith(
        "morning-oee.xlsx:\n"
        "  Data: 22 rows, columns: 4, charts: 1\n"
        "  By day: 2 rows, columns: 12\n"
        "  About\n"
        "\n"
        "Day         Machine   Good parts  Down (min)\n"
    )
    assert shown.text.endswith("and 2 more\nLook out.\n")
    call("deliver", made, make_run(tmp_path), sheets=[CROSS], charts=[{"x": "machine"}])
    assert (tmp_path / "out/morning-oee.xlsx").read_bytes() == shown.content
