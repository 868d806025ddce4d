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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell."""
    parser.add_argument("shell", choices=["bash", "zsh", "fish", "tcsh", "powershell"])


def run(args: argparse.Namespace) -> int:
    """Print them."""
    import argcomplete

    # zsh reads the same lines as bash; argcomplete knows it by that name.
    shell = "bash" if args.shell == "zsh" else args.shell
    open_output(args).line(argcomplete.shellcode(["mmflow"], shell=shell))
    return 0
