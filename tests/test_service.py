"""The daemon as a service: what is registered is what systemd and Windows accept, and it starts the daemon."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmflow.errors import GiveUp, UserError
from mmflow.ledger import DaemonLock
from mmflow.service import Service, find_code, find_python
from mmflow.service.systemd import Systemd
from mmflow.service.windows import TaskScheduler
from tests.desk import KEY
from tests.test_json import SHAPES, assert_fits

ANALYZE = shutil.which("systemd-analyze")
NAMESPACE = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
ODD = "Müller & Söhne's 100 % $HOME"
# Stands in for systemctl: notes what it is told, and says that all runs.
CONTROL = """#!{python}
import json, sys
with open({notes!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
print("LoadState=loaded\\nActiveState=active\\nSubState=running\\nActiveEnterTimestamp=Sun 2026-11-22 06:40:00 EST")
sys.exit({code})
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no systemd")


def make_service(root, **keys):
    own = {"name": "mmflow", "root": root, "python": find_python(), "account": "nobody", "code": find_code()}
    return Service(**(own | {"writable": (root / ".mmflow", root / "out")} | keys))


def keys_of(unit):
    lines = (line for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    return [tuple(line.split("=", 1)) for line in lines]


@pytest.fixture
def control(tmp_path):
    """A folder with a program systemctl, and what it has been told."""
    folder, notes = tmp_path / "bin", tmp_path / "notes"
    folder.mkdir()

    def place(code=0):
        program = folder / "systemctl"
        program.write_text(CONTROL.format(python=sys.executable, notes=str(notes), code=code), encoding="utf-8")
        program.chmod(0o755)

    place()
    return folder, lambda: [json.loads(line) for line in notes.read_text().splitlines()], place


@pytest.fixture
def own_desk(desk, control, tmp_path):
    """A desk whose user has a systemd of their own."""
    desk.environ |= {"PATH": str(control[0]), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return desk


@posix
@pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("folder", ["plant", ODD])
def test_systemd_accepts_the_unit_whatever_the_root_is_named(tmp_path, folder, own):
    root = tmp_path / folder
    root.mkdir()
    account = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    unit = tmp_path / "mmflow.service"
    service = make_service(root, account=account, own=own, metrics="127.0.0.1:9464")
    unit.write_text(Systemd({"HOME": str(tmp_path)}).render(service), encoding="utf-8")
    done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "mmflow.service" not in done.stderr  # not a word about it, no unknown key, no ignored line


@posix
@pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")
def test_a_service_of_the_system_stands_behind_walls(tmp_path):
    unit = tmp_path / "mmflow.service"
    unit.write_text(Systemd({}).render(make_service(Path("/srv/plant"))), encoding="utf-8")
    words = [ANALYZE, "security", "--offline=true", "--threshold=25", unit]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-200:]


@posix
def test_the_unit_lets_the_daemon_write_into_its_folders_alone():
    root = Path("/srv/plant one")
    program = {"python": Path("/opt/mmflow/bin/python"), "code": ()}  # one in /tmp would need that as well
    keys = keys_of(Systemd({}).render(make_service(root, grace=25.0, **program)))
    assert [value for key, value in keys if key == "ReadWritePaths"] == [
        '"/srv/plant one/.mmflow"',
        '"/srv/plant one/out"',
    ]
    wanted = {
        ("Type", "notify"),
        ("KillMode", "mixed"),
        ("User", "nobody"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("TimeoutStopSec", "55"),
        ("OOMPolicy", "continue"),
        ("EnvironmentFile", "-/etc/mmflow/mmflow.env"),
    }
    assert wanted <= set(keys)


@posix
@pytest.mark.parametrize(
    ("root", "code", "private", "home"),
    [
        ("/srv/plant", "/opt/mmflow", True, "yes"),
        ("/tmp/plant", "/opt/mmflow", False, "yes"),
        ("/home/ada/plant", "/opt/mmflow", True, "read-only"),
        ("/srv/plant", "/root/.pyenv", True, "read-only"),
    ],
)
def test_no_wall_hides_the_root_or_the_program(root, code, private, home):
    service = make_service(Path(root), python=Path("/opt/mmflow/bin/python"), code=(Path(code),))
    keys = keys_of(Systemd({}).render(service))
    assert (("PrivateTmp", "yes") in keys, dict(keys)["ProtectHome"]) == (private, home)
    # Without one of its own it has the machine's, since every program needs somewhere to put drafts.
    assert (("ReadWritePaths", "/tmp /var/tmp") in keys) is not private


@posix
def test_a_folder_whose_name_would_break_the_unit_is_refused():
    with pytest.raises(UserError, match="rename the folder"):
        Systemd({}).render(make_service(Path("/srv/plant\nUser=root")))


@pytest.mark.parametrize("name", ["", "-x", "../x", "a b", "x" * 65])
def test_a_service_has_a_plain_name(tmp_path, name):
    with pytest.raises(UserError, match="cannot be named"):
        make_service(tmp_path, name=name)


@posix
def test_a_service_of_ones_own_is_installed_shown_and_removed(own_desk, control, tmp_path):
    own_desk.job("job: x\nreport: {metrics: [goodParts]}\nwindow: yesterday\nsinks: [{type: console}]\n")
    done = own_desk.mmflow("service", "install", "--user")
    unit, secrets = (tmp_path / "config" / name for name in ("systemd/user/mmflow.service", "mmflow/mmflow.env"))
    assert done.code == 0, done.err
    assert done.out.startswith(f"mmflow is installed as {unit} and started\nwrite the values of MM_BOSTON_KEY into")
    assert unit.read_text(encoding="utf-8") == own_desk.mmflow("service", "install", "--user", "--print").out
    assert secrets.read_text(encoding="utf-8").endswith("\n#MM_BOSTON_KEY=\n")
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert (own_desk.root / "out").is_dir()
    assert [words[1] for words in control[1]()] == ["daemon-reload", "enable", "restart"]
    assert {words[0] for words in control[1]()} == {"--user"}
    status = own_desk.mmflow("service", "status", "--user", "--json")
    assert (status.code, status.data["installed"], status.data["state"]) == (0, True, "active (running)")
    assert_fits(status.data, SHAPES["service status"], "service status")
    secrets.write_text("MM_BOSTON_KEY=mine\n")
    again = own_desk.mmflow("service", "install", "--user")
    assert (again.code, secrets.read_text()) == (0, "MM_BOSTON_KEY=mine\n")
    (own_desk.root / ".mmflow" / "ledger.sqlite").write_bytes(b"kept")
    gone = own_desk.mmflow("service", "uninstall", "--user", "--json")
    assert (gone.code, unit.exists()) == (0, False)
    with DaemonLock(own_desk.root / ".mmflow"):
        status = own_desk.mmflow("service", "status", "--user")
    first, second = status.out.splitlines()
    assert (status.code, first) == (0, "mmflow: not installed")
    assert second.startswith("daemon: process ")
    assert second.endswith("; it was started without this service")
    assert_fits(gone.data, SHAPES["service uninstall"], "service uninstall")
    assert (own_desk.root / ".mmflow" / "ledger.sqlite").read_bytes() == b"kept"
    assert secrets.exists()
    assert own_desk.mmflow("service", "uninstall", "--user").code == 2


@posix
def test_the_service_of_another_root_is_left_alone(own_desk, tmp_path):
    unit = tmp_path / "config" / "systemd" / "user" / "mmflow.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nWorkingDirectory=/elsewhere\n")
    for action in ("install", "uninstall"):
        done = own_desk.mmflow("service", action, "--user")
        assert (done.code, "give this one a name of its own with --name" in done.err) == (2, True)
    assert unit.read_text() == "[Service]\nWorkingDirectory=/elsewhere\n"
    assert own_desk.mmflow("service", "install", "--user", "--name", "second").code == 0


@posix
def test_what_systemd_says_when_it_refuses_is_passed_on(own_desk, control):
    control[2](code=3)
    done = own_desk.mmflow("service", "install", "--user")
    assert done.code == 1
    assert "--user daemon-reload' ended with 3: LoadState=loaded" in done.err


@posix
def test_where_systemd_refuses_nothing_is_left_behind_and_what_was_left_can_be_removed(own_desk, control, tmp_path):
    unit = tmp_path / "config" / "systemd" / "user" / "mmflow.service"
    own_desk.mmflow("service", "install", "--user")
    kept = unit.read_text(encoding="utf-8")
    control[2](code=1)
    assert own_desk.mmflow("service", "install", "--user").code == 1
    assert unit.read_text(encoding="utf-8") == kept, "what was there before stays"
    done = own_desk.mmflow("service", "uninstall", "--user")
    assert (done.code, "was not run by systemd, which does not answer here" in done.out) == (0, True), done.err
    assert not unit.exists()
    shutil.rmtree(tmp_path / "config")
    assert own_desk.mmflow("service", "install", "--user").code == 1
    assert not unit.exists()
    assert not (tmp_path / "config").exists()


@posix
def test_without_systemd_an_uninstall_removes_what_is_left_and_speaks_of_nothing_else(tmp_path):
    units, service = tmp_path / "units", make_service(tmp_path)
    manager = Systemd({"PATH": str(tmp_path)}, units=units, running=tmp_path / "none", root_rights=True)
    with pytest.raises(UserError, match="there is no service mmflow at"):
        manager.uninstall(service)
    units.mkdir()
    (units / "mmflow.service").write_text(manager.render(service), encoding="utf-8")
    assert "which does not answer here" in manager.uninstall(service)[0]
    assert not (units / "mmflow.service").exists()


@posix
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metrics", "nonsense"), "HOST:PORT"),
        (("--run-as", "nosuchaccount"), "there is no account nosuchaccount"),
        (("--writable", "/"), "--writable / is everything"),
        (("--writable", "../../../../../../../../.."), "is everything"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--print",)])
def test_what_could_not_work_is_refused_before_anything_is_written(own_desk, tmp_path, words, said, more):
    done = own_desk.mmflow("service", "install", "--user", *words, *more)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (tmp_path / "config").exists()


@posix
def test_what_would_be_registered_is_a_document_on_demand(own_desk):
    shown = own_desk.mmflow("service", "install", "--user", "--print")
    done = own_desk.mmflow("service", "install", "--user", "--print", "--json")
    assert (done.code, done.data["text"] + "\n") == (0, shown.out)
    assert_fits(done.data, SHAPES["service install --print"], "service install --print")


@posix
def test_without_the_rights_of_root_it_says_what_to_do(tmp_path, control):
    units = tmp_path / "units"
    manager = Systemd({"PATH": str(control[0])}, units=units, running=tmp_path, root_rights=False)
    with pytest.raises(UserError, match=r"run: sudo \S+python\S* -m mmflow service install --root \S+ --name mmflow"):
        manager.install(make_service(tmp_path), ())
    assert not units.exists()


@posix
@pytest.mark.parametrize("account", ["no-such-account", "4123456789", "9" * 30])
def test_an_account_without_a_name_is_refused_before_anything_is_made(tmp_path, control, account):
    units = tmp_path / "units"
    manager = Systemd({"PATH": str(control[0])}, units=units, running=tmp_path, root_rights=True)
    with pytest.raises(UserError, match=f"there is no account {account}; make it"):
        manager.install(make_service(tmp_path, account=account), ())
    assert not units.exists()
    assert not (tmp_path / "out").exists()


@posix
@pytest.mark.parametrize(("path", "running"), [("bin", "nowhere"), ("empty", "")])
def test_without_systemd_it_says_what_another_manager_has_to_run(tmp_path, control, path, running):
    manager = Systemd({"PATH": str(tmp_path / path)}, running=tmp_path / running, root_rights=True)
    with pytest.raises(UserError, match=r"have its own service manager run: \S+ -m mmflow daemon --root "):
        manager.install(make_service(tmp_path), ())


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a root that belongs to root")
def test_a_service_does_not_become_root_by_chance(desk):
    done = desk.mmflow("service", "install")
    assert (done.code, "belongs to root" in done.err, "--run-as" in done.err) == (2, True, True)
    shown = desk.mmflow("service", "install", "--print")
    assert (shown.code, "belongs to root" in shown.err, "\nUser=root\n" in shown.out) == (0, True, True)
    assert "\nUser=root\n" in desk.mmflow("service", "install", "--print", "--run-as", "root").out


@posix
def test_the_command_of_the_unit_starts_a_daemon_that_reports_and_ends_in_order(desk, tmp_path):
    """A real process, since it is what systemd starts."""
    unit = Systemd({}).render(make_service(desk.root))
    words = shlex.split(dict(keys_of(unit))["ExecStart"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "MM_BOSTON_KEY": KEY}
        with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True) as daemon:
            assert manager.recv(100) == b"READY=1"
            assert desk.mmflow("service", "status", "--json").data["running"] is True
            assert manager.recv(100) == b"WATCHDOG=1"
            daemon.send_signal(signal.SIGTERM)
            said = daemon.communicate(timeout=60)[1]
    assert daemon.returncode == 0, said
    assert desk.mmflow("service", "status", "--json").data["running"] is False


@pytest.mark.parametrize("own", [False, True])
def test_the_task_of_windows_starts_the_daemon_for_good(own):
    root = Path("/plants") / ODD
    service = make_service(root, python=Path("/venv/python.exe"), account="PLANT\\ada", own=own)
    task = ElementTree.fromstring(TaskScheduler().render(service).partition("\n")[2])

    def text(path):
        return task.findtext(path.replace("/", "/t:").removeprefix("/"), namespaces=NAMESPACE)

    action = "/Actions/Exec/"
    assert text(f"{action}Command") == str(service.python)
    assert text(f"{action}Arguments") == subprocess.list2cmdline(service.words)
    assert text(f"{action}WorkingDirectory") == str(root)
    assert text("/Principals/Principal/UserId") == "PLANT\\ada"
    assert text("/Principals/Principal/LogonType") == ("InteractiveToken" if own else "S4U")
    assert text(f"/Triggers/{'Logon' if own else 'Boot'}Trigger/Repetition/Interval") == "PT5M"
    settings = {name: text(f"/Settings/{name}") for name in ("ExecutionTimeLimit", "MultipleInstancesPolicy")}
    assert settings == {"ExecutionTimeLimit": "PT0S", "MultipleInstancesPolicy": "IgnoreNew"}
    assert text("/Settings/DisallowStartIfOnBatteries") == "false"


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has a Task Scheduler")
def test_windows_takes_the_task_and_gives_it_back(tmp_path):
    service = make_service(tmp_path, name="mmflow-test", account=os.environ["USERNAME"], own=True)
    manager = TaskScheduler()
    try:
        manager.install(service, ())
    except GiveUp as refused:
        pytest.skip(f"no right to make a task here: {refused}")
    assert manager.status(service).installed
    manager.uninstall(service)
    assert not manager.status(service).installed
