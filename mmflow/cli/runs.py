"""``mmflow runs``: what ran, and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_session
from mmflow.cli.show import find_next, run_document, show_run
from mmflow.errors import UserError
from mmflow.ledger import Ledger, Moved, MovedCell, Run, Slot

SUMMARY = "List past runs, or show one with its deliveries and receipts."
EXAMPLES = """
mmflow runs                        the latest runs of all jobs
mmflow runs --job morning-oee -n 5
mmflow runs --all                  every slot, also what was skipped, expired, or waits
mmflow runs show 20261103T114002-7f3a19c4
mmflow runs show 20261103T114002-7f3a19c4 --moved
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to show."""
    parser.add_argument("show", nargs="?", choices=["show"], help="show one run")
    parser.add_argument("run", nargs="?", metavar="ID", help="the run's id")
    parser.add_argument("--moved", action="store_true", help="of a restated window, which cells moved")
    parser.add_argument("--job", default="", help="only runs of this job")
    parser.add_argument("--all", action="store_true", help="one line for each slot, whether a run was begun or not")
    parser.add_argument("-n", dest="count", type=read_count, default=20, help="how many (default: 20)")


def run(args: argparse.Namespace) -> int:
    """Print."""
    session = open_session(args)
    if args.show and not args.run:
        raise UserError("say which run: mmflow runs show ID; 'mmflow runs' lists them")
    if args.moved and not args.show:
        raise UserError("--moved is about one run: mmflow runs show ID --moved")
    with session.open_ledger() as ledger:
        if args.show:
            show_one(session.out, ledger, ledger.read_run(args.run), moved=args.moved)
        elif args.all:
            list_slots(session.out, ledger, ledger.slots.list_recent(find_job(session, ledger, args.job), args.count))
        else:
            list_runs(session.out, ledger, ledger.runs(find_job(session, ledger, args.job), args.count))
    return 0


def read_count(text: str) -> int:
    """Read how many runs to list."""
    if not text.isdecimal() or not 1 <= int(text[:9]) == int(text):
        raise argparse.ArgumentTypeError(f"found {text[:20]!r}, expected a whole number from 1")
    return int(text)


def find_job(session: Session, ledger: Ledger, job: str) -> str:
    """Give the name of a job that ran or exists, "" for all; raises :class:`UserError` for any other."""
    if not job or ledger.slots.list_recent(job, 1):
        return job
    return session.workspace.read_job(job, session.around.cwd).name


def list_runs(out: Output, ledger: Ledger, runs: Sequence[Run]) -> None:
    """Print one line a run, newest first."""
    slots = [ledger.slots.find(run.job, run.slot, run.kind) for run in runs]
    if out.as_json:
        listed = zip(runs, slots, strict=True)
        out.data({"runs": [run_document(run, ledger.deliveries(run.id), slot) for run, slot in listed]})
        return
    headings = ("run", "job", "kind", "state", "rows", "about", "started (UTC)", "next try (UTC)", "why")
    out.table(headings, [line_of(run, slot) for run, slot in zip(runs, slots, strict=True)])


def line_of(run: Run, slot: Slot | None) -> tuple[object, ...]:
    """Give the cells of a run's line."""
    next_at = find_next(run, slot)
    return (
        *(run.id, run.job, run.kind, run.state, run.rows, about(run), f"{run.started:%Y-%m-%d %H:%M}"),
        *(f"{next_at:%Y-%m-%d %H:%M}" if next_at else "", find_why(run, slot)[:60]),
    )


def find_why(run: Run, slot: Slot | None) -> str:
    """Give what a run says of its end, or else what its slot says of it; "" when nobody does."""
    return run.error or (slot.reason if slot and slot.run == run.id else "")


def about(run: Run) -> str:
    """Give the production days a run is about."""
    if not run.spans:
        return ""
    span = run.spans[0][1]
    first, last = span.first_day.isoformat(), span.last_day.isoformat()
    return first if first == last else f"{first} to {last}"


def list_slots(out: Output, ledger: Ledger, slots: Sequence[Slot]) -> None:
    """Print one line a slot, the latest due first."""
    runs = [ledger.find_run(slot.run) for slot in slots]
    states = [run.state if run else "" for run in runs]
    if out.as_json:
        out.data({"slots": [slot_document(slot, state) for slot, state in zip(slots, states, strict=True)]})
        return
    headings = ("due (UTC)", "job", "kind", "state", "run", "its state", "next try (UTC)", "why")
    out.table(
        headings,
        [
            (
                *(f"{slot.due:%Y-%m-%d %H:%M}", slot.job, slot.kind, slot.state, slot.run, state),
                *(f"{slot.next_at:%Y-%m-%d %H:%M}" if slot.state == "due" else "", slot.reason[:120]),
            )
            for slot, state in zip(slots, states, strict=True)
        ],
    )


def slot_document(slot: Slot, run_state: str) -> dict[str, object]:
    """Give the JSON of a slot, with the state of its latest run, "" when it has none."""
    return {
        "job": slot.job,
        "slot": slot.due,
        "kind": slot.kind,
        "state": slot.state,
        "reason": slot.reason,
        "run": slot.run,
        "run_state": run_state,
        "tries": slot.tries,
        "next_at": slot.next_at if slot.state == "due" else None,
        "sends": slot.send,
        "owner": slot.owner,
    }


def show_one(out: Output, ledger: Ledger, run: Run, *, moved: bool) -> None:
    """Print a run, or which cells moved."""
    found, slot = ledger.read_moved(run.id), ledger.slots.find(run.job, run.slot, run.kind)
    if moved:
        show_moved(out, run, found or Moved(why=explain_unmoved(run, slot)))
        return
    show_run(out, run, ledger.deliveries(run.id), slot)
    if found and found.total and not out.as_json:
        out.line(f"  {count_moves(found)}; 'mmflow runs show {run.id} --moved' lists them")


def explain_unmoved(run: Run, slot: Slot | None) -> str:
    """Say why nobody has looked what moved in a run."""
    if run.kind != "restate":
        return "only a run of kind restate looks what moved"
    return find_why(run, slot) or "it has not come so far"


def show_moved(out: Output, run: Run, moved: Moved) -> None:
    """Print one line for each cell that moved, and for each row that is new or gone."""
    if out.as_json:
        out.data({"run": run.id, "since": moved.since, "why": moved.why, "total": moved.total, "cells": moved.cells})
        return
    if moved.why:
        out.line(f"nothing to compare with: {moved.why}")
        return
    out.line(count_moves(moved))
    if moved.cells:
        names = list(moved.cells[0].row)
        out.table((*names, "column", "before", "after"), [cells_of(cell, names) for cell in moved.cells])
    if moved.total > len(moved.cells):
        out.line(f"and {moved.total - len(moved.cells):,} more, which were not kept")


def count_moves(moved: Moved) -> str:
    """Say how much moved, and since when."""
    rows = [sum(cell.change == change for cell in moved.cells) for change in ("new", "gone")]
    parts = [
        f"{count} row{'s' * (count != 1)} {word}" for count, word in zip(rows, ("new", "gone"), strict=True) if count
    ]
    what = f", {', '.join(parts)} among them" if parts else ""
    return f"{moved.total:,} cell{'s' * (moved.total != 1)} moved since run {moved.since}{what}"


def cells_of(cell: MovedCell, names: Sequence[str]) -> tuple[object, ...]:
    """Give the cells of a line: what the row is known by, the column, and both values; a row that is new has none."""
    key = [cell.row[name] for name in names]
    if cell.change != "changed":
        return (*key, f"(row {cell.change})", "", "")
    return (*key, cell.column, "-" if cell.before is None else cell.before, "-" if cell.after is None else cell.after)
