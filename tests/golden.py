"""Texts that people read, as they are stored beside the tests."""

from __future__ import annotations

import os
from pathlib import Path


def hold_against(golden: Path, text: str) -> None:
    """Compare with the stored text; MMFLOW_GOLDEN=write stores it anew, to be read before it is committed."""
    if os.environ.get("MMFLOW_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
