"""Which installed packages may load, by ``plugins.allow`` and ``plugins.block``; decided before their code runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackagePath
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mmflow.errors import UserError
from mmflow.plugins.package import Package
from mmflow.settings import PluginRules

ENGINE: Final = "mmflow-reports"
_MARK: Final = " sha256:"
# Installers add other files to the metadata, each its own; these two come from the wheel and decide what is loaded.
_METADATA: Final = ("METADATA", "entry_points.txt")


@dataclass(frozen=True, slots=True)
class Allowed:
    """A line of ``plugins.allow``: a package, perhaps its versions, perhaps the fingerprint of its files."""

    requirement: Requirement
    fingerprint: str = ""

    @classmethod
    def read(cls, text: str) -> Allowed:
        """Read a line such as ``acme-sink==1.2 sha256:4f…``; raises :class:`UserError`."""
        package, mark, digest = text.partition(_MARK)
        try:
            return cls(Requirement(package), mark.strip() + digest.strip().lower())
        except InvalidRequirement:
            example = "'mmflow-files', 'mmflow-files==0.1.0' or 'mmflow-files==0.1.0 sha256:…'"
            raise UserError(f"{text[:40]!r} names no package; write one such as {example}") from None

    def object_to(self, package: Package) -> str:
        """Say why an installed package is not the one that is meant, "" when it is."""
        name, specifier = package.name, self.requirement.specifier
        if not specifier.contains(package.version, prereleases=True):
            return f"plugins.allow wants {name} {specifier}, found {package.version}"
        if not self.fingerprint:
            return ""
        try:
            found = fingerprint(package.distribution)
        except ValueError as error:
            return f"plugins.allow wants a fingerprint of {name}, but {error}"
        return "" if found == self.fingerprint else f"the files of {name} are not those that plugins.allow wants"


@dataclass(frozen=True, slots=True)
class Admission:
    """The lists of ``mmflow.yaml``: what alone may load (None: all may), and what never may, by package or plugin."""

    allowed: tuple[Allowed, ...] | None
    blocked: frozenset[str]

    @classmethod
    def read(cls, rules: PluginRules) -> Admission:
        """Read both lists; raises :class:`UserError` for a line that names no package."""
        allowed = None if rules.allow is None else tuple(map(Allowed.read, rules.allow))
        return cls(allowed, frozenset(map(canonicalize_name, rules.block)))

    def object_to(self, package: Package, plugin: str) -> str:
        """Say why a plugin of an installed package may not load, "" when it may. The engine itself needs no leave."""
        name = package.name
        if {name, canonicalize_name(plugin)} & self.blocked:
            return "it stands in plugins.block"
        if self.allowed is None or name == ENGINE:
            return ""
        lines = (line for line in self.allowed if canonicalize_name(line.requirement.name) == name)
        objections = [line.object_to(package) for line in lines]
        if not objections:
            return f"{name} does not stand in plugins.allow"
        return "" if "" in objections else objections[0]


def fingerprint(distribution: Distribution) -> str:
    """Give one hash over the files that an installed package consists of, the same wherever that wheel is installed.

    Raises :class:`ValueError` when the files are not known, are gone, or lie elsewhere (an editable installation).
    """
    lines = sorted(_hash_files(distribution))
    if not lines:
        raise ValueError("its files are not known")
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _hash_files(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files or ():
        if file.suffix == ".pth":
            raise ValueError("it is installed in place, so its files may change at any time")
        if _counts(file):
            try:
                content = Path(str(file.locate())).read_bytes()
            except OSError:
                raise ValueError(f"its file {file.as_posix()} cannot be read") from None
            yield f"{file.as_posix()} {hashlib.sha256(content).hexdigest()}"


def _counts(file: PackagePath) -> bool:
    """Tell whether a file comes from the wheel: no scripts made by the installer, nothing compiled."""
    if file.parent.name.endswith(".dist-info"):
        return file.name in _METADATA
    return ".." not in file.parts and file.suffix != ".pyc"
