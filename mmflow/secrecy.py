"""What a secret looks like: guessed where it is written out, and in the forms that encoders give it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus, unquote

from mmflow.text import show_start

_KNOWN_SECRETS: Final = re.compile(
    r"""
    (?: \b (?: sk|pk|rk ) [-_] (?: live|test|proj|ant ) | \b gh[pousr]_ | \b github_pat_ | \b glpat- ) [\w-]{12}
    | \b xox[abprs]- [\w-]{10} | \b AKIA[0-9A-Z]{16} | \b AIza[\w-]{30} | \b ya29\.[\w-]{10} | \b SG\.[\w-]{16}
    | \b eyJ[\w-]{8,}\.[\w-]{8}            # a JSON web token
    | hooks\.slack\.com/services/\w
    | -----BEGIN [A-Z ]*PRIVATE\ KEY
    | ://[^/\s:@]*:[^/\s@]+@               # a URL with a password
    | (?i: \b (?: password|passwd|pwd|secret|token|api[-_]?key ) = [^\s;&]{4} )
    | (?i: ^ (?: bearer|basic ) \s+ [\w+/=.~-]{8} )
    """,
    re.VERBOSE,
)
# Random to the eye, and yet written down by everybody: machine ids, and ids of Google files.
_PUBLIC_IDS: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|1[\w-]{32}|1[\w-]{43}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_.~-]{20,}={0,2}")
_RUN: Final = re.compile(r"[A-Za-z0-9]{16,}")
_CHUNK: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def looks_like_secret(text: str) -> bool:
    """Tell whether a key, password or token seems to be written out in a text; references in it do not count.

    True for the known forms (JSON web tokens, URLs with a password, ``password=…``, prefixes of big services) and
    for words of 20 and more characters that change between letters, capitals and digits as only random ones do.
    Ordinary words, names of columns, paths, URLs, expressions, addresses, UUIDs, ids of Google files and hashes
    with their kind in front (``sha256:…``) are not taken for secrets. A guess, for warnings: short passwords and
    words of lower-case letters alone pass.
    """
    plain = _REFERENCE.sub("", text) if "${" in text else text
    if len(plain) < SHORTEST_SECRET or (len(plain) < SHORTEST_PLAIN_SECRET and plain.isalnum()):
        return False
    return bool(_KNOWN_SECRETS.search(plain)) or any(map(_seems_random, plain.split()))


SHORTEST_SECRET: Final = 6  # characters; no known form is shorter than "://:p@"
SHORTEST_PLAIN_SECRET: Final = 20  # of one without a sign: nothing else of so few is looked at more closely
_REFERENCE: Final = re.compile(r"\$\{[^}]*\}")


def _seems_random(word: str) -> bool:
    if not _TOKEN.fullmatch(word) or _PUBLIC_IDS.fullmatch(word) or word.startswith(("/", "./", "~/")):
        return False
    return any(map(_changes_often, _RUN.findall(word)))


def _changes_often(run: str) -> bool:
    """Tell whether words and numbers in it are too short on average (bounds tried on 300,000 words of code)."""
    if run.isdigit():
        return False
    longest = 2.3 if run.isalpha() else 3.2
    return len(run) <= longest * len(_CHUNK.findall(run))


SHORTEST_FORM: Final = 4  # hiding less would hide half of every sentence
_SHORTEST_BASE64: Final = 8  # of the value; its encoded middle would be too short to mean anything
_PERCENT: Final = re.compile("%[0-9A-F]{2}")
_ENCODINGS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    lambda text: repr(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],  # JSON as a text inside of JSON
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    html.escape,
    lambda text: show_start(text, len(text)),  # in one line, as what others say is shown
    lambda text: quote(_encode_bytes(text)),
    lambda text: quote(_encode_bytes(text), safe=""),
    lambda text: quote_plus(_encode_bytes(text)),
    lambda text: _PERCENT.sub(lambda code: code[0].lower(), quote(_encode_bytes(text), safe="")),
    lambda text: _encode_bytes(text).hex(),
    lambda text: _encode_bytes(text).hex().upper(),
)


def list_forms(secret: str) -> set[str]:
    """Give every form in which a secret may turn up in a log, a URL, a header or a body; none is shorter than 4."""
    parts = {secret, secret.strip(), *_find_parts(secret)}
    forms = {form for part in parts if len(part) >= SHORTEST_FORM for form in _encode_secret(part)}
    return {form for form in forms if len(form) >= SHORTEST_FORM}


def _encode_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _encode_secret(text: str) -> Iterator[str]:
    yield from (encode(text) for encode in _ENCODINGS)
    if len(text) >= _SHORTEST_BASE64:
        yield from _encode_base64(_encode_bytes(text))


def _encode_base64(data: bytes) -> Iterator[str]:
    """Give the base64 forms, whole and as the middle of something longer, which depends on where it begins."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode()
        for before, unsure in ((0, 0), (1, 2), (2, 3)):
            padded = bytes(before) + data
            sure = len(padded) * 8 // 6  # the character behind may hold bits of what follows
            yield encode(padded).decode()[unsure:sure]


_URL_PASSWORD: Final = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_LONG_WORD: Final = re.compile(r"[\w+/=.~-]{20,}")


def _find_parts(text: str) -> Iterator[str]:
    """Give what is secret by itself in a connection URL, a key file or a service account's JSON."""
    for password in _URL_PASSWORD.findall(text):
        yield from (password, unquote(password))
    yield from (word for word in _LONG_WORD.findall(text) if looks_like_secret(word))
