"""``mmflow backfill``: fill in the windows of past days."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from threading import Event
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from mmflow.atomic import STATE
from mmflow.check import CheckedJob
from mmflow.cli.arguments import add_job, add_sinks, has_cells, named_sinks
from mmflow.cli.messages import may_send
from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_engine, open_session
from mmflow.cli.show import span_document
from mmflow.errors import EXIT_OK, EXIT_RUN, UserError
from mmflow.job import Job
from mmflow.plant.instants import read_day
from mmflow.resolve import resolve_settings
from mmflow.windows import parts_a_day

if TYPE_CHECKING:
    from mmflow.backfill import Ended
    from mmflow.backfill.windows import Window
    from mmflow.check.uses import SinkUse
    from mmflow.ledger import Slot
    from mmflow.plant import PlantCalendar

SUMMARY = "Fill in the windows of past days that have not been delivered; messages are not sent."
EXAMPLES = """
mmflow backfill morning-oee --from 2026-08-01 --to 2026-10-31 --plan    which windows, and which are good already
mmflow backfill morning-oee --from 2026-08-01 --to 2026-10-31           again to go on after it was stopped
mmflow backfill morning-oee --from 2026-08-01 --to 2026-10-31 --parallel 4
mmflow backfill morning-oee --from 2026-10-01 --to 2026-10-31 --redo --sink csv
"""

BAR: Final = 30  # places of a terminal
MOST_PARALLEL: Final = 64
BAD: Final = frozenset({"failed", "held", "open"})  # what needs somebody


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill is about: sinks, windows, which of them are good by which run, and what is left out, in words.

    ``shared`` are those of the sinks that write each window over the one before. With ``redo`` only those are good that
    were done again before it was stopped.
    """

    job: str
    uses: Sequence[SinkUse]
    windows: Sequence[Window]
    left_out: Sequence[str]
    good: Mapping[datetime, str]
    shared: Sequence[SinkUse]
    redo: bool = False

    @property
    def open(self) -> list[Window]:
        """Give what there is to do."""
        return [window for window in self.windows if window.slot not in self.good]

    @property
    def days(self) -> str:
        """Say the first and the last day of all windows."""
        return f"{self.windows[0].first_day} to {self.windows[-1].last_day}"

    def count_workers(self, parallel: int) -> int:
        """Give how many windows are worked on at a time: one, where each goes over the one before."""
        return min(len(self.open), 1 if self.shared else parallel)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, days, sinks, and how."""
    add_job(parser)
    parser.add_argument("--from", dest="first", metavar="DAY", required=True, help="first production day")
    parser.add_argument("--to", dest="last", metavar="DAY", required=True, help="last production day, included")
    add_sinks(parser)
    parser.add_argument("--plan", action="store_true", help="show the windows and do nothing")
    parser.add_argument("--redo", action="store_true", help="also those that are good already")
    parser.add_argument(
        "--parallel", type=read_parallel, default=1, metavar="N", help="so many windows at a time (default: 1)"
    )
    parser.add_argument("--send", action="store_true", help="send messages (e-mail) too, one for each window")
    parser.add_argument("--yes", "-y", action="store_true", help="send messages without asking on a terminal")


def read_parallel(text: str) -> int:
    """Read how many windows are worked on at a time."""
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_PARALLEL:
        raise argparse.ArgumentTypeError(f"found {text[:20]!r}, expected a whole number from 1 to {MOST_PARALLEL}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Show the plan and do it; exit code 1 when windows failed, 2 when there is none within these days."""
    session = open_session(args)
    checked = session.read_job(args.job)
    if args.plan:
        show_plan(session.out, make_plan(session, args, checked, session.resolve_question(checked)))
        return EXIT_OK
    checked = session.resolve_job(checked)
    plan = make_plan(session, args, checked, checked.job)
    refuse_silence(plan, send=args.send)
    with hold_alone(session, plan):
        describe_plan(session.out, plan)
        send = settle_messages(session, args, plan)
        return show_end(session.out, plan, fill(session, args, plan, checked, send=send) if plan.open else [])


def make_plan(session: Session, args: argparse.Namespace, checked: CheckedJob, job: Job) -> Plan:
    """Find the windows and which of them are good; :class:`UserError` when there is none."""
    from mmflow.backfill import find_good, find_redone
    from mmflow.backfill.windows import find_windows
    from mmflow.deliver.chosen import choose_sinks
    from mmflow.run import calendars_of

    first, last = read_day(args.first), read_day(args.last)
    refuse_cells(checked.job, first, last)
    with open_engine(session, job.sites, ask=False) as engine:
        calendars = calendars_of(engine, job)
    found = find_windows(job, calendars, first, last, session.around.clock.now())
    left_out = list(found.left_out)
    if not found.windows:
        why = "".join(f"; {text}" for text in left_out)
        raise UserError(f"no window of {job.job} lies within {first} to {last}{why}; give other days")
    uses = choose_sinks(checked.sinks, named_sinks(args))
    shared = list_shared(session, job, uses, found.windows, calendars)
    if not args.sink:
        left_out += spare_shared(job, uses, shared)
        uses, shared = [use for use in uses if use not in shared], []
    with session.open_ledger() as ledger:
        good = find_good(ledger, job.job, uses, found.windows)
        good = find_redone(ledger, job.job, good) if args.redo else good
    return Plan(job.job, uses, found.windows, left_out, good, shared, args.redo)


def refuse_cells(job: Job, first: date, last: date) -> None:
    """Raise :class:`UserError` for a job whose dates stand in cells."""
    if has_cells(job):
        raise UserError(
            f"the dates of {job.job} stand in cells, so nobody can say which windows it had; "
            f"'mmflow run {job.job} --from {first} --to {last}' asks for these days as one"
        )


def list_shared(
    session: Session,
    job: Job,
    uses: Sequence[SinkUse],
    windows: Sequence[Window],
    calendars: Mapping[str, PlantCalendar],
) -> list[SinkUse]:
    """Give the sinks that write several windows to one place, or a past one to the place of the latest."""
    from mmflow.backfill.windows import find_window
    from mmflow.deliver.places import find_shared

    latest = find_window(job, [calendars[site] for site in job.sites], session.around.clock.now())
    more = [latest] if latest and latest.borders not in {window.borders for window in windows} else []
    return find_shared(job, uses, [*windows, *more])


def spare_shared(job: Job, uses: Sequence[SinkUse], shared: Sequence[SinkUse]) -> list[str]:
    """Say which sinks are left out, as the past would take the place of the present; UserError when none is left."""
    if shared and all(use in shared for use in uses if use.type.semantics != "message"):
        names = ", ".join(use.name for use in shared)
        words = "{date} and {time}" if parts_a_day(job.window) else "{date}"
        raise UserError(
            f"{names} of {job.job} would write each window over the one before, and over what stands there now; "
            f"put {words} into its path, use mode: replace_window, or name it with --sink"
        )
    why = "each window would go over the one before"
    return [f"{use.name}: {why}; --sink {use.name} does so all the same" for use in shared]


def refuse_silence(plan: Plan, *, send: bool) -> None:
    """Raise :class:`UserError` when nothing could come of it, because the job only sends messages."""
    if not send and all(use.type.semantics == "message" for use in plan.uses):
        raise UserError(
            f"{plan.job} only sends messages, and a backfill sends none; --send sends {len(plan.open)}, one a window"
        )


def settle_messages(session: Session, args: argparse.Namespace, plan: Plan) -> bool:
    """Say who gets messages and ask whether they shall; without ``--send`` nobody does, which is said as well."""
    args.no_send = not args.send
    if plan.open and args.no_send and any(use.type.semantics == "message" for use in plan.uses):
        session.out.note("nobody gets messages of these windows; --send sends them")
    return bool(plan.open) and may_send(session, args, plan.uses)


# -- doing it


def hold_alone(session: Session, plan: Plan) -> AbstractContextManager[object]:
    """Keep others from filling in the same job where there is anything to do; :class:`Busy` when somebody does."""
    from mmflow.backfill import BackfillLock

    return BackfillLock(session.root / STATE / "locks", plan.job) if plan.open else nullcontext()


def fill(session: Session, args: argparse.Namespace, plan: Plan, checked: CheckedJob, *, send: bool) -> list[Ended]:
    """Fill in what is not good, and give what became of each window."""
    from mmflow.backfill import STOPPED, Filling
    from mmflow.executor import Executor
    from mmflow.leases import Leases
    from mmflow.ledger import Ledger
    from mmflow.tasks import Task

    around, woken = session.around, Event()
    settings = resolve_settings(session.workspace.checked, session.resolver, checked.job.sites)
    workers = plan.count_workers(args.parallel)

    def make_task(slot: Slot, until: datetime) -> Task:
        return Task(
            root=str(session.root),
            file=checked.document.name,
            text="\n".join(checked.document.lines),
            settings="\n".join(session.workspace.checked.document.lines),
            slot=slot,
            until=until,
            sinks=tuple(use.name for use in plan.uses),
        )

    with Ledger.open(session.find_place(), around.clock) as ledger:
        executor = Executor(replace(settings.daemon, workers=workers), around.clock, around.environ)
        filling = Filling(
            ledger=ledger,
            job=plan.job,
            windows=plan.open,
            leases=Leases(clock=around.clock, executor=executor, stopped=STOPPED, wake=woken.set),
            woken=woken,
            parallel=workers,
            make_task=make_task,
            tell=Progress(session.out, len(plan.open)).tell,
            redo=None if plan.redo and plan.good else plan.redo,
        )
        return filling.fill(send=send)


class Progress:
    """A line on the terminal that says how far it is."""

    def __init__(self, out: Output, total: int) -> None:
        self._out = out
        self._total = total
        self._states: Counter[str] = Counter()

    def tell(self, ended: Ended) -> None:
        """Count a window that has ended."""
        self._states[ended.state] += 1
        done = self._states.total()
        bar = "#" * (BAR * done // self._total)
        self._out.progress(f"[{bar:<{BAR}}] {done} of {self._total}{self._count_bad()}, {ended.window.days}")
        if done == self._total:
            self._out.progress("")

    def _count_bad(self) -> str:
        return "".join(f", {count} {state}" for state, count in sorted(self._states.items()) if state in BAD)


# -- showing it


def describe_plan(out: Output, plan: Plan) -> None:
    """Say in a few lines what it is about."""
    if out.as_json:
        return
    many = f"{len(plan.windows)} window{'s' * (len(plan.windows) != 1)}"
    how = "done again already, before it was stopped" if plan.redo else "good already (--redo does them again)"
    good = f", {len(plan.good)} of them {how}" if plan.good else ""
    out.line(f"{plan.job}: {many}, {plan.days}{good}")
    for text in plan.left_out:
        out.line(f"  left out: {text}")
    for use in plan.shared:
        out.line(f"  {use.name}: each window goes over the one before, in the order of time; the latest stays")


def show_plan(out: Output, plan: Plan) -> None:
    """Print every window."""
    if out.as_json:
        out.data(plan_document(plan, []))
        return
    describe_plan(out, plan)
    rows = [(window.days, f"{window.slot:%Y-%m-%d %H:%M}", plan.good.get(window.slot, "")) for window in plan.windows]
    out.table(("about", "as of (UTC)", "good by run"), rows)


def show_end(out: Output, plan: Plan, ended: Sequence[Ended]) -> int:
    """Print what became of the windows and how to try those that failed again, and give the exit code."""
    bad = [one for one in ended if one.state in BAD]
    if out.as_json:
        out.data(plan_document(plan, ended))
        return EXIT_RUN if bad else EXIT_OK
    counts = Counter(one.state for one in ended)
    out.line(", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "nothing to do")
    if bad:
        out.table(
            ("about", "state", "run", "reason"), [(one.window.days, one.state, one.run, one.reason) for one in bad]
        )
        out.line("the same command tries these again, and leaves the others alone")
    return EXIT_RUN if bad else EXIT_OK


def plan_document(plan: Plan, ended: Sequence[Ended]) -> dict[str, object]:
    """Give the JSON of all windows and what became of them; ``open`` are those that nobody has begun."""
    known = {one.window.slot: one for one in ended}

    def describe(window: Window) -> dict[str, object]:
        found = known.get(window.slot)
        good = plan.good.get(window.slot, "")
        return {
            "slot": window.slot,
            "spans": [span_document(site, span) for site, span in window.spans],
            "state": found.state if found else "good" if good else "open",
            "run": found.run if found else good,
            "reason": found.reason if found else "",
        }

    return {"job": plan.job, "windows": [describe(window) for window in plan.windows], "left_out": list(plan.left_out)}
