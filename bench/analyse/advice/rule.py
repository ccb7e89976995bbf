"""What a rule says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.analyse.advice.nodes import Executed, Node


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to improve in one node of a plan."""

    rule: str
    node: str
    """As :func:`bench.analyse.plans.node_name`; ``statement`` where it is about all of it."""
    message: str
    """What it did, in numbers."""
    fix: str
    evidence: Mapping[str, float | str] = field(default_factory=dict)
    share: float | None = None
    """Of the plan's time that is the node's own, 0 to 1; None where nodes were not timed."""


Rule = Callable[[Executed], Iterator[Advice]]


def advice(rule: str, node: Node, message: str, fix: str, **evidence: float | str) -> Advice:
    """What a rule says of a node."""
    return Advice(rule, node.name, message, fix, evidence, node.row.share)


def listed(columns: Sequence[str], otherwise: str = "the columns of its condition") -> str:
    """``(a, b)``, or words where no column was recognised."""
    return f"({', '.join(columns)})" if columns else otherwise
