r"""pgbench's script files as classes of requests: SQL, ``\set`` with integers and ``random()``, variables.

https://www.postgresql.org/docs/current/pgbench.html#PGBENCH-CUSTOM-SCRIPTS
"""

from __future__ import annotations

import ast
import functools
import operator
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from postgast import PgQueryError, split

from bench.errors import UsageError
from bench.sql.kinds import named_relations
from bench.workload.spec import Generator, RequestClass, TrafficMix, access_of

_SET = re.compile(r"\\set\s+(\w+)\s+(.+)")
_VARIABLE = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_NUMBERED = re.compile(r"\$(\d+)")


def read_pgbench(given: Sequence[str]) -> TrafficMix:
    """``file.sql`` or ``file.sql@weight`` each. UsageError names file and line of what cannot be used."""
    classes = []
    for text in given:
        name, at, weight = text.rpartition("@")
        path = Path(name if at else text)
        if at and not (weight.isdecimal() and int(weight) > 0):
            raise UsageError(f"--workload pgbench:{text}: {weight} is no weight", hint="write file.sql@3")
        classes.append(_read(path, float(weight) if at else 1.0))
    return TrafficMix(tuple(classes), "pgbench", ", ".join(given))


def _read(path: Path, weight: float) -> RequestClass:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--workload pgbench:{path}: cannot be read: {error}") from error
    generate: dict[str, Generator] = {}
    sql: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("\\"):
            _set(path, number, line.strip(), generate)
        elif not line.lstrip().startswith("--"):
            _check_variables(path, number, line, generate)
            sql.append(line)
    statements = _statements(path, "\n".join(sql), list(generate))
    used = {name for name in generate if any(f"%({name})s" in statement for statement in statements)}
    used |= {
        name for name in generate for other in generate.values() if f":{name}" in other.expression
    }  # a variable may be there for another one alone
    tables = dict.fromkeys(
        ".".join(filter(None, (relation.schema, relation.name)))
        for statement in statements
        for relation in named_relations(_PLACEHOLDER.sub("NULL", statement))
    )
    return RequestClass(
        name=path.stem,
        statements=statements,
        tables=tuple(tables) or (path.stem,),
        access=access_of(statements),
        weight=weight,
        generate={name: other for name, other in generate.items() if name in used},
    )


_PLACEHOLDER = re.compile(r"%\(\w+\)s")


def _set(path: Path, number: int, line: str, known: dict[str, Generator]) -> None:
    """``\\set``; every other command, and what is no integer arithmetic, is refused."""
    match = _SET.fullmatch(line)
    if match is None:
        raise UsageError(
            f"{path}:{number}: {line.split()[0]} is not supported in the traffic",
            hint="\\set with integers, variables and random(low, high) is; write the rest as SQL",
        )
    name, expression = match.groups()
    try:
        check(expression, dict.fromkeys(known, "1"))
    except ValueError as error:
        raise UsageError(f"{path}:{number}: \\set {name}: {error}") from None
    known[name] = Generator("expression", expression=expression)


def _check_variables(path: Path, number: int, line: str, known: dict[str, Generator]) -> None:
    for name in _VARIABLE.findall(line):
        if name not in known:
            raise UsageError(f"{path}:{number}: :{name} is not set", hint=f"add \\set {name} … above it")


def _statements(path: Path, text: str, names: list[str]) -> tuple[str, ...]:
    """Split where the server's own lexer would; parameters get numbers meanwhile, which it can read."""
    numbered = _VARIABLE.sub(lambda match: f"${names.index(match[1]) + 1}", text)
    try:
        parts = [part.strip() for part in split(numbered) if part.strip()]
    except PgQueryError as error:
        raise UsageError(f"{path}: not SQL: {error}", hint="try the script with pgbench") from error
    if not parts:
        raise UsageError(f"{path}: holds no statement", hint="write the SQL of one transaction")
    return tuple(
        _NUMBERED.sub(lambda match: f"%({names[int(match[1]) - 1]})s", part.replace("%", "%%"))
        for part in parts
    )


_NAMED = re.compile(r":(\w+)")


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
        return ast.parse(_NAMED.sub(r"\1", expression.strip()), mode="eval").body
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
