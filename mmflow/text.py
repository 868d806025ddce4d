"""Text met with suspicion: small files, regular, bounded and UTF-8, and what others send, before it is shown."""

from __future__ import annotations

import os
import re
import signal
import stat
import unicodedata
from itertools import accumulate
from pathlib import Path
from typing import Final, TypeAlias

from mmflow.errors import MmflowError

Position: TypeAlias = tuple[int, int]
"""Line and column in characters, both counted from 1; (0, 0) means the whole file."""

WHOLE_FILE: Final[Position] = (0, 0)
LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")

# Controls but for tab and line breaks, bidirectional controls, line and paragraph separators, lone surrogates,
# and the byte order mark anywhere but at the start: none shows, and each can make a name look like another.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
LONGEST_LINE: Final = 2_000
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_NO_BLOCK: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class BadText(ValueError):  # noqa: N818  it is a finding about a text, which the reader of the text turns into an error
    """A text cannot be used: ``message`` says what was found, ``hint`` what to do, ``position`` where."""

    def __init__(self, message: str, hint: str = "", position: Position = WHOLE_FILE) -> None:
        super().__init__(message)
        self.message, self.hint, self.position = message, hint, position


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a regular file of at most ``limit`` bytes; never wait for a pipe or a device.

    Symbolic links are followed. Raises :class:`BadText` with a sentence that does not name the path.
    """
    _refuse_nul(path)
    try:
        # Opened before it is looked at, so that what was looked at is what is read.
        with open(path, "rb", opener=_open_quietly) as file:  # Path.open() takes no opener
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadText("is not a regular file", "give the path of a file")
            data = file.read(status.st_size + 1) if status.st_size <= limit else b""
            if len(data) > status.st_size:  # it grows, or is of a kind whose size nobody knows
                data += file.read(limit + 1 - len(data))
    except OSError as error:
        raise BadText(*_explain_failure(error)) from None
    if max(status.st_size, len(data)) > limit:
        raise BadText(f"is too large, more than {limit:,} bytes", "split it, or check that it is the right file")
    return data


def check_inside(path: Path, root: Path) -> None:
    """Raise :class:`BadText` when a path leads out of ``root``, by ``..`` or by a symbolic link."""
    _refuse_nul(path)
    if _leads_straight(os.fspath(path), os.path.join(root, "")):  # noqa: PTH118  texts are ten times as quick as paths
        return
    outer = os.path.join(os.path.realpath(root), "")  # noqa: PTH118
    if not os.path.normcase(os.path.join(os.path.realpath(path), "")).startswith(os.path.normcase(outer)):  # noqa: PTH118
        raise BadText(
            f"leads out of the folder {root.as_posix()}", "put it inside that folder, or give an absolute path"
        )


def decode_text(data: str | bytes) -> str:
    """Give the text without its byte order mark.

    Raises :class:`BadText` for encodings other than UTF-8 and for characters that nobody can see.
    """
    text = (data if isinstance(data, str) else _decode_bytes(data)).removeprefix("\ufeff")
    if unseen := find_unseen(text):
        index, what = unseen
        raise BadText(f"the text holds {what}, which nobody can see", "remove it", locate(text, index))
    return text


def find_unseen(text: str) -> tuple[int, str] | None:
    """Give the index and the name, like ``U+202E (right-to-left override)``, of the first unseen character."""
    found = _UNSEEN.search(text)
    if found is None:
        return None
    unnamed = "control character" if unicodedata.category(found[0]) == "Cc" else "not a character"
    return found.start(), f"U+{ord(found[0]):04X} ({unicodedata.name(found[0], unnamed).lower()})"


def show_text(text: str) -> str:
    """Replace what a terminal would obey or hide: line breaks, escape sequences, marks that turn the direction."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def show_start(text: str, most: int = 200) -> str:
    """Give the start of what somebody else wrote as one printable line, for a part of a message."""
    printable = "".join(char if char.isprintable() else " " for char in text[:most])
    return " ".join(printable.split()) + "…" * (len(text) > most)


def join_lines(text: str) -> str:
    """Give a text of several lines as one, for a part of a message."""
    return "; ".join(line for line in map(str.strip, text.splitlines()) if line)


def show_lines(text: str) -> str:
    """Make a message fit to be shown: its line breaks stay, and a line that somebody made endless is cut."""
    return "\n".join(_cut_line(show_text(line)) for line in text.expandtabs().split("\n"))


def _cut_line(line: str) -> str:
    over = len(line) - LONGEST_LINE
    return line if over <= 0 else f"{line[:LONGEST_LINE]}… ({over} characters more)"


def read_error(error: BaseException) -> str:
    """Give what an error says, which may be a stranger's: never raises, and what it gives can be encoded and stored."""
    try:
        text = str(error)
    except BaseException as worse:  # noqa: BLE001  # whatever its code does when it is shown
        return f"what it says cannot be shown ({type(worse).__name__})"
    return make_encodable(text).replace("\0", "\\x00")  # which no text of PostgreSQL may hold


def make_encodable(text: str) -> str:
    """Give the text with lone surrogates, which no encoding takes, written as backslash, ``u`` and number."""
    return text.encode("utf-8", "backslashreplace").decode()


def describe(error: BaseException) -> str:
    """Give what an error says as :func:`read_error` does, and of one that is none of ours its kind before it."""
    text = read_error(error)
    return text if isinstance(error, MmflowError) else f"{type(error).__name__}: {text}"


def is_interrupt(error: BaseException) -> bool:
    """Tell whether somebody has pressed Ctrl+C, which ends a command; where no key does that, code has raised it."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def locate(text: str, index: int) -> Position:
    """Give the position of a character of the text."""
    lines = LINE_BREAK.split(text[:index])
    return len(lines), len(lines[-1]) + 1


def _leads_straight(path: str, folder: str) -> bool:
    """Tell whether a path goes on from a folder without a link and without ``..``: where both really are is no matter.

    On Windows nobody can tell: its junctions are no links for Python.
    """
    inner = path.removeprefix(folder).split("/")
    if os.sep != "/" or not path.startswith(folder) or ".." in inner:
        return False
    places = accumulate(inner, "{}/{}".format)
    return not any(os.path.islink(folder + place) for place in places)  # noqa: PTH114


def _refuse_nul(path: Path) -> None:
    if "\0" in str(path):  # no system has such a file, and Python raises something else than OSError
        raise BadText("does not exist", "check the path")


def _open_quietly(path: str, flags: int) -> int:
    return os.open(path, flags | _NO_BLOCK)


def _decode_bytes(data: bytes) -> str:
    if data.startswith(_WIDE_MARKS):
        raise BadText("the text is UTF-16 or UTF-32, expected UTF-8", "save the file as UTF-8", (1, 1))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        where = locate(data[: error.start].decode("utf-8"), error.start)
        raise BadText("the text is not UTF-8 from here on", "save the file as UTF-8", where) from None


_FAILURES: Final = (
    (FileNotFoundError, "does not exist", "check the path"),
    (IsADirectoryError, "is a folder, expected a file", "give the path of a file"),
    (NotADirectoryError, "does not exist", "check the path"),
    (PermissionError, "cannot be read by this user", "check who owns the file and its permissions"),
)


def _explain_failure(error: OSError) -> tuple[str, str]:
    for kind, message, hint in _FAILURES:
        if isinstance(error, kind):
            return message, hint
    return f"cannot be read: {(error.strerror or 'unknown failure').lower()}", "check the path and the disk"
