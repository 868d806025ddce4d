"""``mmflow shifts``: their names and ids."""

from __future__ import annotations

import argparse

from mmflow.cli.listing import add_listing, list_kind

SUMMARY = "List the shifts of every site; equal names belong to different machine schedules."
EXAMPLES = """
mmflow shifts
mmflow shifts --site boston
mmflow shifts third --json
"""

add_arguments = add_listing


def run(args: argparse.Namespace) -> int:
    """Print."""
    return list_kind(args, "shift")
