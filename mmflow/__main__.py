"""The door of the ``mmflow`` command: what ends a command becomes one line and an exit code here."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmflow.cli import Surroundings

LONGEST_MESSAGE = 65_536  # characters of what ends a command: the problems of a file may be many


def main(argv: list[str] | None = None) -> int:
    """Run the command line of this process and give its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words == ["--version"]:
        from mmflow import __version__

        sys.stdout.write(f"mmflow {__version__}\n")
        return 0
    if "_ARGCOMPLETE" in os.environ:
        return complete_words()
    from mmflow.cli import Surroundings

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's own encoding lacks becomes \u5de5
    return run_guarded(words, Surroundings(environ=dict(os.environ), cwd=Path.cwd()))


def complete_words() -> int:
    """Answer the shell's question for completions."""
    import argcomplete

    from mmflow.cli import full_parser

    argcomplete.autocomplete(full_parser())
    return 0


def run_guarded(words: list[str], around: Surroundings) -> int:
    """Run one command; every error becomes redacted text on stderr and the exit code of its kind."""
    from mmflow import errors
    from mmflow.cli import run_command
    from mmflow.text import read_error, show_lines

    try:
        code = run_command(words, around)
        around.stdout.flush()
    except errors.MmflowError as error:
        around.stderr.write(show_lines(around.redactor.shorten(read_error(error), LONGEST_MESSAGE)) + "\n")
        return error.exit_code
    except KeyboardInterrupt:
        around.stderr.write("interrupted\n")
        return errors.EXIT_INTERRUPTED
    except BrokenPipeError:
        return close_pipe()
    except Exception as error:  # noqa: BLE001  # the outermost border: what is not expected is our bug
        return report_bug(error, words, around)
    return code


def close_pipe() -> int:
    """End quietly when the reader of our output went away (``mmflow runs | head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def report_bug(error: Exception, words: list[str], around: Surroundings) -> int:
    """Write a log worth pasting, without local variables and without secrets, and say where it is."""
    import platform
    import tempfile
    import traceback

    from mmflow import __version__
    from mmflow.errors import EXIT_BUG
    from mmflow.text import describe, make_encodable, show_lines

    machine = f"Python {platform.python_version()}, {platform.platform()}"
    facts = f"mmflow {__version__}, {machine}\nmmflow {' '.join(words)}\n\n"
    text = make_encodable(around.redactor.redact(facts + "".join(traceback.format_exception(error))))
    around.stderr.write(show_lines(around.redactor.shorten(f"a bug in mmflow: {describe(error)}")) + "\n")
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="mmflow-bug-", suffix=".log", delete=False
        ) as log:
            log.write(text)
        around.stderr.write(f"please report it with {log.name}\n")
    except OSError:  # a full disk, say
        around.stderr.write(f"please report it with this:\n{show_lines(text)}")
    return EXIT_BUG


if __name__ == "__main__":
    sys.exit(main())
