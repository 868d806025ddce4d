"""``mmflow plugins``, and everything that is generated from what is installed."""

import json

import pytest

from mmflow.plugins import PluginInfo, Registry, load
from tools import generated


def test_list_shows_each_sink_with_its_package_and_state(desk):
    done = desk.mmflow("plugins")
    assert done.code == 0
    (line,) = (line for line in done.out.splitlines() if line.startswith("csv "))
    assert line.split()[:5] == ["csv", "sink", "mmflow-files", "0.1.0", "loaded"]


def test_json_list_has_the_shape_that_is_promised(desk):
    rows = desk.mmflow("plugins", "--json").data["plugins"]
    assert {"csv", "jsonl", "parquet", "console"} <= {row["name"] for row in rows}
    assert all(list(row) == ["name", "kind", "distribution", "version", "state", "summary", "reason"] for row in rows)


@pytest.mark.row("S58")
def test_settings_decide_what_may_load(desk):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "plugins: {block: [mmflow-files]}\n")
    rows = desk.mmflow("plugins", "--json").data["plugins"]
    assert [(row["name"], row["state"], row["reason"]) for row in rows if row["distribution"] == "mmflow-files"] == [
        ("files", "blocked", "it stands in plugins.block")
    ]


def test_list_works_without_a_root(desk):
    (desk.root / "mmflow.yaml").unlink()
    assert desk.mmflow("plugins").code == 0


def test_wrong_root_is_still_an_error(desk):
    done = desk.mmflow("plugins", "--root", "nowhere")
    assert done.code == 2
    assert "holds no mmflow.yaml" in done.err


def test_info_shows_the_options(desk):
    done = desk.mmflow("plugins", "info", "csv")
    assert done.out.startswith("csv: A CSV file, made for spreadsheets unless told otherwise.\nsink of mmflow-files")
    (line,) = (line for line in done.out.splitlines() if line.startswith("decimal "))
    assert line.split("  ")[0] == "decimal"
    assert line.endswith("Decimal mark of numbers; by the locale unless given, else a point.")


def test_info_of_a_package_shows_all_that_it_gives(desk):
    found = desk.mmflow("plugins", "info", "mmflow-files", "--json").data["plugins"]
    assert [row["name"] for row in found] == ["csv", "jsonl", "parquet"]
    keys = {line["key"]: line for line in found[0]["options"]}
    assert keys["decimal"] == {
        "key": "decimal",
        "takes": ", | .",
        "default": "",
        "description": "Decimal mark of numbers; by the locale unless given, else a point.",
        "example": "",
    }


def test_markdown_is_what_a_readme_shows(desk):
    done = desk.mmflow("plugins", "info", "console", "--markdown")
    assert done.out.splitlines()[2:] == [
        "| `rows` | whole number | `50` | Print at most this many rows. Example: `20` |"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info"], "say which one: mmflow plugins info NAME"),
        (["info", "cvs"], "nothing named 'cvs' is installed; did you mean 'csv'?"),
        (["info", "cvs", "--markdown"], "there is no sink 'cvs'; did you mean 'csv'?"),
    ],
)
def test_unknown_name_is_explained(desk, words, message):
    done = desk.mmflow("plugins", *words)
    assert done.code == 2
    assert message in done.err


def test_traceback_is_shown_on_demand(desk, monkeypatch):
    broken = PluginInfo(
        name="ep",
        kind="plugin",
        distribution="mmflow-files",
        version="1",
        state="failed",
        summary="Bad.",
        reason="it raised X: y",
        traceback="Traceback (most recent call last):\nX: y\n",
    )
    registry = Registry(load().sinks, (broken,))
    monkeypatch.setattr("mmflow.cli.plugins.open_registry", lambda args: (output(args), registry))
    plain, verbose = desk.mmflow("plugins", "info", "ep"), desk.mmflow("plugins", "info", "ep", "-v")
    assert "it raised X: y" in plain.out
    assert "Traceback" not in plain.out
    assert "Traceback (most recent call last):\nX: y" in verbose.out


def output(args):
    from mmflow.cli.session import open_output

    return open_output(args)


def test_generated_files_are_fresh():
    stale = [path.relative_to(generated.ROOT).as_posix() for path, _ in generated.find_stale(load())]
    assert stale == [], "run 'python dev.py docs'"


def test_stale_files_are_named_and_then_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    monkeypatch.setattr(generated, "generate_files", lambda _: [(tmp_path / "sinks.txt", "fresh")])
    assert generated.main(["--check"]) == 1
    assert capsys.readouterr().out == "stale sinks.txt\n"
    assert not (tmp_path / "sinks.txt").exists()
    assert generated.main([]) == 0
    assert generated.main(["--check"]) == 0
    assert (tmp_path / "sinks.txt").read_text(encoding="utf-8") == "fresh"


def test_table_of_packages_is_what_the_projects_declare(tmp_path, monkeypatch):
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    declared = '[project]\nname = "NAME"\n[tool.mmflow]\nsinks = SINKS\n'
    for folder, name, sinks in ((".", "engine", '["zero"]'), ("plugins/a", "mmflow-a", '["one", "two"]')):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        text = declared.replace("NAME", name).replace("SINKS", sinks)
        (tmp_path / folder / "pyproject.toml").write_text(text, encoding="utf-8")
    assert json.loads(generated.list_packages()) == {"one": "mmflow-a", "two": "mmflow-a", "zero": "engine"}


def test_tables_in_a_text_are_written_anew_and_the_rest_stays():
    text = "before\n<!-- options of console -->\nold\n<!-- end -->\nafter\n"
    filled = generated.fill_blocks(text, load())
    assert filled.startswith("before\n<!-- options of console -->\n\n| key |")
    assert filled.endswith("|\n\n<!-- end -->\nafter\n")
    assert generated.fill_blocks(filled, load()) == filled
