"""Which files go with a mail, and the sentences that readers get about those that do not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from mmflow import GiveUp, RunInfo, TryLater
from mmflow_email.connection import MEGABYTE
from mmflow_email.message import Attachment, clean_name
from mmflow_email.options import EmailOptions

EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # the first day of a zip file; a fixed one keeps its bytes the same


@dataclass(frozen=True, slots=True)
class Enclosed:
    """The files that go with a mail, and what is said about the others."""

    files: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""
        return tuple(clean_name(file.name) for file in self.files)


def enclose_files(options: EmailOptions, run: RunInfo) -> Enclosed:
    """Read the files of the sinks in ``attach``; what is missing or too large is handled as the job says."""
    missing = [name for name in options.attach if not run.attachments.get(name)]
    if missing and options.attach_fallback == "fail":
        raise TryLater(
            f"the files of {', '.join(missing)} are not there, and attach_fallback is fail; nobody got the mail"
        )
    paths = [path for name in options.attach for path in run.attachments.get(name, ())]
    notes = [f"Not attached, because it was not made this time: {name}." for name in missing]
    fitting, over = choose_files(paths, options, run)
    return Enclosed(tuple(fitting), (*notes, *say_over(over, run)))


def choose_files(paths: Sequence[Path], options: EmailOptions, run: RunInfo) -> tuple[list[Attachment], list[Path]]:
    """Give the files that fit together, and the paths of those that do not."""
    limit = options.attach_max_mb * MEGABYTE
    if sum(path.stat().st_size for path in paths) <= limit:
        return [Attachment(name, path.read_bytes()) for name, path in name_apart(paths)], []
    if options.attach_fallback == "fail":
        raise GiveUp(f"the files to attach have more than {options.attach_max_mb} MB; nobody got the mail")
    if options.attach_fallback == "zip":
        packed = pack_files(paths, run)
        return ([packed], []) if len(packed.content) <= limit else ([], list(paths))
    fitting: list[Attachment] = []
    over: list[Path] = []
    for name, path in name_apart(paths):
        room = limit - sum(len(file.content) for file in fitting)
        if path.stat().st_size <= room:
            fitting.append(Attachment(name, path.read_bytes()))
        else:
            over.append(path)
    return fitting, over


def pack_files(paths: Sequence[Path], run: RunInfo) -> Attachment:
    """Put files into one zip file; the same files give the same bytes."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in name_apart(paths):
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return Attachment(f"{run.job} {run.names['date']}.zip", packed.getvalue())


def name_apart(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Give each file a name of its own."""
    taken: set[str] = set()
    for path in paths:
        name = clean_name(path.name)
        while name in taken:
            name = f"_{name}"
        taken.add(name)
        yield name, path


def say_over(paths: Sequence[Path], run: RunInfo) -> Iterator[str]:
    """Say of each file that is too large where it can be found."""
    for path in paths:
        shown = path.relative_to(run.root) if path.is_relative_to(run.root) else path
        yield f"Not attached, because it is too large ({path.stat().st_size / MEGABYTE:.1f} MB): {shown.as_posix()}."


def leave_out(enclosed: Enclosed, names: Sequence[str], why: str) -> Enclosed:
    """Give the mail's enclosure without these files, and with a sentence about them."""
    return Enclosed((), (*enclosed.notes, f"Not attached, because {why}: {', '.join(names)}."))
