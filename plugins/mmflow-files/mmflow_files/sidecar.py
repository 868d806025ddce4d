"""A second file beside a file of rows that says what its columns hold, in the form of a Frictionless Table Schema."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mmflow import Column, RunInfo, Table, replace_file
from mmflow_files.options import CsvOptions, FileOptions

# Types of Table Schema (https://specs.frictionlessdata.io/table-schema/).
TYPES = {
    "text": "string",
    "number": "number",
    "integer": "integer",
    "date": "date",
    "datetime": "datetime",
    "boolean": "boolean",
}


def write_schema(path: Path, table: Table, options: FileOptions, run: RunInfo) -> Path:
    """Write ``PATH.schema.json`` and give its path."""
    target = path.with_name(f"{path.name}.schema.json")
    with replace_file(target, run.output_mode) as draft:
        draft.file.write(msgspec.json.format(msgspec.json.encode(describe_table(table, options)), indent=2) + b"\n")
    return target


def describe_table(table: Table, options: FileOptions) -> dict[str, object]:
    """Give the schema: fields in order with type, heading, unit and meaning, the key, and how nulls are written."""
    fields = [describe_field(column, options) for column in table.columns]
    groups = [field["name"] for field, column in zip(fields, table.columns, strict=True) if column.role == "group"]
    schema: dict[str, object] = {"fields": fields, "primaryKey": groups}
    if isinstance(options, CsvOptions):
        dialect = options.dialect()
        schema["missingValues"] = [options.empty]
        schema["dialect"] = {
            "delimiter": dialect.delimiter,
            "lineTerminator": dialect.newline,
            "quoteChar": '"',
            "header": options.header != "none",
            "encoding": options.encoding,
        }
    return schema


def describe_field(column: Column, options: FileOptions) -> dict[str, object]:
    """Give one field; name, unit and zone of mmflow are words beside those of the standard."""
    csv = options if isinstance(options, CsvOptions) else None
    field: dict[str, object] = {
        "name": column.label if csv and csv.header == "labels" else column.name,
        "type": TYPES[column.type],
        "title": column.label,
        "mmflow:name": column.name,
        "mmflow:unit": column.unit,
    }
    if column.description:
        field["description"] = column.description
    if column.type == "datetime":
        field["mmflow:zone"] = "UTC" if options.path.endswith(".parquet") else column.zone
    if csv:
        forms = {"date": csv.form.date_format, "datetime": csv.form.datetime_format}
        field |= {"format": forms[column.type]} if column.type in forms else {}
        field |= {"decimalChar": csv.form.decimal} if column.type == "number" else {}
    return field
