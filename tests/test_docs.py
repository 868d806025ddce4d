"""What the documentation shows is true: YAML runs, command lines exist, links lead somewhere, tables are fresh."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from mmflow.cli import command_names, full_parser
from mmflow.clock import FixedClock
from mmflow.document import read_text
from mmflow.plugins import load
from tests.desk import Desk
from tools.generated import find_stale

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
EXAMPLES = (ROOT / "examples" / "mmflow.yaml").read_text(encoding="utf-8")
SATURDAY = datetime(2026, 11, 21, 11, 40, 2, tzinfo=UTC)  # yesterday is a working day


class Block(NamedTuple):
    """A piece of a page between two fences, and where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def find_blocks(language):
    return [
        Block(page, text[: fence.start()].count("\n") + 2, fence[1], fence[2])
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for fence in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if fence[1] == language
    ]


@pytest.fixture
def toy(install):
    """The sink that docs/plugins.md shows, installed."""
    install("toy-sink", (ROOT / "tests/toy_sink/toy_sink/__init__.py").read_text(encoding="utf-8"))


@pytest.fixture
def quiet_desk(tmp_path, service):
    """A root of its own on a Saturday morning, with the plants of the examples, which are simulated by themselves."""
    desk = Desk(tmp_path, service, FixedClock(SATURDAY), environ={})
    desk.write("mmflow.yaml", EXAMPLES)
    return desk


def test_everything_generated_is_fresh():
    assert [str(path) for path, _ in find_stale(load())] == [], "run 'python dev.py docs'"


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("block", find_blocks("yaml"), ids=str)
def test_yaml_in_a_page_works(block, quiet_desk):
    values = read_text(block.text, str(block)).values
    quiet_desk.write("mmflow.yaml", settings_of(block.page, values))
    if "job" not in values:
        assert quiet_desk.mmflow("validate", "--json").data == {"jobs": 0, "problems": []}
        return
    quiet_desk.job(block.text)
    assert quiet_desk.mmflow("validate", "--json").data == {"jobs": 1, "problems": []}
    if any("connection" in sink for sink in values["sinks"]):
        return  # what it connects to stands in no page; the package's own tests run its example
    done = quiet_desk.mmflow("run", "jobs/daily.yaml", "--json")
    assert (done.code, done.data["state"]) == (0, "ok"), done.err
    assert done.data["rows"]


def settings_of(page, values):
    """The settings that a block shows, or those that its page shows for its jobs, over those of the examples."""
    others = (read_text(one.text, str(one)).values for one in find_blocks("yaml") if one.page == page)
    extra = values if "job" not in values else next((one for one in others if "connections" in one), {})
    return json.dumps({**read_text(EXAMPLES, "mmflow.yaml").values, **extra})


def test_yaml_is_found_in_the_pages():
    assert {block.page.name for block in find_blocks("yaml")} >= {"README.md", "jobs.md", "plugins.md", "windows.md"}


def command_lines():
    """Every command line of ours that a page shows."""
    for block in find_blocks("console"):
        for line in block.text.splitlines():
            if line.startswith("$ mmflow"):
                yield pytest.param(line[2:], id=f"{block}: {line}")


@pytest.mark.parametrize("line", list(command_lines()))
def test_command_line_in_a_page_exists(line):
    assert full_parser().parse_args(shlex.split(line, comments=True)[1:]).command in command_names()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_readme_shows_what_the_demo_prints(quiet_desk):
    (shown,) = (block.text for block in find_blocks("") if block.text.startswith("morning-oee: "))
    printed = quiet_desk.mmflow("demo", "mmflow-demo").out
    expected, found = (re.sub(r"\(run \S+\)", "", text).splitlines() for text in (shown, printed))
    assert set(expected) <= set(found)


def test_readme_names_every_command():
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Commands")[2].partition("##")[0]
    assert set(re.findall(r"`([a-z]+)`", table)) == set(command_names())


@pytest.mark.usefixtures("toy")
def test_code_in_the_page_about_plugins_works(tmp_path):
    (block,) = (one for one in find_blocks("python") if one.page.name == "plugins.md" and "tmp_path" in one.text)
    names = {}
    exec(compile(block.text, str(block), "exec"), names)
    names["test_toy_says_how_many"](tmp_path)
