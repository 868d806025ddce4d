"""Says what is wrong with a template, by its name and line, without a word of the data it was filled with."""

from __future__ import annotations

import traceback
from collections.abc import Mapping

from jinja2 import TemplateNotFound, TemplateRuntimeError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from mmflow_email.letter.loader import BadTemplate

# For the other errors: what happened. Their own messages may quote the data.
TOLD: Mapping[type[BaseException], str] = {
    RecursionError: "a macro or template calls itself without an end",
    MemoryError: "it needs too much memory",
    ZeroDivisionError: "it divides by zero",
    TemplateNotFound: "it names a template that is not there",
}
KINDS = frozenset({"str", "dict", "list", "int", "float", "tuple", "bool", "NoneType", "method", "function", "type"})


def explain_fault(error: BaseException, sources: Mapping[str, str]) -> str:
    """Give one sentence; ``sources`` are the texts of the templates in use, by name."""
    if isinstance(error, BadTemplate):
        return str(error)
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}:{error.lineno}: {error.message}"
    name, line = find_line(error, sources)
    return (f"{name}:{line}: " if name else "") + describe_fault(error, sources.get(name, ""))


def find_line(error: BaseException, sources: Mapping[str, str]) -> tuple[str, int]:
    """Give the innermost template and line of a traceback; Jinja writes templates into it as if they were files."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in sources]
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)


def describe_fault(error: BaseException, source: str) -> str:
    """Describe an error. Only words that stand in the template are repeated: any other may come from the data."""
    if isinstance(error, UndefinedError):
        word = quoted_word(str(error))
        told = repr(word) if word and word in source else "a name or place"
        return f"{told} is not there; the README of mmflow-email lists what a template gets"
    if isinstance(error, SecurityError):
        return f"this is not allowed in a template: {safe_words(str(error), source)}"
    for kind, told in TOLD.items():
        if isinstance(error, kind):
            return told
    if isinstance(error, TemplateRuntimeError):
        return safe_words(str(error), source)
    return f"it failed with {type(error).__name__}"


def quoted_word(message: str) -> str:
    """Give the last word between quotes, which is the name that was not found."""
    parts = message.split("'")
    return parts[-2] if len(parts) > 2 else ""


def safe_words(message: str, source: str) -> str:
    """Give a message of Jinja, unless it quotes what does not stand in the template and is no type."""
    quoted = message.split("'")[1::2]
    return message if all(word in source or word in KINDS for word in quoted) else "an attribute or call"
