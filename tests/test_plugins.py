"""The registry: what is installed is found; what is bad is left out and named, and nobody else suffers."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import distributions, version
from pathlib import Path
from typing import get_args

import pytest

from mmflow.errors import UserError
from mmflow.plugins import PluginInfo, Registry, State, install_command, load, read_packages
from mmflow.plugins.admission import fingerprint
from mmflow.settings import PluginRules

ROOT = Path(__file__).parents[1]
OURS = {"console": "mmflow-reports", "csv": "mmflow-files", "jsonl": "mmflow-files", "parquet": "mmflow-files"}
GOOD = """
from mmflow.hookspecs import hookimpl
from mmflow.options import Options
from mmflow.sinks import SinkType

class MyOptions(Options):
    speed: int = 1

def deliver(table, options, run): ...

@hookimpl
def mmflow_sinks():
    yield SinkType(name="{sink}", summary="Goes there.", options=MyOptions, deliver=deliver)
"""


def find(registry: Registry, name: str) -> PluginInfo:
    (info,) = (one for one in registry.plugins if one.name == name)
    return info


def left_out(registry: Registry, name: str) -> tuple[str, str]:
    info = find(registry, name)
    assert set(OURS) <= set(registry.sinks)
    return info.state, info.reason


def test_sinks_of_the_engine_and_of_packages_come_the_same_way():
    registry = load()
    assert {name: registry.sinks[name].distribution for name in OURS} == OURS
    for name, package in OURS.items():
        info = find(registry, name)
        assert (info.kind, info.state, info.version) == ("sink", "loaded", version(package))
        assert info.summary == registry.sinks[name].summary


def test_installed_sink_is_found_and_used_by_name(install):
    install("acme-sink", GOOD)
    registry = load()
    assert registry.sink("acme-sink").distribution == "acme-sink"
    info = find(registry, "acme-sink")
    assert (info.kind, info.state, info.version, info.summary) == ("sink", "loaded", "1.0", "Goes there.")


def test_registry_cannot_be_changed():
    with pytest.raises(TypeError):
        load().sinks["csv"] = None


BROKEN = [
    ("raise RuntimeError('first line\\nsecond line')", "it raised RuntimeError: first line"),
    ("import nowhere_to_be_found", "it raised ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    ("def broken(:", "it raised SyntaxError: invalid syntax (bad_sink.py, line 1)"),
    ("raise SystemExit(3)", "it raised SystemExit: 3"),
    ("raise GeneratorExit", "it raised GeneratorExit: "),
    ("x = 1", "it implements no hook; put @hookimpl above 'def mmflow_sinks()'"),
    (
        "from mmflow.hookspecs import hookimpl\n@hookimpl\ndef mmflow_sink(): ...",
        "it implements 'mmflow_sink', which is not a hook; did you mean 'mmflow_sinks'?",
    ),
    (
        "from mmflow.hookspecs import hookimpl\n@hookimpl\ndef mmflow_sinks(): yield 'csv'",
        "it raised TypeError: mmflow_sinks gave a str, expected a SinkType",
    ),
    (
        "from mmflow.hookspecs import hookimpl\n@hookimpl\ndef mmflow_sinks(): return 1 / 0",
        "it raised ZeroDivisionError: division by zero",
    ),
    (
        GOOD.replace("{sink}", "My Sink"),
        "it raised ValueError: a sink cannot be named 'My Sink', expected small letters, digits, - and _",
    ),
    (
        GOOD.replace("speed: int", "required: int"),
        "it raised ValueError: sink 'bad-sink' has an option 'required', which every sink of a job has already",
    ),
    (
        GOOD.replace("MyOptions(Options)", "MyOptions"),
        "it raised TypeError: the options of sink 'bad-sink' are no subclass of mmflow.options.Options",
    ),
]


@pytest.mark.row("R83")
@pytest.mark.parametrize(("code", "reason"), BROKEN)
def test_broken_plugin_is_left_out_and_named_and_the_others_load(install, code, reason):
    install("bad-sink", code)
    install("good-sink", GOOD)
    registry = load()
    assert left_out(registry, "ep-bad-sink") == ("failed", reason)
    assert "good-sink" in registry.sinks
    info = find(registry, "ep-bad-sink")
    assert (info.kind, info.distribution, info.summary) == ("plugin", "bad-sink", "About bad-sink.")
    assert ("Traceback" in info.traceback) == reason.startswith("it raised")


@pytest.mark.row("R83")
def test_plugin_for_another_interface_is_incompatible(install):
    install("old-sink", "mmflow_api = 99\n" + GOOD)
    reason = "it was made for plugin interface 99, this mmflow offers 1"
    assert left_out(load(), "ep-old-sink") == ("incompatible", reason)


@pytest.mark.row("R83")
@pytest.mark.parametrize("requires", ["mmflow-reports>=99", "Mmflow_Reports<0.0.1"])
def test_plugin_for_another_release_is_incompatible_and_not_imported(install, requires, tmp_path):
    install("late-sink", f"open({str(tmp_path / 'imported')!r}, 'w').close()", requires=requires)
    state, reason = left_out(load(), "ep-late-sink")
    assert state == "incompatible"
    wanted = requires.removeprefix("mmflow-reports").removeprefix("Mmflow_Reports")
    found = f"it needs mmflow-reports {wanted}, this is {version('mmflow-reports')}"
    assert reason == f"{found}; install a release of it that fits"
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("requires", ["mmflow-reports>=99; extra == 'later'", "other>=99", "mmflow-reports"])
def test_other_requirements_are_the_installers_matter(install, requires):
    install("good-sink", GOOD, requires=requires)
    assert "good-sink" in load().sinks


@pytest.mark.row("S58")
@pytest.mark.parametrize("name", ["acme-sink", "Acme_Sink", "ep-acme-sink"])
def test_blocked_plugin_is_listed_but_never_imported(install, tmp_path, name):
    install("acme-sink", f"open({str(tmp_path / 'imported')!r}, 'w').close()")
    registry = load(PluginRules(block=(name,)))
    assert left_out(registry, "ep-acme-sink") == ("blocked", "it stands in plugins.block")
    assert not (tmp_path / "imported").exists()


@pytest.mark.row("S58")
def test_plugin_that_is_not_allowed_is_listed_but_never_imported(install, tmp_path):
    install("acme-sink", f"open({str(tmp_path / 'imported')!r}, 'w').close()")
    registry = load(PluginRules(allow=("mmflow-files",)))
    assert left_out(registry, "ep-acme-sink") == ("blocked", "acme-sink does not stand in plugins.allow")
    assert not (tmp_path / "imported").exists()


@pytest.mark.row("S58")
def test_allowed_plugin_may_be_held_to_a_version(install):
    install("acme-sink", GOOD, release="1.4")
    assert "acme-sink" in load(PluginRules(allow=("acme_sink==1.4", "mmflow-files"))).sinks
    assert "acme-sink" in load(PluginRules(allow=("acme-sink==1.3", "acme-sink==1.4"))).sinks, "one line is enough"
    registry = load(PluginRules(allow=("acme-sink==1.3", "mmflow-files")))
    assert left_out(registry, "ep-acme-sink") == ("blocked", "plugins.allow wants acme-sink ==1.3, found 1.4")


def test_nothing_allowed_leaves_the_engine_alone():
    assert set(load(PluginRules(allow=())).sinks) == {"console", "file", "webhook"}


def test_line_of_the_allow_list_that_names_no_package_is_the_users_mistake():
    with pytest.raises(UserError, match=r"'=1\.0' names no package; write one such as"):
        load(PluginRules(allow=("=1.0",)))


def test_two_packages_with_one_sink_name_are_both_refused_and_both_named(install):
    install("one-sink", GOOD, sink="shared")
    install("other-sink", GOOD, sink="shared")
    registry = load()
    assert "shared" not in registry.sinks
    rows = [info for info in registry.plugins if info.name == "shared"]
    reason = "one-sink and other-sink both give a sink named 'shared'; uninstall one, or put it in plugins.block"
    assert [(row.distribution, row.state, row.reason) for row in rows] == [
        ("one-sink", "duplicate", reason),
        ("other-sink", "duplicate", reason),
    ]
    with pytest.raises(UserError, match="both give a sink named 'shared'"):
        registry.sink("shared")
    assert "shared" in load(PluginRules(block=("one-sink",))).sinks


@pytest.mark.row("S59")
@pytest.mark.parametrize("name", sorted(OURS))
def test_name_of_one_of_our_sinks_cannot_be_taken(install, name):
    install("evil-sink", GOOD, sink=name)
    registry = load()
    assert registry.sinks[name].distribution == OURS[name]
    (refused,) = (info for info in registry.plugins if info.distribution == "evil-sink")
    reason = f"the sink name {name!r} belongs to {OURS[name]}, evil-sink has to choose another"
    assert (refused.state, refused.reason) == ("duplicate", reason)


def test_names_of_our_sinks_are_those_that_the_packages_really_give():
    assert {name: sink.distribution for name, sink in load().sinks.items()} == dict(read_packages())


@pytest.mark.row("R83")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cvs", "there is no sink 'cvs'; did you mean 'csv'?"),
        (
            "zzz",
            "there is no sink 'zzz'; there are: console, csv, email, excel, file, jsonl, parquet, sheets, sql, webhook",
        ),
        ("csv", f"the sink 'csv' is not installed; install it with: {install_command('mmflow-files')}"),
    ],
)
def test_missing_sink_is_explained(name, message):
    registry = load(PluginRules())
    own = {name: kind for name, kind in registry.sinks.items() if kind.distribution == "mmflow-reports"}
    bare = Registry(own, ())
    with pytest.raises(UserError) as caught:
        bare.sink(name)
    assert str(caught.value) == message


@pytest.mark.row("R83")
def test_unknown_sink_may_belong_to_a_plugin_that_was_left_out(install):
    install("bad-sink", "raise RuntimeError('no')")
    registry = load()
    assert registry.explain_absence("ep-bad-sink") == (
        "the sink 'ep-bad-sink' of bad-sink cannot be used: it raised RuntimeError: no"
    )
    assert registry.explain_absence("zzz").endswith(" (left out, see 'mmflow plugins': ep-bad-sink)")


@pytest.mark.row("S59")
def test_name_that_somebody_else_claims_is_still_ours_to_install(install):
    install("evil-sink", GOOD, sink="csv")
    registry = load(PluginRules(allow=("evil-sink",)))
    absent = replace(registry, plugins=tuple(i for i in registry.plugins if i.distribution != "mmflow-files"))
    assert absent.explain_absence("csv").startswith("the sink 'csv' is not installed; install it with: ")


@pytest.mark.row("R83")
def test_sink_of_a_package_that_was_left_out_says_why():
    registry = load(PluginRules(block=("mmflow-files",)))
    with pytest.raises(UserError) as caught:
        registry.sink("csv")
    assert str(caught.value) == "the sink 'csv' of mmflow-files cannot be used: it stands in plugins.block"


def test_install_command_works_from_a_checkout_and_from_a_folder_of_wheels():
    assert install_command("mmflow-files").endswith(f"-m pip install -e {ROOT / 'plugins' / 'mmflow-files'}")
    assert install_command("mmflow-nowhere").endswith("-m pip install --find-links FOLDER_OF_WHEELS mmflow-nowhere")


def run_python(*words: object, path: Path | None = None, **environ: str) -> str:
    environ |= {
        "PYTHONPATH": str(path or ""),
        "PYTHONUTF8": "1",
        "PATH": "",
        "SYSTEMROOT": os.environ.get("SYSTEMROOT", ""),
    }
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_listing_plugins_imports_nothing_heavy():
    heavy = run_python("-c", "import sys\nfrom mmflow.plugins import load\nload()\nprint(sorted(sys.modules))")
    assert not {"duckdb", "httpx", "sqlalchemy", "jsonschema", "yaml"} & set(eval(heavy))


@pytest.fixture(scope="session")
def toy_wheel(tmp_path_factory):
    """The built wheel of somebody else's sink."""
    folder = tmp_path_factory.mktemp("toy")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT / "tests/toy_sink"]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_wheel(wheel: Path, site: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    return site


@pytest.fixture(scope="session")
def toy_site(toy_wheel, tmp_path_factory):
    """The folder into which that wheel was installed."""
    return install_wheel(toy_wheel, tmp_path_factory.mktemp("site"))


@pytest.mark.row("R83")
def test_sink_from_a_wheel_is_listed(toy_site):
    listed = json.loads(run_python("-m", "mmflow", "plugins", "--json", path=toy_site))["plugins"]
    assert [row for row in listed if row["name"] == "toy"] == [
        {
            "name": "toy",
            "kind": "sink",
            "distribution": "toy-sink",
            "version": "1.2.3",
            "state": "loaded",
            "summary": "One line of text.",
            "reason": "",
        }
    ]


def test_sink_from_a_wheel_delivers_the_report_of_a_job(toy_site, desk):
    desk.job("""
        job: daily
        report: {metrics: [goodParts], group_by: [machine]}
        window: yesterday
        sinks: [{type: toy, tone: loud}]
    """)
    words = ("-m", "mmflow", "--root", desk.root, "run", "daily", "--for", "2026-11-03", "--json")
    ran = json.loads(run_python(*words, path=toy_site, **desk.environ))
    (delivery,) = ran["deliveries"]
    assert (ran["state"], delivery["type"], delivery["state"]) == ("ok", "toy", "done")
    assert delivery["receipt"]["path"] == "out/daily.txt"
    assert desk.text("out/daily.txt") == f"DAILY HAS {ran['rows']} ROWS\n"
    assert ran["rows"] > 10


def test_options_of_a_sink_from_a_wheel_are_checked(toy_site, desk):
    desk.job("""
        job: daily
        report: {metrics: [goodParts], group_by: [machine]}
        window: yesterday
        sinks: [{type: toy, tone: loudly}]
    """)
    check = "import sys; from mmflow.__main__ import main; sys.exit(main(sys.argv[1:]) - 2)"
    said = json.loads(run_python("-c", check, "--root", desk.root, "validate", "--json", path=toy_site))
    (problem,) = [one for one in said["problems"] if one["severity"] == "error"]
    assert problem["path"] == "sinks[0].tone"


def toy_fingerprint(site: Path) -> str:
    (found,) = distributions(name="toy-sink", path=[str(site)])
    return fingerprint(found)


@pytest.mark.row("S58")
def test_fingerprint_is_that_of_the_wheel_wherever_it_is_installed(toy_wheel, toy_site, tmp_path):
    again = install_wheel(toy_wheel, tmp_path / "again")
    assert toy_fingerprint(again) == toy_fingerprint(toy_site)
    (again / "toy_sink" / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    assert toy_fingerprint(again) != toy_fingerprint(toy_site)
    (again / "toy_sink" / "__init__.py").unlink()
    with pytest.raises(ValueError, match=r"its file toy_sink/__init__\.py cannot be read"):
        toy_fingerprint(again)


@pytest.mark.row("S58")
def test_allowed_plugin_may_be_held_to_its_files(toy_site, monkeypatch):
    monkeypatch.syspath_prepend(str(toy_site))
    line = f"toy-sink==1.2.3 {toy_fingerprint(toy_site)}"
    assert "toy" in load(PluginRules(allow=(line,))).sinks
    registry = load(PluginRules(allow=(f"toy-sink==1.2.3 sha256:{'0' * 64}",)))
    info = find(registry, "toy")
    assert (info.kind, info.state) == ("plugin", "blocked")
    assert info.reason == "the files of toy-sink are not those that plugins.allow wants"


@pytest.mark.row("S58")
def test_package_that_is_installed_in_place_has_no_fingerprint():
    registry = load(PluginRules(allow=(f"mmflow-files sha256:{'0' * 64}",)))
    (info,) = (info for info in registry.plugins if info.distribution == "mmflow-files")
    assert info.state == "blocked"
    assert info.reason.startswith("plugins.allow wants a fingerprint of mmflow-files, but it is installed in place")


def test_page_about_plugins_explains_every_state():
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(get_args(State))
