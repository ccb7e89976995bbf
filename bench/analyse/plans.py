"""What a plan of EXPLAIN (ANALYZE, FORMAT JSON) says of its nodes: their names, and where the work is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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


DETAILS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "One-Time Filter",
    "Sort Key", "Group Key", "Function Call", "Sort Method", "Cache Key",
)  # fmt: skip
READS_ALL = frozenset({"Sort", "Hash", "Aggregate"})
"""Nodes that read all of their input before they return a row, whatever stops them afterwards."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One node of a plan."""

    depth: int
    node: str
    """Node type, with join type and what it runs on, for example ``Index Scan using deals_pkey on deals``."""
    role: str | None
    """``CTE x``, ``InitPlan 1`` or ``SubPlan 2`` where it is not an ordinary child."""
    details: tuple[tuple[str, str], ...]
    exclusive_s: float | None
    """None where the plan was made without timing, or the node never ran."""
    share: float | None
    """Of the whole plan's time, 0 to 1."""
    rows_estimated: float | None
    rows: float | None
    """Per loop."""
    loops: float | None
    removed: float | None
    """Rows per loop that a filter took out."""
    blocks_hit: int | None
    blocks_read: int | None
    temp_blocks: int | None
    handled: float
    """Rows that the node returned or threw away, over all loops."""
    work: str
    """The node and these rows in words."""
    limited: bool
    """A Limit above may have stopped it early, so fewer rows than expected mean nothing."""

    @property
    def never_ran(self) -> bool:
        return self.loops == 0

    @property
    def estimate_factor(self) -> float | None:
        """Rows found, divided by rows expected, both at least 1."""
        if self.rows is None or self.rows_estimated is None or self.never_ran:
            return None
        factor = max(self.rows, 1.0) / max(self.rows_estimated, 1.0)
        return None if self.limited and factor < 1 else factor


NO_ROWS = ("BitmapAnd", "BitmapOr")
"""Nodes that always report 0 rows: https://www.postgresql.org/docs/current/using-explain.html"""


def plan_rows(plan: dict[str, Any]) -> tuple[PlanRow, ...]:
    """The nodes of a plan from top to bottom, as EXPLAIN prints them."""
    walk = _Walk()
    walk.find_ctes(plan, 1.0)
    total = _time(plan, 1.0)
    return tuple(walk.rows(plan, 0, 1.0, total))


@dataclass(slots=True)
class _Walk:
    cte_s: dict[str, float] = field(default_factory=dict)
    """What is left of each CTE's time to be taken off its scans."""

    def find_ctes(self, node: dict[str, Any], processes: float) -> None:
        for child, shared in _children(node, processes):
            name = _cte_name(child)
            if name is not None:
                self.cte_s[name] = _time(child, shared) or 0.0
            self.find_ctes(child, shared)

    def rows(
        self,
        node: dict[str, Any],
        depth: int,
        processes: float,
        total_s: float | None,
        limited: bool = False,
    ) -> Iterator[PlanRow]:
        children = list(_children(node, processes))
        own_s = self._exclusive(node, children, processes)
        share = own_s / total_s if own_s is not None and total_s else None
        yield PlanRow(
            depth=depth,
            node=node_name(node),
            role=node.get("Subplan Name"),
            details=tuple((key, _words(node[key])) for key in DETAILS if key in node),
            exclusive_s=own_s,
            share=share,
            rows_estimated=node.get("Plan Rows"),
            rows=None if node.get("Node Type") in NO_ROWS else node.get("Actual Rows"),
            loops=node.get("Actual Loops"),
            removed=node.get("Rows Removed by Filter"),
            blocks_hit=_own(node, children, "Shared Hit Blocks"),
            blocks_read=_own(node, children, "Shared Read Blocks"),
            temp_blocks=_own(node, children, "Temp Written Blocks"),
            handled=(work := node_work(node)).rows,
            work=work.sentence,
            limited=limited,
        )
        kind = node.get("Node Type")
        below = kind == "Limit" or (limited and kind not in READS_ALL)
        for child, shared in children:
            yield from self.rows(child, depth + 1, shared, total_s, below)

    def _exclusive(
        self, node: dict[str, Any], children: list[tuple[dict[str, Any], float]], processes: float
    ) -> float | None:
        own = _time(node, processes)
        if own is None:
            return None
        own -= sum(_time(child, shared) or 0.0 for child, shared in children if _cte_name(child) is None)
        name = node.get("CTE Name")
        if name in self.cte_s:
            taken = min(max(own, 0.0), self.cte_s[name])
            self.cte_s[name] -= taken
            own -= taken
        return max(own, 0.0)


def _children(node: dict[str, Any], processes: float) -> Iterator[tuple[dict[str, Any], float]]:
    """Each child with the number of processes that shared its loops."""
    shared = processes
    if node.get("Node Type") in ("Gather", "Gather Merge"):
        shared = 1.0 + float(node.get("Workers Launched", 0))
    for child in node.get("Plans", ()):
        yield child, shared


def _time(node: dict[str, Any], processes: float) -> float | None:
    """Seconds of a node and all below it; None without timing, or where it never ran."""
    per_loop_ms, loops = node.get("Actual Total Time"), node.get("Actual Loops")
    if per_loop_ms is None or not loops:
        return None
    return float(per_loop_ms) * max(float(loops) / processes, 1.0 if processes > 1 else 0.0) / 1000


def _own(node: dict[str, Any], children: list[tuple[dict[str, Any], float]], key: str) -> int | None:
    if key not in node:
        return None
    return max(0, int(node[key]) - sum(int(child.get(key, 0)) for child, _ in children))


def _cte_name(node: dict[str, Any]) -> str | None:
    name = str(node.get("Subplan Name", ""))
    return name.removeprefix("CTE ") if name.startswith("CTE ") else None


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
