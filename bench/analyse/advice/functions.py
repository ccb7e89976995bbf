"""Rules about functions: of policies and conditions, called for each row, and those that hide rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.analyse.advice.nodes import Executed, Node
from bench.analyse.advice.rule import Advice, advice
from bench.analyse.quantity import count

MANY_CALLS = 1_000
OFF = 10.0
_CALL = re.compile(r"(?<![\w.\"])((?:\"?\w+\"?\.)?\"?(\w+)\"?)\(")
SESSION = re.compile(r"\b(current_setting|auth\.\w+)\(")
"""What asks who the session's user is: the same for all rows."""
_LITERAL = re.compile(r"'(?:[^']|'')*'")
VOLATILITY = {"v": "VOLATILE", "s": "STABLE", "i": "IMMUTABLE"}


def policy_per_row(plan: Executed) -> Iterator[Advice]:
    """A policy, or a condition, that asks for the session's user at every row."""
    for node in plan.nodes:
        found = SESSION.search(node.conditions)
        called = _evaluated(node)
        if found is not None and called >= MANY_CALLS:
            yield advice(
                "policy-per-row",
                node,
                f"calls {found[1]}() for each of {count(called)} rows",
                f"write (SELECT {found[1]}(…)) in the policy, which is evaluated once for the query",
                calls=called,
                function=found[1],
            )


def function_per_row(plan: Executed) -> Iterator[Advice]:
    """A function of the database's users that a condition calls for each row."""
    for node in plan.nodes:
        called = _evaluated(node)
        if called < MANY_CALLS:
            continue
        for name in dict.fromkeys(match[1] for match in _CALL.findall(_LITERAL.sub("''", node.conditions))):
            known = plan.functions.get(name)
            if known is None or SESSION.search(f"{known.schema}.{name}("):
                continue
            volatility = VOLATILITY[known.volatility]
            yield advice(
                "function-per-row",
                node,
                f"calls {name}() ({known.language}, {volatility}) for each of {count(called)} rows",
                f"(SELECT {name}(…)) where its arguments are the same for all rows; else LANGUAGE sql and "
                "STABLE, which is inlined, or its result in a column",
                calls=called,
                function=name,
            )


def function_not_inlined(plan: Executed) -> Iterator[Advice]:
    """A function in FROM whose rows the planner cannot see."""
    for node in plan.nodes:
        factor = node.row.estimate_factor
        known = plan.functions.get(str(node.raw.get("Function Name", "")))
        if node.kind != "Function Scan" or node.parent is None or known is None:
            continue  # alone in its statement, its rows choose no other plan
        if factor is None or 1 / OFF < factor < OFF:
            continue
        cure = (
            "mark it STABLE, so that it is inlined"
            if known.language == "sql" and known.volatility == "v"
            else f"CREATE OR REPLACE FUNCTION … ROWS {max(round(node.row.rows or 1), 1)}"
        )
        yield advice(
            "function-not-inlined",
            node,
            f"{known.name}() returns {count(node.row.rows)} rows where {count(node.row.rows_estimated)} were "
            f"expected: the planner cannot look into {known.language}, {VOLATILITY[known.volatility]}",
            cure,
            rows=node.row.rows or 0.0,
            rows_expected=node.row.rows_estimated or 0.0,
        )


def _evaluated(node: Node) -> float:
    """For how many rows a node's condition was evaluated."""
    return node.rows + node.removed("Filter") + node.removed("Join Filter")
