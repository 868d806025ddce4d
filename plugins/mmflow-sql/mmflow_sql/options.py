"""What may be said about a table in YAML, and which of it contradicts itself. Light: nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from mmflow import Options, Outline, suggest_name
from mmflow_sql.names import check_columns, check_plain, check_table, split_table

Mode = Literal["replace_window", "replace", "append", "upsert"]
Replaces = Literal["same_start", "same_window", "all"]


class SqlOptions(Options):
    """Options of the sql sink."""

    table: Annotated[
        str,
        Meta(
            min_length=1,
            description="The table, made when it is missing; or schema.table, in a schema that is there.",
            examples=["oee_daily", "reports.oee_daily"],
        ),
    ]
    mode: Annotated[
        Mode,
        Meta(
            description="replace_window: rows of this window are replaced, all others stay. replace: all rows of this "
            "job. append: rows are added. upsert: rows with the same key are updated, others added."
        ),
    ] = "replace_window"
    replaces: (
        Annotated[
            Replaces,
            Meta(
                description="What replace_window replaces of a report without a time group: rows of windows with the "
                "same_start (unless told otherwise; a month to date then stands once), of the same_window, or all."
            ),
        ]
        | None
    ) = None
    schema: Annotated[
        Literal["evolve", "freeze"],
        Meta(description="When the report has new columns: evolve adds them to the table, freeze refuses to deliver."),
    ] = "evolve"
    key: Annotated[
        tuple[str, ...],
        Meta(
            description="Columns by which upsert knows a row, beside its site; the groups unless told otherwise.",
            examples=[["day", "machine"]],
        ),
    ] = ()
    lineage: Annotated[
        bool,
        Meta(description="Write into each row by which run, for which window and when it was extracted."),
    ] = True
    view: Annotated[
        str,
        Meta(
            description="A view for BI tools over the columns of the report, kept when columns are added.",
            examples=["oee_daily_report"],
        ),
    ] = ""
    dry_run: Annotated[
        bool, Meta(description="Write nothing: log the statements that would make or change the table.")
    ] = False


def validate_sql(options: SqlOptions, outline: Outline) -> Iterator[tuple[str, str]]:
    """Find names that no database takes, and options that contradict each other or the report."""
    if problem := check_table(options.table):
        yield "table", problem
    if options.view and (problem := check_view(options)):
        yield "view", problem
    if problem := check_columns(outline.columns):
        yield "table", problem
    if options.replaces and (problem := check_replaces(options, outline)):
        yield "replaces", problem
    if (options.key or options.mode == "upsert") and (problem := check_key(options, outline)):
        yield "key", problem


def check_view(options: SqlOptions) -> str | None:
    """Say what is wrong with the name of the view; it lies in the schema of the table."""
    if "." in options.view:
        return f"{options.view!r} has a dot; write the name alone, the view lies where the table does"
    if options.view.lower() == split_table(options.table)[1].lower():
        return f"{options.view!r} is the name of the table; choose another name"
    return check_table(options.view) or check_plain(options.view)


def check_replaces(options: SqlOptions, outline: Outline) -> str | None:
    """Say why ``replaces`` means nothing here."""
    if options.mode != "replace_window":
        return f"means nothing in mode {options.mode}; leave it out"
    if outline.time_column:
        return f"means nothing for a report by {outline.time_column}, whose rows have a time to go by; leave it out"
    return None


def check_key(options: SqlOptions, outline: Outline) -> str | None:
    """Say what is wrong with the key of upsert."""
    if options.mode != "upsert":
        return f"means nothing in mode {options.mode}; leave it out, or write mode: upsert"
    if not (options.key or outline.groups):
        return "upsert needs columns that tell rows apart; add a group to the report, or name them in key"
    for name in options.key:
        if name not in outline.columns:
            near = suggest_name(name, outline.columns)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(outline.columns)}"
            return f"the report has no column {name!r}; {hint}"
    return None
