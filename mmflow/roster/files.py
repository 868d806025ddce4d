"""Which files say something new: looked at by their marks, read only when those differ, believed when they stay."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from mmflow.clock import Clock
from mmflow.document import read_data
from mmflow.errors import Problem, ProblemsError
from mmflow.settings import JOBS_FOLDER

SETTLED: Final = 0.5
"""Seconds for which a file has to say the same before it counts: editors empty a file first and then fill it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file with new content; ``data`` is None when it is gone or, for the reasons in ``problems``, unreadable.

    ``digest`` is the SHA-256 of the content in hex, "" for a file that is gone.
    """

    file: str
    digest: str
    data: bytes | None = None
    problems: tuple[Problem, ...] = ()


class Mark(NamedTuple):
    """What changes whenever a file is written: nanoseconds, bytes, and which file it is."""

    modified: int
    size: int
    inode: int


class Known(NamedTuple):
    """How a file was when it last counted."""

    mark: Mark | None
    digest: str


class Waiting(NamedTuple):
    """Content that does not count yet, and the monotonic second in which it was seen first."""

    digest: str
    since: float


@dataclass(slots=True)
class Files:
    """The files of a root, by their names from there with ``/``.

    New content, and that a file is gone, counts at the second look that finds it, :data:`SETTLED` seconds after the
    first at the earliest.
    """

    root: Path
    clock: Clock
    _known: dict[str, Known] = field(default_factory=dict)
    _waiting: dict[str, Waiting] = field(default_factory=dict)

    @property
    def unsettled(self) -> bool:
        """Tell whether something was seen that does not count yet."""
        return bool(self._waiting)

    def copy(self) -> Files:
        """Give one that knows the same and learns for itself."""
        return replace(self, _known=dict(self._known), _waiting=dict(self._waiting))

    def mark(self, file: str) -> Mark | None:
        """Give the mark of a file when it last counted."""
        return self._known[file].mark if file in self._known else None

    def recall(self, file: str, mark: Mark | None, digest: str) -> None:
        """Take a file for known with this content as long as it bears this mark."""
        self._known[file] = Known(mark, digest)

    def forget(self, files: Iterable[str]) -> None:
        """Give these files again at a later look, whatever they say then."""
        for file in files:
            known = self._known.pop(file, Known(None, ""))
            self._waiting[file] = Waiting(known.digest, self.clock.monotonic())

    def meet(self, files: Iterable[str]) -> list[Seen]:
        """Give those of ``files`` that are not known yet as they are now, and take them for known."""
        new = [(find_mark(str(self.root / file)), self._read(file)) for file in files if file not in self._known]
        for mark, seen in new:
            self._settle(seen, mark)
        return [seen for _, seen in new]

    def again(self, file: str) -> Seen | None:
        """Give a file that says what it said when it last counted, None when it says something else by now."""
        known, seen = self._known.get(file), self._read(file)
        return seen if known and known.digest == seen.digest else None

    def look(
        self,
        files: Collection[str],
        *,
        whole: bool = True,
        at_once: bool = False,
    ) -> list[Seen]:
        """Give those of ``files`` that say something new, and of all others that are known, that they are gone.

        Unless ``whole`` nothing is said of others. With ``at_once`` nothing has to stay before it counts.
        """
        before, self._waiting = self._waiting, {}
        gone = sorted(self._known.keys() - set(files)) if whole else ()
        found = [(mark, self._read(file)) for mark, file in self._find_touched(files)]
        found += [(None, Seen(file, "")) for file in gone]
        return [
            seen
            for mark, seen in found
            if not self._says_the_same(seen, mark) and self._counts(seen, mark, before, at_once=at_once)
        ]

    def _find_touched(self, files: Collection[str]) -> Iterator[tuple[Mark | None, str]]:
        root = os.path.join(self.root, "")  # noqa: PTH118  texts are ten times as quick as paths
        for file in files:
            mark = find_mark(root + file)
            known = self._known.get(file)
            if known is None or mark is None or known.mark != mark:
                yield mark, file

    def _read(self, file: str) -> Seen:
        try:
            data = read_data(self.root / file, self.root)
        except ProblemsError as error:
            return Seen(file, sha256(str(error).encode()).hexdigest(), None, error.problems)
        return Seen(file, sha256(data).hexdigest(), data)

    def _says_the_same(self, seen: Seen, mark: Mark | None) -> bool:
        known = self._known.get(seen.file)
        if known is None or known.digest != seen.digest:
            return False
        self._settle(seen, mark)
        return True

    def _counts(self, seen: Seen, mark: Mark | None, before: Mapping[str, Waiting], *, at_once: bool) -> bool:
        now = self.clock.monotonic()
        waiting = before.get(seen.file)
        if waiting is None or waiting.digest != seen.digest:
            waiting = Waiting(seen.digest, now)
        if not at_once and now - waiting.since < SETTLED:
            self._waiting[seen.file] = waiting
            return False
        self._settle(seen, mark)
        return True

    def _settle(self, seen: Seen, mark: Mark | None) -> None:
        if seen.digest:
            self._known[seen.file] = Known(mark, seen.digest)
        else:
            self._known.pop(seen.file, None)


def find_mark(path: str) -> Mark | None:
    """Give the mark of a file, None when there is none to be had."""
    try:
        status = os.stat(path)  # noqa: PTH116  ten thousand of them are looked at every minute
    except (OSError, ValueError):
        return None
    return Mark(status.st_mtime_ns, status.st_size, status.st_ino)


def list_files(root: Path) -> list[str]:
    """Give the name of every ``jobs/**/*.yaml`` from the root, sorted; raises :class:`OSError`.

    No folder is left out in silence: a drive that is not there for a moment must not look like one without jobs.
    """
    found: list[str] = []
    for where, folders, files in os.walk(root / JOBS_FOLDER, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        place = Path(where).relative_to(root).as_posix()
        found += [f"{place}/{name}" for name in files if name.endswith(".yaml") and not name.startswith(".")]
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error
