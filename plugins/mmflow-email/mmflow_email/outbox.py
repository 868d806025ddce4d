"""What is kept of each mail: its frozen bytes, and for each recipient how far it came, on disk before anything happens.

::

    pending ──► committing ──► sent          committing is written before the last byte that makes the server deliver
       │  ▲         │
       │  └─────────┼─ later                 the server said: not now
       │            ├► unknown               nobody can tell: the connection, or this process, died meanwhile
       ▼            ▼
    expired      refused                     the server said: never
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec

from mmflow import GiveUp, RunInfo, TryLater, Unknown, lock_file, replace_file

State = Literal["pending", "committing", "sent", "refused", "later", "unknown", "expired"]
UNSENT: Final[tuple[State, ...]] = ("pending", "later")
KEPT: Final = timedelta(days=30)
PRIVATE: Final = 0o600


class Recipient(msgspec.Struct, frozen=True):
    """How far the mail came for one address; ``reply`` is the server's word, ``unknowns`` how often it was unknown."""

    state: State = "pending"
    reply: str = ""
    unknowns: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery: what identifies it, what was frozen, and how far it came."""

    name: str
    key: str
    generation: int
    fence: int
    personal: bool = False  # it went to somebody by hand, whatever the options say
    message_id: str
    sender: str
    bcc: tuple[str, ...] = ()
    frozen_at: datetime
    size: int
    sha256: str
    rows: int
    attached: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held: bool = False  # somebody was told that nobody can tell who got it
    table: str = ""  # hash of the rows, when a mail goes only if they changed
    recipients: dict[str, Recipient]

    def among(self, *states: State) -> list[str]:
        """Give the addresses in these states."""
        return [address for address, one in self.recipients.items() if one.state in states]

    def moved(self, changes: Mapping[str, Recipient]) -> Entry:
        """Give the entry with new states; an address that becomes unknown remembers how often it was."""
        recipients = dict(self.recipients)
        for address, new in changes.items():
            times = recipients[address].unknowns + (new.state == "unknown")
            recipients[address] = msgspec.structs.replace(new, unknowns=times)
        return msgspec.structs.replace(self, recipients=recipients)

    @property
    def reached(self) -> bool:
        """Whether anybody has got the mail, or may have."""
        return bool(self.among("sent", "committing", "unknown"))

    def put(self, addresses: Iterable[str], state: State, reply: str = "") -> Entry:
        """Give the entry with these addresses in one state."""
        return self.moved({address: Recipient(state, reply) for address in addresses})


class Overtaken(GiveUp):
    """A later try of the same delivery has the mail now; this one must not touch it any more."""


class Spoilt(GiveUp):
    """The bytes are not those that were frozen, so nobody gets them."""


def identify(run: RunInfo) -> str:
    """Give what all tries of one delivery share, and no other delivery has."""
    return "\n".join([run.key, str(run.generation), *run.to])


def take_lock(handle: int, path: Path) -> None:
    """Lock an open file until it is closed."""
    try:
        lock_file(handle)
    except OSError as error:
        what = f"another process is at this mail, or {path} cannot be locked ({error.strerror})"
        raise TryLater(f"{what}; nothing was sent by this one") from error


@dataclass(frozen=True, slots=True)
class Outbox:
    """The folder of the mails of one sink of one job; readable by its owner alone."""

    folder: Path

    @classmethod
    def of(cls, run: RunInfo) -> Outbox:
        """Give the outbox of a delivery."""
        return cls(run.store / "outbox")

    @contextmanager
    def hold(self, run: RunInfo) -> Iterator[None]:
        """Keep every other process away from a delivery; :class:`TryLater` when one is at it.

        The system drops the lock when the process ends. Its file stays, since whoever waits for it has it open.
        """
        path = self.folder / f"{self.name(run)}.lock"
        try:
            for folder in (self.folder.parent, self.folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
        except OSError as error:
            raise TryLater(f"cannot use {path} ({error.strerror}); check the disk and its permissions") from error
        try:
            take_lock(handle, path)
            yield
        finally:
            os.close(handle)

    def find(self, run: RunInfo) -> Entry | None:
        """Give what an earlier try left; :class:`Unknown` when it cannot be read."""
        return self.load(self.name(run))

    def name(self, run: RunInfo) -> str:
        """Give the name of a delivery's files."""
        return hashlib.sha256(identify(run).encode()).hexdigest()[:32]

    def load(self, name: str) -> Entry | None:
        """Read an entry."""
        path = self.state_path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Entry)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TryLater(f"cannot read {path} ({error.strerror}); check the disk and its permissions") from error
        except msgspec.DecodeError as error:
            found = f"the note about this mail is damaged ({path}), so nobody can tell who got it"
            raise Unknown(
                f"{found}; ask the recipients, remove the file, and send it again if it is missing"
            ) from error

    def freeze(self, entry: Entry, content: bytes) -> None:
        """Put the bytes on the disk, and then the note that they are there; others of that mail go last."""
        self.replace(self.content_path(entry), content)
        self.save(entry)
        self.drop_content(entry, but=self.content_path(entry))

    def read(self, entry: Entry) -> bytes:
        """Give the frozen bytes; :class:`Spoilt` when they are not those that were frozen."""
        path = self.content_path(entry)
        try:
            content = path.read_bytes()
        except OSError:  # gone, or not to be read: either way it is not what was frozen
            content = b""
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise Spoilt(f"{path} is not the mail that was written; send the report again with mmflow resend")
        return content

    def save(self, entry: Entry) -> None:
        """Put an entry on the disk; :class:`Overtaken` when a later try has taken it over meanwhile."""
        stored = self.load(entry.name)
        if stored and stored.fence > entry.fence:
            raise Overtaken("another worker has taken this mail over; this try ends here")
        self.replace(self.state_path(entry.name), msgspec.json.encode(entry))

    def replace(self, path: Path, content: bytes) -> None:
        """Put a file in its place; a disk that does not confirm it is a reason to wait, since nothing was sent yet."""
        try:
            with replace_file(path, PRIVATE) as draft:
                draft.file.write(content)
        except Unknown as error:
            raise TryLater(str(error)) from error

    def drop_content(self, entry: Entry, *, but: Path | None = None) -> None:
        """Remove the bytes of a mail about which nothing is left to do; what cannot be removed is swept later."""
        for path in self.folder.glob(f"{entry.name}.*.eml"):
            if path != but:
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def forget(self, entry: Entry) -> None:
        """Remove all that is kept of a mail."""
        self.drop_content(entry)
        with suppress(OSError):
            self.state_path(entry.name).unlink(missing_ok=True)

    def entries(self) -> Iterator[Entry]:
        """Give what is kept, the newest first; what cannot be read is left out."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                entry = self.load(path.stem)
            except Unknown:
                continue
            if entry:
                found.append(entry)
        return iter(sorted(found, key=lambda entry: entry.frozen_at, reverse=True))

    def last_table(self, run: RunInfo) -> str:
        """Give the hash of the rows that the mail before had, "" when there is none or it is not known."""
        before = (entry for entry in self.entries() if entry.key != run.key and not entry.personal)
        return next((entry.table for entry in before if entry.among("sent")), "")

    def sweep(self, now: datetime) -> None:
        """Remove what is older than :data:`KEPT`, but for the last mail that was sent."""
        kept = False
        for entry in list(self.entries()):
            last = not kept and bool(entry.among("sent")) and not entry.personal
            kept = kept or last
            if not last and entry.frozen_at < now - KEPT:
                self.forget(entry)
        self.sweep_strays(now)

    def sweep_strays(self, now: datetime) -> None:
        """Remove old bytes and locks without a note: of mails that were given up or swept, perhaps by a kill."""
        for path in (*self.folder.glob("*.eml"), *self.folder.glob("*.lock")):
            with suppress(OSError):
                old = path.stat().st_mtime < (now - KEPT).timestamp()
                if old and not self.state_path(path.name.partition(".")[0]).exists():
                    path.unlink()

    def state_path(self, name: str) -> Path:
        """Give where the states of a delivery are."""
        return self.folder / f"{name}.json"

    def content_path(self, entry: Entry) -> Path:
        """Give where the frozen bytes of a delivery are; new bytes of the same delivery lie beside the old."""
        return self.folder / f"{entry.name}.{entry.sha256[:16]}.eml"
