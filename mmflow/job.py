"""A job as the user writes it: what is asked, for when, how it is shaped and where it goes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mmflow.options import Options

TIME_GROUPS = ("hour", "day", "week", "month", "quarter")  # the groups that place a row in time, finest first
COMPARED = ("previous", "change")  # what a comparison adds to a number, as <name>_previous and <name>_change
ROW_BOUND = re.compile(r"\s*(>=|<=|>|<|=)\s*(\d{1,9})\s*", re.ASCII)  # what a check of the rows may say
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$(?!\n)", description="Small letters, digits, - and _.")]


def find_time_group(groups: Iterable[str]) -> str:
    """Give the finest group that places a row in time, "" when there is none."""
    asked = set(groups)
    return next((name for name in TIME_GROUPS if name in asked), "")


class MetricUse(Options):
    """A metric with its own unit, label or rounding."""

    metric: Annotated[str, Meta(description="The service's name of the metric.", examples=["downtime"])]
    unit: Annotated[str, Meta(description="Unit to show it in.", examples=["min", "h", "%"])] = ""
    label: Annotated[str, Meta(description="Heading of the column.", examples=["Down (min)"])] = ""
    decimals: Annotated[int, Meta(ge=0, le=9, description="Round to this many decimals.")] | None = None


class Report(Options):
    """What is asked of the service."""

    source: Annotated[str, Meta(description="What is asked: production.", examples=["production"])] = "production"
    metrics: Annotated[
        tuple[str | MetricUse, ...],
        Meta(min_length=1, description="The numbers, in the order of the columns.", examples=[["oee", "goodParts"]]),
    ]
    group_by: Annotated[
        tuple[str, ...],
        Meta(description="One row for each combination; empty is one row for all.", examples=[["machine", "day"]]),
    ] = ()
    filter: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="Only these, by name; * stands for any text.", examples=[{"machineGroup": ["Mills"]}]),
    ] = field(default_factory=dict)
    exclude: Annotated[dict[str, tuple[str, ...]], Meta(description="Not these, by name; * stands for any text.")] = (
        field(default_factory=dict)
    )
    no_shift: Annotated[
        Literal["keep", "drop"], Meta(description="Rows of time outside every shift: keep or drop them.")
    ] = "keep"


class WindowSpec(Options):
    """A date range that needs more than one word."""

    last: Annotated[str, Meta(description="The last complete units.", examples=["7 days", "8 hours"])] = ""
    to_now: Annotated[bool, Meta(description="End at this moment, not at the last complete unit.")] = False
    shift: Annotated[str, Meta(description="A shift by name, or: current, last.", examples=["Third"])] = ""
    schedule: Annotated[str, Meta(description="Which machine schedule the shift belongs to.")] = ""
    on: Annotated[
        str, Meta(description="The production day: today, yesterday, a weekday or a date.", examples=["yesterday"])
    ] = ""
    from_: Annotated[str, Meta(description="First day, or a date-time with its zone.", examples=["2026-11-01"])] = (
        field(default="", name="from")
    )
    to: Annotated[
        str, Meta(description="Last day, included; or a date-time with its zone.", examples=["2026-11-08"])
    ] = ""
    cells: Annotated[
        str,
        Meta(description="Cells of a workbook or sheet that hold both dates.", examples=["Input!B3:D4"]),
    ] = ""
    sink: Annotated[
        str, Meta(description="The sink whose workbook or sheet that is; the first that can be read unless given.")
    ] = ""


# Which keys go together. Each row: those that must be there, those that may be there; no keys fit two rows.
WINDOW_FORMS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"last"}), frozenset({"to_now"})),
    (frozenset({"shift"}), frozenset({"on", "schedule"})),
    (frozenset({"from", "to"}), frozenset()),
    (frozenset({"cells"}), frozenset({"sink"})),
)

Window = Annotated[str, Meta(description="A word such as yesterday.", examples=["yesterday", "last_week"])] | WindowSpec


class Schedule(Options):
    """When the job is due, and what happens when its time was missed or it is still running."""

    cron: Annotated[str, Meta(description="Five cron fields.", examples=["40 6 * * mon-fri"])] = ""
    every: Annotated[
        str | tuple[str, ...],
        Meta(
            description="day, weekday, a weekday or several, month; hour, or a length such as 15 min.",
            examples=["weekday", ["monday", "thursday"], "15 min"],
        ),
    ] = ""
    at: Annotated[
        str | tuple[str, ...],
        Meta(
            description="With every: the time of day, or several; alone: one moment.",
            examples=["06:40", "2026-12-01 06:00"],
        ),
    ] = ""
    after_shift: Annotated[str, Meta(description="When this shift of the site ends.", examples=["Second"])] = ""
    settle: Annotated[
        str, Meta(description="How long after the end of the shift; 10 min unless given.", examples=["10 min"])
    ] = ""
    after: Annotated[
        str, Meta(description="When this other job has delivered, for the same slot.", examples=["morning-oee"])
    ] = ""
    timezone: Annotated[str, Meta(description="Zone of the schedule; the site's zone unless given.")] = ""
    calendar: Annotated[
        str | tuple[str, ...],
        Meta(
            description="Days on which it is skipped: holidays, weekends, dates, ranges of dates, ICS or CSV files.",
            examples=["holidays", ["holidays", "2026-12-24 to 2027-01-01", "shutdown.ics"]],
        ),
    ] = ()
    skip_when_idle: Annotated[bool, Meta(description="Skip when nothing was scheduled to run in the window.")] = False
    catch_up: Annotated[
        Literal["latest", "all", "none"],
        Meta(description="Which of the times that were missed while nothing ran are made up for."),
    ] = "latest"
    catch_up_limit: Annotated[
        str, Meta(description="How far back it is made up for; never more than 100 times.", examples=["7 days"])
    ] = "30 days"
    overlap: Annotated[
        Literal["skip", "queue"], Meta(description="Due while it is still running: skip that time, or wait in line.")
    ] = "skip"
    expires: Annotated[
        str,
        Meta(
            description="How late it may still begin, and its messages be sent; for ever unless given.",
            examples=["3 hours"],
        ),
    ] = ""
    jitter: Annotated[
        str, Meta(description="Begin up to so much later, each job at its own moment.", examples=["5 min"])
    ] = ""
    pause_on_failure: (
        Annotated[int, Meta(ge=1, description="Pause the job when so many times in a row failed.", examples=[3])] | None
    ) = None


# Which keys say when; the others go with each of them.
SCHEDULE_FORMS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"cron"}), frozenset()),
    (frozenset({"every"}), frozenset({"at"})),
    (frozenset({"at"}), frozenset()),
    (frozenset({"after_shift"}), frozenset({"settle"})),
    (frozenset({"after"}), frozenset()),
)

NoticeKind = Literal["failed", "held", "degraded", "late", "missed", "skipped", "expired", "paused", "recovered"]


class Notify(Options):
    """Who is told when something goes wrong. In ``defaults`` of mmflow.yaml it is that of all jobs."""

    on: Annotated[
        tuple[NoticeKind, ...],
        Meta(description="What is told; [] for nothing.", examples=[["failed", "late", "recovered"]]),
    ] = ("failed", "held", "late", "missed", "paused", "recovered")
    to: Annotated[
        tuple[str, ...], Meta(description="Who is told beside the owner of the job.", examples=[["ops@example.com"]])
    ] = ()
    # Options of a notifier belong to its type, as those of a sink; here they are plain data.
    via: Annotated[
        tuple[dict[str, Any], ...],
        Meta(
            description="By which ways: blocks with a type, as of sinks; the daemon's log unless given.",
            examples=[[{"type": "webhook", "connection": "ops_hook"}]],
        ),
    ] = ()


class WayKeys(Options):
    """The keys that every block of ``notify: via`` may have beside its own options."""

    type: Annotated[
        str, Meta(description="How people are told: console, file, webhook, or a sink that can.", examples=["webhook"])
    ]
    connection: Annotated[str, Meta(description="Name of a connection in mmflow.yaml.")] = ""


class ColumnSpec(Options):
    """A column computed from others."""

    expr: Annotated[str, Meta(description="One expression over metrics and groups, in base units (ms, 0 to 1).")]
    label: Annotated[str, Meta(description="Heading of the column.")] = ""
    unit: Annotated[str, Meta(description="Unit of the result; % turns a ratio into percent.")] = ""
    decimals: Annotated[int, Meta(ge=0, le=9, description="Round to this many decimals.")] | None = None


class Compare(Options):
    """A second window beside the first."""

    to: Annotated[
        Literal["previous", "same_weekday", "last_year"],
        Meta(description="previous: the same words one unit earlier; same_weekday: a week before; last_year."),
    ] = "previous"


class Shape(Options):
    """What happens to the rows, always in this order: columns, where, (checks), compare, totals, sort, limit."""

    columns: Annotated[
        dict[str, str | ColumnSpec],
        Meta(description="New columns.", examples=[{"scrap_rate": "rejectedParts / nullif(totalParts, 0)"}]),
    ] = field(default_factory=dict)
    where: Annotated[str, Meta(description="Keep rows for which this holds.", examples=["downtime > 0"])] = ""
    compare: Annotated[
        Compare | None, Meta(description="Set a second window beside the first.", examples=[{"to": "previous"}])
    ] = None
    totals: Annotated[bool, Meta(description="Add a row for all rows after where, before limit.")] = False
    sort: Annotated[
        tuple[str, ...], Meta(description="Columns; a leading - is largest first.", examples=[["-downtime"]])
    ] = ()
    limit: Annotated[int, Meta(ge=1, description="Keep this many rows.")] | None = None
    rest: Annotated[bool, Meta(description="Add one row for what the limit cut off.")] = False


class CheckSpec(Options):
    """One thing that must hold before anybody gets the report."""

    rows: Annotated[str, Meta(description="How many rows.", examples=[">= 1", "<= 500"])] = ""
    column: Annotated[str, Meta(description="The column that min and max are about.")] = ""
    min: Annotated[float | str, Meta(description="Smallest value: a number or a column.")] | None = None
    max: Annotated[float | str, Meta(description="Largest value: a number or a column.")] | None = None
    sites: Annotated[Literal["all"], Meta(description="all: every site must have answered.")] | None = None


CHECK_FORMS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"rows"}), frozenset()),
    (frozenset({"column", "min"}), frozenset({"max"})),
    (frozenset({"column", "max"}), frozenset()),
    (frozenset({"sites"}), frozenset()),
)


class WhenSpec(Options):
    """A condition on one column: at least one row must have such a value."""

    column: Annotated[str, Meta(description="The column that is looked at.", examples=["downtime"])]
    above: (
        Annotated[float | str, Meta(description="A row counts that lies above: a number or a column.", examples=[60])]
        | None
    ) = None
    below: (
        Annotated[float | str, Meta(description="A row counts that lies below: a number or a column.", examples=[0.6])]
        | None
    ) = None


class SinkKeys(Options):
    """The keys that every sink of a job may have beside its own options."""

    type: Annotated[
        str, Meta(description="Kind of the sink: one of those that mmflow plugins lists.", examples=["csv"])
    ]
    name: (
        Annotated[Name, Meta(description="Its name in this job; the type unless given.", examples=["archive"])] | None
    ) = None
    connection: Annotated[str, Meta(description="Name of a connection in mmflow.yaml.")] = ""
    required: Annotated[bool, Meta(description="false: the run counts as done without this sink.")] = True
    fallback: Annotated[
        str, Meta(description="Name of a sink of this job that gets the table only if this one fails.")
    ] = ""
    when: Annotated[
        Literal["always", "rows", "empty", "partial"] | WhenSpec,
        Meta(
            description="When it gets the table: always; if there are rows, or none; if a site is missing; or if a row "
            "has such a value.",
            examples=["rows", {"column": "downtime", "above": 60}],
        ),
    ] = "always"


class Job(Options):
    """One YAML file."""

    job: Annotated[Name, Meta(description="Name of the job, unique under the root.", examples=["morning-oee"])]
    description: Annotated[str, Meta(description="What the report is for.")] = ""
    owner: Annotated[
        str, Meta(description="Who answers for the report, and is told when it fails.", examples=["ops@example.com"])
    ] = ""
    sites: Annotated[tuple[str, ...], Meta(description="Names of sites in mmflow.yaml; all of them unless given.")] = ()
    report: Annotated[
        Report,
        Meta(description="What is asked of the service.", examples=[{"metrics": ["oee"], "group_by": ["machine"]}]),
    ]
    window: Window
    schedule: Annotated[
        Literal["manual"] | Schedule | None,
        Meta(
            description="When the daemon runs the job; manual, or nothing: only by hand.",
            examples=[{"every": "weekday", "at": "06:40"}],
        ),
    ] = None
    deadline: Annotated[
        str,
        Meta(
            description="By when it must be delivered, else it is late: a time of day, or how long after it is due.",
            examples=["06:55", "30 min"],
        ),
    ] = ""
    restate: Annotated[
        str,
        Meta(
            description="Each run also looks at the windows of the last days again, and replaces what changed.",
            examples=["3 days"],
        ),
    ] = ""
    notify: Annotated[
        Notify, Meta(description="Who is told when something goes wrong.", examples=[{"to": ["ops@example.com"]}])
    ] = Notify()
    shape: Annotated[Shape, Meta(description="What becomes of the rows.", examples=[{"sort": ["-downtime"]}])] = Shape()
    checks: Annotated[
        tuple[CheckSpec, ...],
        Meta(description="The gate: what must hold before delivery.", examples=[[{"rows": ">= 1"}]]),
    ] = ()
    on_empty: Annotated[
        Literal["deliver", "skip", "fail"], Meta(description="No rows: deliver the header, skip, or fail.")
    ] = "deliver"
    on_partial: Annotated[
        Literal["deliver", "wait", "fail"],
        Meta(description="A site is missing: deliver with a notice, try again until the next time is due, or hold."),
    ] = "deliver"
    slice: Annotated[str, Meta(description="Longest piece asked in one request.", examples=["7 days", "1 day"])] = (
        "7 days"
    )
    # Options of a sink are checked against its own type, see check.py; here they are plain data.
    sinks: Annotated[
        tuple[dict[str, Any], ...],
        Meta(min_length=1, description="Where the finished table goes.", examples=[[{"type": "csv"}]]),
    ]
