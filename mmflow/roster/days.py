"""Files of days, of holidays and of those that jobs skip: what they last said is kept, and a whole daemon goes by that.

The copies are files too, so that workers, which check a job for themselves, read the same as whoever planned it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from mmflow.atomic import make_private, replace_file
from mmflow.errors import Problem, Unknown
from mmflow.plant.holidays import KEPT
from mmflow.roster.files import Seen
from mmflow.schedule.skips import FILES, parse_days
from mmflow.text import BadText, check_inside, describe

ANY_ZONE: Final = ZoneInfo("UTC")  # whether a file can be read is the same in all of them


@dataclass(frozen=True, slots=True)
class Days:
    """The copies of one root; ``problems`` says of their files why they do not count as they are now."""

    root: Path
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the copies lie, each by the path that its file has from the root."""
        return self.root / KEPT

    @property
    def names(self) -> frozenset[str]:
        """Give the names of the files that there are copies of."""
        found = (path for path in self.folder.rglob("*") if path.name.lower().endswith(FILES))
        return frozenset(path.relative_to(self.folder).as_posix() for path in found)

    def digest(self, name: str) -> str:
        """Give the SHA-256 of a copy in hex, "" when there is none that can be read."""
        try:
            return sha256((self.folder / name).read_bytes()).hexdigest()
        except OSError:
            return ""

    def take(self, seen: Iterable[Seen]) -> set[str]:
        """Keep what files say now, and give those of them that count anew; what cannot be used changes nothing.

        Of a file that never could be used those speak who name it.
        """
        return {one.file for one in seen if self._take(one)}

    def _take(self, seen: Seen) -> bool:
        wrong = seen.problems or self._keep(seen.file, seen.data or b"")
        if wrong and (self.folder / seen.file).is_file():
            self.problems[seen.file] = wrong
        elif not wrong:
            self.problems.pop(seen.file, None)
        return not wrong

    def _keep(self, name: str, data: bytes) -> tuple[Problem, ...]:
        """Write a copy, or say why there is none."""
        copy = self.folder / name
        try:
            parse_days(name, data, ANY_ZONE)
            check_inside(copy, self.folder)
            make_private(copy.parent)
            with replace_file(copy) as file:
                file.write(data)
        except BadText as bad:
            return (Problem(name, 0, 0, message=bad.message, hint=bad.hint),)
        except (OSError, Unknown) as error:
            found = f"cannot be kept in {KEPT.as_posix()}: {describe(error)}"
            return (Problem(name, 0, 0, message=found, hint="make room there, then save it again"),)
        return ()

    def drop_others(self, names: Collection[str]) -> None:
        """Drop the copies of files that nobody names any more."""
        for name in self.names.difference(names):
            (self.folder / name).unlink(missing_ok=True)
        for name in self.problems.keys() - set(names):
            del self.problems[name]
