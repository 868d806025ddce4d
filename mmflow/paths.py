"""Names of the files that sinks write: templates filled with safe texts, never leading out of the output folder."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from string import Formatter
from types import MappingProxyType
from typing import Final

from mmflow.errors import GiveUp, UserError, suggest_name
from mmflow.sinks import RunInfo

# Days and times are the plant's, of the first site.
PATH_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "job": "name of the job",
        "sink": "name of the sink in the job",
        "site": "names of the sites, joined by -",
        "run": "id of the run",
        "date": "production day, or first_to_last of several",
        "first_day": "first production day, 2026-11-01",
        "last_day": "last production day, 2026-11-08",
        "week": "ISO week of the first day, 2026-W45",
        "month": "month of the first day, 2026-11",
        "year": "year of the first day, 2026",
        "time": "time of day at which the window starts, 0600",
    }
)
LONGEST_NAME: Final = 224  # bytes; 255 are possible, and the name of a file's draft is longer

# What Windows refuses is refused everywhere, so that a job can move from one machine to another.
_FORBIDDEN: Final = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)


def check_template(template: str, more: Collection[str] = ()) -> str | None:
    """Say in a few words what is wrong with a path template, or give None; works offline, before any run.

    A template is a path relative to the output folder with ``/`` between folders and words of :data:`PATH_WORDS`, or
    of ``more``, in braces.
    """
    if not template.strip():
        return "is empty; write a name such as '{job}.csv'"
    try:
        pieces = list(Formatter().parse(template))
    except ValueError:
        return "has a brace without its partner; write '{date}', or '{{' for a brace itself"
    for _, word, form, conversion in pieces:
        if word is not None and (word not in {*PATH_WORDS, *more} or form or conversion):
            return _explain_word(word, [*more, *PATH_WORDS], bool(form or conversion))
    plain = "".join(literal + ("x" if word else "") for literal, word, *_ in pieces)
    return check_path(plain)


def check_path(path: str) -> str | None:
    """Say what is wrong with a path relative to the output folder, or give None."""
    if found := _FORBIDDEN.search(path):
        hint = "write / between folders" if found[0] == "\\" else "leave it out"
        return f"holds {found[0]!r}, which cannot be part of a file name everywhere; {hint}"
    if path.startswith("/"):
        return "is absolute; write it relative to the output folder"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return f"has {part!r} where a name was expected; write it relative to the output folder"
        if part != fit_name(part):
            return f"has a part {part[:40]!r} that cannot be a file name everywhere; choose another name"
    return None


def place_file(template: str, run: RunInfo, more: Mapping[str, str] | None = None) -> Path:
    """Give the real path of the file that a template means for this run; it lies under ``run.output``.

    ``more`` are words beside those of the run, or in their place; their texts may come from data.

    Raises :class:`UserError` for a bad template and :class:`GiveUp` when a symbolic link leads out of that folder.
    """
    words = {**run.names, **(more or {})}
    if problem := check_template(template, words):
        raise UserError(f"the path {template!r} {problem}")
    target = place_inside(template.format_map({word: safe_name(text) for word, text in words.items()}), run.output)
    warn_open_folder(target.parent, run)
    return target


def place_inside(path: str, folder: Path) -> Path:
    """Give the real path of what lies at a relative path in a folder; raises like :func:`place_file` for a link."""
    output = Path(os.path.realpath(folder))
    target = Path(os.path.realpath(output.joinpath(*map(fit_name, path.split("/")))))
    if not target.is_relative_to(output) or target == output:
        raise GiveUp(f"{path} leads out of the output folder {output} through a symbolic link; remove the link")
    return target


def warn_open_folder(folder: Path, run: RunInfo) -> None:
    """Log a warning when everybody on this machine may change what stands in a folder."""
    if os.name == "posix" and folder.is_dir():
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            run.log.warning("everybody on this machine may write to %s; take that right away", folder)


def safe_name(text: str) -> str:
    """Make a text from data a name for one file or folder; different texts may give the same name.

    Slashes, control characters and what Windows refuses become ``-``; ``..``, device names and long names are made
    harmless.
    """
    composed = unicodedata.normalize("NFC", text).replace("/", "-")
    seen = "".join(char if char.isprintable() else "-" for char in composed)
    return fit_name(_FORBIDDEN.sub("-", seen).lstrip(" ."))


def fit_name(name: str) -> str:
    """Make a name without separators fit for every file system: no device, no trailing dot, at most 224 bytes."""
    fitted = name.rstrip(" .") or "_"
    if _DEVICE.fullmatch(fitted):
        fitted = f"_{fitted}"
    return shorten_name(fitted) if len(fitted.encode()) > LONGEST_NAME else fitted


def shorten_name(name: str) -> str:
    """Cut a long name; a short hash keeps names apart that begin alike, and the suffix stays."""
    suffix = PurePosixPath(name).suffix
    tail = "~" + hashlib.sha256(name.encode()).hexdigest()[:8] + (suffix if len(suffix.encode()) <= 16 else "")
    return name.encode()[: LONGEST_NAME - len(tail.encode())].decode(errors="ignore") + tail


def _explain_word(word: str, known: Sequence[str], formatted: bool) -> str:
    if word in known and formatted:
        return f"has more than a word in '{{{word}}}'; write just the word"
    near = suggest_name(word, known)
    hint = f"did you mean '{{{near}}}'?" if near else f"there are: {', '.join(known)}"
    return f"holds '{{{word}}}', which is not known; {hint}"
