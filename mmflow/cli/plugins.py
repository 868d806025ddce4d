"""``mmflow plugins``: what is installed, what was left out and why, and the options of each sink."""

from __future__ import annotations

import argparse
from importlib.metadata import distribution
from pathlib import Path

from mmflow.cli.output import Output
from mmflow.cli.session import open_output, open_session
from mmflow.errors import UserError, hint_names
from mmflow.options import Options
from mmflow.plugins import PluginInfo, Registry, load
from mmflow.plugins.admission import fingerprint
from mmflow.schema.reference import list_keys, markdown_table
from mmflow.sinks import SinkType
from mmflow.workspace import find_root

SUMMARY = "List the installed sinks and plugins, or show one with its options."
EXAMPLES = """
mmflow plugins                       everything that is installed, and what was left out
mmflow plugins info csv              what may be said about a csv file
mmflow plugins info acme-sink -v     why a plugin was left out, with its traceback
mmflow plugins info csv --markdown   the options as a table for a README
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to show."""
    parser.add_argument("info", nargs="?", choices=["info"], help="show one")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a sink, a plugin or a package")
    parser.add_argument("--markdown", action="store_true", help="print the options as a Markdown table")


def run(args: argparse.Namespace) -> int:
    """Print."""
    if args.info and not args.name:
        raise UserError("say which one: mmflow plugins info NAME; 'mmflow plugins' lists them")
    out, registry = open_registry(args)
    if not args.info:
        list_plugins(out, registry)
    elif args.markdown:
        out.line(markdown_table(list_keys(registry.sink(args.name).options)))
    else:
        show_named(out, registry, args.name, args.verbose)
    return 0


def open_registry(args: argparse.Namespace) -> tuple[Output, Registry]:
    """Give the plugins as the settings of the root let them in, or all of them where there is no root."""
    around = args.around
    try:
        find_root(around.cwd, Path(args.root) if args.root else None, around.environ)
    except UserError:
        if args.root or around.environ.get("MMFLOW_ROOT"):
            raise
        return open_output(args), load()
    session = open_session(args)
    return session.out, session.workspace.registry


def list_plugins(out: Output, registry: Registry) -> None:
    """Print one line a sink, and one a plugin that was left out."""
    if out.as_json:
        out.data({"plugins": [plugin_document(info) for info in registry.plugins]})
        return
    headings = ("name", "kind", "package", "version", "state", "what it is, or why it was left out")
    rows = [
        (info.name, info.kind, info.distribution, info.version, info.state, info.reason or info.summary)
        for info in registry.plugins
    ]
    out.table(headings, rows)


def show_named(out: Output, registry: Registry, name: str, verbose: bool) -> None:
    """Print all about a sink, about a plugin that was left out, or about everything that a package gives."""
    found = [info for info in registry.plugins if name in (info.name, info.distribution)]
    if not found:
        known = {word for info in registry.plugins for word in (info.name, info.distribution)}
        raise UserError(f"nothing named {name!r} is installed; {hint_names(name, known)}")
    if out.as_json:
        out.data({"plugins": [info_document(info, registry) for info in found]})
        return
    for info in found:
        show_plugin(out, info, registry.sinks.get(info.name) if info.state == "loaded" else None, verbose)


def show_plugin(out: Output, info: PluginInfo, sink: SinkType | None, verbose: bool) -> None:
    """Print one of them."""
    out.line(f"{info.name}: {info.summary}")
    out.line(f"{info.kind} of {info.distribution} {info.version}, {info.state}")
    out.line(show_fingerprint(info.distribution))
    if info.reason:
        out.line(info.reason)
    if info.traceback:
        out.line(info.traceback if verbose else "the traceback is shown with --verbose")
    if sink:
        if sink.deliver:
            out.line(f"modes: {', '.join(sink.modes)}; semantics: {sink.semantics}")
            show_keys(out, "options of a sink in a job", sink.options)
        if sink.notify:
            out.line("it can tell people: name it under notify: via")
            show_keys(out, "options of a way to tell people", sink.notice_options)
        if sink.connection:
            show_keys(out, "keys of a connection in mmflow.yaml", sink.connection)
    out.line()


def show_fingerprint(package: str) -> str:
    """Give the line with the hash that plugins.allow can hold a package to, or say why there is none."""
    try:
        return f"fingerprint: {fingerprint(distribution(package))}"
    except ValueError as error:
        return f"no fingerprint: {error}"


def show_keys(out: Output, title: str, model: type[Options]) -> None:
    """Print the keys of a block."""
    out.line()
    out.line(title)
    out.line()
    out.table(
        ("key", "takes", "default", "what it is for"),
        [(line.key, line.takes, line.default, line.description) for line in list_keys(model)],
    )


def plugin_document(info: PluginInfo) -> dict[str, str]:
    """Give a row of the list as JSON."""
    return {
        "name": info.name,
        "kind": info.kind,
        "distribution": info.distribution,
        "version": info.version,
        "state": info.state,
        "summary": info.summary,
        "reason": info.reason,
    }


def info_document(info: PluginInfo, registry: Registry) -> dict[str, object]:
    """Give all about one of them as JSON."""
    sink = registry.sinks.get(info.name) if info.state == "loaded" else None
    return {
        **plugin_document(info),
        "traceback": info.traceback,
        "modes": sink.modes if sink else (),
        "options": list_keys(sink.options) if sink else (),
        "tells": bool(sink and sink.notify),
        "notice_options": list_keys(sink.notice_options) if sink and sink.notify else (),
        "connection": list_keys(sink.connection) if sink and sink.connection else (),
    }
