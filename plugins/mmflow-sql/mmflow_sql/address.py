"""The url of a database, taken apart by rules of our own: what is not known to be harmless is refused.

Drivers read urls by rules of their own, and some repeat a part of the password in their complaints: none of them ever
sees one. Light: nothing heavy is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from os.path import normpath
from pathlib import Path
from typing import Final, Literal, NoReturn
from urllib.parse import unquote

from mmflow import GiveUp, Secret, suggest_name
from mmflow_sql.connection import SqlConnection, Tls

Kind = Literal["sqlite", "duckdb", "postgresql", "mysql", "mssql"]

KINDS: Final[Mapping[str, Kind]] = {
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "mssql",
}
# What others call them.
ALIASES: Final = {"postgres": "postgresql", "pgsql": "postgresql", "sqlserver": "mssql", "sqlite3": "sqlite"}

OWN_FOLDERS: Final = {".mmflow": "mmflow keeps its own files", "jobs": "mmflow looks for jobs"}

# Words that may stand behind the ?, by kind, and what they may say.
WORDS: Final[Mapping[Kind, Mapping[str, re.Pattern[str]]]] = {
    "sqlite": {},
    "duckdb": {},
    "postgresql": {
        "application_name": re.compile(r"[\w. -]{1,63}", re.ASCII),
        "connect_timeout": re.compile(r"[1-9]\d{0,2}", re.ASCII),
    },
    "mysql": {"charset": re.compile(r"utf8mb4"), "connect_timeout": re.compile(r"[1-9]\d{0,2}", re.ASCII)},
    "mssql": {
        "connect_timeout": re.compile(r"[1-9]\d{0,2}", re.ASCII),
        "driver": re.compile(r"[\w. -]{1,63}", re.ASCII),
    },
}
# Words that people write, and what to write instead. Anything else is refused without a hint.
HINTS: Final[Mapping[str, str]] = {
    "password": "write password: ${env:NAME} beside url",
    "user": "write username: beside url",
    "sslmode": "write tls: verify, require or off beside url",
    "sslrootcert": "write ca: beside url",
    "ssl": "write tls: beside url",
    "ssl_ca": "write ca: beside url",
    "host": "write the host between // and /",
    "options": "set it for the user in the database (ALTER ROLE … SET …)",
}

_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?\.?", re.IGNORECASE)
_DATABASE: Final = re.compile(r"[\w.$ -]{1,128}")  # no sign with which a driver would begin something else
_DRIVE: Final = re.compile(r"[A-Za-z]:(?=[/\\])")
_LOOPBACK: Final = ("localhost", "localhost.")


class BadConnection(GiveUp):
    """What is wrong with a connection, in its option ``key``."""

    def __init__(self, problem: str, key: str = "url") -> None:
        super().__init__(problem)
        self.key = key


@dataclass(frozen=True, slots=True)
class Address:
    """A database: a ``file`` of sqlite or duckdb, or a server. ``mariadb`` is of the kind ``mysql``."""

    kind: Kind
    file: Path | None = None
    host: str = ""
    port: int | None = None
    database: str = ""
    username: str = ""
    password: Secret | None = field(default=None, repr=False)
    tls: Tls = "off"
    ca: Path | None = None
    words: Mapping[str, str] = field(default_factory=dict)  # harmless parameters of the url

    def __str__(self) -> str:
        """Name it in messages and receipts, without the password."""
        if self.file:
            return f"{self.kind}:///{self.file}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        user, port = self.username and f"{self.username}@", f":{self.port}" if self.port else ""
        return f"{self.kind}://{user}{host}{port}/{self.database}"


def validate_connection(connection: SqlConnection) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a connection as it is written; its password may still be a reference."""
    try:
        read_address(connection, Path())
    except BadConnection as bad:
        yield bad.key, str(bad)


def read_address(connection: SqlConnection, root: Path) -> Address:
    """Give the parts of a connection; :class:`BadConnection` says what is not allowed, never repeating a password."""
    scheme, mark, rest = connection.url.partition("://")
    kind = KINDS.get(scheme)
    if kind is None or not mark:
        near = ALIASES.get(scheme.lower()) or suggest_name(scheme, KINDS)
        hint = f"did you mean {near}://?" if near and mark else f"there are: {', '.join(KINDS)}"
        refuse(f"begins with no kind of database that is known; {hint}")
    if connection.url != connection.url.strip() or not connection.url.isprintable():
        refuse("holds a blank at an end or a character that cannot be seen; write it anew")
    body, _, query = rest.partition("?")
    if "#" in rest:
        refuse("holds '#', which begins nothing here; write %23 for the character")
    words = read_words(kind, query)
    if kind in ("sqlite", "duckdb"):
        return Address(kind, file=read_file(kind, body, connection, root))
    return read_server(kind, body, words, connection, root)


def refuse(problem: str) -> NoReturn:
    """Raise :class:`BadConnection` with what is wrong with a url."""
    raise BadConnection(f"the url of the connection {problem}")


def read_words(kind: Kind, query: str) -> dict[str, str]:
    """Give the parameters of a url, all of them known and harmless; the value of a refused one is never repeated."""
    words: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        word, _, value = pair.partition("=")
        known = WORDS[kind].get(word)
        if known is None:
            offer = HINTS.get(word.lower()) or (
                f"there are: {', '.join(WORDS[kind])}" if WORDS[kind] else "leave it out"
            )
            refuse(f"has a parameter {word[:40]!r}, which is not allowed; {offer}")
        if word in words:
            refuse(f"has the parameter {word!r} twice; leave one of them out")
        words[word] = decode_part(value, f"the parameter {word!r}")
        if not known.fullmatch(words[word]):
            refuse(f"has a parameter {word!r} of a form that is not allowed; leave it out")
    return words


def decode_part(text: str, what: str) -> str:
    """Decode ``%20`` and the like; what decodes to something that cannot be seen is refused."""
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        refuse(f"has {what} that is no UTF-8 behind its % signs; write it anew")
    if not decoded.isprintable():
        refuse(f"has {what} with a character that cannot be seen; write it anew")
    return decoded


def read_file(kind: Kind, body: str, connection: SqlConnection, root: Path) -> Path:
    """Give the file of a database; a relative path starts at the root."""
    if needless := [key for key in ("username", "password", "tls", "ca") if getattr(connection, key)]:
        raise BadConnection(f"a {kind} database is a file and has no {needless[0]}; leave that out", needless[0])
    if not body.startswith("/"):
        refuse(
            f"names a host, expected a file; write {kind}:///file.db, or {kind}:////folder/file.db with four slashes"
        )
    written = decode_part(body[1:], "a file")
    if not written or written.endswith("/") or written == ":memory:" or written.startswith("file:"):
        refuse(f"names no file, expected one that stays; write {kind}:///file.db")
    if ":" in (written[2:] if _DRIVE.match(written) else written):
        refuse(f"names a file with ':', which begins something else in many places; write {kind}:///file.db")
    plain = normpath(written)  # before links are followed: a folder may be one to elsewhere, but ".." leads nowhere
    if Path(plain).parts[:1] == ("..",):
        refuse(f"leads out of the root; write the whole path with four slashes, {kind}:////folder/file.db")
    file = (root / plain).resolve()
    check_place(file, root)
    return file


def check_place(file: Path, root: Path) -> None:
    """Refuse a file among those that are read by mmflow itself; not every disk knows JOBS from jobs."""
    folders = {str(folder).casefold() for folder in file.parents}
    for name, what in OWN_FOLDERS.items():
        if str((root / name).resolve()).casefold() in folders:
            refuse(f"leads into {name}, where {what}; choose another folder")


def read_server(kind: Kind, body: str, words: Mapping[str, str], connection: SqlConnection, root: Path) -> Address:
    """Give the address of a server."""
    place, slash, database = body.partition("/")
    user, at, server = place.rpartition("@")
    if ":" in user or (at and not user):
        refuse(f"holds a password or no user before '@'; write {kind}://user@host/database and {HINTS['password'][6:]}")
    if not slash or not database:
        refuse(f"names no database; write {kind}://user@host/database")
    name = decode_part(database, "a database")
    if not _DATABASE.fullmatch(name):
        refuse("names a database with a character that is not allowed; letters, digits and . _ - $ are")
    if user and connection.username:
        raise BadConnection("the connection has a user in its url and a username; leave one of them out", "username")
    host, port = read_host(server)
    tls = connection.tls or ("off" if is_loopback(host) else "verify")
    if connection.ca and kind == "mssql":
        raise BadConnection("mssql has no ca, its driver trusts what this machine trusts; leave it out", "ca")
    if connection.ca and tls != "verify":
        raise BadConnection(f"ca means nothing with tls: {tls}; write tls: verify, or leave ca out", "ca")
    return Address(
        kind,
        host=host,
        port=port,
        database=name,
        username=connection.username or decode_part(user, "a user"),
        password=connection.password,
        tls=tls,
        ca=root / connection.ca if connection.ca else None,
        words=words,
    )


def read_host(server: str) -> tuple[str, int | None]:
    """Give host and port; sockets, lists of hosts and odd characters are refused."""
    found = re.fullmatch(
        r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>\d{1,5}))?", server, re.IGNORECASE
    )
    if found is None or "," in server:
        refuse("names no single host; write host, host:port or [IPv6]:port behind //")
    host = found["six"] or found["host"]
    if not host or host.startswith("%2") or "/" in host:
        refuse("names no host; write one behind //, 127.0.0.1 for this machine (sockets are not supported)")
    if found["six"]:
        check_six(host)
    elif not _HOST.fullmatch(host):
        refuse("names a host with a character that is not allowed; letters, digits, dots and - are")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        refuse(f"has a port {port}, expected 1 to 65535")
    return host, port


def check_six(host: str) -> None:
    """Refuse what stands in brackets and is no IPv6 address."""
    try:
        ip_address(host)
    except ValueError:
        refuse("has something in brackets that is no IPv6 address; write [2001:db8::1]")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, where nobody listens in between."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK
