"""Files are replaced as a whole or not at all, and what the system has against it is explained."""

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mmflow.atomic import DRAFT
from mmflow.errors import GiveUp, TryLater
from mmflow.files import file_receipt, replace_file
from mmflow.testing.deliveries import make_run

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux to mount, or to act as another user"
)


def write(path: Path, data: bytes, mode: int = 0o644):
    with replace_file(path, mode) as draft:
        draft.file.write(data)
    return draft


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_and_its_folders_are_made(tmp_path):
    draft = write(tmp_path / "a" / "b" / "report.csv", b"new")
    assert (tmp_path / "a" / "b" / "report.csv").read_bytes() == b"new"
    assert (draft.sha256, draft.size) == (hashlib.sha256(b"new").hexdigest(), 3)
    assert listing(tmp_path / "a" / "b") == ["report.csv"]


def test_receipt_names_the_file_relative_to_the_root(tmp_path):
    draft = write(tmp_path / "out" / "report.csv", b"new")
    receipt = file_receipt(draft, 7, make_run(tmp_path))
    assert (receipt.rows, receipt.path, receipt.sha256) == (7, "out/report.csv", draft.sha256)
    assert receipt.details == {"bytes": 3}


def test_receipt_of_a_file_outside_of_the_root_has_the_full_path(tmp_path):
    draft = write(tmp_path / "share" / "report.csv", b"new")
    receipt = file_receipt(draft, 7, make_run(tmp_path / "root"))
    assert receipt.path == (tmp_path / "share" / "report.csv").as_posix()


def test_readers_see_the_old_file_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    with path.open("rb") as reader, replace_file(path, 0o644) as draft:
        draft.file.write(b"new")
        draft.file.flush()
        assert path.read_bytes() == b"old"
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [GiveUp("no"), ValueError("a bug"), KeyboardInterrupt()])
def test_an_error_in_the_block_leaves_the_old_file_and_no_litter(tmp_path, error):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), replace_file(path, 0o644) as draft:  # noqa: PT012  two steps are the point
        draft.file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["report.csv"]


@posix
@pytest.mark.row("S55")
@pytest.mark.parametrize(("mode", "folder_mode"), [(0o644, 0o755), (0o600, 0o700), (0o640, 0o750), (0o664, 0o775)])
def test_file_and_new_folders_have_the_mode_that_was_asked_for_whatever_the_umask(tmp_path, mode, folder_mode):
    script = f"import os; os.umask(0o077)\nwith replace_file(Path('a/report.csv'), {mode}) as d: d.file.write(b'x')"
    run_script(script, tmp_path)
    assert stat.S_IMODE((tmp_path / "a" / "report.csv").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == folder_mode


@posix
@pytest.mark.row("S56")
def test_draft_is_a_new_file_and_never_a_planted_link(tmp_path):
    with replace_file(tmp_path / "report.csv", 0o644) as draft:
        (name,) = (path for path in tmp_path.iterdir() if path.name.endswith(DRAFT))
        found = name.lstat()
        assert stat.S_ISREG(found.st_mode)
        assert found.st_nlink == 1
        assert stat.S_IMODE(found.st_mode) == 0o600
        draft.file.write(b"x")


@posix
@pytest.mark.row("S56")
def test_hard_link_to_the_old_file_keeps_the_old_content(tmp_path):
    (tmp_path / "report.csv").write_bytes(b"old")
    (tmp_path / "linked").hardlink_to(tmp_path / "report.csv")
    write(tmp_path / "report.csv", b"new")
    assert (tmp_path / "linked").read_bytes() == b"old"


def run_script(script: str, folder: Path, **options) -> subprocess.CompletedProcess:
    head = "import os, signal\nfrom pathlib import Path\nfrom mmflow.files import replace_file\n"
    command = [sys.executable, "-c", head + textwrap.dedent(script)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60, **options)


KILLED_BEFORE_RENAME = """
os.replace = os.rename = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
Path.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
with replace_file(Path("report.csv"), 0o644) as draft:
    draft.file.write(b"new")
"""
KILLED_WHILE_WRITING = """
with replace_file(Path("report.csv"), 0o644) as draft:
    draft.file.write(b"half")
    draft.file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
@pytest.mark.row("R5")
@pytest.mark.parametrize("script", [KILLED_BEFORE_RENAME, KILLED_WHILE_WRITING])
def test_killed_before_the_rename_leaves_the_old_file_and_a_later_delivery_sweeps(tmp_path, script):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    assert run_script(script, tmp_path).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (left,) = tmp_path.glob(f".*{DRAFT}")

    write(path, b"next")
    assert path.read_bytes() == b"next"
    assert left.exists()  # it may still be written to by somebody else

    os.utime(left, (time.time() - 4000,) * 2)
    write(tmp_path / "another.csv", b"later")
    assert listing(tmp_path) == ["another.csv", "report.csv"]


@posix
@pytest.mark.row("R6")
def test_killed_after_the_rename_leaves_the_new_file_and_writing_again_gives_the_same(tmp_path):
    script = """
    with replace_file(Path("report.csv"), 0o644) as draft:
        draft.file.write(b"new")
    os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_script(script, tmp_path).returncode == -signal.SIGKILL
    assert (tmp_path / "report.csv").read_bytes() == b"new"
    assert write(tmp_path / "report.csv", b"new").sha256 == hashlib.sha256(b"new").hexdigest()
    assert listing(tmp_path) == ["report.csv"]


def test_sweep_leaves_files_of_others(tmp_path):
    old = time.time() - 1e6
    for name in (".report.csv.tmp", f"kept{DRAFT}", ".hidden"):
        (tmp_path / name).write_bytes(b"theirs")
        os.utime(tmp_path / name, (old, old))
    write(tmp_path / "report.csv", b"x")
    assert listing(tmp_path) == sorted([".report.csv.tmp", f"kept{DRAFT}", ".hidden", "report.csv"])


def test_sweep_removes_folders_that_a_killed_library_worked_in(tmp_path):
    left = tmp_path / f".work{DRAFT}"
    left.mkdir()
    (left / "spill").write_bytes(b"x")
    os.utime(left, (0, 0))
    write(tmp_path / "report.csv", b"x")
    assert listing(tmp_path) == ["report.csv"]


@posix
def test_sweep_removes_an_old_link_and_nothing_behind_it(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "precious").write_bytes(b"x")
    link = tmp_path / f".work{DRAFT}"
    link.symlink_to("kept")
    os.utime(link, (0, 0), follow_symlinks=False)
    write(tmp_path / "report.csv", b"x")
    assert listing(tmp_path) == ["kept", "report.csv"]
    assert listing(tmp_path / "kept") == ["precious"]


def test_draft_that_cannot_be_removed_is_noted_and_stops_nobody(tmp_path, monkeypatch, caplog):
    left = tmp_path / f".old{DRAFT}"
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    unlink = Path.unlink

    def refuse(self, missing_ok=False):
        if self == left:
            raise PermissionError(errno.EACCES, "open in another program")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    write(tmp_path / "report.csv", b"x")
    assert (tmp_path / "report.csv").read_bytes() == b"x"
    assert f"{left} is left from a killed process and cannot be removed" in caplog.text


@pytest.mark.row("R50")
def test_folder_in_the_place_of_the_file_is_refused(tmp_path):
    path = tmp_path / "report.csv"
    path.mkdir()
    with pytest.raises(GiveUp, match=r"cannot write .*report.csv: it is a folder; choose another path \(EISDIR\)"):
        write(path, b"new")
    assert listing(tmp_path) == ["report.csv"]


@pytest.mark.row("R50")
def test_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"a file")
    for path in (tmp_path / "a" / "report.csv", tmp_path / "a" / "b" / "report.csv"):
        with pytest.raises(GiveUp, match="a part of the path is a file, expected a folder"):
            write(path, b"new")
    assert (tmp_path / "a").read_bytes() == b"a file"


@posix
@pytest.mark.row("R50")
def test_path_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(GiveUp, match=r"too long; choose a shorter one \(ENAMETOOLONG\)"):
        write(tmp_path / ("x" * 300), b"new")


@posix
@pytest.mark.row("R50")
def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(GiveUp, match=r"\((ELOOP|EEXIST|ENOTDIR)\)"):
        write(tmp_path / "a" / "report.csv", b"new")


AS_NOBODY = """
os.setgid(65534); os.setuid(65534)
try:
    with replace_file(Path("report.csv"), 0o644) as draft:
        draft.file.write(b"new")
except Exception as error:
    print(type(error).__name__, error)
"""


@as_root
@pytest.mark.row("R50")
@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o666), (0o777, 0o444)], ids=["folder", "file"])
def test_no_permission_is_permanent_and_touches_nothing(tmp_path, folder, file):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    path.chmod(file)
    tmp_path.chmod(folder)
    said = run_script(AS_NOBODY, tmp_path).stdout
    assert said.startswith("GiveUp cannot write report.csv: this user may not write there")
    assert "(EACCES)" in said
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["report.csv"]


@pytest.mark.row("R49")
@pytest.mark.parametrize("step", ["write", "sync"])
def test_disk_that_fills_up_in_the_middle_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, step):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(_handle):
        raise full

    with (  # noqa: PT012  what fails, and when, is the point
        pytest.raises(TryLater, match=r"cannot write .*report.csv: the disk is full; make room \(ENOSPC\)"),
        replace_file(path, 0o644) as draft,
    ):
        draft.file.write(b"half")
        if step == "write":
            raise full
        monkeypatch.setattr(os, "fsync", refuse)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["report.csv"]


@as_root
@pytest.mark.row("R49")
def test_full_disk_is_worth_another_try_and_leaves_the_old_file(small_disk):
    path = small_disk / "report.csv"
    path.write_bytes(b"old")
    with pytest.raises(TryLater, match=r"cannot write .*report.csv: the disk is full; make room \(ENOSPC\)"):
        write(path, b"x" * 2_000_000)
    assert path.read_bytes() == b"old"
    assert listing(small_disk) == ["report.csv"]


@as_root
@pytest.mark.row("R50")
def test_read_only_disk_is_permanent(small_disk):
    (small_disk / "report.csv").write_bytes(b"old")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(GiveUp, match=r"the disk is read-only; write elsewhere \(EROFS\)"):
        write(small_disk / "new" / "report.csv", b"new")
    assert listing(small_disk) == ["report.csv"]


@posix
def test_limit_on_file_size_is_permanent_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    script = """
    try:
        with replace_file(Path("report.csv"), 0o644) as draft:
            draft.file.write(b"x" * 2_000_000)
    except Exception as error:
        print(type(error).__name__, error)
    """
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
    said = run_script(limit + textwrap.dedent(script), tmp_path).stdout
    assert said.startswith("GiveUp cannot write report.csv: it would be larger than this user or file system may have")
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["report.csv"]


@pytest.mark.row("R51")
@pytest.mark.parametrize(
    ("number", "names", "kind"),
    [(32, (), TryLater), (33, (), TryLater), (5, ("draft", "report.csv"), TryLater), (5, ("report.csv",), GiveUp)],
)
def test_rename_that_windows_refuses_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, number, names, kind):
    path = tmp_path / "report.csv"
    path.write_bytes(b"old")
    error = PermissionError(errno.EACCES, "denied")
    error.winerror = number
    error.filename, error.filename2 = (*names, None, None)[:2]
    refuse_rename(monkeypatch, error)
    words = "it is open in another program; close it there" if kind is TryLater else "this user may not write there"
    with pytest.raises(kind, match=f"cannot write .*report.csv: {words}"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["report.csv"]


def test_unknown_failure_is_worth_another_try_and_has_the_words_of_the_system(tmp_path, monkeypatch):
    refuse_rename(monkeypatch, OSError(errno.ESTALE, "Stale file handle"))
    with pytest.raises(TryLater, match=r"cannot write .*report.csv: stale file handle \(ESTALE\)"):
        write(tmp_path / "report.csv", b"new")


def refuse_rename(monkeypatch, error):
    """Let the system refuse to put the new file in the place of the old one."""

    def refuse(_self, _target):
        raise error

    monkeypatch.setattr(Path, "replace", refuse)


def test_scratch_is_private_and_gone_afterwards(tmp_path):
    path = tmp_path / "report.parquet"
    with replace_file(path, 0o644) as draft, draft.scratch() as folder:
        assert folder.parent == tmp_path
        if os.name == "posix":
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "made").write_bytes(b"by a library")
        draft.file.write((folder / "made").read_bytes())
    assert path.read_bytes() == b"by a library"
    assert listing(tmp_path) == ["report.parquet"]
