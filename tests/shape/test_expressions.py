"""Expressions: one scalar expression over known columns; two walls refuse everything else."""

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmflow.expressions import FUNCTIONS, KEYWORDS, check_expression, names_in, read_expression
from mmflow.shape.derive import parse_expression
from mmflow.shape.parsetree import find_forbidden

NAMES = ["goodParts", "totalParts", "downtime", "machine", "day", "Down (min)", "order"]

GOOD = [
    "goodParts / nullif(totalParts, 0)",
    "downtime > 0 and machine is not null or machine in ('a', 'b''c')",
    "not (downtime between 1 and 2) and totalParts not between 3 and 4",
    "case when downtime > 0 then 'down' else 'up' end",
    "case machine when 'a' then 1 when 'b' then 2 end",
    "coalesce(goodParts, 0) + greatest(1, totalParts, 2.5e3) - -abs(-1)",
    "machine like 'Mill%' and machine not ilike '%x' and lower(machine) <> 'a'",
    "machine || ' / ' || substr(machine, 2)",
    "day >= '2026-11-02'",
    "round(goodParts * 100.0 / totalParts, 1) % 7 != 3",
    '"Down (min)" * 2 + "order"',
    "month(day) = 11 and isodow(day) < 6 and true",
    "(((goodParts)))",
    "null",
]

HOSTILE = [
    "(select 1)",
    "goodParts in (select 1)",
    "exists (select 1)",
    "array(select 1)",
    "count(*)",
    "*",
    "columns('*')",
    "sum(goodParts)",
    "sum(distinct goodParts)",
    "count(goodParts) filter (where true)",
    "row_number() over ()",
    "sum(goodParts) over (order by day)",
    "goodParts; drop table rows",
    "goodParts from rows",
    "1 union select 2",
    "1 where true",
    "1 group by 1",
    "1 order by 1",
    "1 limit 1",
    "1, 2",
    "(1, 2)",
    "with x as (select 1) select 1",
    "goodParts::int",
    "cast(machine as int)",
    "try(goodParts)",
    "date '2026-11-02'",
    "interval 1 day",
    "read_text('/etc/passwd')",
    "read_csv('/etc/passwd')",
    "getenv('HOME')",
    "current_setting('threads')",
    "pg_read_file('x')",
    "nextval('s')",
    "now()",
    "current_date",
    "random()",
    "repeat('x', 1000000000)",
    "range(1000000000)",
    "unnest([1])",
    "[1, 2]",
    "{'a': 1}",
    "list_transform([1], x -> x)",
    "lambda x: x",
    "rows.goodParts",
    "goodParts[1]",
    "$1",
    "?",
    "goodParts collate nocase",
    "machine similar to 'x'",
    "machine glob 'x'",
    "goodParts // 2",
    "goodParts ** 2",
    "goodParts & 1",
    "@goodParts",
    "unknown",
    "goodparts",
]

# What only the first wall refuses: harmless spellings that our grammar does not have.
ODD = [
    "goodParts -- x",
    "goodParts /* x */",
    "goodParts as x",
    "E'x'",
    "$$x$$",
    "1_000",
    "0x10",
    "1 is distinct from 2",
    "",
]


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize("text", GOOD)
def test_good_expressions_pass_both_walls(connection, text):
    assert not check_expression(text, NAMES)
    assert find_forbidden(parse_expression(connection, read_expression(text).sql), NAMES) == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_expressions_are_refused_by_both_walls(connection, text):
    """Each wall alone is enough: our grammar on the text, and the database's own parse of the very same text."""
    assert check_expression(text, NAMES)
    assert find_forbidden(parse_expression(connection, text), NAMES) or text == "goodparts"


@pytest.mark.parametrize("text", ODD)
def test_odd_spellings_are_refused_by_the_grammar(text):
    assert check_expression(text, NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("goodPart / 2", "'goodPart' is not a column here; did you mean 'goodParts'?"),
        ("abz(goodParts)", "'abz' is not a function here; did you mean 'abs'?"),
        ("Coalese(goodParts)", "'Coalese' is not a function here; did you mean 'coalesce'?"),
        ("read_text('/etc/passwd')", "'read_text' is not a function here"),
        ("goodParts +", "the expression ends where a column, a number or a function was expected"),
        ("(goodParts", "the expression ends where ')' was expected"),
        ("goodParts totalParts", "'totalParts' at character 11 stands where an operator or the end was expected"),
        ("goodParts; 1", "';' at character 10 cannot stand in an expression"),
        ("machine = 'Mill", "the quote that opens at character 11 is never closed"),
        ("nullif(goodParts)", "nullif takes 2 arguments, here it has 1"),
        ("abs()", "abs takes 1 argument, here it has 0"),
        ("coalesce()", "coalesce takes 1 or more arguments, here it has 0"),
        ("round(1, 2, 3)", "round takes 1 to 2 arguments, here it has 3"),
        ("machine is 5", "'5' at character 12 stands where 'null' was expected"),
        ("machine not 5", "'5' at character 13 stands where 'in', 'between' or 'like' was expected"),
        ("case when true then 1", "the expression ends where 'when', 'else' or 'end' was expected"),
        ("(" * 40 + "1" + ")" * 40, "an expression may be nested 30 deep, this one goes deeper"),
        ("1 + " * 600 + "1", "an expression may have 2000 characters, this one has 2401"),
    ],
)
def test_messages_say_what_stands_where(text, message):
    assert check_expression(text, NAMES) == (message,)


def test_every_name_function_and_count_that_is_wrong_is_said():
    assert check_expression("foo(bar) > nullif(goodParts) and baz > 1", NAMES) == (
        "'foo' is not a function here; did you mean 'floor'?",
        "nullif takes 2 arguments, here it has 1",
        "'bar' is not a column here",
        "'baz' is not a column here",
    )


@pytest.mark.parametrize("parse", ["[]", "{}", '{"error": false}', '{"error": false, "statements": [{"node": {}}]}'])
def test_a_parse_of_another_form_is_refused(parse):
    """A database that comes to write its parse differently would stop reports, not open a hole."""
    assert find_forbidden(parse, NAMES)


def test_names_are_columns_and_not_functions_or_texts():
    text = """case when machine = 'downtime' then "Down (min)" else abs(goodParts) end"""
    assert names_in(text) == {"machine", "Down (min)", "goodParts"}


def test_names_may_be_keywords_of_the_database(connection):
    """Every column name is quoted on its way to the database."""
    assert read_expression("order + abs(goodParts)").sql == '"order" + abs ( "goodParts" )'


ATOMS = st.sampled_from(["goodParts", '"Down (min)"', "1", "2.5", "'x'", "null", "true"])

OPERATORS = ["+", "-", "*", "/", "%", "=", "<", ">=", "and", "or"]


def combine(inner):
    functions = st.sampled_from([f for f in FUNCTIONS.values() if f.least == 1])
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda p: f"({' '.join(p)})"),
        st.tuples(functions, inner).map(lambda p: f"{p[0].name}({p[1]})"),
        inner.map(lambda text: f"(not {text})"),
        inner.map(lambda text: f"(- {text})"),
        inner.map(lambda text: f"({text} is not null)"),
        st.tuples(inner, inner).map(lambda p: f"case when {p[0]} then {p[1]} end"),
    )


@settings(deadline=None, max_examples=150)
@given(text=st.recursive(ATOMS, combine, max_leaves=8))
def test_all_that_the_grammar_takes_the_database_parses_the_same(connection, text):
    """The two walls agree: what our grammar accepts is one expression of allowed nodes for the database."""
    assume(not check_expression(text, NAMES))  # not too deep, not too long
    assert find_forbidden(parse_expression(connection, read_expression(text).sql), NAMES) == ""


@settings(deadline=None, max_examples=150)
@given(
    pieces=st.lists(
        st.sampled_from([*sorted(KEYWORDS), "(", ")", ",", "+", "=", "goodParts", "1", "'x'", "abs", "--", ";"]),
        max_size=8,
    )
)
def test_no_text_gets_through_that_the_database_takes_otherwise(connection, pieces):
    """Token soup is either refused by the grammar or understood by both."""
    text = " ".join(pieces)
    if not check_expression(text, NAMES):
        assert find_forbidden(parse_expression(connection, read_expression(text).sql), NAMES) == ""
