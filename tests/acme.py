"""A package with a sink that sends messages and one that keeps a file whose cells can be read, for a job with both."""

import io

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings

ACME = """
    import json
    from datetime import date, datetime
    from typing import Annotated

    from mmflow import Options, Partial, Receipt, Rendering, SinkType, file_receipt, hookimpl, place_file, replace_file


    class PostOptions(Options):
        to: tuple[str, ...] = ()
        attach: tuple[str, ...] = ()


    class BookOptions(Options):
        path: str = "book.json"


    def send(table, options, run):
        run.store.mkdir(parents=True, exist_ok=True)
        sent = {"to": run.to or options.to, "files": {k: [f.name for f in v] for k, v in run.attachments.items()}}
        with (run.store / "sent.jsonl").open("a") as log:
            log.write(json.dumps(sent) + "\\n")
        receipt = Receipt(rows=len(table), details={"to": ", ".join(run.to or options.to)})
        if "nobody@example.com" in options.to:
            raise Partial(receipt, why="nobody@example.com is unknown there")
        return receipt


    def keep(table, options, run):
        with replace_file(place_file(options.path, run), run.output_mode) as draft:
            draft.file.write(json.dumps([list(map(str, row)) for row in table.rows()]).encode())
        return file_receipt(draft, len(table), run)


    def show(table, options, run):
        return Rendering(f"a book of {len(table)} rows", b"BOOK", ".book")


    def read(table, options, run):
        rows = list(table.rows())
        return [rows[0], (rows[1][0], 7.0), ("Gone", 1.0)]


    def read_window(options, cells, run):
        return CELLS[cells]


    CELLS = {
        "Input!B3:D4": (date(2026, 11, 3), date(2026, 11, 4)),
        "Input!B5:D5": (datetime(2026, 11, 3, 6, 30), datetime(2026, 11, 3, 14)),
        "Input!B6:B7": (date(2026, 11, 4), date(2026, 11, 3)),
    }


    @hookimpl
    def mmflow_sinks():
        yield SinkType(
            name="post", summary="Mail.", options=PostOptions, deliver=send, semantics="message",
            recipients=lambda options: options.to,
        )
        yield SinkType(
            name="book", summary="A book.", options=BookOptions, deliver=keep, render=show, read=read,
            read_window=read_window,
        )
"""
JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    sinks:
      - {type: post, to: [ann@example.com, bob@example.com], attach: [book]}
      - {type: book}
      - {type: csv, path: daily.csv}
"""


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self):
        return True


def sent(desk):
    """The messages that went out."""
    path = desk.root / ".mmflow" / "sinks" / "daily" / "post" / "sent.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def states(data):
    return {delivery["sink"]: delivery["state"] for delivery in data["deliveries"]}


def answer(desk, text, *words):
    """Run a command on a terminal where somebody types an answer."""
    out, err = io.StringIO(), Terminal()
    around = Surroundings(
        environ=desk.environ, cwd=desk.root, clock=desk.clock, stdin=Terminal(text), stdout=out, stderr=err
    )
    return run_guarded(list(words), around), err.getvalue()
