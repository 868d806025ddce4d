"""The second wall around expressions: the database's own parse of one, held node by node against what may stand in it.

The first wall, :mod:`mmflow.expressions`, reads the text by our grammar. This one reads what the database understood,
so that a text which the two take differently is refused rather than run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from mmflow.expressions import FUNCTIONS

# The names that the database gives to the operators of our grammar.
OPERATORS = frozenset({"+", "-", "*", "/", "%", "||", "~~", "!~~", "~~*", "!~~*"})
OPERATOR_TYPES = frozenset(
    {"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_COALESCE", "COMPARE_IN", "COMPARE_NOT_IN"}
)
# A select of one value from nowhere has these parts, and no others.
SELECT_PARTS = frozenset({"type", "cte_map", "select_list", "from_table", "aggregate_handling"})

Node = Mapping[str, object]


def find_forbidden(serialized: str, names: Collection[str]) -> str:
    """Name the first thing in ``json_serialize_sql('SELECT …')`` that an expression may not hold, "" for nothing.

    ``names`` are the columns it may speak of. The JSON must be made with ``skip_null`` and ``skip_empty``.
    """
    try:
        parsed = msgspec.json.decode(serialized, type=_Parsed)
    except msgspec.ValidationError:
        return "more than one expression"
    if parsed.error or len(parsed.statements) != 1:
        return parsed.error_message or "more than one statement"
    return next(_check_select(parsed.statements[0].node, names), "")


class _Statement(msgspec.Struct):
    node: dict[str, object]


class _Parsed(msgspec.Struct):
    error: bool
    error_message: str = ""
    statements: list[_Statement] = []


def _check_select(node: Node, names: Collection[str]) -> Iterator[str]:
    items = node.get("select_list")
    source = node.get("from_table")
    if node.get("type") != "SELECT_NODE" or not SELECT_PARTS.issuperset(node):
        yield "a clause"
    if node.get("cte_map") or not isinstance(source, dict) or source.get("type") != "EMPTY":
        yield "a table"
    if not isinstance(items, list) or len(items) != 1:
        yield "more than one expression"
    for part in _list_nodes(items):
        if reason := _NODES.get(str(part.get("class")), _refuse_node)(part, names):
            yield reason


def _list_nodes(value: object) -> Iterator[Node]:
    """Give every object of the tree that is a node of an expression, outermost first."""
    if isinstance(value, dict):
        if "class" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _list_nodes(item)


def _accept_node(_node: Node, _names: Collection[str]) -> str:
    return ""


def _refuse_node(node: Node, _names: Collection[str]) -> str:
    return str(node.get("class", "an unknown node")).replace("_", " ").lower()


def _check_column(node: Node, names: Collection[str]) -> str:
    path = node.get("column_names")
    known = isinstance(path, list) and len(path) == 1 and path[0] in names
    return "" if known else "a column that is not in the report"


def _check_function(node: Node, _names: Collection[str]) -> str:
    name = str(node.get("function_name"))
    odd = {"filter", "order_bys", "distinct", "schema", "catalog", "export_state"}.intersection(
        key for key, value in node.items() if value and not _is_plain_order(value)
    )
    return "" if name in OPERATORS | FUNCTIONS.keys() and not odd else f"the function {name}"


def _is_plain_order(value: object) -> bool:
    return value == {"type": "ORDER_MODIFIER"}


def _check_operator(node: Node, _names: Collection[str]) -> str:
    kind = str(node.get("type"))
    return "" if kind in OPERATOR_TYPES else kind.replace("_", " ").lower()


_NODES: Mapping[str, Callable[[Node, Collection[str]], str]] = {
    "COLUMN_REF": _check_column,
    "CONSTANT": _accept_node,
    "COMPARISON": _accept_node,
    "CONJUNCTION": _accept_node,
    "BETWEEN": _accept_node,
    "CASE": _accept_node,
    "FUNCTION": _check_function,
    "OPERATOR": _check_operator,
}
