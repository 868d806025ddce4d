"""What is wrong with the options of a letter is said before any run."""

import subprocess
import sys

import pytest

from mmflow import GiveUp
from mmflow.options import convert_values
from mmflow.testing.deliveries import make_outline
from mmflow_email.letter.options import LetterOptions
from mmflow_email.letter.rules import check_files, check_letter

OUTLINE = make_outline()


def find(**written):
    return list(check_letter(convert_values(written, LetterOptions), OUTLINE))


def test_the_defaults_fit_every_report():
    assert find() == []


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ({"subject": "OEE {dat}"}, "subject", "holds '{dat}', which is not known; did you mean '{date}'?"),
        ({"subject": "{{ nothing"}, "subject", "cannot be used: subject:1: "),
        ({"subject": "{{ lihts.red }} red"}, "subject", "subject:1: 'lihts' is not there; did you mean 'lights'?"),
        ({"subject": "{date} {{ rows[x].oee.text }}"}, "subject", "subject:1: 'x' is not there"),
        ({"subject": "{{ job|shout }}"}, "subject", "there is no filter 'shout'"),
        ({"subject": "a\nBcc: x@example.com"}, "subject", "one line"),
        ({"subject": " "}, "subject", "one line with a text"),
        ({"template": "evening"}, "template", "is no built-in template (morning, table)"),
        ({"template": "../x.html"}, "template", "leads out of the job's folder"),
        ({"template": "/x.html"}, "template", "leads out of the job's folder"),
        ({"template": "a\\x.html"}, "template", "a character that no template may have"),
        ({"columns": ["machine", "goodPart"]}, ("columns", 1), "no column 'goodPart'; did you mean 'goodParts'?"),
        ({"lights": {"oe": {"red": 1}}}, ("lights", "oe"), "the report has no column 'oe'"),
        ({"charts": [{"kind": "bar", "x": "mach", "y": "downtime"}]}, ("charts", 0, "x"), "did you mean 'machine'?"),
        ({"charts": [{"kind": "line", "x": "day", "y": ["downtime", "x"]}]}, ("charts", 0, "y"), "no column 'x'"),
        (
            {"charts": [{"kind": "bar", "x": "day", "y": ["downtime", "goodParts"]}]},
            ("charts", 0, "y"),
            "shows one column",
        ),
        ({"top": {"by": "downtim"}}, ("top", "by"), "did you mean 'downtime'?"),
    ],
)
def test_a_mistake_is_named_with_its_place(written, key, said):
    ((found, message),) = find(**written)
    assert found == key
    assert said in message


def test_several_mistakes_are_told_at_once():
    assert len(find(subject="{x}", template="x", top={"by": "x"}, columns=["x"])) == 4


@pytest.mark.parametrize(
    "subject",
    [
        "{{ nothing|default('x') }}{% if nothing is defined %}y{% endif %}",
        "{% set n = count %}{{ n }}{% for row in rows if loop.first %}{{ row.oee.text }}{% endfor %}",
        "{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{% call m(1) %}{{ range(2)|first }}{% endcall %}",
        "{% set ns = namespace(n=0) %}{{ ns.n }} {{ job }} {run}",
    ],
)
def test_names_that_a_subject_gives_a_meaning_itself_or_may_miss_are_in_order(subject):
    assert find(subject=subject) == []


def test_every_name_that_a_letter_has_is_known_before_it_is_written(plant, run):
    from mmflow_email.letter.content import gather_content, survey_rows
    from mmflow_email.letter.layout import Layout
    from mmflow_email.letter.names import CONTENT

    table, options = plant(), LetterOptions()
    layout = Layout.of(table, options)
    found = survey_rows(table, options, layout)
    assert gather_content(table, options, run, found, layout, attached=()).keys() == CONTENT


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"own.html": "a\n{{ lihts.red }}"}, "template: own.html:2: 'lihts' is not there; did you mean 'lights'?"),
        ({"own.html": "{% include 'more.html' %}", "more.html": "{{ cuont }}"}, "more.html:1: 'cuont' is not there"),
        (
            {"own.html": '{% extends "mmflow/morning.html" %}{% block body %}{{ parts.tally(lights) }}{% endblock %}'},
            "",
        ),
        ({"own.html": "{% set x = 1 %}{% include 'more.html' %}", "more.html": "{{ x }}"}, ""),
        (
            {"own.html": "{% from 'more.html' import m as n %}{{ n() }}", "more.html": "{% macro m() %}{% endmacro %}"},
            "",
        ),
        ({"own.html": "{% include kind ~ '.html' %}{{ anything }}"}, ""),
        ({"own.html": "{% include 'gone.html' %}"}, "template: gone.html: cannot be read"),
    ],
)
def test_names_in_a_template_are_looked_at_before_it_is_filled(files, said, run):
    for name, text in files.items():
        (run.job_folder / name).write_text(text)
    options = LetterOptions(template="own.html")
    if not said:
        check_files(options, run)
        return
    with pytest.raises(GiveUp) as found:
        check_files(options, run)
    assert said in str(found.value)


def test_a_subject_is_not_worked_out_by_checking_it():
    bomb = "{{ " + "'aaaaaaaaaa'" + "|replace('a', 'aaaaaaaaaa')" * 12 + " }}"
    assert find(subject=bomb) == []


def test_checking_plain_options_imports_nothing_heavy():
    code = (
        "import sys; from mmflow import Outline; from mmflow_email.letter.options import LetterOptions;"
        "from mmflow_email.letter.rules import check_letter;"
        "print(list(check_letter(LetterOptions(), Outline(job='x', columns=(), groups=()))));"
        "print([name for name in ('jinja2', 'css_inline', 'matplotlib', 'numpy', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_a_live_check_reads_the_template_and_fills_nothing(run):
    options = convert_values({"template": "own.html"}, LetterOptions)
    with pytest.raises(GiveUp, match=r"own.html: cannot be read in the job's folder: no such file"):
        check_files(options, run)
    (run.job_folder / "own.html").write_text("{% if %}")
    with pytest.raises(GiveUp, match=r"own.html:1: "):
        check_files(options, run)
    (run.job_folder / "own.html").write_text("{{ rows[999] }}{{ 9 ** 9 ** 9 }}")
    check_files(options, run)
