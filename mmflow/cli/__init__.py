"""The command line: a command's name is its file's name here; only the file asked for is imported."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TextIO

from mmflow.clock import Clock, SystemClock
from mmflow.errors import UserError, suggest_name
from mmflow.refs import Redactor
from mmflow.text import make_encodable

# Modules of this package that serve the commands and are none themselves.
NOT_COMMANDS = frozenset({"arguments", "known", "listing", "messages", "output", "session", "show", "times"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command gets from outside; tests hand in their own."""

    environ: Mapping[str, str] = field(repr=False)
    cwd: Path
    clock: Clock = field(default_factory=SystemClock)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    redactor: Redactor = field(default_factory=Redactor)


class Command(Protocol):
    """What each file of this folder offers."""

    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and give the exit code."""
        ...


def command_names() -> list[str]:
    """Give the names of all commands, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.rstrip("_") for name in found if name not in NOT_COMMANDS)


def load_command(name: str) -> Command:
    """Import one command; an unknown name raises :class:`UserError` with the nearest one."""
    names = command_names()
    if name not in names:
        near = suggest_name(name, names)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(names)}"
        raise UserError(f"mmflow has no command {name!r}; {hint}")
    command: Command = importlib.import_module(f"{__name__}.{name}")
    return command


def add_command(command: Command, parser: argparse.ArgumentParser) -> None:
    """Give a parser the command's arguments, its examples, and the options that every command has."""
    parser.description = command.SUMMARY
    parser.epilog = "examples:\n" + "\n".join(f"  {line}" for line in command.EXAMPLES.strip().splitlines())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    common = parser.add_argument_group("everywhere")
    common.add_argument("--root", metavar="FOLDER", help="the folder that holds mmflow.yaml")
    common.add_argument("--json", action="store_true", help="print JSON instead of text")
    common.add_argument("--verbose", "-v", action="store_true", help="say what is being done")


def full_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands, for ``--help`` and shell completion."""
    parser = argparse.ArgumentParser(
        prog="mmflow",
        description="One small YAML file is one report: MachineMetrics numbers, where they are read.",
        epilog="'mmflow COMMAND --help' shows a command with examples.",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in command_names():
        command = load_command(name)
        add_command(command, commands.add_parser(name, help=command.SUMMARY))
    return parser


def split_arguments(argv: list[str]) -> tuple[str, list[str]]:
    """Give the command's name and the rest; options of every command may stand before the name."""
    rest = list(argv)
    for place, word in enumerate(rest):
        if not word.startswith("-") and (place == 0 or rest[place - 1] != "--root"):
            return rest.pop(place), rest
    return "", rest


def run_command(argv: list[str], around: Surroundings) -> int:
    """Run one command line and give its exit code; errors of the tree in ``errors.py`` are let through."""
    for word in argv:
        if word != make_encodable(word):
            raise UserError(f"the command line holds {word!a}, which is not UTF-8; write it in UTF-8")
    name, rest = split_arguments(argv)
    if not name:
        full_parser().parse_args(rest)
        full_parser().print_help(around.stdout)
        return 0 if not rest else 2
    command = load_command(name)
    parser = argparse.ArgumentParser(prog=f"mmflow {name}")
    add_command(command, parser)
    args = parser.parse_intermixed_args(rest)
    args.around = around
    return command.run(args)
