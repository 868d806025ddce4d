"""Rules about what is asked: sites, source, metrics with their units, groups, filters, and who answers for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mmflow.catalogue import FILTERS, GROUPS, METRICS, convert_unit
from mmflow.check.faults import Finding, explain_error, show
from mmflow.check.layers import EACH, find
from mmflow.check.rules.facts import Facts, find_repeated, find_unknown
from mmflow.errors import UserError, hint_names, suggest_name

SOURCES: Final = ("production",)


def check_name(facts: Facts) -> Iterator[Finding]:
    """Expect the name, which is the job's identity, to be written out."""
    for path in facts.references("job"):
        yield Finding(path, "found a reference, expected the job's name itself", "write a name such as morning-oee")


def check_owner(facts: Facts) -> Iterator[Finding]:
    """Warn when nobody would hear of a failure."""
    owner = find(facts.values, ("owner",))
    if facts.has("job") and all(value == "" for _, value in owner):
        hint = "write owner: name@example.com, here or under defaults in mmflow.yaml"
        yield Finding(("job",), "nobody is named who answers for this job", hint, severity="warning", id="no-owner")


def check_sites(facts: Facts) -> Iterator[Finding]:
    """Expect sites that stand in mmflow.yaml; when none can be read there, that is the mistake."""
    named = list(facts.texts("sites", EACH))
    if facts.sites:
        yield from find_unknown(named, facts.sites, "a site of mmflow.yaml")
    yield from find_repeated(named)


def check_source(facts: Facts) -> Iterator[Finding]:
    """Expect a report of the service that can be asked."""
    yield from find_unknown(facts.texts("report", "source"), SOURCES, "a source")


def check_metrics(facts: Facts) -> Iterator[Finding]:
    """Warn of metrics that the catalogue lacks; the service may know more than it does."""
    for path, name in facts.metrics:
        if name in GROUPS and name not in METRICS:
            yield Finding(path, f"{show(name)} is a group, not a metric", "write it under group_by")
        elif not name:
            yield Finding(path, "found empty text, expected the name of a metric", "write a name such as oee")
        elif name not in METRICS:
            near = suggest_name(name, METRICS)
            hint = f"did you mean {near!r}?" if near else "the service will be asked for it as it stands here"
            message = f"{show(name)} is not a known metric"
            yield Finding(path, message, hint, severity="warning", id="unknown-metric")
    yield from find_repeated(facts.metrics)


def check_units(facts: Facts) -> Iterator[Finding]:
    """Expect units that the metric can be shown in."""
    for path, block in facts.blocks("report", "metrics", EACH):
        name, unit = block.get("metric"), block.get("unit")
        if isinstance(name, str) and name in METRICS and isinstance(unit, str) and unit and "${" not in unit:
            try:
                convert_unit(METRICS[name].unit, unit)
            except UserError as error:
                yield explain_error((*path, "unit"), error)


def check_groups(facts: Facts) -> Iterator[Finding]:
    """Expect groups that the service or mmflow has."""
    for path, name in facts.groups:
        if name in METRICS and name not in GROUPS:
            yield Finding(path, f"{show(name)} is a metric, not a group", "write it under metrics")
        elif name not in GROUPS:
            yield Finding(path, f"{show(name)} is not a group", hint_names(name, GROUPS))
    yield from find_repeated(facts.groups)


def check_filters(facts: Facts) -> Iterator[Finding]:
    """Expect filters that the service has, and no empty list, which it takes for no filter at all."""
    for part in ("filter", "exclude"):
        for path, block in facts.blocks("report", part):
            for name, values in block.items():
                if name not in FILTERS:
                    hint = hint_names(name, FILTERS)
                    yield Finding((*path, name), f"nothing can be filtered by {show(name)}", hint, key=True)
                elif values == []:
                    hint = "name at least one, or remove this key"
                    yield Finding((*path, name), "an empty list filters nothing", hint)


def check_no_shift(facts: Facts) -> Iterator[Finding]:
    """Expect the shift among the groups where the time outside all shifts is to be dropped."""
    if facts.text("report", "no_shift") == "drop" and "shift" not in [name for _, name in facts.groups]:
        yield Finding(("report", "no_shift"), "only rows of a shift can be told from others", "add shift to group_by")


REPORT_RULES: Final = (
    check_name,
    check_owner,
    check_sites,
    check_source,
    check_metrics,
    check_units,
    check_groups,
    check_filters,
    check_no_shift,
)
