"""Rules about a statement as a whole: compilation, triggers, functions, memory, workers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.analyse.advice.nodes import Advice, Executed, Node, advice
from bench.analyse.quantity import count, seconds, size

JIT_SHARE, JIT_S = 0.2, 0.02
TRIGGER_SHARE, TRIGGER_CALL_S = 0.3, 0.0002
DISABLED_COST = 1e10
"""What versions before 18 add to the cost of a node that a setting forbids."""


def jit_cost(plan: Executed) -> Iterator[Advice]:
    """A plan whose compilation takes a good part of its time."""
    if plan.jit_s is None or not plan.execution_s:
        return
    if plan.jit_s >= JIT_S and plan.jit_s >= JIT_SHARE * plan.execution_s:
        yield Advice(
            "jit-cost",
            "statement",
            f"compiling takes {seconds(plan.jit_s)} of {seconds(plan.execution_s)}",
            "SET jit = off for this role, or a higher jit_above_cost",
            {"jit_s": plan.jit_s, "execution_s": plan.execution_s},
        )


def key_check_without_index(plan: Executed) -> Iterator[Advice]:
    """Foreign-key checks that look through a whole table for each row."""
    for trigger in plan.triggers:
        if not trigger.constraint or not trigger.calls or trigger.duration_s is None:
            continue
        each_s = trigger.duration_s / trigger.calls
        if each_s >= TRIGGER_CALL_S and trigger.duration_s >= TRIGGER_SHARE * (plan.execution_s or 0.0):
            yield Advice(
                "foreign-key-without-index",
                "statement",
                f"the check of {trigger.name} on {trigger.relation} takes {seconds(trigger.duration_s)} in "
                f"{count(trigger.calls)} calls, {seconds(each_s)} each",
                f"index the referencing columns of {trigger.name}, which each call looks for",
                {"trigger_s": trigger.duration_s, "calls": float(trigger.calls), "constraint": trigger.name},
            )


def disabled_node(plan: Executed) -> Iterator[Advice]:
    """A node that a setting such as enable_seqscan forbids, taken because there was no other."""
    for node in plan.nodes:
        own_cost = float(node.raw.get("Total Cost", 0)) - sum(
            float(child.raw.get("Total Cost", 0)) for child in node.children
        )
        if node.raw.get("Disabled") or own_cost >= DISABLED_COST:
            yield advice(
                "disabled-node",
                node,
                "is used although an enable_… setting forbids it: there was no other way",
                "RESET the enable_… setting, or add the index that it was meant to make the planner use",
                total_cost=float(node.raw.get("Total Cost", 0)),
            )


KIB = 1024


def sort_spill(plan: Executed) -> Iterator[Advice]:
    """A sort that did not fit into work_mem."""
    for node in plan.nodes:
        if node.raw.get("Sort Space Type") == "Disk":
            used = float(node.raw.get("Sort Space Used", 0)) * KIB
            yield advice(
                "sort-spill",
                node,
                f"sorts {count(node.rows)} rows in {size(round(used))} of temporary files",
                f"work_mem of {size(round(3 * used))} for this query, or an index in the order of "
                f"{node.text('Sort Key').replace(' AND ', ', ')}",
                disk_bytes=used,
                rows=node.rows,
            )


def hash_batches(plan: Executed) -> Iterator[Advice]:
    """A hash table that did not fit into work_mem."""
    for node in plan.nodes:
        batches = float(node.raw.get("Hash Batches", 1))
        if batches > 1:
            peak = float(node.raw.get("Peak Memory Usage", 0)) * KIB
            yield advice(
                "hash-batches",
                node,
                f"in {count(batches)} batches of {size(round(peak))}, all but one through temporary files",
                f"work_mem × hash_mem_multiplier of {size(round(peak * batches))}, or fewer columns and rows",
                batches=batches,
                memory_bytes=peak,
            )


def aggregate_spill(plan: Executed) -> Iterator[Advice]:
    """Groups that did not fit into work_mem."""
    for node in plan.nodes:
        disk = float(node.raw.get("Disk Usage", 0)) * KIB
        if node.kind == "Aggregate" and disk:
            yield advice(
                "aggregate-spill",
                node,
                f"groups {count(node.rows)} keys with {size(round(disk))} of temporary files",
                "more work_mem for this query, or an index in the order of its grouping",
                disk_bytes=disk,
                groups=node.rows,
            )


def workers_missing(plan: Executed) -> Iterator[Advice]:
    """Parallel workers that were planned for and did not come."""
    for node in plan.nodes:
        planned, launched = (float(node.raw.get(f"Workers {what}", 0)) for what in ("Planned", "Launched"))
        if launched < planned:
            yield advice(
                "workers-not-launched",
                node,
                f"{count(launched)} of {count(planned)} planned workers were launched",
                "raise max_parallel_workers and max_worker_processes, or plan for none where they are taken",
                planned=planned,
                launched=launched,
            )


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
        match = SESSION.search(node.conditions)
        called = _evaluated(node)
        if match is not None and called >= MANY_CALLS:
            yield advice(
                "policy-per-row",
                node,
                f"calls {match[1]}() for each of {count(called)} rows",
                f"write (SELECT {match[1]}(…)) in the policy, which is evaluated once for the query",
                calls=called,
                function=match[1],
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
