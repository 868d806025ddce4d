"""Finding the root, listing and naming jobs, and reading them each by itself."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmflow import workspace
from mmflow.errors import ProblemsError, UserError
from mmflow.workspace import find_root, list_jobs, open_workspace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETTINGS = """
version: 1
sites: {plant: {environment: simulator, timezone: America/New_York, start_of_day: "06:00"}}
defaults: {owner: ops@example.com}
"""
JOB = """
job: NAME
report: {metrics: [oee], group_by: [machine]}
window: yesterday
sinks: [{type: console}]
"""


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "plant"
    write(folder, "mmflow.yaml", SETTINGS)
    return folder


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.lstrip("\n"), encoding="utf-8")
    return path


def add_job(root: Path, name: str, file: str = "") -> Path:
    return write(root, f"jobs/{file or name}.yaml", JOB.replace("NAME", name))


def texts(problems) -> list[str]:
    return [str(problem) for problem in problems]


def test_the_root_is_the_nearest_folder_upwards(root):
    deep = root / "jobs" / "weekly"
    deep.mkdir(parents=True)
    assert find_root(deep, None, {}) == root
    write(root / "jobs", "mmflow.yaml", SETTINGS)
    assert find_root(deep, None, {}) == root / "jobs"


def test_the_root_of_a_job_named_by_its_path_is_found_from_anywhere(root, tmp_path):
    file = add_job(root, "a", "weekly/a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert find_root(elsewhere, None, {}, str(file)) == root
    assert find_root(root, None, {}, str(elsewhere / "a.yaml")) == root
    write(elsewhere, "mmflow.yaml", SETTINGS)
    assert find_root(elsewhere, None, {}, str(file)) == root
    assert find_root(elsewhere, None, {"MMFLOW_ROOT": str(elsewhere)}, str(file)) == elsewhere


def test_what_is_given_wins_over_the_variable_and_both_over_the_folder(root, tmp_path):
    other, third = tmp_path / "other", tmp_path / "third"
    write(other, "mmflow.yaml", SETTINGS)
    write(third, "mmflow.yaml", SETTINGS)
    assert find_root(root, None, {"MMFLOW_ROOT": str(other)}) == other
    assert find_root(root, third, {"MMFLOW_ROOT": str(other)}) == third
    assert find_root(root, Path("../third"), {}) == third


def test_no_root_is_an_error_that_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"no mmflow\.yaml in .* or any folder above it.*--root FOLDER.*mmflow init"):
        find_root(tmp_path, None, {})
    with pytest.raises(UserError, match=r"--root is .*nowhere, which holds no mmflow\.yaml"):
        find_root(tmp_path, Path("nowhere"), {})
    with pytest.raises(UserError, match="MMFLOW_ROOT is "):
        find_root(tmp_path, None, {"MMFLOW_ROOT": "nowhere"})


def test_jobs_are_all_yaml_files_below_jobs_in_order_but_hidden_ones(root):
    for name in ("b", "a", "weekly/c", ".git/d", ".e"):
        add_job(root, "x", name)
    write(root, "jobs/notes.txt", "job: x")
    assert [path.relative_to(root / "jobs").as_posix() for path in list_jobs(root)] == [
        "a.yaml",
        "b.yaml",
        "weekly/c.yaml",
    ]


def test_a_root_without_jobs_has_none(root):
    assert list_jobs(root) == ()
    with pytest.raises(UserError, match=r"no job 'x' under jobs/; write jobs/x\.yaml"):
        open_workspace(root, NOW).read_job("x")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
@pytest.mark.row("S11")
def test_links_that_run_in_circles_are_not_followed(root):
    add_job(root, "a")
    (root / "jobs" / "loop").symlink_to(root / "jobs", target_is_directory=True)
    assert len(list_jobs(root)) == 1


def test_a_job_is_named_by_its_name_whatever_its_file_is_called(root):
    add_job(root, "morning", "some/other")
    checked = open_workspace(root, NOW).read_job("morning")
    assert (checked.name, checked.document.name, checked.folder) == (
        "morning",
        "jobs/some/other.yaml",
        Path("jobs/some"),
    )
    assert checked.job.owner == "ops@example.com"
    assert checked.job.sites == ("plant",)


def test_a_word_that_ends_in_yaml_is_a_path_from_where_one_stands(root):
    add_job(root, "morning", "weekly/m")
    assert open_workspace(root, NOW).read_job("m.yaml", root / "jobs" / "weekly").name == "morning"


def test_an_unknown_name_gets_the_nearest_one(root):
    add_job(root, "morning")
    with pytest.raises(UserError, match="did you mean 'morning'"):
        open_workspace(root, NOW).read_job("mornin")


def test_a_long_name_is_not_repeated(root):
    with pytest.raises(UserError) as caught:
        open_workspace(root, NOW).read_job("x" * 6000)
    assert str(caught.value).startswith("there is no job text of 6000 characters under jobs/; write jobs/xxx")
    assert len(str(caught.value)) < 200


def test_an_unknown_name_says_which_file_could_not_be_read_and_why(root):
    add_job(root, "morning")
    write(root, "jobs/broken.yaml", "job: [")
    with pytest.raises(UserError, match=r"\(1 file cannot be read: jobs/broken\.yaml:1:7: .+\)"):
        open_workspace(root, NOW).read_job("evening")


def test_a_file_that_is_not_yaml_leaves_the_others_alone(root):
    add_job(root, "good")
    write(root, "jobs/broken.yaml", "job: [")
    jobs, unread = open_workspace(root, NOW).read_jobs()
    assert [job.name for job in jobs] == ["good"]
    assert {problem.file for problem in unread} == {"jobs/broken.yaml"}


@pytest.mark.row("R80")
def test_two_files_with_one_job_name_are_both_wrong_and_name_each_other(root):
    add_job(root, "a", "one")
    add_job(root, "a", "two")
    add_job(root, "b")
    jobs, _ = open_workspace(root, NOW).read_jobs()
    assert texts(problem for job in jobs for problem in job.problems) == [
        "jobs/one.yaml:1:6: job: jobs/two.yaml:1:6 has the name 'a' too; give one of them another name",
        "jobs/two.yaml:1:6: job: jobs/one.yaml:1:6 has the name 'a' too; give one of them another name",
    ]
    with pytest.raises(ProblemsError, match="has the name 'a' too"):
        _ = open_workspace(root, NOW).read_job("a").job
    assert open_workspace(root, NOW).read_job("b").job.job == "b"


def test_mistakes_in_the_settings_do_not_hide_those_of_jobs(root):
    write(root, "mmflow.yaml", SETTINGS.replace("version: 1", "version: 2"))
    write(root, "jobs/a.yaml", JOB.replace("NAME", "a").replace("oee", "machine"))
    opened = open_workspace(root, NOW)
    assert texts(opened.checked.problems) == ["mmflow.yaml:1:10: version: found 2, expected 1"]
    assert len(opened.read_jobs()[0][0].problems) == 1
    with pytest.raises(ProblemsError):
        _ = opened.settings


def test_a_mistake_in_a_default_is_told_once_and_in_its_own_file(root):
    write(root, "mmflow.yaml", SETTINGS.replace("owner: ops@example.com", "owner: me, window: yesterdy"))
    for name in ("a", "b"):
        write(root, f"jobs/{name}.yaml", JOB.replace("NAME", name).replace("window: yesterday\n", ""))
    jobs, _ = open_workspace(root, NOW).read_jobs()
    assert set(texts(problem for job in jobs for problem in job.problems)) == {
        "mmflow.yaml:3:31: defaults.window: 'yesterdy' is not a window; did you mean 'yesterday'?"
    }


def test_a_job_replaces_a_default_as_a_whole(root):
    write(root, "mmflow.yaml", SETTINGS.replace("owner: ops@example.com", "owner: me, shape: {totals: true}"))
    add_job(root, "a")
    write(root, "jobs/b.yaml", JOB.replace("NAME", "b") + "shape: {limit: 5}\n")
    opened = open_workspace(root, NOW)
    assert opened.read_job("a").job.shape.totals
    assert not opened.read_job("b").job.shape.totals


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('{allow: ["${env:OURS}"]}', "plugins.allow[0]: found a reference, expected the name of a package or plugin;"),
        ('{block: ["${env:X}"]}', "plugins.block[0]: found a reference, expected the name of a package or plugin;"),
        ('{block: "${env:X}"}', "plugins.block: found a reference, expected a list"),
        ('"${env:X}"', "plugins: found a reference, expected a block of keys"),
    ],
)
def test_plugin_rules_are_read_before_any_reference_is(root, rules, said):
    write(root, "mmflow.yaml", SETTINGS + f"plugins: {rules}\n")
    opened = open_workspace(root, NOW)
    assert not opened.registry.sinks
    (problem,) = texts(opened.checked.problems)
    assert said in problem


def test_plugin_rules_that_cannot_be_read_let_nothing_load(root):
    write(root, "mmflow.yaml", SETTINGS + "plugins: {blok: [x]}\n")
    add_job(root, "a")
    opened = open_workspace(root, NOW)
    assert not opened.registry.sinks
    with pytest.raises(ProblemsError, match="'plugins' has no key 'blok'; did you mean 'block'"):
        _ = opened.settings


def test_plugin_rules_that_cannot_be_read_hide_nothing_else_and_make_no_sink_unknown(root):
    rules = "plugins: {allow: ['=1.0', '${env:X}'], block: ['${env:Y}']}\nconnections: {db: {type: sql}}\n"
    write(root, "mmflow.yaml", SETTINGS.replace("version: 1", "version: 2") + rules)
    write(root, "jobs/a.yaml", JOB.replace("NAME", "a").replace("yesterday", "yesterdy"))
    opened = open_workspace(root, NOW)
    assert [problem.path for problem in opened.checked.problems] == [
        "version",
        "plugins.allow[0]",
        "plugins.allow[1]",
        "plugins.block[0]",
    ]
    assert [problem.path for problem in opened.read_job("a").problems] == ["window"]


def test_a_blocked_sink_is_said_to_be_blocked(root):
    write(root, "mmflow.yaml", SETTINGS + "plugins: {block: [mmflow-files]}\n")
    write(root, "jobs/a.yaml", JOB.replace("NAME", "a").replace("console", "csv"))
    (problem,) = open_workspace(root, NOW).read_job("a").problems
    assert "plugins.block" in str(problem)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs a file that exists and cannot be read")
def test_a_job_that_is_no_regular_file_is_named(root):
    (root / "jobs").mkdir()
    os.mkfifo(root / "jobs" / "pipe.yaml")
    _, unread = open_workspace(root, NOW).read_jobs()
    assert texts(unread) == ["jobs/pipe.yaml: is not a regular file; give the path of a file"]


def test_a_file_that_ends_in_yml_is_not_passed_over_in_silence(root):
    write(root, "jobs/weekly/a.yml", JOB)
    _, unread = open_workspace(root, NOW).read_jobs()
    assert texts(unread) == ["jobs/weekly/a.yml: is not read, because jobs end in .yaml; rename it"]


@pytest.mark.row("S11")
def test_a_folder_with_too_many_files_is_refused(root, monkeypatch):
    monkeypatch.setattr(workspace, "MOST_JOBS", 2)
    for name in "abc":
        add_job(root, name)
    with pytest.raises(UserError, match="jobs/ holds 3 files, expected at most 2"):
        list_jobs(root)
