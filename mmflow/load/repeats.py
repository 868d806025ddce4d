"""Finds JSON objects that give one name two values: readers keep the last, and nothing says that it is right."""

from __future__ import annotations

import json


def find_repeated(content: bytes) -> str:
    """Give a name that some object of well-formed JSON gives two values, "" when there is none.

    It takes several times as long as reading the answer, so it is for answers that are suspected.
    """
    repeated: list[str] = []

    def note_repeated(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _value in pairs]
        if len(set(names)) < len(names):
            repeated.append(next(name for name in names if names.count(name) > 1))

    json.loads(content, object_pairs_hook=note_repeated, parse_int=str, parse_float=str)
    return repeated[0] if repeated else ""
