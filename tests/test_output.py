"""Commands print what others sent so that no terminal obeys it, and cut what has no end."""

import io

import pytest

from mmflow.cli.output import Output
from mmflow.refs import Redactor
from mmflow.text import LONGEST_LINE

ESCAPE = "\x1b[2J\x1b]0;title\x07"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def out(terminal):
    return Output(terminal, terminal, Redactor(), as_json=False)


@pytest.mark.parametrize("way", ["line", "note", "copy", "progress"])
def test_nothing_that_is_printed_steers_the_terminal(out, terminal, way):
    getattr(out, way)(f"held: machine {ESCAPE}\rM1\x9b5m\u202e")
    assert "held: machine \N{REPLACEMENT CHARACTER}[2J" in terminal.getvalue()
    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(terminal.getvalue())


@pytest.mark.parametrize("way", ["line", "note"])
def test_an_endless_line_is_cut_and_the_others_stay(out, terminal, way):
    getattr(out, way)("first\n" + "N" * 40_000 + "\nlast")
    first, endless, last = terminal.getvalue().splitlines()
    assert (first, last) == ("first", "last")
    assert endless == "N" * LONGEST_LINE + f"… ({40_000 - LONGEST_LINE} characters more)"


def test_a_table_is_not_widened_by_one_cell(out, terminal):
    out.table(("name", "id"), [("N" * 40_000, "a-1"), ("Haas 1", "b-2")])
    assert max(map(len, terminal.getvalue().splitlines())) < 250
    assert "a-1" in terminal.getvalue()


def test_a_row_of_a_table_is_one_line_whatever_a_reason_says(out, terminal):
    out.table(["job", "reason"], [["daily", "it broke\r\nand then\nmore"], ["weekly", ""]])
    assert terminal.getvalue().splitlines()[-2].split() == ["daily", "it", "broke", "and", "then", "more"]


def test_a_copy_for_a_file_is_left_as_it_is():
    piped = io.StringIO()
    text = "\ufeffday,note\r\n2026-11-21,tab\there\r\n" + "N" * 40_000
    Output(piped, piped, Redactor(), as_json=False).copy(text)
    assert piped.getvalue() == text + "\n"


JOB = """
    job: daily
    report: {metrics: [oee], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: daily.csv}]
"""


def test_verbose_says_what_is_being_done(desk):
    desk.job(JOB)
    quiet, told = desk.mmflow("run", "daily", "--json"), desk.mmflow("run", "daily", "--verbose")
    assert (quiet.err, told.code) == ("", 0)
    steps = ["boston: 2026-11-21 11:00", "/reports/production answered in ", "boston: rows for 2026-11-21"]
    steps += [f"rows: {quiet.data['rows']}", "sink csv: done in "]
    assert [step for step in steps if step not in told.err] == []
    assert desk.mmflow("validate", "-v").err == "checked jobs/daily.yaml\n"


def test_an_error_that_ends_a_command_steers_no_terminal_either(desk):
    done = desk.mmflow("run", "daily", "--root", f"nowhere{ESCAPE}")
    assert done.code == 2
    assert "nowhere\N{REPLACEMENT CHARACTER}[2J" in done.err
