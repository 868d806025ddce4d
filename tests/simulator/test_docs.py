"""docs/simulator.md names every switch with its values, every fault with its options, and every call."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

from mmflow.simulator import PROFILES, Profile
from mmflow.simulator.faults import KINDS, Fault

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
WORDS = {True: "yes", False: "no", None: "null"}


@pytest.mark.parametrize("switch", [field.name for field in fields(Profile)])
def test_a_switch_is_described_with_its_values(switch: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{switch}` |"))
    cells = [cell.strip().strip("`") for cell in row.split("|")[2:4]]
    values = [getattr(PROFILES[name], switch) for name in ("documented", "contrary")]
    assert cells == [value if isinstance(value, str) else WORDS[value] for value in values]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_described(kind: str) -> None:
    assert any(f"`{kind}`" in line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))


@pytest.mark.parametrize("option", [field.name for field in msgspec.structs.fields(Fault)])
def test_an_option_of_faults_is_described(option: str) -> None:
    assert f"`{option}`" in PAGE.partition("## Faults")[2]


def test_the_python_example_runs() -> None:
    example = PAGE.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(compile(example, "docs/simulator.md", "exec"), names)
    assert names["truth"]
