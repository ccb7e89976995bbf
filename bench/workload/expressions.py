r"""The arithmetic of pgbench's ``\set``: integers, variables, ``+ - * / %``, ``random(low, high)``.

https://www.postgresql.org/docs/current/pgbench.html#PGBENCH-BUILTIN-OPERATORS
"""

from __future__ import annotations

import ast
import functools
import operator
import random
import re
from collections.abc import Callable, Mapping

_VARIABLE = re.compile(r":(\w+)")


def _quotient(left: int, right: int) -> int:
    """Towards zero, as C divides."""
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _quotient,
    ast.Mod: lambda left, right: left - right * _quotient(left, right),
}


def evaluate(expression: str, values: Mapping[str, str | None], random_: random.Random) -> int:
    """The value of an expression. ValueError says what in it is not known."""
    return _value(_parse(expression), values, random_)


def check(expression: str, known: Mapping[str, str | None]) -> None:
    """ValueError for what :func:`evaluate` would refuse, given these variables."""
    try:
        evaluate(expression, known, random.Random(0))
    except ZeroDivisionError:
        return


@functools.lru_cache(maxsize=1000)
def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(_VARIABLE.sub(r"\1", expression.strip()), mode="eval").body
    except SyntaxError:
        raise ValueError(f"{expression.strip()} cannot be read") from None


def _value(node: ast.expr, values: Mapping[str, str | None], random_: random.Random) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name) if name in values:
            return int(values[name] or 0)
        case ast.Name(id=name):
            raise ValueError(f"variable :{name} is not set")
        case ast.UnaryOp(op=ast.USub(), operand=below):
            return -_value(below, values, random_)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, values, random_), _value(right, values, random_))
        case ast.Call(func=ast.Name(id="random"), args=[low, high], keywords=[]):
            return random_.randint(_value(low, values, random_), _value(high, values, random_))
        case ast.Call(func=ast.Name(id=name)):
            raise ValueError(f"function {name} is not known; random(low, high) is")
    raise ValueError(f"{ast.unparse(node)} is no integer arithmetic")
