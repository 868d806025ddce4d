"""``mmflow machines``: their names and ids."""

from __future__ import annotations

import argparse

from mmflow.cli.listing import add_listing, list_kind

SUMMARY = "List the machines of every site, with the ids that filters turn into."
EXAMPLES = """
mmflow machines                      all, decommissioned ones with their date
mmflow machines mill --site boston   names that hold a text
mmflow machines --json --refresh     for a script, asked anew
"""

add_arguments = add_listing


def run(args: argparse.Namespace) -> int:
    """Print."""
    return list_kind(args, "machine")
