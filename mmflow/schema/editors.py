"""JSON Schemas for editors: the models with every name that is known, and every option of the installed sinks.

They say at the keyboard what ``mmflow validate`` says later; ``mmflow schema --write`` puts them under ``.mmflow/``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from mmflow.atomic import STATE, make_private, replace_file
from mmflow.catalogue import FILTERS, GROUPS, METRICS, list_units
from mmflow.job import Job
from mmflow.plugins import Registry
from mmflow.schema import REFERENCE, Schema, describe_connection, describe_model, describe_sink, describe_way
from mmflow.settings import Settings
from mmflow.windows import WINDOW_WORDS

FILES: Final[Mapping[str, str]] = {"job": "job.schema.json", "settings": "settings.schema.json"}


def compose_job(registry: Registry, defaults: Collection[str] = ()) -> Schema:
    """Give the schema of a job; keys that ``defaults`` of ``mmflow.yaml`` give are not required."""
    sinks = {f"sink.{name}": describe_sink(sink) for name, sink in registry.sinks.items() if sink.deliver}
    ways = describe_ways(registry)
    schema = describe_job()
    schema["required"] = [key for key in schema["required"] if key not in defaults]
    schema["properties"]["sinks"]["items"] = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in sinks]}
    offer_parts(schema["$defs"]["Notify"], ways)
    return gather_parts(schema | {"title": "A job of mmflow"}, sinks | ways)


def compose_settings(registry: Registry) -> Schema:
    """Give the schema of ``mmflow.yaml``."""
    sinks = [sink for sink in registry.sinks.values() if sink.connection]
    connections = {f"connection.{sink.name}": describe_connection(sink) for sink in sinks}
    job, ways = describe_job("job."), describe_ways(registry)
    offer_parts(job["$defs"]["job.Notify"], ways)
    schema = describe_model(Settings)
    named = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in connections]}
    schema["properties"]["connections"]["additionalProperties"] = named if connections else {"type": "object"}
    defaults = {key: inner for key, inner in job["properties"].items() if key != "job"}
    schema["properties"]["defaults"] |= {"properties": defaults, "additionalProperties": False}
    return gather_parts(
        schema | {"title": "The settings of mmflow", "$defs": schema["$defs"] | job["$defs"]}, connections | ways
    )


def describe_ways(registry: Registry) -> dict[str, Schema]:
    """Give the schema of each way of telling people, by its name under ``$defs``."""
    return {f"way.{name}": describe_way(sink) for name, sink in registry.sinks.items() if sink.notify}


def offer_parts(notify: Schema, ways: Collection[str]) -> None:
    """Have the blocks of ``via`` be one of these ways."""
    if ways:
        notify["properties"]["via"]["items"] = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ways]}


def describe_job(prefix: str = "") -> Schema:
    """Give the schema of a job with the names of metrics, groups, filters and windows."""
    schema = describe_model(Job, prefix)
    report, metric = (schema["$defs"][f"{prefix}{name}"]["properties"] for name in ("Report", "MetricUse"))
    names = {"$ref": f"#/$defs/{prefix}MetricName"}
    metric["metric"] = names
    report["metrics"]["items"]["anyOf"][0] = names
    report["group_by"]["items"] = list_words((name, group.description) for name, group in GROUPS.items())
    for key in ("filter", "exclude"):
        report[key]["propertyNames"] = {"enum": list(FILTERS)}
    words = list_words((name, word.summary) for name, word in WINDOW_WORDS.items())
    schema["properties"]["window"]["anyOf"][0] = words
    schema["$defs"][f"{prefix}MetricName"] = list_metrics()
    return schema


def list_words(words: Iterable[tuple[str, str]]) -> Schema:
    """Give a choice of words, each with its meaning; a reference may stand in their place."""
    return {"anyOf": [*({"const": word, "description": meaning} for word, meaning in words), REFERENCE]}


def list_metrics() -> Schema:
    """Give the known metrics with their units; the service may know others, so any text fits."""
    known = [
        {"const": name, "description": f"{metric.description} In {' or '.join(filter(None, list_units(metric.unit)))}."}
        for name, metric in METRICS.items()
    ]
    return {"anyOf": [*known, {"type": "string"}]}


def gather_parts(schema: Schema, parts: Mapping[str, Schema]) -> Schema:
    """Put schemas, and what each has under its own ``$defs``, under the ``$defs`` of one."""
    gathered = dict(schema["$defs"])
    for name, part in parts.items():
        gathered |= part["$defs"]
        gathered[name] = {key: value for key, value in part.items() if key not in ("$schema", "$defs")}
    return schema | {"$defs": gathered}


def encode_schema(schema: Schema) -> bytes:
    """Write a schema as JSON text, the same for the same schema."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def write_schemas(root: Path, registry: Registry, defaults: Collection[str] = ()) -> list[Path]:
    """Write both schemas under ``.mmflow/``, where the first line of each YAML file points to, and give their paths."""
    folder = root / STATE
    make_private(folder)
    schemas = {"job": compose_job(registry, defaults), "settings": compose_settings(registry)}
    return [write_schema(folder / FILES[kind], schema) for kind, schema in schemas.items()]


def write_schema(path: Path, schema: Schema) -> Path:
    """Write a schema to a file, unless just this stands there already."""
    text = encode_schema(schema)
    if not path.is_file() or path.read_bytes() != text:
        with replace_file(path, mode=0o644) as file:
            file.write(text)
    return path
