"""Opens workbooks that others made, safely, and copies them part by part."""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeAlias, cast
from xml.parsers import expat

from mmflow import GiveUp, TryLater
from mmflow_excel.filling.markup import Refused, new_parser, unsound

Rewrite: TypeAlias = Callable[[BinaryIO, BinaryIO], None]  # reads the old content of a part and writes the new
Edit: TypeAlias = bytes | Rewrite | None  # the new content of a part, or None to leave it out

BLOCK: Final = 1 << 20
MOST_PARTS: Final = 10_000
MOST_BYTES: Final = 2 << 30  # of all parts, unpacked
SMALL_PART: Final = 32 << 20  # a part that is read as a whole
LARGEST_RATIO: Final = 300  # unpacked to packed, of a part or a workbook of more than SMALL_PART; sheets reach 50
HEAD: Final = 4096  # bytes of a part that are read at a time until its first element
# What would lead out of a folder that a workbook is unpacked to: a root, a drive, ".."; and what no part is called.
ODD_NAME: Final = re.compile(r"[\\\x00-\x1f]|^[A-Za-z]:|(?:^|/)\.{0,2}(?:/|$)")
BEFORE_XML: Final = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"  # spaces and marks of encodings, in UTF-8 or UTF-16
PICTURES: Final = ".svg"  # drawing programs give them document types
FAST: Final = 1  # level of compression of a part that is made anew: half the time for a tenth more bytes
ENCRYPTED: Final = 0x1
WINDOWS_HELD: Final = (32, 33)  # sharing violation, lock violation
OLE: Final = bytes.fromhex("D0CF11E0A1B11AE1")
KINDS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Package:
    """An open workbook: parts by name, in the order of the file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive
        self.names = archive.namelist()

    def refuse(self, found: str) -> GiveUp:
        """Give the error that says what is wrong with the workbook."""
        return GiveUp(f"{self.path} {found}")

    def read(self, name: str) -> bytes:
        """Give a part as a whole, which the parts that describe others are small enough for."""
        if name not in self.archive.NameToInfo:
            raise self.refuse(f"has no part {name}, so it is no sound workbook; save it anew in Excel")
        if self.archive.getinfo(name).file_size > SMALL_PART:
            raise self.refuse(f"has a part {name} of more than {SMALL_PART >> 20} MB, which is too large to be changed")
        return self.archive.read(name)

    def open(self, name: str) -> BinaryIO:
        """Open a part for reading from its beginning."""
        return cast("BinaryIO", self.archive.open(name))


@contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """Open a workbook; :class:`GiveUp` for what is none, is encrypted, is damaged, or would fill memory or disk."""
    check_kind(path)
    try:
        with zipfile.ZipFile(path) as archive:
            package = Package(path, archive)
            check_parts(package)
            check_heads(package)
            yield package
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise GiveUp(f"{path} is damaged or no workbook ({error}); save it anew in Excel as .xlsx or .xlsm") from error


def check_kind(path: Path) -> None:
    """Refuse by its first bytes what is no zip file, in words of people who have Excel."""
    try:
        with path.open("rb") as file:
            start = file.read(len(OLE))
    except FileNotFoundError:
        raise GiveUp(f"there is no workbook {path}; put it there, or correct its name") from None
    except IsADirectoryError:
        raise GiveUp(f"{path} is a folder, expected a workbook") from None
    except PermissionError as error:
        if getattr(error, "winerror", None) in WINDOWS_HELD:
            raise TryLater(f"{path} cannot be read: it is open in another program; close it there") from error
        raise GiveUp(f"{path} cannot be read by this user; check its permissions") from error
    if start == OLE:
        found = "is protected with a password, or an old .xls file"
        raise GiveUp(f"{path} {found}; save it without a password as .xlsx or .xlsm")
    if not start.startswith(b"PK"):
        raise GiveUp(f"{path} is no workbook; expected a file that Excel saved as .xlsx or .xlsm")


def check_parts(package: Package) -> None:
    """Refuse a workbook that no program for sheets would write."""
    listed = package.archive.infolist()
    if len(listed) > MOST_PARTS:
        raise package.refuse(f"has {len(listed):,} parts, and at most {MOST_PARTS:,} are read")
    if doubled := [name for name, count in Counter(name.lower() for name in package.names).items() if count > 1]:
        raise package.refuse(f"has two parts {doubled[0]!r}, so nobody can tell which is meant; save it anew in Excel")
    if (total := sum(part.file_size for part in listed)) > MOST_BYTES:
        raise package.refuse(f"holds {total >> 20:,} MB when unpacked, and at most {MOST_BYTES >> 20:,} MB are read")
    if total > SMALL_PART and total > LARGEST_RATIO * (packed := package.path.stat().st_size):
        raise package.refuse(f"unpacks to {total // packed:,} times its size, as in an attack; save it anew in Excel")
    for part in listed:
        if any(ODD_NAME.search(name.removesuffix("/")) for name in (part.orig_filename, part.filename)):
            raise package.refuse(f"has a part named {part.orig_filename!r}, as no workbook has; save it anew in Excel")
        if part.flag_bits & ENCRYPTED:
            raise package.refuse("is protected with a password; save it without one")
        if part.compress_type not in KINDS:
            raise package.refuse(f"packs {part.filename} in a way that Excel does not know; save it anew in Excel")
        if part.file_size > SMALL_PART and part.file_size > LARGEST_RATIO * part.compress_size:
            found = f"has a part {part.filename} that unpacks to {part.file_size // max(part.compress_size, 1):,} times"
            raise package.refuse(f"{found} its size, as in an attack; save it anew in Excel")


def check_heads(package: Package) -> None:
    """Refuse a document type in any part, also one that is only copied: others will open the workbook."""
    for part in package.archive.infolist():
        if not part.is_dir() and not part.filename.lower().endswith(PICTURES):
            with package.archive.open(part) as file:
                check_head(package, file, part.filename)


def check_head(package: Package, file: IO[bytes], name: str) -> None:
    """Read a part up to its first element, before which a document type stands; in any encoding."""
    block = file.read(HEAD)
    if block.startswith(b"\0\0") or block.lstrip(BEFORE_XML)[:1] not in (b"", b"<"):
        return  # no XML: a picture, a macro
    begun: list[str] = []
    parser = new_parser()
    parser.XmlDeclHandler = None
    parser.StartElementHandler = lambda element, _: begun.append(element)
    while block and not begun:
        try:
            parser.Parse(block, False)
            block = file.read(HEAD)
            parser.Parse(b"", not block)
        except (expat.ExpatError, Refused, ValueError, LookupError) as error:
            if not begun:  # what is wrong behind its beginning is not looked at here
                raise GiveUp(f"{package.path}: {unsound(name, error)}") from error
            return


def copy_parts(package: Package, out: BinaryIO, edits: Mapping[str, Edit]) -> None:
    """Copy an open workbook with some parts changed; all others keep their bytes, their place and their date."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.comment = package.archive.comment
        for part in package.archive.infolist():
            edit = edits.get(part.filename, copy_bytes)
            if edit is not None:
                copy_part(package, made, part, edit)


def copy_part(package: Package, made: zipfile.ZipFile, part: zipfile.ZipInfo, edit: bytes | Rewrite) -> None:
    """Write one part."""
    entry = copy(part)
    entry.extra = b""  # it may hold the sizes of the old entry
    if part.is_dir() or isinstance(edit, bytes):
        made.writestr(entry, edit if isinstance(edit, bytes) else b"")
        return
    if edit is not copy_bytes:
        entry.file_size = 0  # not known; with zip64 Excel would offer a repair
        entry._compresslevel = FAST  # type: ignore[attr-defined]  # noqa: SLF001  there is no other way before 3.13
    try:
        with package.archive.open(part) as old, made.open(entry, "w") as new:
            edit(cast("BinaryIO", old), cast("BinaryIO", new))
    except RuntimeError as error:  # by zipfile, when it closes the part
        raise package.refuse(
            f"would have a part {part.filename} larger than 2 GB, which Excel does not open; deliver fewer rows"
        ) from error


def copy_bytes(old: IO[bytes], new: IO[bytes]) -> None:
    """Copy a part as it is."""
    shutil.copyfileobj(old, new, BLOCK)
