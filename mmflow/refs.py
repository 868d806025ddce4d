"""References to secrets and settings outside of YAML, and keeping what they stand for out of everything shown.

Any value may hold, also inside longer text, ``${env:NAME}``, ``${env:NAME:-default}``, ``${env:NAME:?what to do}``
and ``${file:path}``; ``$${`` is a plain ``${``. References are resolved after parsing, each value by itself, and
what they give is never parsed again: it is text, from which numbers are read by converting with ``strict=False``.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NoReturn, final

from mmflow.errors import UnresolvedReference, UserError
from mmflow.secrecy import SHORTEST_FORM, list_forms, looks_like_secret
from mmflow.text import BadText, check_inside, decode_text, find_unseen, read_bytes

HIDDEN: Final = "***"
CUT: Final = "…"  # what stands where a text was cut short
SHORTEST_BEGINNING: Final = 6  # characters of a secret that was cut; fewer begin too many words
MANY_FORMS: Final = 400  # of secrets; from there on a look at how they begin is quicker than one at each (measured)
MAX_FILE: Final = 64 * 1024
LONGEST_TEXT: Final = 4_096  # characters of an error, as it is kept and shown
LONGEST_LINE: Final = 16_384  # characters of a line of a log, with its traceback


@final
class Secret:
    """Text that shows as ``***`` wherever it is printed, formatted or logged, and refuses to be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{HIDDEN}')"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled; hand on its reference and resolve it again")


@dataclass(slots=True)
class Redactor:
    """Knows the secrets of this process and takes them out of text; values shorter than 4 characters stay."""

    _known: set[str] = field(default_factory=set, repr=False)
    _found: set[str] = field(default_factory=set, repr=False)  # their forms
    _sorted: tuple[str, ...] = field(default=(), repr=False)  # the same, the longest first
    _beginnings: frozenset[str] = field(default=frozenset(), repr=False)  # of the forms
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def remember(self, secret: str | Secret) -> None:
        """Hide this value from now on: whole, encoded, and those of its parts that are secrets by themselves."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if value in self._known:
            return
        forms = list_forms(value)
        with self._lock:
            self._found |= forms
            self._known.add(value)

    @property
    def _forms(self) -> tuple[str, ...]:
        """Give what to look for; sorted when it is needed, since thousands may come to be known one by one."""
        if len(self._sorted) < len(self._found):
            with self._lock:
                self._beginnings = frozenset(form[:SHORTEST_FORM] for form in self._found)
                self._sorted = tuple(sorted(self._found, key=len, reverse=True))
        return self._sorted

    def redact(self, text: str) -> str:
        """Give the text with every known secret replaced by ``***``."""
        # The longest first, and again until none is left: what remains may join to another one. Each round shortens
        # the text, since no form is shorter than 4.
        forms = self._forms
        while self._may_hold(text) and (form := next((form for form in forms if form in text), "")):
            text = text.replace(form, HIDDEN)
        if forms and CUT in text:
            *starts, last = text.split(CUT)
            text = CUT.join([*map(self._hide_end, starts), last])
        return text

    def _may_hold(self, text: str) -> bool:
        """Tell quickly of most texts that no secret is in them; the more secrets there are, the more it saves."""
        if len(self._sorted) < MANY_FORMS:
            return True
        places = range(len(text) - SHORTEST_FORM + 1)
        return not self._beginnings.isdisjoint([text[at : at + SHORTEST_FORM] for at in places])

    def _hide_end(self, text: str) -> str:
        """Hide the beginning of a secret at the end of a text that somebody else has cut there."""
        sizes = (
            size
            for form in self._forms
            if form[:SHORTEST_BEGINNING] in text
            for size in range(min(len(form), len(text)), SHORTEST_BEGINNING - 1, -1)
            if text.endswith(form[:size])
        )
        size = max(sizes, default=0)
        return f"{text[:-size]}{HIDDEN}" if size else text

    def shorten(self, text: str, most: int = LONGEST_TEXT) -> str:
        """Give the text without secrets, of a longer one than ``most`` characters its two ends.

        It is cut before its secrets are looked for, which takes long, and nothing is left of a secret that was cut.
        """
        if len(text) <= most:
            return self.redact(text)
        half, edge = most // 2, len(self._forms[0]) if self._forms else 0
        start, end = self.redact(text[: half + edge]), self.redact(text[-half - edge :])
        start, end = start[: max(0, len(start) - edge)], end[edge:]
        return f"{start[:half]} … ({len(text) - most} characters left out) … {end[-half:]}"


class RedactingFormatter(logging.Formatter):
    """Formats a log record as another formatter does, traceback and all, and takes the secrets out."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, or lines, as they may be shown."""
        return self._redactor.shorten(self._inner.format(record), LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference in a text, from index ``start`` up to ``end``.

    ``default`` is the text behind ``:-`` and ``reason`` that behind ``:?``, both None when there is none.
    """

    kind: Literal["env", "file"]
    name: str
    default: str | None
    reason: str | None
    start: int
    end: int


_NAME: Final = "[A-Za-z_][A-Za-z0-9_]*"
_TEXT: Final = r"(?:(?!\$\{)[^}])*"
_FILE: Final = r"[^\s{}](?:[^{}\x00-\x1f]*[^\s{}])?"
_PIECE: Final = re.compile(
    r"(?P<escape>\$\$\{)"
    rf"|\$\{{env:(?P<env>{_NAME})(?::-(?P<default>{_TEXT})|:\?(?P<reason>{_TEXT}))?\}}"
    rf"|\$\{{file:(?P<file>{_FILE})\}}"
    r"|\$\{"
)


SECRET_FORM: Final = rf"^\$\{{(?:env:{_NAME}(?::\?{_TEXT})?|file:{_FILE})\}}(?![\s\S])"
"""How a secret is written: one reference, nothing beside it, and no default, which would be the secret itself."""


def find_references(text: str) -> list[Reference]:
    """Give the references of a text in order; raise :class:`ValueError` with one sentence for a malformed one."""
    pieces = map(_read_piece, _PIECE.finditer(text))
    return [piece for piece in pieces if piece is not None]


def has_reference(text: str) -> bool:
    """Tell whether a text holds a reference, also a malformed one."""
    return "${" in text and any(not piece["escape"] for piece in _PIECE.finditer(text))


def is_secret_form(text: str) -> bool:
    """Tell whether a text is written as a secret has to be, see :data:`SECRET_FORM`."""
    return re.search(SECRET_FORM, text) is not None


def _read_piece(piece: re.Match[str]) -> Reference | None:
    if piece["escape"]:
        return None
    if piece["env"]:
        return Reference("env", piece["env"], piece["default"], piece["reason"], piece.start(), piece.end())
    if piece["file"]:
        return Reference("file", piece["file"], None, None, piece.start(), piece.end())
    forms = "write ${env:NAME}, ${env:NAME:-default}, ${env:NAME:?what to do} or ${file:path}, and $${ for a plain ${"
    raise BadText("a '${' begins something that is not a reference", forms)


# Variables with such names are hidden whatever they hold.
_SECRET_NAME: Final = re.compile(r"key|token|secret|pass|pwd|pw(?:_|$)|cred|auth(?!or)|private", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Looks references up in ``environ`` and in files, and tells ``redactor`` what it must hide.

    An empty variable counts as one that is not set. Relative paths start at ``root`` and may not leave it; one line
    break at the end of a file does not belong to its value. What a file holds is always hidden from output; what a
    variable holds is when its name (``…KEY``, ``…TOKEN``, ``…PASSWORD``) or its looks say that it is a secret.
    """

    environ: Mapping[str, str] = field(repr=False)
    root: Path
    redactor: Redactor

    def resolve(self, text: str, *, confined: bool = False) -> str:
        """Give the text with all references replaced; ``confined`` refuses every file that is not under the root.

        Raises :class:`UnresolvedReference`, which names the variable or the file and never a value.
        """
        try:
            return _PIECE.sub(lambda piece: self._replace_piece(piece, confined), text)
        except BadText as bad:
            raise UnresolvedReference(bad.message, bad.hint) from None

    def learn(self, texts: Iterable[str], *, confined: bool = False) -> None:
        """Have the redactor hide what each reference in these texts gives; one that gives nothing is passed over."""
        for text in {text for text in texts if "${" in text}:
            with suppress(BadText):
                for one in find_references(text):
                    with suppress(UnresolvedReference, OSError):
                        self.resolve(text[one.start : one.end], confined=confined)

    def _replace_piece(self, piece: re.Match[str], confined: bool) -> str:
        reference = _read_piece(piece)
        if reference is None:
            return "${"
        if reference.kind == "env":
            return self._read_variable(reference)
        if confined:
            check_confined(reference)
        return self._read_file(reference.name)

    def _read_variable(self, reference: Reference) -> str:
        name = reference.name
        value = self.environ.get(name, "")
        if not value and reference.default is not None:
            return reference.default
        if not value:
            state = "empty" if name in self.environ else "not set"
            raise BadText(f"the environment variable {name} is {state}", reference.reason or "set it")
        if find_unseen(value):
            raise BadText(f"the environment variable {name} holds characters that nobody can see", "set it anew")
        if _SECRET_NAME.search(name) or looks_like_secret(value):
            self.redactor.remember(value)
        return value

    def _read_file(self, name: str) -> str:
        path = self.root / name
        try:
            if not Path(name).is_absolute():
                check_inside(path, self.root)
            data = read_bytes(path, MAX_FILE)
        except BadText as bad:
            raise BadText(f"the file {name} {bad.message}", bad.hint) from None
        if os.name == "posix" and path.stat().st_mode & stat.S_IWOTH:
            raise BadText(f"the file {name} can be changed by everybody", "take that permission away: chmod o-w")
        try:
            value = _LAST_BREAK.sub("", decode_text(data))
        except BadText:  # its message would name a character of the secret
            raise BadText(f"the file {name} holds more than UTF-8 text", "save it as UTF-8 text") from None
        self.redactor.remember(value)
        return value


def check_confined(reference: Reference) -> None:
    """Raise :class:`BadText` for a file that only ``mmflow.yaml`` may name: one with an absolute path."""
    if reference.kind == "file" and Path(reference.name).is_absolute():
        raise BadText("only mmflow.yaml may name files by absolute paths", "give a path under the root")


_LAST_BREAK: Final = re.compile(r"(?:\r\n|\n|\r)\Z")
_KEY_CHARACTERS: Final = re.compile(r"[\x21-\x7e]+")


def check_key_characters(key: str | Secret, what: str = "the key") -> None:
    """Raise :class:`UserError` for a key that no HTTP header can carry, before a client sees it and prints it."""
    text = key.reveal() if isinstance(key, Secret) else key
    if not _KEY_CHARACTERS.fullmatch(text):
        found = "holds a space, a line break or a sign outside of ASCII" if text else "is empty"
        raise UserError(f"{what} {found}; copy it again, as one line of letters, digits and plain signs")
