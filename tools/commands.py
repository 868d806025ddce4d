"""The reference of all commands, from the same declarations as their ``--help``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from mmflow.cli import Command, command_names, load_command
from mmflow.schema.reference import write_table


def describe_commands() -> str:
    """Give a section for each command: what it does, its arguments, its examples."""
    return "\n\n".join(describe_command(name, load_command(name)) for name in command_names())


def describe_command(name: str, command: Command) -> str:
    """Give the section of one command."""
    arguments = list_arguments(command)
    words = ["mmflow", name, *(show_argument(one) for one in arguments if not one.option_strings)]
    examples = command.EXAMPLES.strip("\n")
    parts = [
        f"### {' '.join(words)}",
        command.SUMMARY,
        table_arguments(arguments),
        f"```text\n{examples}\n```",
    ]
    return "\n\n".join(filter(None, parts))


def list_arguments(command: Command) -> list[argparse.Action]:
    """Give the command's own arguments, in the order in which it declares them."""
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    return list(parser._actions)  # noqa: SLF001  argparse has no public list of them


def table_arguments(arguments: Iterable[argparse.Action]) -> str:
    """Give the arguments as a Markdown table, nothing when there are none."""
    rows = [(f"`{show_argument(one)}`", str(one.help).replace("%%", "%")) for one in arguments]
    return write_table(("argument", "meaning"), rows) if rows else ""


def show_argument(argument: argparse.Action) -> str:
    """Give an argument as it is written on the command line, in brackets when it may be left out."""
    words = ", ".join(argument.option_strings)
    value = "" if argument.nargs == 0 else show_value(argument)
    if words:
        return f"{words} {value}".strip()
    return f"[{value}]" if argument.nargs == "?" else value


def show_value(argument: argparse.Action) -> str:
    """Give what stands for the value of an argument: its name, or its choices when it has none."""
    if isinstance(argument.metavar, str):
        return argument.metavar
    return "/".join(map(str, argument.choices or [argument.dest.upper()]))
