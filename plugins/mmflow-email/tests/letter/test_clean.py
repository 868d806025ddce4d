"""Finished HTML: nothing in it runs, and nothing is loaded from elsewhere."""

from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow import GiveUp
from mmflow_email.letter.clean import Forbidden, clean_html

pytestmark = pytest.mark.row("S40")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (
            '<a href="https://app.example.com/x?a=1&amp;b=2">x</a>',
            '<a href="https://app.example.com/x?a=1&amp;b=2">x</a>',
        ),
        ('<a href="mailto:ops@example.com">x</a>', '<a href="mailto:ops@example.com">x</a>'),
        ('<a href="#part">x</a>', '<a href="#part">x</a>'),
        ('<a href="javascript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href=" JaVa\tScRipt:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="java&#10;script:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="&#106;avascript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="data:text/html,x">x</a>', "<a>x</a>"),
        ('<a href="vbscript:x">x</a>', "<a>x</a>"),
        ('<a href="file:///etc/passwd">x</a>', "<a>x</a>"),
        ('<a href="//e.example/x">x</a>', "<a>x</a>"),
        ('<img src="https://e.example/pixel.png" alt="x">', '<img alt="x">'),
        ('<img src="//e.example/pixel.png">', "<img>"),
        ('<img src="cid:chart1.0a@mmflow" alt="x">', '<img src="cid:chart1.0a@mmflow" alt="x">'),
        ('<img src="data:image/png;base64,AAAA">', '<img src="data:image/png;base64,AAAA">'),
        ('<img src="data:image/svg+xml;base64,AAAA">', "<img>"),
        ('<img srcset="https://e.example/p.png 2x">', "<img>"),
        ('<td background="https://e.example/p.png">x</td>', "<td>x</td>"),
        ('<p onclick="x()" ONLOAD="y()">x</p>', "<p>x</p>"),
        ('<p style="color:red">x</p>', '<p style="color:red">x</p>'),
        ('<p style="background:url(https://e.example/p.png)">x</p>', "<p>x</p>"),
        ('<p style="background:u\\72l(//e.example)">x</p>', "<p>x</p>"),
        ('<p style="width:expression(alert(1))">x</p>', "<p>x</p>"),
        ('<meta http-equiv="refresh" content="0;url=https://e.example">', ""),
        ("<!-- a comment --><p>x</p>", "<p>x</p>"),
        ('<!--[if mso]><table width="680"><![endif]-->', '<!--[if mso]><table width="680"><![endif]-->'),
        ('<!--[if mso]><img src="https://e.example/p.png"><![endif]-->', "<!--[if mso]><img><![endif]-->"),
        ("<p>1 &lt; 2 &amp; 3 > 2</p>", "<p>1 &lt; 2 &amp; 3 &gt; 2</p>"),
    ],
)
def test_what_is_left_of_a_tag(given, left):
    assert clean_html(given) == left


@pytest.mark.parametrize(
    "tag", ["script", "iframe", "object", "embed", "form", "link", "base", "svg", "video", "input"]
)
def test_tags_that_no_mail_may_hold_are_refused(tag):
    with pytest.raises(Forbidden, match=f"<{tag}>"):
        clean_html(f"<p><{tag.upper()} x=1></p>")


@pytest.mark.parametrize(
    "style",
    [
        "@import 'https://e.example/x.css';",
        "p{background:url(https://e.example)}",
        "@font-face{src:local(x)}",
        "p{x:\\75rl(x)}",
    ],
)
def test_styles_that_load_something_are_refused(style):
    with pytest.raises(Forbidden, match="could load something"):
        clean_html(f"<style>{style}</style>")


def test_a_template_with_a_script_names_itself(fill):
    with pytest.raises(GiveUp, match=r"own.html: the template has a <script>"):
        fill("<p>x</p><script>alert(1)</script>")


@pytest.mark.parametrize("source", ["<link rel=stylesheet href={}>", "<LINK href='{}' rel='stylesheet'>"])
def test_style_sheets_from_files_are_not_read(fill, tmp_path, source):
    (tmp_path / "x.css").write_text("p{color:canary}")
    with pytest.raises(GiveUp, match="<link>"):
        fill(source.format((tmp_path / "x.css").as_uri()) + "<p>x</p>")


def test_an_address_from_the_data_cannot_become_a_script_or_a_pixel(fill, plant):
    table = plant([("javascript:alert(1)", 0.5, 1.0, 1.0), ("https://e.example/p.png", 0.5, 1.0, 1.0)])
    html = fill(
        "{% for row in rows %}<a href='{{ row.machine.text }}'>x</a><img src='{{ row.machine.text }}'>{% endfor %}",
        table,
    )
    assert "javascript" not in html
    assert '<a href="https://e.example/p.png">x</a>' in html
    assert "<img src" not in html


def shape_of(html):
    """Give the tags of a document with the names of their attributes."""
    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: seen.append((tag, tuple(name for name, _ in attrs)))
    parser.feed(html)
    return seen


PIECES = st.sampled_from(
    [*"<>\"'&=/!-[] abpi:;()\\{}%#", "<!--", "-->", "]]>", "<b>", "{{", "&lt;", "script", "onload="]
)
MARKUP = st.lists(PIECES, max_size=40).map("".join)
OPTIONS = {"top": "none", "lights": {"oee": {"red": 0.9}}}


ROWS = 10


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(MARKUP, min_size=ROWS, max_size=ROWS), note=MARKUP)
def test_no_text_changes_the_tags_of_a_letter(write, plant, plain, names, note):
    nasty = write(plant(rows_of(names)), notes=[names[0]], attached=[note], intro=f"x {note}", **OPTIONS)
    assert shape_of(nasty.html) == plain


@pytest.fixture
def plain(write, plant):
    """Give the tags of a letter of ten rows without anything nasty in it."""
    return shape_of(write(plant(rows_of("x" * ROWS)), notes=["x"], attached=["x"], intro="x", **OPTIONS).html)


def rows_of(names):
    return [(name, 0.5, 1.0, 1.0) for name in names]
