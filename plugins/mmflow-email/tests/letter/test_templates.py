"""Templates that people write beside their jobs: what they get, what they may use, and what stops them."""

import os
from html.parser import HTMLParser

import pytest

from mmflow import Facts, GiveUp
from mmflow.testing.deliveries import make_run
from mmflow_email.letter.filling import Refused, fill_file

LIGHTS = {"oee": {"amber": 0.65, "red": 0.5}}


def list_attributes(html):
    """Give each tag with each of its attributes."""
    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: seen.extend([(tag, ""), *((tag, name) for name, _ in attrs)])
    parser.feed(html)
    return seen


@pytest.fixture
def refuse(tmp_path):
    """Fill a template in this process, for many of them, and give what is said against it."""

    def make(source):
        (tmp_path / "own.html").write_text(source, encoding="utf-8")
        content = {"title": "x", "rows": [{"machine": {"text": "<script>"}}]}
        with pytest.raises(Refused) as caught:
            fill_file("own.html", content, tmp_path, 1_000_000)
        return str(caught.value)

    return make


def test_a_template_gets_the_report_as_plain_data(fill, plant):
    source = """{{ title }}|{{ job }}|{{ date }}|{{ owner }}|{{ count }}|{{ columns[1].label }}
{% for row in rows %}{{ row.machine.text }}={{ row.oee.value }} {{ row.oee.light }};{% endfor %}
{{ footers[0].cells.goodParts.text }} {{ missing[0].site }} {{ windows[0].zone }} {{ top.entries[0].name }}"""
    html = fill(source, lights=LIGHTS)
    assert "Yesterday by machine|morning-oee|2026-11-21|ops@example.com|4|OEE" in html
    assert "Mill 1=0.412 red;Mill 2=0.875 green;Lathe 3=None ;Lathe 4=0.61 amber;" in html
    assert "15,360 detroit America/New_York Lathe 3" in html


def test_days_and_times_come_as_text_and_as_iso(fill):
    assert "2026-11-22 06:00 EST 2026-11-22T11:00:00+00:00" in fill("{{ extracted }} {{ extracted_at }}")


def test_a_template_may_extend_and_use_the_built_in_ones(fill, plant):
    source = """{% extends "mmflow/morning.html" %}
{% block body %}<tr><td class="part">Plant news</td></tr>{{ super() }}{% endblock %}"""
    html = fill(source)
    assert "Plant news" in html
    assert "How did we do?" in html
    assert "Numbers as of" in html


def test_a_template_finds_others_beside_it(fill, run):
    (run.job_folder / "letters").mkdir()
    (run.job_folder / "letters" / "part.html").write_text("<p>Part of {{ job }}</p>")
    assert "Part of morning-oee" in fill('{% include "part.html" %}', name="letters/own.html")


def test_styles_are_put_into_the_tags_and_those_for_phones_stay(fill):
    html = fill("<style>p{color:#123456}@media (max-width:600px){p{color:#000 !important}}</style><p>x</p>")
    assert '<p style="color:#123456">x</p>' in html
    assert "@media (max-width:600px)" in html


def test_numbers_can_be_written_and_computed_with(fill):
    source = "{{ 12345.678|thousands(1) }} {{ 2 * 3 + 4 // 2 - 2 ** 3 }} {{ 'a' + 'b' }} {{ 'x-y'|replace('-', '+') }}"
    assert "12,345.7 0 ab x+y" in fill(source)


def test_the_plain_text_is_written_without_the_template(write, fill):
    fill("<p>short</p>")
    assert "41.2 %" in write(template="own.html").text


@pytest.mark.row("S16")
@pytest.mark.parametrize(
    "attack",
    [
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ range.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ loop.__class__ }}",
        "{{ lipsum.__globals__ }}",
        "{% for x in rows %}{{ loop.__init__.__globals__ }}{% endfor %}",
    ],
)
def test_a_template_reaches_no_python_behind_its_names(refuse, attack):
    assert refuse(attack).startswith("own.html:1: ")


@pytest.mark.row("S17")
@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ '{x.__class__}'.format_map({'x': 1}) }}",
        "{{ rows|map(attribute='__class__')|first }}",
        "{{ rows|sum(attribute='__class__') }}",
        "{{ rows|map('attr', '__class__')|list }}",
        "{{ ''['__class__'] }}",
        "{{ (1).__class__ }}",
        "{{ rows.append(1) }}",
        "{{ title.encode() }}",
    ],
)
def test_a_template_reaches_no_class_behind_a_value(refuse, attack):
    assert refuse(attack).startswith("own.html:1: ")


@pytest.mark.row("S18")
@pytest.mark.parametrize(
    "bomb",
    [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ 'a' * 300000000 }}",
        "{{ 300000000 * 'a' }}",
        "{{ [0] * 300000000 }}",
        "{{ 'a'.center(200000000) }}",
        "{{ 'a'.ljust(200000000) }}",
        "{{ 'a'|center(200000000) }}",
        "{{ 'a'|indent(200000000) }}",
        "{{ [1]|batch(200000000, 0)|list }}",
        "{{ '%200000000d' % 1 }}",
        "{{ '%200000000d'|format(1) }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ 'aaaa'|replace('a', 'aaaaaaaaaa' + 'x' * 9) }}",
        "{{ lipsum(n=100000) }}",
        "{{ 1|thousands('x') }}",
    ],
)
def test_what_would_be_too_large_is_refused_by_its_line(refuse, bomb):
    assert refuse("\n" + bomb).startswith("own.html:2: ")


@pytest.mark.row("S18")
def test_loops_without_an_end_are_ended(fill):
    loop = "{% for a in range(9999) %}"
    with pytest.raises(GiveUp, match=r"more than 5 seconds"):
        fill(loop * 3 + "{% endfor %}" * 3)


@pytest.mark.row("S18")
@pytest.mark.skipif(os.name != "posix", reason="this system has no limit on the memory of a process")
def test_a_text_that_doubles_without_an_end_meets_the_limit_of_memory(fill):
    twice = "{% set ns.x = ns.x ~ ns.x %}"
    with pytest.raises(GiveUp, match=r"memory"):
        fill("{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(50) %}" + twice + "{% endfor %}")


@pytest.mark.row("S18")
def test_a_letter_without_an_end_is_cut_off(fill):
    with pytest.raises(GiveUp, match=r"own.html: gives more than 5,242,880 characters"):
        fill("{% for a in range(9999) %}{% for b in range(9999) %}0123456789{% endfor %}{% endfor %}")


def test_a_macro_that_calls_itself_is_ended(fill):
    with pytest.raises(GiveUp, match=r"own.html:1: a macro or template calls itself"):
        fill("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}")


@pytest.mark.row("S19")
def test_a_template_sees_no_object_no_connection_and_no_environment(write, fill, plant, tmp_path, monkeypatch):
    monkeypatch.setenv("MM_BOSTON_KEY", "canary-4711")
    for name in ("run.connection", "connection", "options", "environ", "store", "log"):
        with pytest.raises(GiveUp, match="is not there"):
            fill("{{ " + name + " }}")
    from mmflow_email.letter.apart import surroundings

    assert "canary-4711" not in surroundings(tmp_path / "cache").values()


@pytest.mark.row("S20")
def test_what_a_template_gives_is_text_and_never_read_as_python(fill, plant):
    source = "<p>{{ rows[0].machine.text }}</p>"
    assert "<p>__import__('os').getpid()</p>" in fill(source, plant([("__import__('os').getpid()", 0.5, 1.0, 1.0)]))


@pytest.mark.row("S21")
@pytest.mark.parametrize(
    "name",
    [
        "../secret.html",
        "/etc/passwd",
        "..\\secret.html",
        "a/../../secret.html",
        "C:/secret.html",
        "x\0.html",
        "job.yaml",
        "mmflow/../x.html",
    ],
)
def test_a_template_is_never_read_outside_of_the_folder_of_the_job(write, fill, run, name):
    (run.job_folder.parent / "secret.html").write_text("canary")
    (run.job_folder / "job.yaml").write_text("canary")
    with pytest.raises(GiveUp) as caught:
        write(template=name)
    assert "canary" not in str(caught.value)
    with pytest.raises(GiveUp) as caught:
        fill("{% include " + repr(name) + " %}")
    assert "canary" not in str(caught.value)


@pytest.mark.row("S21")
@pytest.mark.skipif(os.name != "posix", reason="links need a right of their own here")
def test_a_link_out_of_the_folder_is_not_followed(write, run, tmp_path):
    (tmp_path / "secret.html").write_text("canary")
    (run.job_folder / "own.html").symlink_to(tmp_path / "secret.html")
    (run.job_folder / "folder").symlink_to(tmp_path)
    for name in ("own.html", "folder/secret.html"):
        with pytest.raises(GiveUp, match="leads out of the job's folder"):
            write(template=name)


@pytest.mark.row("S21")
@pytest.mark.skipif(os.name != "posix", reason="this system has no named pipes in folders")
def test_a_pipe_is_no_template(write, run):
    os.mkfifo(run.job_folder / "own.html")
    with pytest.raises(GiveUp, match="expected a regular file"):
        write(template="own.html")


@pytest.mark.row("S22")
@pytest.mark.parametrize(
    "source",
    [
        "{{ rows[0].machine.text|safe }}",
        "{% autoescape false %}{{ rows[0].machine.text }}{% endautoescape %}",
        "{{ rows|map('safe')|list }}",
        "{{ {'onload': 1}|xmlattr }}",
        "{{ title|urlize }}",
        "{{ title|tojson }}",
    ],
)
def test_escaping_cannot_be_switched_off(refuse, source):
    assert refuse(source).startswith("own.html:1: ")


@pytest.mark.row("S22")
@pytest.mark.parametrize(
    "source",
    [
        "<p>{{ rows[0].machine.text }}</p>",
        "<p>{{ '<b>%s</b>' ~ rows[0].machine.text }}</p>",
        "<p>{% set x %}{{ rows[0].machine.text }}{% endset %}{{ x }}</p>",
        "<p>{{ [rows[0].machine.text, 'x']|join('<i>') }}</p>",
        "<p>{{ rows[0].machine.text|striptags|replace('x', rows[0].machine.text) }}</p>",
        "<p title='{{ rows[0].machine.text }}'>x</p>",
        "<p title={{ rows[0].machine.text }}>x</p>",
    ],
)
def test_markup_in_the_data_stays_text_however_a_template_shows_it(fill, plant, source):
    table = plant([("<script>x</script><img src=http://e.example/p.png onerror=x>", 0.5, 1.0, 1.0)])
    seen = list_attributes(fill(source, table))
    assert {tag for tag, _ in seen} <= {"html", "head", "body", "p", "b", "i"}
    assert not {name for _, name in seen if name} & {"onerror", "src", "href", "style"}


@pytest.mark.row("S23")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("\n{{ machin }}", "own.html:2: 'machin' is not there"),
        ("\n\n{{ rows[0].oee.valeu }}", "own.html:3: 'valeu' is not there"),
        ("\n{% for row in rows %}", "own.html:2: Unexpected end of template"),
        ("{{ title|nofilter }}", "own.html:1: there is no filter 'nofilter'"),
        ("{{ title is notest }}", "own.html:1: there is no test 'notest'"),
        ("{{ rows[0][rows[0].machine.text] }}", "own.html:1: a name or place is not there"),
        ("{{ 1 / 0 }}", "own.html:1: it divides by zero"),
        ("{{ rows[0].machine.text|int + [] }}", "own.html:1: "),
        ('{% include "gone.html" %}', "gone.html: cannot be read"),
        ('{% extends "mmflow/gone.html" %}', "there are: morning.html, page.html, parts.html"),
    ],
)
def test_a_fault_names_template_and_line_and_no_data(fill, plant, source, said):
    with pytest.raises(GiveUp, match="the letter cannot be written") as caught:
        fill(source, plant([("canary-4711", 0.5, 1.0, 1.0)]))
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.row("S23")
def test_a_fault_in_an_included_template_is_named_there(fill, run):
    (run.job_folder / "part.html").write_text("\n\n{{ nothing }}")
    with pytest.raises(GiveUp, match=r"part.html:3: 'nothing' is not there"):
        fill('{% include "part.html" %}')


def test_a_fault_of_the_subject_is_named(write):
    with pytest.raises(GiveUp, match="subject:1: 'nothing' is not there"):
        write(subject="{{ nothing }}")


def test_a_subject_cannot_include_anything(write):
    with pytest.raises(GiveUp, match="a subject cannot use other templates"):
        write(subject="{% include 'mmflow/page.html' %}")


def test_a_file_that_is_no_text_is_refused(write, run):
    (run.job_folder / "own.html").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(GiveUp, match=r"own.html: is not UTF-8"):
        write(template="own.html")


def test_rows_are_cut_until_a_template_of_the_job_fits_as_well(fill, plant):
    rows = [(f"Mill {i}", 0.4, 1.0, 1.0) for i in range(500)]
    source = "{% for row in rows %}<p>{{ row.machine.text }}" + "x" * 1000 + "</p>{% endfor %}{{ hidden }} more"
    html = fill(source, plant(rows), rows=500)
    assert len(html.encode()) <= 100_000
    assert f"{500 - html.count('<p>')} more" in html


def test_a_description_in_markup_is_text(write, tmp_path):
    html = write(about=make_run(tmp_path, facts=Facts(description="<u>R&D</u>", owner="<x>"))).html
    assert "&lt;u&gt;R&amp;D&lt;/u&gt;" in html


def test_built_in_templates_are_compiled_once_in_a_process(write):
    from mmflow_email.letter.filling import built_in

    first = write(lights={"oee": {"red": 0.5}})
    compiled = built_in()[1].cache
    before = {key: id(template) for key, template in compiled.items()}
    assert {name for _, name in before} >= {"mmflow/morning.html", "mmflow/page.html", "mmflow/parts.html"}
    assert write(lights={"oee": {"red": 0.5}}) == first
    assert {key: id(template) for key, template in compiled.items()} == before
