"""The command line as people and shells meet it: help, roots, exit codes, interrupts, bugs, completion."""

import io
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent

import pytest

from mmflow.__main__ import main, report_bug, run_guarded
from mmflow.cli import Surroundings, command_names, full_parser, load_command
from mmflow.cli.output import NoteHandler, Output
from mmflow.clock import FixedClock
from mmflow.refs import Redactor
from tests.desk import KEY, NOW

JOB = """
    job: daily
    description: One number.
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: "{date}.csv"}]
"""


def run_mmflow(*words, **environ):
    """Run a command in a process of its own, without the variables of this one but those that every program needs."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR")}
    command = [sys.executable, "-m", "mmflow", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=kept | environ
    )


def example_lines(name):
    """The command lines of a command's examples, without what is said about them."""
    for line in load_command(name).EXAMPLES.strip().splitlines():
        yield re.split(r"\s{2,}|\)| >> ", line[line.index("mmflow ") :])[0]


@pytest.mark.parametrize("name", command_names())
def test_every_command_says_what_it_does_and_shows_lines_that_work(name):
    assert re.fullmatch(r"[A-Z].*\.", load_command(name).SUMMARY)
    lines = list(example_lines(name))
    assert lines
    for line in lines:
        assert full_parser().parse_args(shlex.split(line)[1:]).command == name


@pytest.mark.parametrize("name", command_names())
def test_help_of_a_command_shows_its_examples(desk, capsys, name):
    with pytest.raises(SystemExit) as ended:
        desk.mmflow(name, "--help")
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(line in shown for line in example_lines(name))
    assert "--root FOLDER" in shown


def test_without_a_command_all_of_them_are_listed(desk):
    done = desk.mmflow()
    assert done.code == 0
    assert set(re.findall(r"^    (\w+)", done.out, re.MULTILINE)) >= set(command_names())


def test_misspelt_command_is_suggested(desk):
    done = desk.mmflow("vaildate")
    assert (done.code, done.out) == (2, "")
    assert done.err == "mmflow has no command 'vaildate'; did you mean 'validate'?\n"


def test_unknown_option_is_the_users_mistake(desk, capsys):
    with pytest.raises(SystemExit) as ended:
        desk.mmflow("validate", "--strickt")
    assert ended.value.code == 2
    assert "--strickt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("state", "restore", "none.sqlite"), "--yes"),
        (("runs", "show", "no-run"), "--moved"),
        (("plugins", "info", "console"), "--markdown"),
        (("catalogue", "metrics", "oee"), "--json"),
    ],
)
def test_options_may_stand_before_after_and_between_the_words(desk, words, option):
    done = [desk.mmflow(words[0], *words[1:place], option, *words[place:]) for place in (1, 2, 3)]
    assert done[0] == done[1] == done[2]
    assert done[0].out + done[0].err


def test_words_that_are_missing_or_too_many_are_the_users_mistake(desk, capsys):
    for words, said in ((("state", "--yes"), "action"), (("jobs", "--json", "more"), "unrecognized arguments: more")):
        with pytest.raises(SystemExit) as ended:
            desk.mmflow(*words)
        shown = capsys.readouterr().err
        assert (ended.value.code, said in shown) == (2, True)
        assert shown.startswith(f"usage: mmflow {words[0]} [-h]")


def test_version_is_one_line(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"mmflow \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "words", [["--root", "plant", "jobs"], ["jobs", "--root", "plant"], ["--json", "--root=plant", "jobs"]]
)
def test_root_may_be_named_before_and_after_the_command(desk, words):
    (desk.root / "mmflow.yaml").rename(desk.write("plant/mmflow.yaml", ""))
    desk.write("plant/jobs/daily.yaml", JOB)
    done = desk.mmflow(*words)
    assert (done.code, "jobs/daily.yaml" in done.out) == (0, True), done.err


def test_root_is_the_nearest_folder_upwards_unless_a_variable_names_it(desk):
    desk.job(JOB)
    (desk.root / "jobs" / "inner").mkdir()
    elsewhere = desk.write("elsewhere/mmflow.yaml", desk.text("mmflow.yaml")).parent
    desk.root = desk.root / "jobs" / "inner"
    assert len(desk.mmflow("jobs", "--json").data["jobs"]) == 1
    desk.environ["MMFLOW_ROOT"] = str(elsewhere)
    assert desk.mmflow("jobs", "--json").data["jobs"] == []
    assert len(desk.mmflow("jobs", "--json", "--root", "../..").data["jobs"]) == 1


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        ([], {}, "there is no mmflow.yaml in"),
        (["--root", "empty"], {}, "--root is"),
        ([], {"MMFLOW_ROOT": "empty"}, "MMFLOW_ROOT is"),
    ],
)
def test_root_without_settings_is_explained(desk, words, environ, said):
    (desk.root / "mmflow.yaml").unlink()
    desk.environ |= environ
    done = desk.mmflow("jobs", *words)
    assert done.code == 2
    assert done.err.startswith(said)
    assert "mmflow init" in done.err


def test_reader_that_goes_away_is_no_error():
    with run_mmflow("catalogue", "--json") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "shown"), [((), r"\u5de5\u5834\u9577"), (("--json",), '"工場長"')], ids=["text", "json"]
)
def test_text_that_the_terminal_lacks_is_escaped_and_json_is_utf_8(desk, words, shown):
    desk.job(dedent(JOB) + "owner: 工場長\n")
    with run_mmflow("jobs", *words, "--root", desk.root, PYTHONIOENCODING="cp1252", **desk.environ) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert shown in out


def test_message_that_the_terminal_lacks_is_escaped_too(desk):
    with run_mmflow("run", "工場", "--root", desk.root, PYTHONIOENCODING="cp1252") as process:
        assert r"there is no job '\u5de5\u5834'" in process.communicate()[1]
    assert process.returncode == 2


class Terminal(io.StringIO):
    """A screen: what is written to it, as it is seen at the end."""

    def isatty(self):
        return True

    @property
    def lines(self):
        return [re.split(r"\r\x1b\[K", line)[-1] for line in self.getvalue().split("\n")]


def test_a_line_of_progress_gives_way_to_everything_else():
    screen = Terminal()
    out = Output(screen, screen, Redactor(), as_json=False)
    log = NoteHandler(out)
    for show in (out.line, out.note, lambda text: log.handle(logging.LogRecord("x", 30, "", 0, text, (), None))):
        out.progress("boston: 1 of 2 answers")
        out.progress("boston: 2 of 2 answers")
        show("text")
    out.progress("boston: 1 of 2 answers")
    out.progress("")
    assert screen.lines == ["text", "text", "text", ""]


def test_a_run_on_a_terminal_leaves_no_progress_behind(desk):
    desk.job(JOB)
    screen = Terminal()
    around = Surroundings(environ=desk.environ, cwd=desk.root, clock=desk.clock, stdout=screen, stderr=screen)
    assert run_guarded(["run", "daily"], around) == 0
    assert "boston: 1 of 1 answers" in screen.getvalue()
    assert screen.lines[0].startswith("daily: ok")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sending Ctrl-C to one process on Windows")
def test_interrupt_ends_a_run_with_130_and_is_on_record(desk):
    desk.job(JOB)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        desk.write("mmflow.yaml", desk.text("mmflow.yaml").replace(desk.simulator.url, url))
        with run_mmflow("run", "daily", "--root", desk.root, **desk.environ) as process:
            asked, _ = listener.accept()
            with asked:
                assert asked.recv(1)
                process.send_signal(signal.SIGINT)
                assert process.stderr.read().endswith("interrupted\n")
    assert process.returncode == 130
    (run,) = desk.mmflow("runs", "--json").data["runs"]
    assert (run["state"], run["error"]) == ("failed", "interrupted")


class StoppingClock(FixedClock):
    """Works once and then fails, as anything with a bug in it would; by then the key has been read."""

    def now(self):
        local = "a local variable that nobody should see"
        if self.asked:
            raise RuntimeError(f"no time for {KEY}", len(local))
        self.asked = True
        return super().now()

    asked = False


@pytest.mark.row("S51")
def test_bug_gives_3_and_a_log_without_secrets_and_local_variables(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    desk.job(JOB)
    desk.clock = StoppingClock(NOW)
    done = desk.mmflow("run", "daily")
    assert done.code == 3
    first, second = done.err.splitlines()
    assert first == "a bug in mmflow: RuntimeError: ('no time for ***', 39)"
    text = Path(second.removeprefix("please report it with ")).read_text(encoding="utf-8")
    assert "mmflow run daily" in text
    assert "in now" in text
    assert KEY not in text
    assert "nobody should see" not in text


@pytest.mark.parametrize("words", [("pause", "daily", "--why", "\udcff"), ("runs", "show", "\udcff"), ("\udcff",)])
def test_bytes_that_are_not_utf_8_are_refused(desk, words):
    desk.job(JOB)
    done = desk.mmflow(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err == "the command line holds '\\udcff', which is not UTF-8; write it in UTF-8\n"


def test_a_bug_is_reported_whatever_its_words_hold(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    around = Surroundings(environ={}, cwd=desk.root, clock=desk.clock, stderr=io.StringIO())
    assert report_bug(RuntimeError("about \udcff"), ["run", "\udcff"], around) == 3
    (log,) = tmp_path.glob("mmflow-bug-*.log")
    assert "mmflow run \\udcff\n" in log.read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_lines_for_bash_are_accepted_by_bash(desk):
    lines = desk.mmflow("completion", "bash").out
    assert "mmflow" in lines
    done = subprocess.run(["bash", "-n"], input=lines, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh", "powershell"])
def test_other_shells_get_lines_of_their_own(desk, shell):
    done = desk.mmflow("completion", shell)
    assert (done.code, "mmflow" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mmflow ru", {"run", "runs"}),
        ("mmflow run daily --s", {"--sink"}),
        ("mmflow catalogue --j", {"--json"}),
        ("mmflow schema s", {"settings"}),
    ],
)
def test_shell_is_offered_what_fits(tmp_path, line, offered):
    answers = tmp_path / "answers"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answers)}
    with run_mmflow(COMP_LINE=line, COMP_POINT=str(len(line)), **asked) as process:
        assert process.communicate()[1] == ""
    assert {word.strip() for word in answers.read_text(encoding="utf-8").splitlines()} == offered


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
@pytest.mark.row("S55")
def test_state_is_for_its_owner_only_whatever_command_makes_it(desk):
    desk.job(JOB)
    mask = os.umask(0o022)
    try:
        for words in (("schema", "--write"), ("init", "plant"), ("machines",), ("run", "daily")):
            assert desk.mmflow(*words).code == 0
            (state,) = desk.root.rglob(".mmflow")
            folders = [state, *(path for path in state.rglob("*") if path.is_dir())]
            assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
            shutil.rmtree(state)
    finally:
        os.umask(mask)


def test_init_writes_to_the_root_that_is_given(desk):
    done = desk.mmflow("init", "--root", "plant")
    assert (done.code, done.out.splitlines()[0]) == (0, f"wrote {Path('plant/mmflow.yaml')}")
    assert done.out.endswith("next: cd plant && mmflow run morning-oee\n")
    assert (desk.root / "plant/jobs/morning-oee.yaml").exists()
    done = desk.mmflow("init", "there", "--root", "plant")
    assert (done.code, "name two places" in done.err) == (2, True)


@pytest.mark.parametrize(("command", "folder"), [("init", "file"), ("init", "file/below"), ("demo", "file/below")])
def test_a_folder_that_cannot_be_written_is_no_bug(desk, command, folder):
    desk.write("file", "a file where a folder should be")
    done = desk.mmflow(command, folder)
    assert done.code == 2
    assert done.err.startswith(f"nothing can be written to {desk.root / folder}: ")
