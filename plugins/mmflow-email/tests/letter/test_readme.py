"""What the README says of templates holds."""

import re
from pathlib import Path

from mmflow_email.letter import LetterOptions
from mmflow_email.letter.content import gather_content, survey_rows
from mmflow_email.letter.layout import Layout

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LIGHTS = {"oee": {"amber": 0.65, "red": 0.5}}


def test_the_template_of_the_readme_works(fill):
    source = README.partition("```jinja\n")[2].partition("```")[0]
    html = fill(source, lights=LIGHTS)
    assert "4 machines" in html
    assert re.search(r"<br>\s*Mill 1: 41.2 %", html)
    assert '<a href="https://app.machinemetrics.com">' in html


def test_the_readme_lists_exactly_what_a_template_gets(plant, run):
    table, options = plant(), LetterOptions()
    layout = Layout.of(table, options)
    content = gather_content(table, options, run, survey_rows(table, options, layout), layout, attached=())
    rows = re.findall(
        r"^\| (`[^|]*`) \|", README.partition("| name | what it is |")[2].partition("\n\n")[0], re.MULTILINE
    )
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(content)


def test_the_readme_names_every_key_of_a_cell(plant):
    table = plant()
    cell = Layout.of(table, LetterOptions()).write_row(next(iter(table.rows())), {})["oee"]
    told = next(line for line in README.splitlines() if line.startswith("| `rows` |"))
    assert set(re.findall(r"`(\w+)`", told.partition("is a cell")[2])) == set(cell)
