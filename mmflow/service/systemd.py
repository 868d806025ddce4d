"""The daemon as a unit of systemd: of the whole system, behind walls, or of one user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mmflow.errors import UserError
from mmflow.service import Service, Status, call, command, read_template

UNITS: Final = Path("/etc/systemd/system")
SECRETS: Final = Path("/etc/mmflow")
RUNNING: Final = Path("/run/systemd/system")  # there while systemd is the service manager
TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108  names for systemd
NEVER: Final = "n/a"

# Walls that need no rights of their own, so that a user's service has them as well.
WALLS: Final = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
# AF_NETLINK is how the resolver learns which addresses this machine has.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM"""
# MemoryDenyWriteExecute is left out, since ctypes and what compiles at run time need such memory, and
# ProcSubset=pid, since DuckDB reads in /proc how much memory there is; RemoveIPC, since at its end it takes away what
# other programs of the same account share in memory.
SYSTEM_WALLS: Final = """\
CapabilityBoundingSet=
AmbientCapabilities=
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
# Everything is read-only but what stands here.
ProtectSystem=strict"""


class Systemd:
    """Units in ``/etc/systemd/system``, or in the folder of a user.

    ``running`` is a folder that is there while systemd is the service manager. ``root_rights`` says whether this
    process has those of the administrator.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        units: Path = UNITS,
        running: Path = RUNNING,
        root_rights: bool | None = None,
    ) -> None:
        self._environ = environ
        self._units = units
        self._running = running
        self._root_rights = os.geteuid() == 0 if root_rights is None else root_rights

    def render(self, service: Service) -> str:
        """Give the text of the unit."""
        stop = int(service.grace) + 30
        return read_template("system.service").substitute(
            folder=escape(service.root.name),
            command=" ".join(map(quote, (str(service.python), *service.words))),
            root=escape(str(service.root)),
            secrets=escape(str(self._secrets(service))),
            account=f"User={service.account}" if not service.own else "# as the user whose service it is",
            patience=stop,
            walls="\n".join(list_walls(service)),
            target="default.target" if service.own else "multi-user.target",
        )

    def place(self, service: Service) -> str:
        """Give the path of the unit."""
        return str(self._unit(service))

    def install(self, service: Service, variables: Sequence[str]) -> list[str]:
        """Write the unit and the file for secrets, and start the service now and at every start of the machine."""
        control = self._control(service, "install")
        unit, secrets = self._unit(service), self._secrets(service)
        refuse_other(unit, service)
        if not service.own:
            find_number(service.account)
        with removing_new(unit, secrets):
            for folder in service.writable:  # systemd refuses to start a unit whose folders are not there
                make_folder(folder, service)
            made = make_secrets(secrets, variables)
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.write_text(self.render(service), encoding="utf-8")
            command(*control, "daemon-reload")
            command(*control, "enable", f"{service.name}.service")
            command(*control, "restart", "--no-block", f"{service.name}.service")
        said = [f"{service.name} is installed as {unit} and started"]
        if made and variables:
            said.append(f"write the values of {', '.join(variables)} into {secrets}, then: {self._again(service)}")
        if service.own:
            said.append(f"for it to run while nobody is logged on: sudo loginctl enable-linger {service.account}")
        return said

    def uninstall(self, service: Service) -> list[str]:
        """Stop it and remove the unit; where systemd does not run there is nothing to stop."""
        unit = self._unit(service)
        if not unit.exists():
            raise UserError(f"there is no service {service.name} at {unit}; --user and --name say which is meant")
        refuse_other(unit, service)
        self._need_rights(service, "uninstall")
        program = self._find_running(service)
        if program:
            command(*program, "disable", "--now", f"{service.name}.service")
        unit.unlink()
        if program:
            command(*program, "daemon-reload")
        told = "is stopped" if program else "was not run by systemd, which does not answer here,"
        return [
            f"{service.name} {told} and {unit} removed",
            f"what it remembers stays in {service.root / '.mmflow'}, and secrets in {self._secrets(service)}",
        ]

    def status(self, service: Service) -> Status:
        """Ask systemd."""
        wanted = "--property=LoadState,ActiveState,SubState,ActiveEnterTimestamp"
        program = shutil.which("systemctl", path=self._environ.get("PATH"))
        if not program:
            return Status(installed=self._unit(service).exists())
        own = ("--user",) if service.own else ()
        said = call(program, *own, "show", f"{service.name}.service", wanted).stdout
        told = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        running = told.get("ActiveState") == "active"
        since = told.get("ActiveEnterTimestamp", "") if running else ""
        return Status(
            installed=self._unit(service).exists(),
            running=running,
            state=f"{told['ActiveState']} ({told.get('SubState', '')})" if "ActiveState" in told else "",
            since="" if since == NEVER else since,
        )

    def _control(self, service: Service, action: str) -> tuple[str, ...]:
        """Give the command of systemd, with the rights to use it."""
        program = self._find_program(service)
        if not program:
            line = " ".join(map(quote, (str(service.python), *service.words)))
            raise UserError(f"this system is not run by systemd; have its own service manager run: {line}")
        self._need_rights(service, action)
        return program

    def _find_program(self, service: Service) -> tuple[str, ...]:
        program = shutil.which("systemctl", path=self._environ.get("PATH"))
        if not program or not (self._running.is_dir() or service.own):
            return ()
        return (program, "--user") if service.own else (program,)

    def _find_running(self, service: Service) -> tuple[str, ...]:
        """Give the command of systemd if it answers, () when there is none that could run anything."""
        program = self._find_program(service)
        silent = program and service.own and call(*program, "show-environment").returncode
        return () if silent else program

    def _need_rights(self, service: Service, action: str) -> None:
        if not service.own and not self._root_rights:
            line = f"sudo {service.python} -m mmflow service {action} --root {service.root} --name {service.name}"
            raise UserError(
                f"a service of the system needs the rights of root; run: {line}; or add --user for one of your own, "
                "or --print to see the unit"
            )

    def _again(self, service: Service) -> str:
        return f"systemctl {'--user ' * service.own}restart {service.name}"

    def _unit(self, service: Service) -> Path:
        folder = self._config() / "systemd" / "user" if service.own else self._units
        return folder / f"{service.name}.service"

    def _secrets(self, service: Service) -> Path:
        folder = self._config() / "mmflow" if service.own else SECRETS
        return folder / f"{service.name}.env"

    def _config(self) -> Path:
        home = self._environ.get("HOME") or str(Path.home())
        return Path(self._environ.get("XDG_CONFIG_HOME") or Path(home, ".config"))


@contextmanager
def removing_new(*files: Path) -> Iterator[None]:
    """Leave none of these behind, nor folders for them, that were not there before when it does not work out."""
    new = [file for file in files if not file.exists()]
    made = [folder for file in new for folder in file.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for file in new:
            file.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):  # it was not made after all, or holds something else
                folder.rmdir()
        raise


def list_walls(service: Service) -> Iterator[str]:
    """Give the lines that keep the service from everything it does not need."""
    if service.own:
        yield "# A user's service cannot have walls in the file system."
    else:
        yield SYSTEM_WALLS
        yield from (f"ReadWritePaths={quote(str(folder))}" for folder in service.writable)
        needed = (service.root, service.python, *service.writable, *service.code)
        # Both hide what lies there, so only where nothing of ours does.
        shows_tmp = is_below(needed, *TEMPORARY)
        yield f"ReadWritePaths={' '.join(TEMPORARY)}" if shows_tmp else "PrivateTmp=yes"
        yield f"ProtectHome={'read-only' if is_below(needed, '/home', '/root', '/run/user') else 'yes'}"
    yield WALLS


def is_below(paths: Sequence[Path], *folders: str) -> bool:
    """Tell whether one of the paths lies in one of the folders, by its name or by where it leads."""
    both = [*paths, *(path.resolve() for path in paths)]
    return any(path.is_relative_to(folder) for path in both for folder in folders)


def escape(text: str) -> str:
    """Write a text such that systemd reads it as it is; one with a line break or a control character is refused."""
    if not text.isprintable():
        raise UserError(f"{text!r} cannot stand in a unit of systemd; rename the folder")
    return text.replace("%", "%%")


def quote(text: str) -> str:
    """Write one word of a command line, or one path of a list."""
    plain = escape(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{plain}"' if any(sign in plain for sign in " '\";\\") else plain


def refuse_other(unit: Path, service: Service) -> None:
    """Leave alone what is not ours, or belongs to another root."""
    if not unit.exists():
        return
    text = unit.read_text(encoding="utf-8", errors="replace")
    if f"WorkingDirectory={escape(str(service.root))}\n" not in text:
        raise UserError(f"{unit} is the service of another root; give this one a name of its own with --name")


def make_folder(folder: Path, service: Service) -> None:
    """Make a folder that the service writes into, for whom it runs as."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    if not service.own and os.geteuid() == 0:
        os.chown(folder, find_number(service.account), -1)


def find_number(account: str) -> int:
    """Give the number of an account; :class:`UserError` for one that is not known by a name, which systemd needs."""
    import pwd

    try:
        return (pwd.getpwuid(int(account)) if account.isdecimal() else pwd.getpwnam(account)).pw_uid
    except (KeyError, OverflowError) as error:
        advice = "make it, such as by useradd --system, or name another with --run-as"
        raise UserError(f"there is no account {account}; {advice}") from error


def make_secrets(path: Path, variables: Sequence[str]) -> bool:
    """Make the file for the values of variables, for its owner alone; False when there is one."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"#{name}=\n" for name in variables)
    head = "# Values of the variables that mmflow.yaml and the jobs refer to. Read by systemd; keep it at mode 0600.\n"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123  a handle
        file.write(head + lines)
    return True
