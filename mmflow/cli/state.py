"""``mmflow state``: look at the ledger, take it along, put a copy back, forget, begin anew."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from mmflow.atomic import replace_file
from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_session
from mmflow.document import change_texts
from mmflow.errors import EXIT_OK, EXIT_USER, Busy, UserError

if TYPE_CHECKING:
    from mmflow.ledger import Facts, Place

SUMMARY = "Show, export, back up, restore or clear the record of what ran and what was sent."
EXAMPLES = """
mmflow state show
mmflow state export state.jsonl             every row, for a look elsewhere
mmflow state backup                         a copy in .mmflow/backups; the daemon makes one every day
mmflow state restore .mmflow/backups/ledger-2026-11-03.sqlite
mmflow state clear --job morning-oee        forget what one job did
mmflow state init                           begin anew where the record was lost
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to do, and with which file."""
    parser.add_argument("action", choices=list(ACTIONS), help="what to do with the record")
    parser.add_argument("file", nargs="?", default="", metavar="FILE", help="of export, backup and restore")
    parser.add_argument("--job", default="", metavar="NAME", help="clear only what is known of this job")
    parser.add_argument("--yes", "-y", action="store_true", help="clear or restore without asking")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.file and args.action not in ("export", "backup", "restore"):
        raise UserError(f"state {args.action} takes no file; leave {args.file!r} out")
    if args.job and args.action != "clear":
        raise UserError(f"--job belongs to state clear, and means nothing for state {args.action}")
    if args.yes and args.action not in ("clear", "restore"):
        raise UserError(f"--yes belongs to state clear and restore, and means nothing for state {args.action}")
    return ACTIONS[args.action](open_session(args), args)


# -- looking


def show(session: Session, _args: argparse.Namespace) -> int:
    """Print the ledger in figures."""
    from mmflow.ledger import DaemonLock
    from mmflow.ledger.backup import find_latest

    folder = session.state
    refuse_absence(session)
    with session.open_ledger() as ledger:
        facts = ledger.facts()
    lock = DaemonLock(folder)
    daemon = lock.owner if lock.is_held() else ""
    latest = find_latest(folder / "backups")
    backup = latest.relative_to(session.root).as_posix() if latest else ""
    if session.out.as_json:
        session.out.data({**msgspec.to_builtins(facts), "daemon": daemon, "backup": backup})
    else:
        show_facts(session.out, facts, daemon, backup)
    return EXIT_OK


def show_facts(out: Output, facts: Facts, daemon: str, backup: str) -> None:
    """Print a line for each fact."""
    runs = f"{show_time(facts.oldest)} to {show_time(facts.newest)}" if facts.oldest else "none yet"
    lines = {
        "place": facts.place,
        "size": f"{facts.size / 1e6:.1f} MB",
        "form": f"{facts.schema_version}, by mmflow {facts.written_by}",
        **{TITLES[table]: show_counts(counts) for table, counts in facts.states.items()},
        "runs began": runs,
        "daemon": daemon or "none on this machine",
        "last backup": backup or "none here",
    }
    width = max(map(len, lines))
    for title, text in lines.items():
        out.line(f"{title:{width}}  {text}")


TITLES: Final[Mapping[str, str]] = {"slot": "slots", "run": "runs", "delivery": "deliveries", "notice": "notices"}


def show_counts(counts: Mapping[str, int]) -> str:
    """Give counts by state: ``12 done, 1 failed``."""
    return ", ".join(f"{count:,} {state}" for state, count in counts.items()) or "none"


def show_time(moment: datetime | None) -> str:
    """Give a time as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def export(session: Session, args: argparse.Namespace) -> int:
    """Write a line of JSON for each row, to a file or stdout."""
    if session.out.as_json and not args.file:
        raise UserError("state export prints lines of JSON, no document; leave --json out, or name a FILE")
    refuse_absence(session)
    with session.open_ledger() as ledger:
        redactor = session.around.redactor
        # Redacted before it is encoded, so that the result is JSON whatever a secret looks like.
        rows = (change_texts({**row}, lambda text, _path: redactor.redact(text)) for row in ledger.export())
        lines = (msgspec.json.encode(row).decode() for row in rows)
        if not args.file:
            for line in lines:
                session.out.copy(line)
            return EXIT_OK
        path = session.around.cwd / args.file
        written = write_lines(path, lines)
    return tell(session, f"{written:,} rows are in {path}", {"file": str(path), "rows": written})


def write_lines(path: Path, lines: Iterator[str]) -> int:
    """Write a file for its owner only, all of it or none; :class:`UserError` when it cannot be, or is there already."""
    if path.exists():
        raise UserError(f"{path} is there already; name another file")
    rows = 0
    try:
        with replace_file(path) as file:
            for line in lines:
                file.write(f"{line}\n".encode())
                rows += 1
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another file") from error
    return rows


# -- copies


def backup(session: Session, args: argparse.Namespace) -> int:
    """Copy the ledger."""
    from mmflow.ledger.backup import BACKUPS

    path = session.around.cwd / args.file if args.file else name_copy(session, session.state / BACKUPS)
    if path.exists():
        raise UserError(f"{path} is there already; name another file")
    if args.file and not path.parent.is_dir():  # such as of a drive that is not there
        raise UserError(f"there is no folder {path.parent}; make it, or name a file elsewhere")
    refuse_absence(session)
    with session.open_ledger() as ledger:
        ledger.back_up(path)
    return tell(session, f"the ledger is copied to {path}", {"file": str(path)})


def name_copy(session: Session, folder: Path) -> Path:
    """Give the name of a copy that is made now; no copy takes the place of another."""
    name = f"ledger-{session.around.clock.now():%Y-%m-%dT%H%M%SZ}"
    tries = (folder / f"{name}{ending}.sqlite" for ending in chain([""], (f"-{number}" for number in count(2))))
    return next(path for path in tries if not path.exists())


def restore(session: Session, args: argparse.Namespace) -> int:
    """Put a copy in the ledger's place; the old one stays beside it."""
    from mmflow.ledger.backup import BACKUPS, check_backup, put_back

    folder = session.state
    if not args.file:
        known = ", ".join(sorted(path.name for path in (folder / BACKUPS).glob("*.sqlite"))) or "none"
        raise UserError(f"say which copy: mmflow state restore FILE; in {folder / BACKUPS} there are: {known}")
    place = need_file(session, "restore it as the database was backed up, such as by pg_restore")
    copy = session.around.cwd / args.file
    check_backup(copy)
    with alone(session, place):
        if not may_replace(session, args, place):
            session.out.note("nothing was restored")
            return EXIT_USER
        old = put_back(copy, place, session.around.clock.now())
    where = f"; the old one is now {old}" if old else ""
    session.out.note(
        "what was sent after that copy was made is not in it: of times until now files and tables are made again, and "
        "nobody is mailed; what has to go out all the same: mmflow resend RUN. A job that it does not know begins with "
        "its next time: mmflow backfill makes earlier ones"
    )
    data = {"file": str(copy), "old": str(old) if old else ""}
    return tell(session, f"{copy} is the ledger now{where}", data)


def refuse_absence(session: Session) -> None:
    """Raise :class:`UserError` where no ledger was made yet, and :class:`StateError` where one was lost."""
    place = session.find_place()
    if isinstance(place, Path) and not place.exists():
        session.open_ledger().close()
        raise UserError(f"there is no ledger at {place} yet; a first run makes it")


def need_file(session: Session, instead: str) -> Path:
    """Give the ledger's file; :class:`UserError` says what to do when it is in a database."""
    place = session.find_place()
    if isinstance(place, Path):
        return place
    raise UserError(f"the ledger is in {place}; {instead}")


# -- beginning anew


def clear(session: Session, args: argparse.Namespace) -> int:
    """Forget, after a copy; exit code 2 when nobody said yes."""
    from mmflow.ledger import Ledger
    from mmflow.ledger.backup import BACKUPS

    place, what = session.find_place(), f"what job {args.job!r} did" if args.job else "everything that was run and sent"
    refuse_absence(session)
    with alone(session, place), Ledger.open(place, session.around.clock) as ledger:
        if args.job and not (ledger.slots.list_recent(args.job, 1) or ledger.slots.read_job(args.job)):
            raise UserError(f"nothing is known of a job {args.job!r}; 'mmflow runs --all' shows of which there is")
        if not may_forget(session, args, what):
            session.out.note("nothing was forgotten")
            return EXIT_USER
        copy = name_copy(session, session.state / BACKUPS) if isinstance(place, Path) else None
        if copy:
            ledger.back_up(copy)
        runs = ledger.forget(args.job)
    kept = f"; a copy is {copy}" if copy else ""
    data = {"runs": runs, "backup": str(copy) if copy else ""}
    return tell(session, f"{runs:,} run{'s' * (runs != 1)} forgotten{kept}", data)


def may_forget(session: Session, args: argparse.Namespace, what: str) -> bool:
    """Say what it means to forget, and ask whether to; :class:`UserError` where nobody can answer."""
    session.out.note(f"{what} is forgotten: reports of past days may be made and sent again")
    if args.yes:
        return True
    if not has_terminal(session):
        raise UserError("nobody can be asked here; give --yes to forget it")
    return ask(session, "forget it?")


def may_replace(session: Session, args: argparse.Namespace, place: Path) -> bool:
    """Ask whether a copy shall take the ledger's place, where there is one and somebody can be asked.

    The old one stays, so a script need not say yes.
    """
    if args.yes or not place.exists() or not has_terminal(session):
        return True
    session.out.note(f"{args.file} takes the place of {place}, and what was run and sent since then is not in it")
    return ask(session, "restore it?")


def has_terminal(session: Session) -> bool:
    """Tell whether somebody can be asked."""
    return session.around.stdin.isatty() and session.around.stderr.isatty()


def ask(session: Session, question: str) -> bool:
    """Ask on the terminal; whatever is not yes is no."""
    around = session.around
    around.stderr.write(f"{question} [y/N] ")
    around.stderr.flush()
    return around.stdin.readline().strip().lower() in ("y", "yes")


def init(session: Session, _args: argparse.Namespace) -> int:
    """Make an empty ledger where there is none; what is left of one that was lost stays beside it."""
    from mmflow.ledger import Ledger
    from mmflow.ledger.backup import set_aside
    from mmflow.ledger.identity import read_main

    place, clock = session.find_place(), session.around.clock
    with alone(session, place, anew=True):
        if isinstance(place, Path):
            if read_main(place):
                raise UserError(f"there is a ledger at {place} already; 'mmflow state clear' forgets what is in it")
            set_aside(place, clock.now())
        Ledger.open(place, clock, anew=True).close()
    return tell(session, f"the ledger is {place}", {"place": str(place)})


# -- ground


@contextmanager
def alone(session: Session, place: Place, *, anew: bool = False) -> Iterator[None]:
    """Keep the daemon of this root from starting; :class:`Busy` when it or a job is at work.

    Where a ledger is to be made ``anew`` there is none that could be asked.
    """
    from mmflow.ledger import DaemonLock, list_held

    folder = session.state
    lock = DaemonLock(folder)
    if not lock.take():
        raise Busy(f"a daemon is at work: {lock.owner}; stop it first")
    try:
        if held := list_held(folder / "locks"):
            raise Busy(f"a job is at work: {held[0]}; wait until it ends")
        if not isinstance(place, Path) and not anew:
            with session.open_ledger() as ledger:
                if lease := ledger.find_lease():
                    raise Busy(f"a job is at work: {lease}; stop the daemons that share the ledger first")
        yield
    finally:
        lock.release()


def tell(session: Session, text: str, data: object) -> int:
    """Print what was done."""
    if session.out.as_json:
        session.out.data(data)
    else:
        session.out.line(text)
    return EXIT_OK


ACTIONS: Final[Mapping[str, Callable[[Session, argparse.Namespace], int]]] = {
    "show": show,
    "export": export,
    "backup": backup,
    "restore": restore,
    "clear": clear,
    "init": init,
}
