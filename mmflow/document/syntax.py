"""The letters of YAML: what text without quotes means, what a mistake is in plain words, and what comments say.

Nothing here parses: :mod:`mmflow.document` does, and asks here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Final, NamedTuple, TypeAlias

from mmflow.text import LINE_BREAK, BadText, Position, locate

Scalar: TypeAlias = str | int | float | bool | None

MAX_NUMBER: Final = 64  # characters; anything longer is an identifier, or an attack on int()

_WORDS: Final[Mapping[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...]] = (
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), int),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)


def resolve_plain(text: str) -> Scalar:
    """Give the YAML 1.2 meaning of text without quotes; a number with a leading zero stays text.

    Raises :class:`BadText` for numbers that are infinite, not a number, or longer than 64 characters.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return _convert_number(text, convert)
    return text


def _convert_number(text: str, convert: Callable[[str], int | float]) -> int | float:
    if len(text) > MAX_NUMBER:
        raise BadText(f"a number of {len(text):,} characters is too long", "put quotes around an identifier")
    number = convert(text)
    if not isfinite(number):
        raise BadText("infinity and 'not a number' cannot be used", "write a finite number, or quote text")
    return number


class Failure(NamedTuple):
    """What the parser reports: its words, and the indexes of what it was reading and of where it stumbled."""

    words: str
    began: int
    noticed: int


class _Mistake(NamedTuple):
    words: str  # of either parser
    message: str
    hint: str
    at_start: bool = False  # where it began tells more than where the parser noticed


LOOSE_BRACES: Final = "text with braces stands here without quotes"
QUOTE_BRACES: Final = 'put quotes around the whole text, for example "{date}.csv" or "${env:NAME}"'
NO_TAGS: Final = ("tags ('!name') are not supported", "remove the tag, or put quotes around the text")
NO_DIRECTIVES: Final = ("directives (lines that begin with '%') are not supported", "remove the line")
BAD_ESCAPE: Final = ("an unknown escape stands in double quotes", "write \\\\ for a backslash, or use single quotes")
SPACE_COLON: Final = "put a space behind the ':', or quotes around the whole text"
_QUOTE_IT: Final = "put quotes around the text"
_CLOSE_IT: Final = "add it, or put quotes around text with brackets or commas"
_CHECK_ABOVE: Final = "indent it as those above, and check the quotes and brackets there"

_MISTAKES: Final = (
    _Mistake("document start", "something stands behind the end of the document", "remove the line '...'"),
    _Mistake("quoted scalar: found unexpected", "the quote that opens here is never closed", "close it", True),
    _Mistake("flow sequence", "the list that opens here lacks a ',' or its ']'", _CLOSE_IT, True),
    _Mistake("flow mapping", "the mapping that opens here lacks a ',' or its '}'", _CLOSE_IT, True),
    _Mistake("mapping values", "a ':' stands where no key can be", "indent the line, or quote text with ': '"),
    _Mistake("sequence entries", "a '- ' stands where no list can be", "begin the list on a line of its own"),
    _Mistake("mapping keys", "a '?' stands where no key can be", _QUOTE_IT),
    _Mistake("an alias", "a '*' begins the name of an anchor", f'{_QUOTE_IT}, as in "*/5 * * * *"', True),
    _Mistake("an anchor", "a '&' begins the name of an anchor", _QUOTE_IT, True),
    _Mistake("a block scalar", "a '>' or '|' begins a block of text", f'{_QUOTE_IT}, as in ">= 1"', True),
    _Mistake("start any token", "text without quotes cannot begin with this character", _QUOTE_IT),
    _Mistake("escape", *BAD_ESCAPE, True),
    _Mistake("node content", "a value was expected here", "close the brackets, or put quotes around the text"),
    _Mistake("plain scalar: found unexpected", "a ':' stands inside of text without quotes", _QUOTE_IT),
    _Mistake("a simple key", "a line without a ':' stands among keys", "write 'key: value'", True),
    _Mistake("block collection", "an item that begins with '- ' was expected here", _CHECK_ABOVE),
    _Mistake("block mapping", "a key was expected here", _CHECK_ABOVE),
    _Mistake("directive", *NO_DIRECTIVES, True),
    _Mistake("tag", *NO_TAGS, True),
)
_BRACE_BEFORE: Final = re.compile(r"\$\{[^}]*$|\{[\w:.%+-]*\} *[^\s,\]}]$")


def explain_failure(text: str, failure: Failure) -> BadText:
    """Say in plain words what the parser stumbled over."""
    index = min(failure.noticed, len(text))
    if text.startswith("\t", index):
        return _refuse_tab(locate(text, index))
    line_start = max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1
    if brace := _BRACE_BEFORE.search(text[line_start : index + 1]):
        return BadText(LOOSE_BRACES, QUOTE_BRACES, locate(text, line_start + brace.start()))
    for mistake in _MISTAKES:
        if mistake.words in failure.words:
            where = locate(text, failure.began if mistake.at_start else index)
            return BadText(mistake.message, mistake.hint, where)
    return BadText(f"this is not YAML ({failure.words})", "", locate(text, index))


_COMMENT: Final = re.compile(r"(?:^|(?<=[ \t]))#.*")
_IGNORE: Final = re.compile(r"# *mmflow: *ignore\[ *([\w-]+(?:[, ]+[\w-]+)*) *\]")


def blank_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Blank out all that is quoted, so that what looks like a comment or a tab in the rest is one.

    A text that holds nothing of the kind is given as it is.
    """
    if "\t" not in text and "mmflow:" not in text:
        return text
    chunks: list[str] = []
    done = 0
    for start, end in spans:
        chunks += text[done:start], re.sub(r"[^\r\n]", "x", text[start:end])
        done = end
    return "".join([*chunks, text[done:]])


def check_tabs(structure: str) -> None:
    """Raise :class:`BadText` for a tab outside of quotes and comments; parsers differ in what they take it for."""
    if "\t" not in structure:
        return
    for number, line in _number_lines(structure):
        column = _COMMENT.sub("", line).find("\t") + 1
        if column:
            raise _refuse_tab((number, column))


def find_ignores(structure: str) -> dict[int, frozenset[str]]:
    """Give, for each line with a comment ``# mmflow: ignore[one, another]``, the words in its brackets."""
    if "mmflow:" not in structure:
        return {}
    comments = ((number, _COMMENT.search(line)) for number, line in _number_lines(structure))
    found = ((number, _IGNORE.search(comment[0])) for number, comment in comments if comment)
    return {number: frozenset(re.split("[, ]+", ids[1])) for number, ids in found if ids}


def _number_lines(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(LINE_BREAK.split(text), 1)


def _refuse_tab(position: Position) -> BadText:
    return BadText("a tab stands here", 'use spaces; inside of text write "\\t" in double quotes', position)
