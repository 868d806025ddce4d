"""``mmflow completion``: what a shell needs to complete mmflow's commands and options."""

from __future__ import annotations

import argparse

from mmflow.cli.session import open_output

SUMMARY = "Print the lines that make a shell complete mmflow's commands and options."
EXAMPLES = """
eval "$(mmflow completion bash)"            in ~/.bashrc
mmflow completion zsh >> ~/.zshrc
mmflow completion powershell >> $PROFILE
"""

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def run(args: argparse.Namespace) -> int:
    """Print them."""
    from argcomplete.shell_integration import shellcode

    # zsh reads the same lines as bash; argcomplete knows it by that name.
    code = shellcode(["mmflow"], shell="bash" if args.shell == "zsh" else args.shell)
    out = open_output(args)
    if out.as_json:
        out.data({"shell": args.shell, "code": code})
    else:
        out.copy(code)
    return 0
