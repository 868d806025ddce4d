"""Each rule of shaping as a file: what the service sends, what the job says, what comes out."""

from datetime import date, datetime
from pathlib import Path

import pytest

from mmflow.document import read_file
from mmflow.errors import MmflowError

CASES = Path(__file__).parent.parent / "cases" / "shape"
QUERIES = ("rows", "totals", "previous", "previous_totals")


def list_cases():
    for path in sorted(CASES.glob("*.yaml")):
        for number, case in enumerate(read_file(path).values["cases"]):
            yield pytest.param(case, id=f"{path.stem}-{number}")


def plain(cell):
    """A cell as it is written in a case: dates as text, numbers as they print."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    return cell.isoformat() if isinstance(cell, date) else cell


def fill(workshop, case):
    """Hand the answers of a case to the workshop: by site, or those of the only one."""
    sites = case["job"].get("sites", ["boston"])
    for site in sites:
        given = case["sites"].get(site, {}) if "sites" in case else case
        workshop.answers |= {(query, site): given[query] for query in QUERIES if query in given}
    workshop.missing = tuple(case.get("missing", ()))


@pytest.mark.row("R38", "R41")
@pytest.mark.parametrize("case", list(list_cases()))
def test_case(case, workshop, make_case_job):
    """What comes out is exactly what the case says, and nothing that it does not say."""
    fill(workshop, case)
    job, expected = make_case_job(**case["job"]), case["expect"]
    if "error" in expected:
        with pytest.raises(MmflowError) as caught:
            workshop.shape(job)
        assert str(caught.value) == expected["error"]
        return
    shaped, verdict = workshop.shape(job)
    table = shaped.table
    assert [column.name for column in table.columns] == expected["columns"]
    assert [[plain(cell) for cell in row] for row in table.rows()] == expected["rows"]
    assert {row.kind: [plain(cell) for cell in row.values] for row in table.footer} == expected.get("footer", {})
    assert list(table.notices) == expected.get("notices", [])
    assert verdict.state == expected.get("verdict", "deliver")
    assert list(verdict.reasons) == expected.get("reasons", [])
    for name, facts in expected.get("described", {}).items():
        column = next(column for column in table.columns if column.name == name)
        assert {key: getattr(column, key) for key in facts} == facts
