"""The last good texts of all files, with their plans, kept on disk so that a daemon that starts anew knows them.

This is a help and no record: when it is damaged, or cannot be written, everything is read from the files.
"""

from __future__ import annotations

import logging
import platform
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from mmflow import __version__
from mmflow.atomic import STATE, make_private, replace_file
from mmflow.errors import Unknown
from mmflow.plugins import Registry
from mmflow.roster.files import Mark
from mmflow.roster.plans import JobPlan

log = logging.getLogger(__name__)

FORM: Final = b"mmflow roster 1\n"
FILE: Final = Path(STATE, "roster.bin")
DIGEST: Final = 32  # bytes


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One file: its last good text, the mark of the file while it said that, and the plan that was made of it."""

    text: str
    digest: str
    mark: Mark | None
    plan: msgspec.Raw


class Shelf(msgspec.Struct, frozen=True):
    """What was kept: the texts count always, the plans only under the same circumstances."""

    settings: str = ""
    circumstances: str = ""
    jobs: dict[str, Kept] = msgspec.field(default_factory=dict)

    def plans(self, circumstances: str) -> dict[str, JobPlan]:
        """Give the plans by file; none when they were made under other circumstances."""
        if circumstances != self.circumstances:
            return {}
        decoder = msgspec.msgpack.Decoder(JobPlan | None)
        try:
            plans = {file: decoder.decode(kept.plan) for file, kept in self.jobs.items()}
        except msgspec.MsgspecError:  # somebody at work on mmflow, whose version is not yet another one
            return {}
        return {file: plan for file, plan in plans.items() if plan}


def describe_circumstances(settings: str, registry: Registry) -> str:
    """Give a digest of all that a plan follows from beside the text of its job."""
    plugins = [(one.name, one.kind, one.distribution, one.version, one.state) for one in registry.plugins]
    facts = [__version__, platform.python_version(), settings, plugins]
    return sha256(msgspec.json.encode(facts)).hexdigest()


def read_shelf(root: Path) -> Shelf:
    """Give what was kept for a root, an empty shelf when there is nothing that can be used."""
    try:
        data = (root / FILE).read_bytes()
    except OSError:
        return Shelf()
    head, payload = data[: len(FORM) + DIGEST], data[len(FORM) + DIGEST :]
    if head != FORM + sha256(payload).digest():
        return Shelf()
    try:
        return msgspec.msgpack.decode(payload, type=Shelf)
    except msgspec.MsgspecError:
        return Shelf()


def keep_job(text: str, mark: Mark | None, plan: JobPlan | None) -> Kept:
    """Give a file as it is kept; without a ``mark`` it is read again at the next start."""
    digest = plan.digest if plan else sha256(text.encode()).hexdigest()
    return Kept(text, digest, mark, msgspec.Raw(msgspec.msgpack.encode(plan)))


def write_shelf(root: Path, shelf: Shelf) -> None:
    """Keep the last good texts with their plans; that it cannot be done is said in the log."""
    payload = msgspec.msgpack.encode(shelf)
    try:
        make_private((root / FILE).parent)
        with replace_file(root / FILE) as file:
            file.write(FORM + sha256(payload).digest() + payload)
    except (OSError, Unknown) as error:
        log.warning("the last good versions of jobs are not kept for the next start: %s", error)
