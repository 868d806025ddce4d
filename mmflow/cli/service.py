"""``mmflow service``: have the system run the daemon, from its start on."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.atomic import STATE
from mmflow.cli.session import Session, open_session
from mmflow.durations import parse_duration
from mmflow.errors import EXIT_OK, EXIT_RUN, StateError, UserError, raise_errors

if TYPE_CHECKING:
    from mmflow.service import Manager, Service, Status

SUMMARY = "Have the system run the daemon from its start on, under systemd or the Windows Task Scheduler."
EXAMPLES = """
mmflow service install --print       show what would be registered, write nothing
sudo .venv/bin/mmflow service install --root /srv/mmflow
mmflow service install --user        for yourself alone, without other rights
mmflow service status
mmflow service uninstall             what ran and was sent stays on record
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to do with which service."""
    parser.add_argument("action", choices=["install", "uninstall", "status"], help="what to do")
    parser.add_argument("--user", action="store_true", help="a service of your own instead of the system's")
    parser.add_argument("--name", default="mmflow", metavar="NAME", help="of the service (default: mmflow)")
    parser.add_argument("--print", action="store_true", dest="show", help="print what install registers, do nothing")
    parser.add_argument("--run-as", metavar="ACCOUNT", default="", help="who it runs as (default: whose the root is)")
    parser.add_argument("--writable", metavar="FOLDER", action="append", default=[], help="it writes there as well")
    parser.add_argument("--metrics", metavar="HOST:PORT", default="", help="the daemon answers /metrics and /health")


def run(args: argparse.Namespace) -> int:
    """Do it; ``status`` ends with 1 when the service does not run."""
    from mmflow.service import find_manager

    session = open_session(args, sinks=False)
    manager = find_manager(session.around.environ)
    service = describe(session, args)
    if args.show:
        return show_text(session, service, manager)
    if args.action == "status":
        return show_status(session, service, manager.status(service))
    return change(session, service, manager, args.action)


def show_text(session: Session, service: Service, manager: Manager) -> int:
    """Print what install registers."""
    text = manager.render(service).rstrip("\n")
    if session.out.as_json:
        session.out.data({"service": service.name, "place": manager.place(service), "text": text})
    else:
        session.out.copy(text)
    return EXIT_OK


def describe(session: Session, args: argparse.Namespace) -> Service:
    """Give the service that the command line means."""
    from mmflow.service import Service, find_code, find_python

    raise_errors(session.workspace.checked.problems)
    root, settings = session.root.resolve(), session.workspace.settings
    folders = (STATE, settings.output, *args.writable)
    check_words(root, args)
    return Service(
        name=args.name,
        root=root,
        python=find_python(),
        account=find_account(session, root, args),
        own=args.user,
        code=find_code(),
        writable=tuple(dict.fromkeys(Path(os.path.normpath(root / folder)) for folder in folders)),
        grace=parse_duration(settings.daemon.grace).total_seconds(),
        metrics=args.metrics,
    )


def check_words(root: Path, args: argparse.Namespace) -> None:
    """Refuse what the service could not start with, or would make its walls void."""
    if args.metrics:
        from mmflow.metrics.listener import read_address

        read_address(args.metrics)
    if args.run_as and sys.platform != "win32":
        from mmflow.service.systemd import find_number

        find_number(args.run_as)
    for folder in args.writable:
        if (place := (root / folder).resolve()) == place.parent:
            raise UserError(f"--writable {folder} is everything; name the folders that reports are written into")


def find_account(session: Session, root: Path, args: argparse.Namespace) -> str:
    """Give who a service runs as: whose it is, or to whom the root belongs; that should not be the administrator."""
    environ = session.around.environ
    if args.run_as:
        return str(args.run_as)
    if sys.platform == "win32":
        return "\\".join(filter(None, (environ.get("USERDOMAIN", ""), environ.get("USERNAME", ""))))
    import pwd

    number = os.getuid() if args.user else root.stat().st_uid
    try:
        account = pwd.getpwuid(number).pw_name
    except KeyError:
        account = str(number)
    if number == 0 and not args.user and args.action == "install":
        told = (
            f"{root} belongs to root, and the service would run as root; give it an account of its own: "
            f"useradd --system mmflow; chown -R mmflow: {root} (or name one with --run-as)"
        )
        if not args.show:
            raise UserError(told)
        session.out.note(told)
    return account


def change(session: Session, service: Service, manager: Manager, action: str) -> int:
    """Install or uninstall, and say what was done."""
    from mmflow.service.variables import list_variables

    said = (
        manager.install(service, list_variables(session.workspace))
        if action == "install"
        else manager.uninstall(service)
    )
    if session.out.as_json:
        session.out.data({"service": service.name, "place": manager.place(service), "said": said})
    else:
        for line in said:
            session.out.line(line)
    return EXIT_OK


def show_status(session: Session, service: Service, status: Status) -> int:
    """Print what the service manager says, and the daemon's own word, which is its lock."""
    from mmflow.ledger import DaemonLock

    try:
        lock = DaemonLock(session.state)
        daemon, unknown = lock.owner if lock.is_held() else "", ""
    except StateError as closed:  # what the service manager says is known all the same
        daemon, unknown = "", str(closed)
    running = status.running or bool(daemon)
    if session.out.as_json:
        found = {"installed": status.installed, "running": running, "state": status.state, "since": status.since}
        session.out.data({"service": service.name, **found, "daemon": daemon})
    else:
        state = status.state or ("running" if running else "not running")
        since = f" since {status.since}" if status.since else ""
        what = f"installed, {state}{since}" if status.installed else "not installed"
        by_hand = "; it was started without this service" if daemon and not status.installed else ""
        session.out.line(f"{service.name}: {what}")
        session.out.line(f"daemon: {daemon or unknown or 'none on this machine'}{by_hand}")
    return EXIT_OK if running else EXIT_RUN
