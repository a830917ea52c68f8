"""Reads SOQL: one object, conditions, one order, limit and offset.

Source: reference salesforce.md section 3.1, SOQL and SOQL-rest rows; SOQL reference, SELECT
syntax, "GROUP BY", "Date Functions". Not read, so MALFORMED_QUERY: subqueries, HAVING, ROLLUP, and
of date functions all but DAY_ONLY and HOUR_IN_DAY.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from integrations.simulator.salesforce.errors import ApiError, malformed_query

STATEMENT_LIMIT = 100_000
STRING_LIMIT = 4_000

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<datetime>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
DATE_FUNCTIONS = ("DAY_ONLY", "HOUR_IN_DAY")
FUNCTIONS = ("COUNT", "MIN", "MAX", *DATE_FUNCTIONS)
_AFTER_COLUMNS = frozenset({"FROM", "ORDER", "LIMIT", "OFFSET", "HAVING"})
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written: its kind is string, number, datetime, boolean or null."""

    kind: str
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator values`; operators are = != < <= > >= LIKE IN NOT IN."""

    field: str
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """AND, OR or NOT of conditions."""

    word: str
    parts: tuple["Condition", ...]


Condition = Comparison | Junction


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One field to sort by."""

    field: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Column:
    """What is selected or grouped by: a field, or a function of one."""

    field: str
    function: str = ""  #: One of `FUNCTIONS`; empty: the field itself.
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement. No columns: COUNT()."""

    columns: tuple[Column, ...]
    groups: tuple[Column, ...]
    entity: str
    where: Condition | None
    orders: tuple[Order, ...]
    limit: int | None
    offset: int


def parse(statement: str) -> Query:
    """Return the query of a statement.

    Raises:
        ApiError: 400 MALFORMED_QUERY.

    >>> parse("SELECT Id FROM Lead WHERE Email != null LIMIT 5").limit
    5
    """
    if len(statement) > STATEMENT_LIMIT:
        raise ApiError(400, "QUERY_TOO_COMPLICATED", "SOQL statements can't be longer than 100000")
    return _Parser(statement).query()


class _Parser:
    def __init__(self, statement: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        text = statement.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise malformed_query(f"unexpected token: '{text[place : place + 10].strip()}'")
            self._tokens.append((match.lastgroup, match.group(match.lastgroup)))
            place = match.end()
        self._place = 0

    def query(self) -> Query:
        self._expect("SELECT")
        columns = self._columns()
        self._expect("FROM")
        entity = self._word()
        where = self._any() if self._accept("WHERE") else None
        groups: tuple[Column, ...] = ()
        if self._accept("GROUP"):
            self._expect("BY")
            groups = self._groups()
        orders: list[Order] = []
        if self._accept("ORDER"):
            self._expect("BY")
            orders.append(self._order())
            while self._accept(","):
                orders.append(self._order())
        limit = self._whole() if self._accept("LIMIT") else None
        offset = self._whole() if self._accept("OFFSET") else 0
        if self._place < len(self._tokens):
            self._fail()
        return Query(
            columns=columns,
            groups=groups,
            entity=entity,
            where=where,
            orders=tuple(orders),
            limit=limit,
            offset=offset,
        )

    def _columns(self) -> tuple[Column, ...]:
        if [text for _, text in self._tokens[self._place : self._place + 3]][1:] == ["(", ")"]:
            self._expect("COUNT")
            self._place += 2
            return ()
        columns = [self._column(FUNCTIONS)]
        while self._accept(","):
            columns.append(self._column(FUNCTIONS))
        return tuple(columns)

    def _groups(self) -> tuple[Column, ...]:
        columns = [self._column(DATE_FUNCTIONS)]
        while self._accept(","):
            columns.append(self._column(DATE_FUNCTIONS))
        if any(column.alias for column in columns):
            self._fail()
        return tuple(columns)

    def _column(self, functions: Sequence[str]) -> Column:
        name, function = self._word(), ""
        if self._accept("("):
            function = name.upper()
            if function not in functions:
                raise malformed_query(f"unknown function: {name}")
            name = self._word()
            self._expect(")")
        alias = ""
        if self._place < len(self._tokens):
            kind, text = self._tokens[self._place]
            if kind == "word" and text.upper() not in _AFTER_COLUMNS:
                self._place += 1
                alias = text
        return Column(name, function, alias)

    def _any(self) -> Condition:
        parts = [self._all()]
        mixed = False
        while self._accept("OR"):
            parts.append(self._all())
            mixed = True
        # Salesforce refuses AND beside OR without parentheses.
        if mixed and any(isinstance(part, Junction) and part.word == "AND" for part in parts):
            raise malformed_query("unexpected token: OR")
        return parts[0] if len(parts) == 1 else Junction("OR", tuple(parts))

    def _all(self) -> Condition:
        parts = [self._single()]
        while self._accept("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else Junction("AND", tuple(parts))

    def _single(self) -> Condition:
        if self._accept("NOT"):
            return Junction("NOT", (self._single(),))
        if self._accept("("):
            inner = self._any()
            self._expect(")")
            # Wrapped, so that a bracketed AND may stand beside OR.
            return Junction("GROUP", (inner,))
        field = self._word()
        if self._accept("NOT"):
            self._expect("IN")
            return Comparison(field, "NOT IN", self._list())
        if self._accept("IN"):
            return Comparison(field, "IN", self._list())
        if self._accept("LIKE"):
            return Comparison(field, "LIKE", (self._literal(),))
        kind, operator = self._next()
        if kind != "sign" or operator in "(),":
            self._fail()
        return Comparison(field, "!=" if operator == "<>" else operator, (self._literal(),))

    def _list(self) -> tuple[Literal, ...]:
        self._expect("(")
        values = [self._literal()]
        while self._accept(","):
            values.append(self._literal())
        self._expect(")")
        return tuple(values)

    def _literal(self) -> Literal:
        kind, text = self._next()
        if kind == "string":
            value = re.sub(
                r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(1)), text[1:-1]
            )
            if len(value) > STRING_LIMIT:
                raise malformed_query("string literal too long")
            return Literal("string", value)
        if kind == "number":
            return Literal("number", float(text))
        if kind == "datetime":
            return Literal("datetime", text)
        word = text.lower()
        if kind == "word" and word in ("true", "false"):
            return Literal("boolean", word == "true")
        if kind == "word" and word == "null":
            return Literal("null", None)
        raise malformed_query(f"unexpected token: '{text}'")

    def _order(self) -> Order:
        field = self._word()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = False
        if self._accept("NULLS"):
            nulls_last = self._accept("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Order(field=field, descending=descending, nulls_last=nulls_last)

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdecimal():
            raise malformed_query(f"unexpected token: '{text}'")
        return int(text)

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise malformed_query(f"unexpected token: '{text}'")
        return text

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            self._fail()
        self._place += 1
        return self._tokens[self._place - 1]

    def _peek(self) -> str:
        return self._tokens[self._place][1].upper() if self._place < len(self._tokens) else ""

    def _accept(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self._place += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self._fail()

    def _fail(self) -> NoReturn:
        found = self._peek() or "<EOF>"
        raise malformed_query(f"unexpected token: '{found}'")
