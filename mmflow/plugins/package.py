"""What an installed package says of itself, read once: the standard library parses all of it at each question."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint
from typing import Self

from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package that has plugins; its name is the canonical one."""

    name: str
    version: str
    summary: str
    requires: tuple[str, ...]
    distribution: Distribution

    @classmethod
    def read(cls, entry: EntryPoint) -> Self:
        """Read the package that an entry point belongs to."""
        assert entry.dist is not None, "entry points come from installed distributions"
        said = entry.dist.metadata
        return cls(
            name=canonicalize_name(said["Name"]),
            version=said["Version"],
            summary=next(iter(said.get_all("Summary") or ()), ""),
            requires=tuple(said.get_all("Requires-Dist") or ()),
            distribution=entry.dist,
        )
