"""The ways of telling people are checked like sinks: each by its type, each mistake with its place."""

import json

import pytest

from mmflow.options import Options
from mmflow.plugins import load
from mmflow.schema import describe_way
from mmflow.schema.editors import compose_job, compose_settings
from mmflow.sinks import SinkType

RELATIVE = "write it relative to the output folder"
ADD = "add one with type: webhook under connections in mmflow.yaml"
JOB = """\
    job: daily
    report: {{metrics: [goodParts], group_by: [machine]}}
    window: yesterday
    sinks: [{sink}]
    notify: {{via: [{way}]}}
"""


def check(desk, way="{type: console}", sink="{type: console}", settings=""):
    if settings:
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + settings)
    desk.job(JOB.format(way=way, sink=sink))
    return desk.mmflow("validate").out.splitlines()


def test_every_way_of_the_engine_fits(desk):
    hook = "connections: {ops: {type: webhook, url: https://hooks.example.com/x?y=1, secret: '${env:HOOK}'}}\n"
    way = "{type: console}, {type: file, path: told.jsonl}, {type: webhook, connection: ops}"
    assert check(desk, way, settings=hook) == ["1 job, no problems"]


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (
            "{type: csv}",
            "5:23: notify.via[0].type: csv takes tables and tells nobody; there are: console, email, file, webhook",
        ),
        ("{}", "5:16: notify.via[0].type: this key is missing; write type: webhook"),
        ("{type: webhok}", "5:23: notify.via[0].type: there is no sink 'webhok'; did you mean 'webhook'?"),
        (
            "{type: file, paht: x.jsonl}",
            "5:29: notify.via[0].paht: file has no option 'paht'; did you mean 'path'?",
        ),
        (
            "{type: file, path: ../told.jsonl}",
            f"5:35: notify.via[0].path: this path has '..' where a name was expected; {RELATIVE}",
        ),
        (
            "{type: file, path: /told.jsonl}",
            f"5:35: notify.via[0].path: this path is absolute; {RELATIVE}",
        ),
        (
            "{type: console, connection: ops}",
            "5:32: notify.via[0].connection: console uses no connection; remove this key",
        ),
        (
            "{type: webhook}",
            f"5:16: notify.via[0].connection: this key is missing; {ADD}",
        ),
        (
            "{type: webhook, connection: ops}",
            f"5:44: notify.via[0].connection: mmflow.yaml has no connection 'ops'; {ADD}",
        ),
        (
            "{type: webhook, url: https://hooks.example.com}",
            f"5:16: notify.via[0].connection: this key is missing; {ADD}",
        ),
    ],
)
def test_a_way_with_a_mistake_is_named_with_its_place(desk, way, said):
    assert f"jobs/daily.yaml:{said}" in check(desk, way)


MAIL = (
    "connections: {mail: {type: email, host: smtp.example.com, from: a@example.com, allowed_domains: [example.com]}}\n"
)
NOBODY = "notify.via[0]: nobody is named by an address; write owner, or notify: to, as name@example.com [told-nobody]"


def outside(who):
    return f"{who}@example.org may not get mail: the connection allows example.com"


@pytest.mark.parametrize(
    ("owner", "to", "said"),
    [
        ("ops@example.com", "the night shift", []),
        ("Ops team", "ann@example.com", []),
        ("Ops team", "${env:NIGHT}", []),
        ("Ops team", "the night shift", [f"5:16: warning: {NOBODY}"]),
        ("ops @ line 3", "the night shift", [f"5:16: warning: {NOBODY}"]),
        ("ops@example.com", "eve@example.org", [f"5:55: notify.to[0]: {outside('eve')}"]),
        ("eve@example.org", "ann@example.com", [f"6:8: warning: owner: {outside('eve')} [told-nobody]"]),
    ],
)
def test_who_could_not_be_told_by_mail_is_said_before(desk, owner, to, said):
    more = f"    owner: {json.dumps(owner)}\n"
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + MAIL)
    text = JOB.format(way="{type: email, connection: mail}", sink="{type: console}")
    desk.job(text.removesuffix("}\n") + f", to: [{json.dumps(to)}]}}\n" + more)
    told = desk.mmflow("validate").out.splitlines()
    assert [line for line in told if ".yaml:" in line] == [f"jobs/daily.yaml:{one}" for one in said]


@pytest.mark.parametrize("name", ["file", "webhook"])
def test_what_only_tells_people_takes_no_table(desk, name):
    assert (
        f"jobs/daily.yaml:4:16: sinks[0].type: {name} only tells people; it takes no table; "
        "name it under notify: via, or choose a sink"
    ) in check(desk, sink=f"{{type: {name}}}")


def test_a_mistake_in_the_defaults_is_told_once_where_it_stands(desk):
    settings = desk.text("mmflow.yaml").replace("defaults: {", "defaults: {notify: {via: [{type: csv}]}, ")
    desk.write("mmflow.yaml", settings)
    text = JOB.format(way="", sink="{type: console}").replace("notify: {via: []}", "description: of nothing")
    for name in ("one", "two"):
        desk.job(text.replace("job: daily", f"job: {name}"), name)
    told = [line for line in desk.mmflow("validate").out.splitlines() if "tells nobody" in line]
    assert len(told) == 1
    assert told[0].startswith("mmflow.yaml:12:")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/x", "must begin with https://"),
        ("https://user@hooks.example.com", "must not hold a user name"),
        ("https://169.254.169.254/latest", "is a link-local address"),
        ("https://hooks.example.com/x?y=<z>", "holds a character that no address has"),
    ],
)
def test_hosts_of_hooks_and_of_the_heartbeat_are_those_that_may_be_asked(desk, url, said):
    found = check(
        desk, settings=f"connections: {{ops: {{type: webhook, url: '{url}'}}}}\ndaemon: {{heartbeat: '{url}'}}\n"
    )
    assert sum(said in line and line.startswith("mmflow.yaml:") for line in found) == 2


def test_editors_know_the_options_of_each_way():
    registry = load()
    for schema in (compose_job(registry), compose_settings(registry)):
        assert {"way.console", "way.file", "way.webhook", "way.email"} <= set(schema["$defs"])
        assert "way.csv" not in schema["$defs"]
        notify = next(part for name, part in schema["$defs"].items() if name.endswith("Notify"))
        assert {"$ref": "#/$defs/way.webhook"} in notify["properties"]["via"]["items"]["anyOf"]
    assert "sink.webhook" not in compose_job(registry)["$defs"]
    assert set(describe_way(registry.sinks["file"])["properties"]) == {"type", "connection", "path"}


def test_a_type_that_can_do_nothing_is_no_type():
    with pytest.raises(ValueError, match="neither a function deliver nor notify"):
        SinkType(name="mute", summary="Does nothing.", options=Options)


def test_the_options_of_a_way_are_shown(desk):
    done = desk.mmflow("plugins", "info", "file")
    assert "it can tell people: name it under notify: via" in done.out
    assert "semantics" not in done.out
    (info,) = desk.mmflow("plugins", "info", "file", "--json").data["plugins"]
    assert (info["tells"], [line["key"] for line in info["notice_options"]]) == (True, ["path"])
