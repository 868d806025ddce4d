"""The schemas for editors are fresh, know every installed sink, and agree with the check."""

import json
from pathlib import Path
from typing import Annotated

import pytest
from jsonschema import Draft202012Validator
from msgspec import Meta

from mmflow import job, settings
from mmflow.catalogue import GROUPS, METRICS
from mmflow.check.rules.forms import fits_form
from mmflow.document import read_text
from mmflow.job import CHECK_FORMS, WINDOW_FORMS
from mmflow.options import Options
from mmflow.plugins import Registry, load
from mmflow.refs import Secret
from mmflow.schema import describe_model
from mmflow.schema.editors import FILES, compose_job, compose_settings, write_schemas
from mmflow.schema.reference import list_keys
from mmflow.sinks import SinkType
from mmflow.windows import WINDOW_WORDS

JOB = """
job: morning-oee
report: {metrics: [oee, somethingNew, {metric: downtime, unit: min}], group_by: [machine], filter: {shift: [First]}}
window: yesterday
shape: {limit: "${env:LIMIT}"}
checks: [{rows: ">= 1"}]
sinks: [{type: csv, path: "{date}.csv", name: one, required: false}]
"""
SETTINGS = """
version: 1
sites:
  boston: {environment: standard, api_key: "${env:MM_BOSTON_KEY}", timezone: America/New_York}
connections: {hall: {type: lamp, token: "${env:LAMP}"}}
defaults: {owner: ops@example.com, on_empty: skip}
"""


class LampOptions(Options):
    """Options of a sink from another package."""

    colour: Annotated[str, Meta(description="The colour of the lamp.", examples=["red"])]


class LampServer(Options):
    """Its connection."""

    token: Secret


LAMP = SinkType(name="lamp", summary="A lamp.", options=LampOptions, connection=LampServer, deliver="nowhere:deliver")


@pytest.fixture(scope="module")
def registry() -> Registry:
    installed = load()
    return Registry({**installed.sinks, "lamp": LAMP}, installed.plugins, installed.packages)


def complain(schema, text):
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(read_text(text, "x").values)]


def test_the_reference_page_has_every_block_of_keys():
    page = (Path(__file__).parents[1] / "docs" / "jobs.md").read_text(encoding="utf-8")
    models = {name for module in (job, settings) for name, model in vars(module).items() if is_model(model)}
    assert {name for name in models if f"<!-- keys of {name} -->" in page} == models


def is_model(thing) -> bool:
    return isinstance(thing, type) and issubclass(thing, Options) and thing is not Options


def test_every_key_of_the_reference_says_what_it_takes_and_what_it_is_for(registry):
    models = [model for module in (job, settings) for model in vars(module).values() if is_model(model)]
    models += [sink.options for sink in registry.sinks.values() if sink is not LAMP]
    empty = [
        (model, line.key) for model in models for line in list_keys(model) if not (line.takes and line.description)
    ]
    assert empty == []


def test_a_value_of_several_kinds_names_each_of_them():
    takes = {line.key: line.takes for line in list_keys(job.CheckSpec)}
    assert takes == {"rows": "text", "column": "text", "min": "number or text", "max": "number or text", "sites": "all"}


@pytest.mark.parametrize("compose", [compose_job, compose_settings])
def test_a_schema_is_one(compose, registry):
    Draft202012Validator.check_schema(compose(registry))


@pytest.mark.parametrize("compose", [compose_job, compose_settings])
def test_every_reference_inside_a_schema_leads_somewhere(compose, registry):
    schema = compose(registry)
    wanted = {part.split('"')[0] for part in json.dumps(schema).split('"$ref": "#/$defs/')[1:]}
    assert wanted <= set(schema["$defs"])


def test_good_files_fit(registry):
    assert complain(compose_job(registry), JOB) == []
    assert complain(compose_settings(registry), SETTINGS) == []


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("window: yesterday", "window: yesterdy", "$.window"),
        ("group_by: [machine]", "group_by: [machines]", "$.report.group_by[0]"),
        ("filter: {shift: [First]}", "filter: {shifts: [First]}", "$.report.filter"),
        ("window: yesterday", "window: {last: 7 days, shift: First}", "$.window"),
        ('{rows: ">= 1"}', '{rows: ">= 1", column: oee}', "$.checks[0]"),
        ("type: csv,", "type: cvs,", "$.sinks[0]"),
        ("type: csv,", "type: csv, delimeter: x,", "$.sinks[0]"),
        ("type: csv, path:", "type: lamp, path:", "$.sinks[0]"),
        ("job: morning-oee", "job: Morning", "$.job"),
        ("job: morning-oee", "jobs: morning", "$"),
    ],
)
def test_an_editor_sees_mistakes(old, new, path, registry):
    assert old in JOB
    assert path in complain(compose_job(registry), JOB.replace(old, new))


def test_an_editor_sees_a_key_that_is_written_out(registry):
    text = SETTINGS.replace("${env:MM_BOSTON_KEY}", "0123456789")
    assert complain(compose_settings(registry), text) == ["$.sites.boston.api_key"]
    text = SETTINGS.replace("${env:LAMP}", "0123456789")
    assert complain(compose_settings(registry), text) == ["$.connections.hall"]


def test_the_options_of_an_installed_sink_from_elsewhere_are_there(registry):
    described = compose_job(registry)["$defs"]["sink.lamp"]
    assert described["properties"]["colour"]["examples"] == ["red"]
    assert described["properties"]["type"]["const"] == "lamp"
    assert set(described["required"]) == {"type", "colour"}


def test_what_defaults_give_is_not_required(registry):
    assert compose_job(registry, ["window", "sinks"])["required"] == ["job", "report"]


def test_all_known_names_are_offered_with_their_meaning(registry):
    schema = compose_job(registry)
    offered = {one["const"]: one["description"] for one in schema["$defs"]["MetricName"]["anyOf"] if "const" in one}
    assert set(offered) == set(METRICS)
    assert offered["downtime"] == "Time in which the machine was down. In ms or s or min or h."
    groups = schema["$defs"]["Report"]["properties"]["group_by"]["items"]["anyOf"]
    assert [one["const"] for one in groups if "const" in one] == list(GROUPS)
    windows = schema["properties"]["window"]["anyOf"][0]["anyOf"]
    assert [one["const"] for one in windows if "const" in one] == list(WINDOW_WORDS)


@pytest.mark.parametrize(("name", "forms"), [("WindowSpec", WINDOW_FORMS), ("CheckSpec", CHECK_FORMS)])
def test_the_table_of_forms_and_the_schema_made_of_it_agree_on_every_set_of_keys(name, forms):
    rule = Draft202012Validator({"oneOf": describe_model(job.Job)["$defs"][name]["oneOf"]})
    keys = sorted({key for needed, allowed in forms for key in needed | allowed})
    for bits in range(2 ** len(keys)):
        given = {key: 1 for place, key in enumerate(keys) if bits >> place & 1}
        assert rule.is_valid(given) == fits_form(given, forms), given


def test_writing_twice_leaves_the_files_as_they_were(tmp_path: Path, registry):
    first = write_schemas(tmp_path, registry)
    times = [path.stat().st_mtime_ns for path in first]
    assert write_schemas(tmp_path, registry) == first
    assert [path.stat().st_mtime_ns for path in first] == times
    assert [path.name for path in first] == list(FILES.values())


def test_the_same_schema_is_the_same_text_whatever_the_hash_seed(registry):
    """Sets have no order of their own; a schema must not depend on it."""
    import subprocess
    import sys

    code = (
        "import sys; from mmflow.schema.editors import *; from mmflow.plugins import load; "
        "sys.stdout.buffer.write(encode_schema(compose_job(load())))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "123"
    }
    assert len(texts) == 1
