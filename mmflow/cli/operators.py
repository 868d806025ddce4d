"""``mmflow operators``: their names and ids."""

from __future__ import annotations

import argparse

from mmflow.cli.listing import add_listing, list_kind

SUMMARY = "List the operators of every site who were at work in the last 30 days."
EXAMPLES = """
mmflow operators
mmflow operators garc --site boston
mmflow operators --json --refresh
"""

add_arguments = add_listing


def run(args: argparse.Namespace) -> int:
    """Print."""
    return list_kind(args, "operator")
