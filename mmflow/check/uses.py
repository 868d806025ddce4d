"""The sinks of a job and the connections of ``mmflow.yaml``: each block held against the type that it names."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from mmflow.check.faults import Finding, Owner, explain_error, name_kind, show
from mmflow.check.fit import explain_misfit
from mmflow.check.layers import EACH, all_texts, find, get
from mmflow.document import Path, Value
from mmflow.errors import UserError, hint_names, suggest_name
from mmflow.job import SinkKeys, WhenSpec, WindowSpec
from mmflow.options import Options, convert_values
from mmflow.plugins import Registry
from mmflow.refs import Secret, has_reference
from mmflow.schema import describe_connection, describe_sink
from mmflow.secrecy import looks_like_secret
from mmflow.sinks import COMMON_KEYS, Outline, SinkType, find_function
from mmflow.windows import parts_a_day

# Words of path templates that differ from day to day, and those that differ within a day too.
DAY_WORDS: Final = ("{date}", "{first_day}", "{last_day}")
PART_WORDS: Final = ("{time}", "{run}")


@dataclass(frozen=True, slots=True)
class SinkUse:
    """One sink of a job: its name there, its type, its options and, once a run has resolved it, its connection's."""

    name: str
    type: SinkType
    options: Options = field(repr=False)  # they, and the connection's, may hold what references stand for
    connection_name: str = ""
    connection: Options | None = field(default=None, repr=False)
    required: bool = True
    fallback: str = ""
    when: str | WhenSpec = "always"


@dataclass(frozen=True, slots=True)
class Placed:
    """A sink of a job where it stands; ``use`` is None when too little of it can be read."""

    path: Path
    block: dict[str, Value]
    type: SinkType
    use: SinkUse | None


def waits_for(use: SinkUse, uses: Sequence[SinkUse]) -> Iterator[str]:
    """Give the names of the sinks that have their turn before this one."""
    yield from attached(use)
    yield from (other.name for other in uses if other.fallback == use.name)


def attached(use: SinkUse) -> tuple[str, ...]:
    """Give the names of the sinks whose files a sink wants."""
    return tuple(getattr(use.options, "attach", ()))


def fit_sinks(values: Value, registry: Registry, *, strict: bool = True) -> tuple[list[Placed], list[Finding]]:
    """Read the sinks of a job whose type is known, and say what keeps any of them from fitting.

    ``strict`` is for values as written; without it their references have been resolved.
    """
    placed: list[Placed] = []
    findings: list[Finding] = []
    for path, block in find(values, ("sinks", EACH)):
        if isinstance(block, dict):
            sink, wrong = find_type(block, path, registry)
            findings.extend(wrong or refuse_teller(sink, path))
        if isinstance(block, dict) and sink and sink.deliver:
            use, wrong = fit_sink(block, path, sink, strict=strict)
            findings.extend(wrong)
            placed.append(Placed(path, block, sink, use))
    return placed, findings


def check_uses(placed: Iterable[Placed], values: Value, connections: Value, outline: Outline) -> Iterator[Finding]:
    """Say what is wrong with sinks beside the rest of the job: connections, names, files, and what they say."""
    for one in placed:
        yield from check_connection(one, connections)
        if one.use:
            connection = read_connection(one, connections)
            yield from ask_sink(one, one.use, replace(outline, connection=connection) if connection else outline)
    yield from check_names(values)
    yield from check_files(one for one in placed if one.use)
    if has_parts_of_days(values):
        yield from check_day_files(placed)
    if get(values, ("restate",)):
        yield from check_restated([one.use for one in placed if one.use])


def find_type(block: dict[str, Value], path: Path, registry: Registry) -> tuple[SinkType | None, list[Finding]]:
    """Give the sink type that a block names."""
    kind, here = block.get("type"), (*path, "type")
    if "type" not in block:
        return None, [Finding(here, "this key is missing", "write type: csv")]
    if not isinstance(kind, str):
        return None, [Finding(here, f"found {name_kind(kind)}, expected the name of a sink")]
    if has_reference(kind):
        return None, [Finding(here, "found a reference, expected the name of a sink", "write the name here")]
    if looks_like_secret(kind):
        return None, [Finding(here, f"found {show(kind)}, expected the name of a sink")]
    if kind not in registry.sinks:
        return None, [explain_error(here, registry.explain_absence(kind))] if registry.known else []
    return registry.sinks[kind], []


def refuse_teller(sink: SinkType | None, path: Path) -> Iterator[Finding]:
    """Expect a type that takes a table."""
    if sink and sink.deliver is None:
        found = f"{sink.name} only tells people; it takes no table"
        yield Finding((*path, "type"), found, "name it under notify: via, or choose a sink")


def fit_sink(
    block: dict[str, Value], path: Path, sink: SinkType, *, strict: bool
) -> tuple[SinkUse | None, list[Finding]]:
    """Read a block with the keys that every sink has and the options of its own.

    What else can be read of it is given beside the findings, so that it can be looked at further.
    """
    try:
        return read_sink(block, sink, strict=strict), []
    except msgspec.ValidationError:
        schema = describe_sink(sink)
    findings = explain_misfit(block, schema, Owner(sink.name, "option"), path, strict=strict)
    wrong = {finding.path[len(path)] for finding in findings}
    with suppress(msgspec.ValidationError):
        return read_sink(mend_block(block, wrong, schema["properties"]), sink, strict=strict), findings
    return None, findings


def read_sink(block: dict[str, Value], sink: SinkType, *, strict: bool) -> SinkUse:
    """Give what a block means; raises :class:`msgspec.ValidationError`."""
    common = {key: value for key, value in block.items() if key in COMMON_KEYS}
    own = {key: value for key, value in block.items() if key not in COMMON_KEYS}
    keys = convert_values(common, SinkKeys, strict=strict)
    options = convert_values(own, sink.options, strict=strict)
    return SinkUse(
        keys.name or sink.name,
        sink,
        options,
        keys.connection,
        required=keys.required,
        fallback=keys.fallback,
        when=keys.when,
    )


def mend_block(block: dict[str, Value], wrong: Container[str | int], known: Collection[str]) -> dict[str, Value]:
    """Leave out what is wrong, and take unknown keys for those that they are nearest to."""
    meant = {suggest_name(key, known): value for key, value in block.items() if key not in known}
    fitting = {key: value for key, value in block.items() if key not in wrong}
    return {key: value for key, value in (meant | fitting).items() if key in known}


def find_rolling(placed: Iterable[Placed]) -> tuple[Path, ...]:
    """Give the places of the sinks that keep rows of other windows, because the job says so or it is their default."""
    return tuple(one.path for one in placed if one.use and getattr(one.use.options, "mode", "") == "replace_window")


def ask_sink(placed: Placed, use: SinkUse, outline: Outline) -> Iterator[Finding]:
    """Let the sink itself look at its options, once all of them are known."""
    if use.type.validate is None or any(has_reference(text) for _, text in all_texts(placed.block)):
        return
    for key, message in find_function(use.type.validate)(use.options, outline):
        yield explain_error((*placed.path, *([key] if isinstance(key, str) else key)), message)


def read_connection(placed: Placed, connections: Value) -> Options | None:
    """Give the options of a sink's connection as they are written, None when they cannot be read."""
    block = get(connections, (placed.use.connection_name,)) if placed.use else None
    if not isinstance(block, dict) or placed.type.connection is None:
        return None
    return fit_connection(block, (), placed.type)[0]


def check_connection(placed: Placed, connections: Value) -> Iterator[Finding]:
    """Say what is wrong with the connection that a sink names."""
    sink, here, named = placed.type, (*placed.path, "connection"), placed.block.get("connection")
    known = {name: inner.get("type") for name, inner in _blocks(connections)}
    fitting = [name for name, kind in known.items() if kind == sink.name]
    if sink.connection is None:
        if named is not None:
            yield Finding(here, f"{sink.name} uses no connection", "remove this key", key=True)
    elif named is None:
        yield Finding(here, "this key is missing", _offer(fitting, sink), key=True)
    elif isinstance(named, str) and named not in known and not has_reference(named):
        yield Finding(
            here, f"mmflow.yaml has no connection {named!r}", hint_names(named, known) if known else _offer([], sink)
        )
    elif isinstance(named, str) and known.get(named) not in (None, sink.name):
        yield Finding(
            here, f"{named!r} is a connection of type {known[named]}, expected {sink.name}", _offer(fitting, sink)
        )


def _offer(fitting: list[str], sink: SinkType) -> str:
    return (
        f"write connection: {fitting[0]}"
        if fitting
        else f"add one with type: {sink.name} under connections in mmflow.yaml"
    )


def check_names(values: Value) -> Iterator[Finding]:
    """Say which sinks have the name of an earlier one."""
    taken: dict[str, Path] = {}
    for path, block in find(values, ("sinks", EACH)):
        name = block.get("name", block.get("type")) if isinstance(block, dict) else None
        if not isinstance(name, str):
            continue
        first = taken.setdefault(name, path)
        if first is not path:
            hint = f"sinks[{first[-1]}] has it; give one of them another name"
            yield Finding(path, f"the name {name!r} is taken", hint)


def check_files(placed: Iterable[Placed]) -> Iterator[Finding]:
    """Say which sinks write to the file of an earlier one, so that only one of the two would be left."""
    taken: dict[tuple[object, str], Path] = {}
    for one in placed:
        file = getattr(one.use and one.use.options, "path", None)
        if not isinstance(file, str) or "{sink}" in file:
            continue
        first = taken.setdefault((one.use and one.use.connection_name, file), one.path)
        if first is not one.path:
            yield Finding((*one.path, "path"), f"sinks[{first[-1]}] writes to {show(file)} too", "choose another path")


def has_parts_of_days(values: Value) -> bool:
    """Tell whether the window of a job is a part of a day; of one that means nothing is said elsewhere."""
    for _, value in find(values, ("window",)):
        with suppress(msgspec.ValidationError, UserError):
            return parts_a_day(value if isinstance(value, str) else convert_values(value, WindowSpec))
    return False


def check_day_files(placed: Iterable[Placed]) -> Iterator[Finding]:
    """Warn of files named for a day where each holds only a part of it, so that the last of the day is left alone."""
    for one in placed:
        file = getattr(one.use and one.use.options, "path", None)
        if isinstance(file, str) and one.block.get("mode") != "replace_window" and is_named_for_day(file):
            message = f"each part of a day is written to {show(file)} anew, and only the last is left"
            hint = "add {time}, at which the part begins"
            yield Finding((*one.path, "path"), message, hint, severity="warning", id="one-file-a-day")


def is_named_for_day(path: str) -> bool:
    """Tell whether a template names a day, and nothing that tells its parts apart."""
    return any(word in path for word in DAY_WORDS) and not any(word in path for word in PART_WORDS)


def replaces_all(use: SinkUse) -> bool:
    """Tell whether a delivery of this sink leaves nothing of the one before, if it goes to the same place."""
    default = "replace" if hasattr(use.options, "path") else ""
    return use.type.semantics != "message" and getattr(use.options, "mode", default) == "replace"


def check_restated(uses: Iterable[SinkUse]) -> Iterator[Finding]:
    """Warn of windows that are looked at again in vain, because nothing is kept of any but the newest."""
    kept = [use for use in uses if use.type.semantics != "message"]
    if kept and all(replaces_all(use) and "{" not in str(getattr(use.options, "path", "")) for use in kept):
        message = "'restate' says nothing here: each sink shows one window, and none older than the newest"
        hint = "put {date} into a path, use mode: replace_window, or remove it"
        yield Finding(("restate",), message, hint, key=True, severity="warning", id="says-nothing")


def check_connections(values: Value, registry: Registry) -> Iterator[Finding]:
    """Say what is wrong with the connections of ``mmflow.yaml``."""
    for name, block in _blocks(get(values, ("connections",))):
        path = ("connections", name)
        sink, wrong = find_type(block, path, registry)
        yield from wrong
        if sink and sink.connection is None:
            yield Finding((*path, "type"), f"{sink.name} uses no connection", "remove this block")
        elif sink:
            options, wrong = fit_connection(block, path, sink)
            yield from wrong
            if options and not keeps_references(options):
                yield from ask_connection(options, path, sink)


def keeps_references(options: Options) -> bool:
    """Tell whether something other than a secret, which always is one, is still a reference."""
    values = (value for value in msgspec.structs.asdict(options).values() if not isinstance(value, Secret))
    return any(has_reference(text) for _, text in all_texts(msgspec.to_builtins(list(values))))


def ask_connection(options: Options, path: Path, sink: SinkType) -> Iterator[Finding]:
    """Let the sink itself look at a connection, once all of it is known."""
    if sink.validate_connection is not None:
        for key, message in find_function(sink.validate_connection)(options):
            yield explain_error((*path, *([key] if isinstance(key, str) else key)), message)


def fit_connection(
    block: dict[str, Value], path: Path, sink: SinkType, *, strict: bool = True
) -> tuple[Options | None, list[Finding]]:
    """Read the options of a connection."""
    assert sink.connection is not None, "asked for a type that has connections"
    own = {key: value for key, value in block.items() if key != "type"}
    try:
        return convert_values(own, sink.connection, strict=strict), []
    except msgspec.ValidationError:
        owner = Owner(f"a connection of {sink.name}")
        return None, explain_misfit(block, describe_connection(sink), owner, path, strict=strict)


def _blocks(values: Value) -> Iterator[tuple[str, dict[str, Value]]]:
    for name, inner in values.items() if isinstance(values, dict) else ():
        if isinstance(inner, dict):
            yield name, inner
