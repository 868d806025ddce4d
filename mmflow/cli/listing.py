"""What ``mmflow machines``, ``shifts`` and ``operators`` share: names and ids of one kind, from every site."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack

from mmflow.cli.output import Output
from mmflow.cli.session import open_engine, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN, RunError, TryLater, UserError, hint_names
from mmflow.fetch.names import Entry, NameBook, name_kind

Listed = Mapping[str, tuple[Entry, ...]]


def add_listing(parser: argparse.ArgumentParser) -> None:
    """Declare which names."""
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="only names that hold this text")
    parser.add_argument("--site", action="append", metavar="NAME", help="only this site (may be repeated)")
    parser.add_argument("--refresh", action="store_true", help="ask the service, even if its names are known")


def list_kind(args: argparse.Namespace, kind: str) -> int:
    """Print the names of a kind; exit code 1 when a site did not answer, which stderr explains."""
    from mmflow.fetch import ask_sites, open_apis

    session = open_session(args)
    sites = choose_sites(args.site or (), session.workspace.settings.sites)
    with open_engine(session, sites) as engine, ExitStack() as stack:
        apis = open_apis(engine.hosts, engine.service, stack)

        def list_names(site: str) -> tuple[Entry, ...]:
            book = NameBook(site, apis[site], engine.state / "cache", engine.clock)
            return book.list_names(kind, refresh=args.refresh)

        found, failed = ask_sites(sites, list_names)
    if found or session.out.as_json:
        show_names(session.out, kind, args.text, found)
    return note_failures(session.out, failed)


def choose_sites(wanted: list[str] | tuple[str, ...], known: Mapping[str, object]) -> tuple[str, ...]:
    """Give the sites named on the command line, or all of them; raises :class:`UserError` for an unknown one."""
    for site in wanted:
        if site not in known:
            raise UserError(f"mmflow.yaml has no site {site!r}; {hint_names(site, known)}")
    return tuple(wanted) or tuple(known)


def show_names(out: Output, kind: str, text: str, found: Listed) -> None:
    """Print the entries whose name holds the text, whatever the case of its letters."""
    kept = [(site, entry) for site, entries in found.items() for entry in entries if text.lower() in entry.name.lower()]
    if out.as_json:
        out.data({f"{kind}s": [describe_entry(site, entry) for site, entry in kept]})
        return
    retired = any(entry.retired_at for _, entry in kept)
    out.table(
        ("name", "id", "site", *(("decommissioned",) if retired else ())),
        [(entry.name, entry.id, site, *((show_day(entry),) if retired else ())) for site, entry in kept],
    )
    if not kept:
        names = {entry.name for entries in found.values() for entry in entries}
        out.note(
            f"no {name_kind(kind)} has a name with {text!r}; {hint_names(text, names)}"
            if text
            else f"no {name_kind(kind)}"
        )


def describe_entry(site: str, entry: Entry) -> dict[str, object]:
    """Give an entry as JSON has it; ``decommissioned_at`` is null for what is in use."""
    return {
        "site": site,
        "name": entry.name,
        "id": entry.id,
        "ref": entry.ref,
        "decommissioned_at": entry.retired_at,
    }


def show_day(entry: Entry) -> str:
    """Give the day on which a machine was decommissioned, in UTC."""
    return f"{entry.retired_at:%Y-%m-%d}" if entry.retired_at else ""


def note_failures(out: Output, failed: Mapping[str, RunError]) -> int:
    """Say which sites did not answer, and give the exit code."""
    for site, error in failed.items():
        advice = "; see why: mmflow doctor" if isinstance(error, TryLater) else ""
        out.note(f"{site}: {error}{advice}")
    return EXIT_RUN if failed else EXIT_OK
