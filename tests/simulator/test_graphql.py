"""Machines over GraphQL: the queries people use, the documented limits, and errors as Hasura words them."""

from __future__ import annotations

from typing import Any

import pytest

from mmflow.simulator import Plant, Simulator

from .client import KEY, call

ACTIVE = "where: {decommissionedAt: {_is_null: true}}"


def query(sim: Simulator, text: str, variables: dict[str, Any] | None = None, path: str = "/graphql") -> Any:
    reply = call(sim, "POST", path, {"query": text, "variables": variables})
    assert reply.status == 200
    return reply.json


def machines(sim: Simulator, arguments: str, variables: dict[str, Any] | None = None) -> list[str]:
    document = query(
        sim, f'query X($r: Int, $n: [String!] = ["Mill 02"]) {{machines({arguments}) {{name}}}}', variables
    )
    return [row["name"] for row in document["data"]["machines"]]


@pytest.mark.parametrize("path", ["/graphql", "/proxy/graphql"])
def test_machines_have_the_ids_and_refs_of_the_plant(sim: Simulator, plant: Plant, path: str) -> None:
    found = query(sim, "{machines{name machineRef machineId make model decommissionedAt}}", path=path)
    expected = [
        {
            "name": m.name,
            "machineRef": m.ref,
            "machineId": m.id,
            "make": m.make,
            "model": m.model,
            "decommissionedAt": "2026-04-01T01:00:00.000Z" if m.name == "Lathe 18" else None,
        }
        for m in plant.machines
    ]
    assert found == {"data": {"machines": expected}}


def test_the_query_of_the_spreadsheet_tool_leaves_out_the_decommissioned_one(sim: Simulator) -> None:
    names = machines(sim, ACTIVE)
    assert len(names) == 59
    assert "Lathe 18" not in names
    assert machines(sim, "where: {decommissionedAt: {_is_null: false}}") == ["Lathe 18"]


def test_paging_goes_on_until_an_empty_page(sim: Simulator) -> None:
    text = """
        query Machines($limit: Int, $offset: Int, $order_by: [MachineTP_order_by!]) {
            machines(limit: $limit, offset: $offset, order_by: $order_by) { name }  # a page
        }"""
    found: list[str] = []
    while True:
        page = query(sim, text, {"limit": 25, "offset": len(found), "order_by": [{"name": "asc"}]})
        names = [row["name"] for row in page["data"]["machines"]]
        if not names:
            break
        found += names
    assert len(found) == 60
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ('where: {name: {_eq: "Mill 01"}}', ["Mill 01"]),
        ("where: {machineRef: {_eq: $r}}", ["Mill 02"]),
        ("where: {name: {_in: $n}}", ["Mill 02"]),
        (
            'where: {name: {_like: "Saw _ %"}, machineRef: {_gt: 1393}}',
            ['Saw 2 (12" bar, wet)', 'Saw 3 (12" bar, wet)'],
        ),
        ('where: {name: {_ilike: "swiss%"}}, order_by: {machineRef: desc}, limit: 2', ["Swiss 6", "Swiss 5"]),
        ('where: {_or: [{name: {_eq: "Swiss 1"}}, {name: {_eq: "Swiss 2"}}]}', ["Swiss 1", "Swiss 2"]),
        ('where: {_and: [{make: {_eq: "Studer"}}, {_not: {name: {_neq: "Grinder 1"}}}]}', ["Grinder 1"]),
        ('where: {machineRef: {_lt: 1015, _gte: 1001}, name: {_nin: ["Mill 01"]}}', ["Mill 02"]),
        ('where: {machineRef: {_lte: 1001}, metrics: {metricKey: {_eq: "speed"}}}', ["Mill 01"]),
        ("order_by: [{decommissionedAt: asc}, {name: desc}], limit: 2", ["Lathe 18", "Wire EDM 1"]),
        ("order_by: {decommissionedAt: desc}, limit: 1, offset: 59", ["Lathe 18"]),
        ("limit: 0", []),
    ],
)
def test_where_order_limit_and_offset_work_as_in_sql(sim: Simulator, arguments: str, names: list[str]) -> None:
    assert machines(sim, arguments, {"r": 1008}) == names


def test_fields_below_take_arguments_and_aliases_of_their_own(sim: Simulator) -> None:
    text = """{
        first: machines(limit: 1) {
            __typename
            state: currentStates(where: {metricKey: {_eq: "MasterExecution"}}) { metricKey value }
            metrics(where: {type: {_eq: "STATE"}}, order_by: {metricKey: desc}, limit: 1) { metricKey subtype }
        }
    }"""
    [machine] = query(sim, text)["data"]["first"]
    assert machine == {
        "__typename": "MachineTP",
        "state": [{"metricKey": "MasterExecution", "value": "ACTIVE"}],
        "metrics": [{"metricKey": "mode", "subtype": "MODE"}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{machines{foo}}", "field 'foo' not found in type: 'MachineTP'"),
        ("{shifts{name}}", "field 'shifts' not found in type: 'query_root'"),
        ("{machines}", "missing subselection set for 'machines' in type: 'query_root'"),
        ("{machines{name{x}}}", "unexpected subselection set for 'name' in type: 'MachineTP'"),
        ("mutation{machines{name}}", "no mutations exist"),
        ("{machines(first:1){name}}", "'machines' has no argument named 'first'"),
        ("{machines(limit:-1){name}}", "expected a non-negative integer for 'limit' and 'offset'"),
        ("{machines(where:{name:{_is:1}}){name}}", "unexpected operator: '_is'"),
        ("{machines(where:{foo:{_eq:1}}){name}}", "field 'foo' not found in type: 'MachineTP_bool_exp'"),
        ('{machines(where:{machineRef:{_gt:"x"}}){name}}', "unexpected value for '_gt'"),
        ("{machines(where:5){name}}", "expected an object, found 5"),
        ("{machines(order_by:{name:up}){name}}", "unexpected value 'up' for enum: 'order_by'"),
        ("{machines(order_by:{metrics:asc}){name}}", "cannot order by 'metrics'"),
        ("{machines(limit:$n){name}}", "unbound variable 'n'"),
        ("query($n:Int!){machines(limit:$n){name}}", "expecting a value for non-nullable variable: 'n'"),
        ("{machines{name}", "not a valid graphql query: expected name, found 'the end'"),
        ("{machines{}}", "not a valid graphql query: expected at least one field in {}"),
        ("{machines{name}} {machines{name}}", "not a valid graphql query: expected one query and nothing after it"),
        ("{machines(limit:){name}}", "not a valid graphql query: expected a value, found ')'"),
        ("{machines(limit:", "not a valid graphql query: expected a value, found the end"),
        ("{...x}", "not a valid graphql query: unexpected '.' at character 2"),
        (r'{machines(where:{name:{_eq:"\x"}}){name}}', "not a valid graphql query: unexpected '\"' at character 28"),
        ("{a{b{c{d{e}}}}}", "query depth 4 exceeds the limit of 3"),
        ("{a{x} b{x} c{x} d{x} e{x} f{x}}", "query has 6 nodes, the limit is 5"),
    ],
)
def test_errors_come_with_status_200_as_hasura_sends_them(sim: Simulator, text: str, message: str) -> None:
    document = query(sim, text)
    assert document.keys() == {"errors"}
    assert [error["message"] for error in document["errors"]] == [message]
    assert document["errors"][0]["extensions"].keys() == {"path", "code"}


def test_the_body_must_hold_a_query(sim: Simulator) -> None:
    reply = call(sim, "POST", "/graphql", {"query": 5})
    assert reply.json["errors"][0]["message"] == "expected a query as text"


def test_a_company_has_so_many_requests_a_minute(plant: Plant) -> None:
    with Simulator({KEY: plant, "other": Plant(seed=2)}, graphql_limit=3) as sim:
        body = {"query": "{machines{name}}"}
        assert [call(sim, "POST", "/graphql", body).status for _ in range(4)] == [200, 200, 200, 429]
        reply = call(sim, "POST", "/proxy/graphql", body)
        assert reply.status == 429
        assert 50 < int(reply.headers["retry-after"]) <= 60
        assert call(sim, "POST", "/graphql", body, key="other").status == 200
        assert call(sim, "GET", "/").status == 200
