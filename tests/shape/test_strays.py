"""Rows that the job's filters rule out stop the run, however the service tells members apart."""

import pytest

from mmflow.errors import BadResponse
from mmflow.fetch.filters import Wanted
from mmflow.fetch.names import Match

KEPT = Wanted("filter", "machine", "Mill*")
DROPPED = Wanted("exclude", "machine", "Mill 1")
SHIFT = Wanted("filter", "shift", "First")
MILLS = Match(("ID-1", "id-2"), frozenset({"Mill 1", "Mill 2"}))
MILL_1 = Match(("id-1",), frozenset({"Mill 1"}))
GIVEN_ID = Match(("id-1",))
ASKED = {"report": {"metrics": ["goodParts"], "group_by": ["machine"]}}


def load_rows(workshop, job, found, *rows):
    """Load rows of machine and id, "" for a row without one, and count what was taken."""
    listed = [{"machine": name, "goodParts": 1} | ({"machineId": key} if key else {}) for name, key in rows]
    workshop.answers = {("rows", "boston"): listed}
    workshop.found = {"boston": found}
    with workshop.load(job) as raw:
        return raw.connection.execute("SELECT count(*) FROM rows").fetchone()[0]


@pytest.mark.row("R41")
@pytest.mark.parametrize(
    ("found", "rows"),
    [
        ({KEPT: MILLS}, [("Mill 1", "id-1"), ("Mill 2", "ID-2")]),
        ({KEPT: MILLS}, [("renamed since", "id-1"), ("Mill 2", "")]),
        ({KEPT: GIVEN_ID}, [("Mill 1", "id-1"), ("whatever", "")]),
        ({KEPT: MILLS, DROPPED: MILL_1}, [("Mill 2", "id-2")]),
        ({DROPPED: MILL_1}, [("Mill 1", "id-3"), ("Saw", ""), (None, "")]),
        ({DROPPED: Match((), hint="none is near")}, [("Mill 1", "id-1"), ("Saw", "")]),
        ({DROPPED: GIVEN_ID}, [("Mill 1", "")]),
        ({SHIFT: Match(("s",), frozenset({"First"}))}, [("Saw", "id-4")]),
    ],
)
def test_rows_that_fit_the_filters_are_taken(workshop, make_case_job, found, rows):
    """A name that changed since it was looked up, one that two machines have, and a group that is not shown do fit."""
    assert load_rows(workshop, make_case_job(**ASKED), found, *rows) == len(rows)


@pytest.mark.row("R41")
@pytest.mark.parametrize(
    ("found", "rows", "said"),
    [
        ({KEPT: MILLS}, [("Mill 1", "id-1"), ("Saw", "id-4"), ("Lathe", "")], "'filter': 2 rows of a machine that it"),
        ({KEPT: MILLS}, [("Mill 1", "id-9")], "'filter': 1 row of a machine that it does not name came"),
        ({KEPT: MILLS}, [(None, "")], "'filter': 1 row of a machine that it does not name came"),
        ({KEPT: GIVEN_ID}, [("Mill 1", "id-4")], "'filter': 1 row of a machine that it does not name came"),
        ({KEPT: MILLS, DROPPED: MILL_1}, [("Mill 1", "id-1")], "'exclude': 1 row of a machine that it names came"),
        ({DROPPED: MILL_1}, [("Mill 1", "")], "'exclude': 1 row of a machine that it names came"),
    ],
)
def test_rows_that_the_filters_rule_out_stop_the_run(workshop, make_case_job, found, rows, said):
    with pytest.raises(BadResponse, match=f"boston did not keep to the job's {said}"):
        load_rows(workshop, make_case_job(**ASKED), found, *rows)


def test_the_other_window_and_each_site_are_held_against_its_own_ids(workshop, make_case_job):
    row = {"machine": "Mill 1", "goodParts": 1}
    workshop.found = {"boston": {KEPT: MILL_1}, "austin": {KEPT: Match(("id-7",), frozenset({"Mill 1"}))}}
    job = make_case_job(**ASKED, sites=["boston", "austin"], shape={"compare": {"to": "previous"}})
    ids = {"boston": "id-1", "austin": "id-7"}
    for site, key in ids.items():
        workshop.answers |= {(query, site): [row | {"machineId": key}] for query in ("rows", "previous")}
    workshop.load(job).stack.close()
    workshop.answers["previous", "austin"] = [row | {"machineId": "id-1"}]
    with pytest.raises(BadResponse, match="austin did not keep to the job's 'filter'"):
        workshop.load(job)
