"""Where a ledger lives: in a file under the root, or in a PostgreSQL that several daemons share."""

from __future__ import annotations

import os
import re
import ssl
import sys
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, NoReturn
from urllib.parse import unquote

from mmflow.atomic import refuse_closed
from mmflow.errors import StateError, UserError
from mmflow.refs import Secret
from mmflow.settings import State

LEDGER_FILE: Final = "ledger.sqlite"
FORM: Final = "postgresql://user@host:5432/database"
PORT: Final = 5432
# Kinds of drives that lie on another machine: SQLite's files there are lost or damaged sooner or later.
NETWORK_DRIVES: Final = frozenset(
    {"9p", "afs", "cifs", "fuse.glusterfs", "fuse.sshfs", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs"}
)
DRIVE_REMOTE: Final = 4  # what Windows says of one
MOUNTS: Final = Path("/proc/self/mounts")
# Where systems keep the authorities that they trust, for the driver, which does not know.
BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_NAME: Final = re.compile(r"[\w.$ -]{1,63}")
_SERVER: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Database:
    """A database of PostgreSQL; ``user`` "" is that of the operating system. Shown, it has no password."""

    host: str
    port: int
    name: str
    user: str = ""
    password: Secret | None = field(default=None, repr=False)
    tls: Literal["verify", "require", "off"] = "off"
    ca: Path | None = None  # who signed the server's certificate, for "verify"
    home: Path | None = field(default=None, repr=False, compare=False)  # of the root that uses it: its .mmflow

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{self.user and f'{self.user}@'}{host}:{self.port}/{self.name}"


Place = Path | Database


def find_place(state: State, folder: Path) -> Place:
    """Give the place that the settings name: a database, else the file in ``folder``, which is the root's ``.mmflow``.

    ``state`` is resolved. Raises :class:`UserError` for an address that is none, and :class:`StateError` for a folder
    of another account, and for a file on a drive of the network, where SQLite's locks cannot be trusted.
    """
    refuse_closed(folder)
    if state.url:
        return replace(read_database(state, folder.parent), home=folder)
    if not state.network_drive and (kind := find_network_drive(folder)):
        raise StateError(
            f"the ledger's folder {folder} is on a drive of the network ({kind}), where it would be damaged; move the "
            "root to a disk of this machine or write state: {url: postgresql://…} into mmflow.yaml, or, when only this "
            "machine ever uses the folder, state: {network_drive: true}"
        )
    return folder / LEDGER_FILE


def read_database(state: State, root: Path) -> Database:
    """Take the address of the state apart; :class:`UserError` says what is not allowed, never repeating a password."""
    scheme, mark, rest = state.url.partition("://")
    if scheme != "postgresql" or not mark:
        refuse("is not one of PostgreSQL")
    if any(sign in rest for sign in "?#") or not rest.isprintable() or rest != rest.strip():
        refuse("holds '?', '#', or a character that cannot be seen; the other keys of state stand beside url")
    place, _, name = rest.partition("/")
    user, _, server = place.rpartition("@")
    if ":" in user or ("@" in place and not user):
        refuse('holds a password, or no user before "@"; write password: "${env:NAME}" beside url')
    found = _SERVER.fullmatch(server)
    if not found or not 0 < int(found["port"] or PORT) < 65536:
        refuse("names no single host")
    if not _NAME.fullmatch(unquote(name)):
        refuse("names no database")
    host = found["six"] or found["host"]
    return Database(
        host=host,
        port=int(found["port"] or PORT),
        name=unquote(name),
        user=unquote(user),
        password=state.password,
        tls=state.tls or ("off" if is_loopback(host) else "verify"),
        ca=root / state.ca if state.ca else None,
    )


def refuse(problem: str) -> NoReturn:
    """Raise :class:`UserError` with what is wrong with the address."""
    raise UserError(f"the address of the state {problem}; write {FORM}")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, where nobody listens in between."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def find_bundle() -> Path | None:
    """Give the file of the authorities that this machine trusts, None when there is no such file."""
    own = ssl.get_default_verify_paths().cafile
    return next((file for file in map(Path, (*([own] if own else []), *BUNDLES)) if file.is_file()), None)


def find_network_drive(folder: Path) -> str:
    """Give the kind of drive when the folder, which need not exist yet, lies on one of the network; else ""."""
    if sys.platform == "win32":
        import ctypes

        drive = os.path.splitdrive(folder.resolve())[0] + "\\"
        return "a network drive of Windows" if ctypes.windll.kernel32.GetDriveTypeW(drive) == DRIVE_REMOTE else ""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""  # a system that does not tell
    kind = find_drive(folder.resolve(), mounts)
    return kind if kind in NETWORK_DRIVES else ""


def find_drive(folder: Path, mounts: str) -> str:
    """Give the kind of drive that a folder lies on, by the lines of ``/proc/self/mounts``; "" when none holds it."""
    lines = [line.split(" ") for line in mounts.splitlines()]
    # Blanks and the like stand as \040; of two drives at one place the later covers the earlier.
    places = [(Path(_unescape(line[1])), line[2]) for line in lines if len(line) > 2]
    holding = [(len(place.parts), number, kind) for number, (place, kind) in enumerate(places) if _holds(place, folder)]
    return max(holding, default=(0, 0, ""))[2]


def _holds(place: Path, folder: Path) -> bool:
    return folder == place or place in folder.parents


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)
