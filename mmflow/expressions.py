"""The language of ``shape.columns`` and ``shape.where``: one scalar expression in SQL's words, no more.

::

    logic      = comparison { ("and" | "or") comparison }
    comparison = { "not" } sum [ test ]
    test       = ("=" | "<" | ...) sum | "is" ["not"] "null"
               | ["not"] ("in" "(" list ")" | "between" sum "and" sum | "like" sum)
    sum        = value { ("+" | "-" | "*" | "/" | "%" | "||") value }
    value      = { "-" | "+" } (number | 'text' | name | "quoted name" | true | false | null
               | function "(" list ")" | "(" logic ")" | "case" ... "end")

There is no cast, subquery, star, window, aggregate, comment or second statement. Names are written exactly as
the catalogue writes them. Nothing here needs the database, so that checking a file stays quick;
:mod:`mmflow.shape` parses the same text once more with the database's own parser and holds every node against
:data:`FUNCTIONS` before it runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from mmflow.errors import UserError, suggest_name
from mmflow.table.cells import quote_name

LONGEST_EXPRESSION = 2_000  # characters
DEEPEST_NESTING = 30


@dataclass(frozen=True, slots=True)
class Function:
    """A function that an expression may call. ``most`` is -1 when there is no upper bound of arguments."""

    name: str
    least: int
    most: int
    summary: str


FUNCTIONS: dict[str, Function] = {
    row.name: row
    for row in (
        Function("abs", 1, 1, "size of a number without its sign"),
        Function("ceil", 1, 1, "next whole number up"),
        Function("coalesce", 1, -1, "first argument that is not null"),
        Function("contains", 2, 2, "whether a text contains another"),
        Function("ends_with", 2, 2, "whether a text ends with another"),
        Function("floor", 1, 1, "next whole number down"),
        Function("greatest", 1, -1, "largest argument that is not null"),
        Function("isodow", 1, 1, "day of the week of a date: 1 is Monday, 7 is Sunday"),
        Function("least", 1, -1, "smallest argument that is not null"),
        Function("length", 1, 1, "number of characters of a text"),
        Function("lower", 1, 1, "text in small letters"),
        Function("month", 1, 1, "month of a date, 1 to 12"),
        Function("nullif", 2, 2, "null when both are equal, else the first: nullif(totalParts, 0)"),
        Function("replace", 3, 3, "text with one part replaced by another"),
        Function("round", 1, 2, "nearest number with so many decimals, halves away from zero"),
        Function("sign", 1, 1, "-1, 0 or 1"),
        Function("starts_with", 2, 2, "whether a text starts with another"),
        Function("substr", 2, 3, "part of a text: from a position (1 is the first), so many characters"),
        Function("trim", 1, 1, "text without spaces at both ends"),
        Function("upper", 1, 1, "text in capitals"),
        Function("year", 1, 1, "year of a date"),
    )
}

KEYWORDS = frozenset(
    "and or not is null true false in between like ilike case when then else end".split()  # noqa: SIM905
)
ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "||"})
COMPARISONS = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>--|/\*)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<word>[^\W\d]\w*)
      | (?P<symbol><>|!=|<=|>=|\|\||[-+*/%=<>(),])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece. ``value`` is a name without quotes, a keyword in small letters, anything else as written."""

    kind: str  # number, text, name, keyword, symbol, end
    value: str
    at: int  # characters before it


def split_tokens(text: str) -> Iterator[Token]:
    """Give the tokens, the last of kind ``end``; raises :class:`UserError` at a character without a place."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup == "comment":
            raise _refuse_character(text, at)
        if match.lastgroup != "space":
            yield _make_token(str(match.lastgroup), match[0], at)
        at = match.end()
    yield Token("end", "", at)


def _refuse_character(text: str, at: int) -> UserError:
    if text[at] in "'\"":
        return UserError(f"the quote that opens at character {at + 1} is never closed")
    return UserError(f"{_show(text[at : at + 2].strip())} at character {at + 1} cannot stand in an expression")


def _make_token(kind: str, written: str, at: int) -> Token:
    if kind == "quoted":
        return Token("name", written[1:-1].replace('""', '"'), at)
    if kind == "word":
        low = written.lower()
        return Token("keyword", low, at) if low in KEYWORDS else Token("name", written, at)
    return Token(kind, written, at)


def names_in(text: str) -> frozenset[str]:
    """Give the columns that an expression speaks of; raises :class:`UserError` when its form is wrong.

    >>> sorted(names_in("rejectedParts / nullif(totalParts, 0)"))
    ['rejectedParts', 'totalParts']
    """
    return frozenset(_walk(text).names)


def check_expression(text: str, names: Collection[str]) -> tuple[str, ...]:
    """Say in one sentence each what is wrong with an expression over the columns ``names``.

    Types are not looked at: whether ``machine + 1`` makes sense is seen when the expression meets the data.
    """
    try:
        reader = _walk(text)
    except UserError as problem:
        return (str(problem),)
    return (*reader.faults, *(explain_unknown(name, names) for name in sorted(reader.names - set(names))))


def explain_unknown(name: str, known: Collection[str], kind: str = "column") -> str:
    """Say that there is no such column, and which one was meant."""
    near = suggest_name(name, known)
    return f"{_show(name)} is not a {kind} here" + (f"; did you mean '{near}'?" if near else "")


@dataclass(frozen=True, slots=True)
class Expression:
    """A well-formed expression: the columns it speaks of, and its SQL with every column name quoted."""

    text: str
    names: frozenset[str]
    sql: str


def read_expression(text: str) -> Expression:
    """Check the form of one expression and its functions; raises :class:`UserError` saying what is wrong."""
    reader = _walk(text)
    if reader.faults:
        raise UserError(reader.faults[0])
    return Expression(text, frozenset(reader.names), " ".join(reader.sql))


@lru_cache(maxsize=1024)  # jobs of one root are much alike
def _walk(text: str) -> _Reader:
    """Give the reader at the end of its walk; nobody moves it again."""
    if len(text) > LONGEST_EXPRESSION:
        raise UserError(f"an expression may have {LONGEST_EXPRESSION} characters, this one has {len(text)}")
    reader = _Reader(list(split_tokens(text)))
    reader.read_logic()
    if reader.here.kind != "end":
        raise reader.surprise("an operator or the end")
    return reader


class _Reader:
    """Walks the tokens once by the grammar above; keeps no tree, since only form and names matter.

    A wrong form is raised; ``faults`` are the functions that do not fit, behind which the walk goes on.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.depth = 0
        self.names: set[str] = set()
        self.sql: list[str] = []
        self.faults: list[str] = []

    @property
    def here(self) -> Token:
        return self.tokens[self.index]

    def take(self, *values: str) -> bool:
        """Step over the next token when it is one of these symbols or keywords."""
        fits = self.here.kind in ("symbol", "keyword") and self.here.value in values
        if fits:
            self.step(self.here.value)
        return fits

    def step(self, sql: str) -> None:
        self.sql.append(sql)
        self.index += 1

    def expect(self, value: str, wanted: str = "") -> None:
        if not self.take(value):
            raise self.surprise(wanted or f"'{value}'")

    def surprise(self, wanted: str) -> UserError:
        if self.here.kind == "end":
            return UserError(f"the expression ends where {wanted} was expected")
        return UserError(f"{_show(self.here.value)} at character {self.here.at + 1} stands where {wanted} was expected")

    def read_logic(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise UserError(f"an expression may be nested {DEEPEST_NESTING} deep, this one goes deeper")
        self.read_comparison()
        while self.take("and", "or"):
            self.read_comparison()
        self.depth -= 1

    def read_comparison(self) -> None:
        while self.take("not"):
            pass
        self.read_sum()
        if self.take(*COMPARISONS):
            self.read_sum()
        elif self.take("is"):
            self.take("not")
            self.expect("null")
        else:
            self.read_test(negated=self.take("not"))

    def read_test(self, *, negated: bool) -> None:
        if self.take("in"):
            self.expect("(")
            self.read_list()
        elif self.take("between"):
            self.read_sum()
            self.expect("and")
            self.read_sum()
        elif self.take("like", "ilike"):
            self.read_sum()
        elif negated:
            raise self.surprise("'in', 'between' or 'like'")

    def read_sum(self) -> None:
        self.read_value()
        while self.take(*ARITHMETIC):
            self.read_value()

    def read_value(self) -> None:
        while self.take("-", "+"):
            pass
        token = self.here
        if token.kind in ("number", "text"):
            self.step(token.value)
        elif self.take("true", "false", "null"):
            return
        elif token.kind == "name":
            self.read_name(token)
        elif self.take("("):
            self.read_logic()
            self.expect(")")
        elif self.take("case"):
            self.read_case()
        else:
            raise self.surprise("a column, a number or a function")

    def read_name(self, token: Token) -> None:
        self.step(quote_name(token.value))
        if not self.take("("):
            self.names.add(token.value)
            return
        at = len(self.sql) - 2
        count = self.read_list()
        function = FUNCTIONS.get(token.value.lower())
        if function is None:
            # A slip rarely hits the first letter; without this whoever tries read_text would be told of greatest.
            likely = [name for name in FUNCTIONS if name[0] == token.value[0].lower()]
            self.faults.append(explain_unknown(token.value, likely, "function"))
            return
        self.sql[at] = function.name
        self.faults += _check_count(function, count)

    def read_list(self) -> int:
        """Read up to the closing bracket and give the number of items."""
        if self.take(")"):
            return 0
        count = 1
        self.read_logic()
        while self.take(","):
            self.read_logic()
            count += 1
        self.expect(")", "',' or ')'")
        return count

    def read_case(self) -> None:
        if not self.take("when"):
            self.read_logic()
            self.expect("when")
        self.read_branch()
        while self.take("when"):
            self.read_branch()
        if self.take("else"):
            self.read_logic()
        self.expect("end", "'when', 'else' or 'end'")

    def read_branch(self) -> None:
        self.read_logic()
        self.expect("then")
        self.read_logic()


def _check_count(function: Function, count: int) -> Iterator[str]:
    least, most = function.least, function.most
    if count < least or 0 <= most < count:
        span = f"{least} or more" if most < 0 else f"{least} to {most}" if least < most else f"{least}"
        yield f"{function.name} takes {span} argument{'s' * (span != '1')}, here it has {count}"


def _show(word: str) -> str:
    return f"'{word[:40]}'"
