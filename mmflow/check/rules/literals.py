"""Rules about references and what they may reach, and about secrets that should have been references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mmflow.check.faults import Finding, suggest_reference
from mmflow.check.layers import Layers
from mmflow.check.rules.facts import Facts
from mmflow.refs import check_confined, find_references
from mmflow.secrecy import looks_like_secret
from mmflow.text import BadText

LITERAL: Final = "inline-secret"


def check_references(facts: Facts) -> Iterator[Finding]:
    """Expect references to be well formed; what they stand for is not looked up."""
    for path, text in facts.referring:
        try:
            find_references(text)
        except BadText as bad:
            yield Finding(path, bad.message, bad.hint)


def check_literals(facts: Facts) -> Iterator[Finding]:
    """Refuse what looks like a key or password in a file that is copied, mailed and committed."""
    for path, text in facts.every_text:
        if looks_like_secret(text):
            hint = (
                f"write {suggest_reference(path)} and set that variable; if it is none, add # mmflow: ignore[{LITERAL}]"
            )
            yield Finding(path, "this looks like a secret, which must not stand in this file", hint, id=LITERAL)


def check_reach(layers: Layers, facts: Facts) -> Iterator[Finding]:
    """Expect a job to name files under the root only; what else this machine holds is no business of a report."""
    for path, text in facts.referring:
        if layers.is_own(path):
            try:
                for reference in find_references(text):
                    check_confined(reference)
            except BadText as bad:
                yield Finding(path, bad.message, bad.hint)


SECRET_RULES: Final = (check_references, check_literals)
