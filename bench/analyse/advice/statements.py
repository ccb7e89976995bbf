"""Rules about a statement as a whole: compilation, triggers, nodes that settings forbid."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.advice.nodes import Executed
from bench.analyse.advice.rule import Advice, advice
from bench.analyse.quantity import count, seconds

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
