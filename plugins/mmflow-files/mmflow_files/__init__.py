"""Sinks that write files: ``csv``, ``jsonl`` and ``parquet``."""

from __future__ import annotations

from collections.abc import Iterable

from mmflow import SinkType, hookimpl
from mmflow_files.options import (
    CsvOptions,
    JsonlOptions,
    ParquetOptions,
    validate_csv,
    validate_file,
    validate_parquet,
)

mmflow_api = 1


@hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the three kinds of file."""
    yield SinkType(
        name="csv",
        summary="A CSV file, made for spreadsheets unless told otherwise.",
        options=CsvOptions,
        deliver="mmflow_files.deliver:deliver_csv",
        render="mmflow_files.deliver:render_csv",
        read="mmflow_files.standing:read_csv",
        validate=validate_csv,
        modes=("replace", "replace_window"),
    )
    yield SinkType(
        name="jsonl",
        summary="A JSON Lines file: one object for each row.",
        options=JsonlOptions,
        deliver="mmflow_files.deliver:deliver_jsonl",
        render="mmflow_files.deliver:render_jsonl",
        read="mmflow_files.standing:read_jsonl",
        validate=validate_file,
        modes=("replace", "replace_window"),
    )
    yield SinkType(
        name="parquet",
        summary="A Parquet file: typed columns for analysis tools.",
        options=ParquetOptions,
        deliver="mmflow_files.deliver:deliver_parquet",
        read="mmflow_files.standing:read_parquet",
        validate=validate_parquet,
        modes=("replace", "replace_window"),
    )
