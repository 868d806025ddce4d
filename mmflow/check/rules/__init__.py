"""What the words of a file mean: rules over values whose form may be wrong elsewhere, each giving findings.

A rule looks only at values of the kind that it is about, so that one mistake never hides another, and passes over
references, whose values only a run knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mmflow.check.faults import Finding
from mmflow.check.rules.facts import Facts
from mmflow.check.rules.files import FILE_RULES
from mmflow.check.rules.literals import SECRET_RULES
from mmflow.check.rules.report import REPORT_RULES
from mmflow.check.rules.scheduling import SCHEDULE_RULES
from mmflow.check.rules.settings import SITE_RULES
from mmflow.check.rules.shaping import SHAPING_RULES
from mmflow.check.rules.timing import TIMING_RULES

Rule = Callable[[Facts], Iterator[Finding]]

JOB_RULES: tuple[Rule, ...] = (
    *REPORT_RULES,
    *TIMING_RULES,
    *SCHEDULE_RULES,
    *SHAPING_RULES,
    *FILE_RULES,
)
SETTINGS_RULES: tuple[Rule, ...] = SITE_RULES
WRITTEN_RULES: tuple[Rule, ...] = SECRET_RULES  # for files as they are written: once resolved, secrets belong there

__all__ = ["JOB_RULES", "SETTINGS_RULES", "WRITTEN_RULES", "Facts", "apply_rules"]


def apply_rules(rules: tuple[Rule, ...], facts: Facts) -> list[Finding]:
    """Give everything that the rules find."""
    return [finding for rule in rules for finding in rule(facts)]
