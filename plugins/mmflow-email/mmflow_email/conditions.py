"""When a mail goes, and when there is a good reason that it does not."""

from __future__ import annotations

import hashlib

import msgspec

from mmflow import RunInfo, Skip, Table, find_lights, parse_duration
from mmflow_email.options import EmailOptions
from mmflow_email.outbox import Outbox


def check_conditions(table: Table, options: EmailOptions, run: RunInfo, outbox: Outbox) -> None:
    """Raise :class:`Skip` when ``expires`` or ``send_when`` says that nobody gets this mail.

    Who sends it to somebody by hand wants to see it: no conditions then.
    """
    if run.to:
        return
    if is_expired(options, run):
        raise Skip(say_expired(options, run))
    match options.send_when:
        case "rows" if not len(table):
            raise Skip("the report has no rows, and send_when is rows")
        case "change" if hash_table(table, run) == outbox.last_table(run):
            raise Skip("the report says the same as the mail before, and send_when is change")
        case "breach" if not has_breach(table, options):
            raise Skip("no traffic light is red, and send_when is breach")


def is_expired(options: EmailOptions, run: RunInfo) -> bool:
    """Tell whether a scheduled mail comes too late to be of use."""
    if not options.expires or run.kind != "schedule":
        return False
    return run.clock.now() > run.slot + parse_duration(options.expires)


def say_expired(options: EmailOptions, run: RunInfo) -> str:
    """Say why a mail came too late."""
    return f"it was due at {run.slot:%Y-%m-%d %H:%M} UTC and expired after {options.expires}"


def has_breach(table: Table, options: EmailOptions) -> bool:
    """Tell whether a light of any row is red."""
    rules = find_lights(options.lights, table.columns)
    return any(rule.colour(row) == "red" for row in table.rows() for rule in rules)


def hash_table(table: Table, run: RunInfo) -> str:
    """Give a hash of what a report says: its columns, rows, totals, and the sites that are missing."""
    digest = hashlib.sha256()
    encode = msgspec.msgpack.Encoder().encode
    digest.update(encode([[column.name for column in table.columns], run.facts.missing]))
    for batch in table.batches():
        digest.update(encode(batch))
    digest.update(encode([row.values for row in table.footer]))
    return digest.hexdigest()
