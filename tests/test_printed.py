"""What strangers' code prints becomes lines of the log, of which there are no more than somebody could read."""

import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys
from mmflow.printed import Printed

logging.basicConfig(filename=sys.argv[1], level=logging.INFO, format="%(message)s")
printed = Printed()
for _ in range(2):
    with printed.belong_to("daily"):
        for _ in range(int(sys.argv[2])):
            print("x" * int(sys.argv[3]))
"""


@pytest.mark.parametrize(
    ("lines", "size", "kept", "left"),
    [(5, 30_000, 2, "3 more lines"), (203, 10, 200, "3 more lines"), (2, 30_000, 2, "")],
    ids=["by their bytes", "by their number", "all of them"],
)
def test_what_is_printed_is_kept_so_far_in_each_task_anew(tmp_path, lines, size, kept, left):
    log = tmp_path / "log"
    subprocess.run([sys.executable, "-c", SCRIPT, str(log), str(lines), str(size)], check=True, timeout=100)
    found = log.read_text(encoding="utf-8").splitlines()
    assert found.count(f"printed: {'x' * size}") == 2 * kept
    assert sum(left in line for line in found) == (2 if left else len(found))
    assert len(found) == 2 * (kept + bool(left))
