"""What a plan of EXPLAIN (ANALYZE, FORMAT JSON) says of its nodes: their names, and where the work is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.analyse.quantity import count

REMOVED = "Rows Removed by "
HANDS_ON = frozenset({"Materialize", "Memoize"})


@dataclass(frozen=True, slots=True)
class NodeWork:
    """One node's own work."""

    name: str
    """As :func:`node_name`."""
    returned: float
    """Rows, over all loops."""
    removed: float
    """Rows that its filters threw away, over all loops."""
    by: str
    """What threw most of them away, for example ``Join Filter``; empty where nothing did."""

    @property
    def rows(self) -> float:
        """Rows handled."""
        return self.returned + self.removed

    @property
    def sentence(self) -> str:
        """``Seq Scan on companies, 1.2 G rows removed by Filter``."""
        if not self.rows:
            return self.name
        if self.removed > self.returned:
            return f"{self.name}, {_rows(self.removed)} removed by {self.by}"
        return f"{self.name}, {_rows(self.returned)}"


def node_name(node: Mapping[str, Any]) -> str:
    """Node type, with join type and what it runs on: ``Index Scan using deals_pkey on deals``."""
    words = [str(node.get("Node Type", "node"))]
    if node.get("Partial Mode") in ("Partial", "Finalize"):
        words.insert(0, str(node["Partial Mode"]))
    if node.get("Strategy") in ("Hashed", "Sorted", "Mixed"):
        words.append(f"({str(node['Strategy']).lower()})")
    if node.get("Join Type") not in (None, "Inner"):
        words.append(f"({str(node['Join Type']).lower()})")
    if "Index Name" in node:
        words.append(f"using {node['Index Name']}")
    target = node.get("Relation Name") or node.get("Function Name") or node.get("CTE Name")
    if target:
        words.append(f"on {target}")
        if node.get("Alias") not in (None, target):
            words.append(str(node["Alias"]))
    return " ".join(words)


def _rows(amount: float) -> str:
    return "1 row" if amount == 1 else f"{count(amount)} rows"


def node_work(node: Mapping[str, Any]) -> NodeWork:
    """The own work of one node, what is below it left out."""
    loops = float(node.get("Actual Loops", 0))
    removed = {
        key.removeprefix(REMOVED): float(value) * loops
        for key, value in node.items()
        if key.startswith(REMOVED)
    }
    return NodeWork(
        name=node_name(node),
        returned=float(node.get("Actual Rows", 0)) * loops,
        removed=sum(removed.values()),
        by=max(removed, key=lambda name: removed[name], default=""),
    )


def heaviest_node(plan: Mapping[str, Any]) -> NodeWork:
    """The node that handled most rows, the uppermost of equals; none that hands rows on from memory."""
    working = [node for node in nodes(plan) if node.get("Node Type") not in HANDS_ON]
    return max(map(node_work, working or [plan]), key=lambda work: work.rows)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes from top to bottom."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
