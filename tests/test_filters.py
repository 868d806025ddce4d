"""Names of a job to ids of the service, with one site and with several."""

from datetime import UTC, datetime

import pytest

from mmflow.errors import BadRequest
from mmflow.fetch.filters import Wanted, check_found, find_void, list_wanted, write_ids
from mmflow.fetch.names import Entry, Match
from mmflow.job import Job, Report

MILLS = Wanted("filter", "machineGroup", "Mills")
FIRST = Wanted("filter", "machine", "Mill 1")
SECOND = Wanted("filter", "machine", "Mill 2")
NOT_THIRD = Wanted("exclude", "machine", "Mill 3")
NOTHING = Match((), hint="did you mean 'Mill 4'?")


def gone(name: str, month: int) -> Match:
    return Match((), retired=(Entry(name, "id", datetime(2026, month, 1, tzinfo=UTC)),))


def test_every_name_of_a_job_is_wanted() -> None:
    report = Report(
        metrics=("oee",),
        filter={"machineGroup": ("Mills",), "machine": ("Mill 1", "Mill 2")},
        exclude={"machine": ("Mill 3",)},
    )
    job = Job(job="test", report=report, window="yesterday", sinks=({},))
    assert list_wanted(job) == (MILLS, FIRST, SECOND, NOT_THIRD)


def test_ids_are_sorted_by_kind_and_equal_ones_sent_once() -> None:
    found = {MILLS: Match(("g",)), FIRST: Match(("b", "a")), SECOND: Match(("c", "a")), NOT_THIRD: Match(("d",))}
    assert write_ids(found) == {
        "filter": {"machineGroup": ["g"], "machine": ["a", "b", "c"]},
        "exclude": {"machine": ["d"]},
    }


def test_no_empty_list_is_ever_sent() -> None:
    """To the service it would mean everything."""
    assert write_ids({FIRST: Match(("a",)), NOT_THIRD: NOTHING}) == {"filter": {"machine": ["a"]}}
    assert write_ids({FIRST: NOTHING, NOT_THIRD: NOTHING}) == {}
    assert write_ids({}) == {}


def test_a_site_is_void_when_a_kind_of_filter_means_nothing_there() -> None:
    assert find_void({MILLS: Match(("g",)), FIRST: NOTHING, SECOND: NOTHING}) == (
        "no machine there has a name that is asked for"
    )
    assert find_void({MILLS: NOTHING, FIRST: Match(("a",))}) == "no machine group there has a name that is asked for"


def test_one_name_of_a_kind_is_enough_and_an_exclusion_may_mean_nothing() -> None:
    assert find_void({FIRST: NOTHING, SECOND: Match(("b",))}) == ""
    assert find_void({MILLS: Match(("g",)), NOT_THIRD: NOTHING}) == ""
    assert find_void({}) == ""


def test_a_name_that_one_site_knows_is_right_for_all() -> None:
    check_found({"boston": {FIRST: Match(("a",))}, "reno": {FIRST: NOTHING}})
    check_found({"boston": {FIRST: NOTHING}, "reno": {FIRST: Match(("a",))}})
    check_found({})


def test_names_that_no_site_knows_are_told_together_with_the_nearest() -> None:
    found = {FIRST: NOTHING, NOT_THIRD: NOTHING, SECOND: Match(("b",))}
    with pytest.raises(BadRequest) as caught:
        check_found({"boston": found, "reno": found})
    assert [(one.field, one.word, str(one)) for one in caught.value.complaints] == [
        ("filter.machine", "Mill 1", "no machine of boston or reno is named 'Mill 1'; did you mean 'Mill 4'?"),
        ("exclude.machine", "Mill 3", "no machine of boston or reno is named 'Mill 3'; did you mean 'Mill 4'?"),
    ]


def test_a_decommissioned_machine_is_explained_by_the_site_that_had_it_last() -> None:
    sites = {"austin": gone("Mill 1", 3), "boston": gone("Mill 1", 6), "reno": gone("Mill 1", 1)}
    with pytest.raises(BadRequest, match="'Mill 1' of boston was decommissioned on 2026-06-01, before the window"):
        check_found({site: {FIRST: match} for site, match in sites.items()})
