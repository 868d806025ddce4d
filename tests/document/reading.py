"""How the tests read a text, with either parser, and what they expect to be refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from mmflow.document import read_text
from mmflow.errors import Problem, ProblemsError

PARSERS = ("libyaml", "pure Python")


@contextmanager
def choose_parser(name: str) -> Iterator[None]:
    """Let document.py find only the pure parser, as on a machine whose PyYAML has no libyaml."""
    with pytest.MonkeyPatch.context() as patch:
        if name == "pure Python":
            patch.delattr(yaml, "CSafeLoader", raising=False)
        yield


def find_problems(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ProblemsError) as caught:
        read_text(text, "jobs/a.yaml")
    return caught.value.problems


def refuse(text: str | bytes) -> str:
    """Give the one problem of a text as the user sees it."""
    (problem,) = find_problems(text)
    return str(problem).removeprefix("jobs/a.yaml:")
