"""msgspec, which decides, and jsonschema, which explains, give the same verdict."""

from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from mmflow.check.faults import Owner
from mmflow.check.fit import fit_model, list_faults
from mmflow.check.layers import all_texts
from mmflow.document import read_text
from mmflow.errors import ProblemsError
from mmflow.job import Job, SinkKeys
from mmflow.options import Options, convert_values
from mmflow.plugins import load
from mmflow.refs import Secret, has_reference
from mmflow.schema import describe_model
from mmflow.settings import Settings
from tests.changes import ANYTHING, GOOD_JOB, GOOD_SETTINGS, ODD, ODD_BLOCKS, list_places, put, remove

JOBS = Path(__file__).parent / "jobs"


def verdicts(values, model):
    """Give whether msgspec reads the values, and whether the schema finds nothing wrong."""
    try:
        convert_values(values, model)
        fits = True
    except msgspec.ValidationError:
        fits = False
    return fits, not list_faults(values, schema_of(model))


@cache
def schema_of(model):
    return describe_model(model)


def assert_same_verdict(values, model):
    fits, silent = verdicts(values, model)
    if silent and not fits:  # a reference stands where something narrower than text is expected
        assert any(has_reference(text) for _, text in all_texts(values))
    else:
        assert fits == silent, values


def list_values():
    for path in sorted((*JOBS.glob("invalid/*.yaml"), *JOBS.glob("settings/*.yaml"), JOBS / "mmflow.yaml")):
        try:
            yield path.stem, read_text(path.read_bytes(), path.name).values
        except ProblemsError:
            continue


@pytest.mark.parametrize(("name", "values"), list(list_values()))
@pytest.mark.parametrize("model", [Job, Settings])
def test_both_give_one_verdict_on_every_stored_file(name, values, model):
    assert_same_verdict(values, model)


@pytest.mark.parametrize(("values", "model"), [(GOOD_JOB, Job), (GOOD_SETTINGS, Settings)])
def test_a_good_file_fits_both(values, model):
    assert verdicts(values, model) == (True, True)


@pytest.mark.parametrize(("values", "model"), [(GOOD_JOB, Job), (GOOD_SETTINGS, Settings)])
def test_both_give_one_verdict_on_every_single_change(values, model):
    """Every place of a good file, with every odd value in it, and without it."""
    for path in list_places(values):
        for odd in (*ODD, *ODD_BLOCKS):
            assert_same_verdict(put(values, path, odd), model)
        if path:
            assert_same_verdict(remove(values, path), model)
            parent = path[:-1]
            if isinstance(path[-1], str):
                assert_same_verdict(put(values, (*parent, "unknown"), 1), model)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_both_give_one_verdict_on_several_changes(data):
    values = GOOD_JOB
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(list_places(values))))
        values = put(values, path, data.draw(ANYTHING))
    assert_same_verdict(values, Job)


@pytest.mark.parametrize("sink", list(load().sinks.values()), ids=lambda sink: sink.name)
@settings(deadline=None, max_examples=25)
@given(key=st.text(min_size=1, max_size=8), value=ANYTHING)
def test_both_give_one_verdict_on_the_options_of_installed_sinks(sink, key, value):
    names = [field.encode_name for field in msgspec.structs.fields(sink.options)]
    for name in (*names, key):
        assert_same_verdict({name: value}, sink.options)


class Vault(Options):
    token: Secret
    spare: Secret | None = None
    size: int = 1


@pytest.mark.row("S49")
@pytest.mark.parametrize("values", [{"token": "abc"}, {"token": "${env:T}", "spare": "abc"}, {"token": 5}])
def test_a_secret_that_is_no_reference_is_refused_and_never_shown(values):
    found, findings = fit_model(values, Vault, Owner("vault"))
    assert found is None
    assert [finding.message for finding in findings] == ["a secret must not stand in this file"]
    assert "abc" not in str(findings)


@pytest.mark.row("S49")
@pytest.mark.parametrize(
    "text", ["${env:T:-abc}", "${env:T:-}", "abc${env:T}", "${env:T}abc", "${env:T}\n", "${env:T", "$${env:T}"]
)
def test_a_secret_is_one_reference_and_nothing_beside_it(text):
    values = {"token": text, "spare": "${env:S:?ask IT}"}
    assert_same_verdict(values, Vault)
    found, findings = fit_model(values, Vault, Owner("vault"))
    assert found is None
    assert [finding.path for finding in findings] == [("token",)]
    assert "abc" not in str(findings)


def test_a_reference_stands_for_a_secret_and_is_not_shown_either():
    found, findings = fit_model({"token": "${env:T}"}, Vault, Owner("vault"))
    assert found == Vault(token=Secret("${env:T}"))
    assert not findings


def test_a_reference_where_a_number_is_expected_is_left_to_the_run():
    assert fit_model({"token": "${env:T}", "size": "${env:SIZE}"}, Vault, Owner("vault")) == (None, [])


def test_resolved_texts_become_numbers_and_booleans():
    found, _ = fit_model({"type": "csv", "required": "false"}, SinkKeys, Owner("csv"), strict=False)
    assert found == SinkKeys(type="csv", required=False)
    assert fit_model({"token": "abc", "size": "12"}, Vault, Owner("v"), strict=False)[0] == Vault(
        token=Secret("abc"), size=12
    )


@pytest.mark.parametrize(
    ("size", "message"),
    [("many", "found text, expected a whole number"), ("2.5", "found text, expected a whole number")],
)
def test_resolved_texts_that_are_no_numbers_are_explained(size, message):
    found, findings = fit_model({"token": "abc", "size": size}, Vault, Owner("v"), strict=False)
    assert found is None
    assert [(finding.path, finding.message) for finding in findings] == [(("size",), message)]


def test_bounds_hold_for_resolved_texts_too():
    values = {"metrics": ["oee"]}
    _, findings = fit_model(GOOD_JOB | {"report": values, "shape": {"limit": "0"}}, Job, Owner("a job"), strict=False)
    assert [(finding.path, finding.message) for finding in findings] == [
        (("shape", "limit"), "found 0, expected at least 1")
    ]


def test_resolved_texts_inside_lists_are_read_too():
    report = {"metrics": ["oee", {"metric": "downtime", "decimals": "99"}]}
    _, findings = fit_model(GOOD_JOB | {"report": report}, Job, Owner("a job"), strict=False)
    assert [(finding.path, finding.message) for finding in findings] == [
        (("report", "metrics", 1, "decimals"), "found 99, expected at most 9")
    ]


class Bounds(Options):
    even: Annotated[int, Meta(multiple_of=2)] = 0
    above: Annotated[float, Meta(gt=0)] = 1.0
    short: Annotated[str, Meta(min_length=2, max_length=3)] = "ab"
    few: Annotated[tuple[int, ...], Meta(max_length=1)] = ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"even": 3}, "found 3, which does not fit (multipleOf)"),
        ({"above": 0}, "found 0, expected more than 0"),
        ({"short": "a"}, "found 1 character, expected at least 2"),
        ({"short": "abcd"}, "found 4 characters, expected at most 3"),
        ({"few": [1, 2]}, "found 2 items, expected at most 1"),
        ({"even": {}}, "found a block of keys, expected a whole number"),
    ],
)
def test_every_kind_of_bound_that_a_plugin_may_set_is_put_into_words(values, message):
    assert_same_verdict(values, Bounds)
    _, findings = fit_model(values, Bounds, Owner("bounds"))
    assert [finding.message for finding in findings] == [message]
