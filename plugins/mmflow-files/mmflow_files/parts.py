"""One file for each value of some groups: which files those are, and which of an earlier delivery are left over.

Each file is the old one or the new one; together they change one after the other. What was written is kept in the
sink's own folder, so that the file of a machine that is no longer in the report goes away.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import msgspec

from mmflow import Cell, Column, GiveUp, Receipt, RunInfo, Table, explain_errors, place_file, replace_file
from mmflow_files.options import FileOptions

MOST_PARTS = 2_000
PRIVATE = 0o600

WriteFile = Callable[[Table, Path], Receipt]


def deliver_parts(table: Table, options: FileOptions, run: RunInfo, write: WriteFile) -> Receipt:
    """Write a file for each value of ``split_by`` with ``write``, and remove what an earlier delivery left over."""
    run.store.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = run.store / f"parts-{name_delivery(options, run)}.json"
    before = read_record(record)
    with TemporaryDirectory(dir=run.store, prefix=".parts-") as folder:
        parts = split_table(table, options, Path(folder))
        places = place_parts([values for values, _ in parts], table.columns, options, run)
        now = [path.as_posix() for path in places]
        write_record(record, sorted({*before, *now}))
        receipts = [write(part, path) for (_, part), path in zip(parts, places, strict=True)]
    remove_left(find_left(before, now), run)
    write_record(record, sorted(now))
    return join_receipts(receipts)


def split_table(table: Table, options: FileOptions, folder: Path) -> list[tuple[tuple[Cell, ...], Table]]:
    """Give a table for each value; :class:`GiveUp` for too many, before all of them are on disk."""
    parts = list(islice(table.split(options.split_by, folder), MOST_PARTS + 1))
    if len(parts) > MOST_PARTS:
        raise GiveUp(f"split_by would make more than {MOST_PARTS} files; split by fewer groups")
    return parts


def name_delivery(options: FileOptions, run: RunInfo) -> str:
    """Give a name for the files that replace each other: the path with all words filled in but those of the groups."""
    whole = place_file(options.path, run, {name: f"({name})" for name in options.split_by})
    return hashlib.sha256(whole.as_posix().encode()).hexdigest()[:16]


def place_parts(
    found: Sequence[tuple[Cell, ...]], columns: Sequence[Column], options: FileOptions, run: RunInfo
) -> list[Path]:
    """Give the file of each combination of values; those that would share a name get a short hash each."""
    kinds = {column.name: column for column in columns}
    texts = [
        [write_value(cell, kinds[name]) for name, cell in zip(options.split_by, row, strict=True)] for row in found
    ]
    plain = [place_file(options.path, run, dict(zip(options.split_by, row, strict=True))) for row in texts]
    shared = Counter(map(fold_path, plain))
    return [
        path if shared[fold_path(path)] == 1 else place_file(options.path, run, tell_apart(options, row, words))
        for path, row, words in zip(plain, found, texts, strict=True)
    ]


def fold_path(path: Path) -> str:
    """Give a path as file systems compare it that do not tell capitals from small letters."""
    return path.as_posix().casefold()


def tell_apart(options: FileOptions, row: Sequence[Cell], texts: Sequence[str]) -> dict[str, str]:
    """Give the words of a path with a short hash of all values behind the last; null is none of its texts."""
    marked = ("\1" if cell is None else text for cell, text in zip(row, texts, strict=True))
    digest = hashlib.sha256("\0".join(marked).encode()).hexdigest()[:8]
    return dict(zip(options.split_by, [*texts[:-1], f"{texts[-1]}~{digest}"], strict=True))


def write_value(cell: Cell, column: Column) -> str:
    """Write a value as a part of a name; null, which is no name, is ``none``."""
    if isinstance(cell, datetime):
        return cell.astimezone(ZoneInfo(column.zone)).strftime("%Y-%m-%dT%H%M%z")
    return "none" if cell is None else str(cell)


def read_record(record: Path) -> list[str]:
    """Give the files of the earlier delivery; none when it is not known."""
    try:
        return msgspec.json.decode(record.read_bytes(), type=list[str])
    except (FileNotFoundError, msgspec.MsgspecError):
        return []


def write_record(record: Path, files: list[str]) -> None:
    """Note the files that may be there."""
    with replace_file(record, PRIVATE) as draft:
        draft.file.write(msgspec.json.encode(files))


def find_left(before: Iterable[str], now: Sequence[str]) -> Iterator[str]:
    """Give the files of before that are none of now, also where capitals do not tell names apart."""
    names = {fold_path(Path(path)): Path(path) for path in now}
    for path in set(before) - set(now):
        other = names.get(fold_path(Path(path)))
        if other is None or not (Path(path).exists() and other.samefile(path)):
            yield path


def remove_left(files: Iterable[str], run: RunInfo) -> None:
    """Remove files that the report no longer has; never one outside the output folder."""
    output = Path(os.path.realpath(run.output))
    for path in map(Path, files):
        if Path(os.path.realpath(path)).is_relative_to(output) and not path.is_dir():
            with explain_errors(path):  # on Windows somebody may have it open
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}.schema.json").unlink(missing_ok=True)


def join_receipts(receipts: Sequence[Receipt]) -> Receipt:
    """Give one receipt for all files; its hash is that of their hashes."""
    paths = list(list_paths(receipts))
    digest = hashlib.sha256("".join(receipt.sha256 for receipt in receipts).encode()).hexdigest()
    size = sum(int(receipt.details.get("bytes") or 0) for receipt in receipts)
    return Receipt(
        rows=sum(receipt.rows for receipt in receipts),
        path=paths[0] if paths else "",
        sha256=digest if paths else "",
        more=tuple(paths[1:]),
        details={"files": len(receipts), "bytes": size},
    )


def list_paths(receipts: Iterable[Receipt]) -> Iterator[str]:
    """Give every file that the receipts name."""
    for receipt in receipts:
        yield receipt.path
        yield from receipt.more
