"""Opens workbooks that others made, safely, and copies them part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

Edit = bytes | Callable[[BinaryIO, BinaryIO], None] | None
"""The new content of a part: bytes, or a function that reads the old and writes the new, or None to leave it out."""


def copy_package(source: Path, out: BinaryIO, edits: Mapping[str, Edit]) -> None:
    """Copy a workbook with some parts changed; all others keep their bytes, their place and their date.

    :class:`mmflow.GiveUp` for a file that is no sound workbook, or too large to be one.
    """
    raise NotImplementedError
