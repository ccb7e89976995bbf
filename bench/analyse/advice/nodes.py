"""What a rule says, and a plan as the rules read it: nodes that know what is above and below them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analyse.plans import REMOVED, PlanRow, node_name, plan_rows
from bench.model.plan import TableIndex, TriggerCost, UserFunction

_COLUMN = re.compile(
    r'(?<![\w."])(?:"?\w+"?\.)?"?(\w+)"?(?:\)::[a-z ]+(?:\[\])?)? '
    r"(?:=|<>|<=|>=|<|>|~~|~~\*|!~~|@>|IS) "
)


_COMPARED = re.compile(_COLUMN.pattern.replace("(?:=|<>", "(=|<>", 1))
_B_TREE = frozenset({"=", "<", "<=", ">", ">=", "IS"})


@dataclass(slots=True)
class Node:
    """One node of a plan."""

    raw: Mapping[str, Any]
    row: PlanRow
    parent: Node | None
    children: list[Node] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return str(self.raw.get("Node Type", ""))

    @property
    def name(self) -> str:
        return node_name(self.raw)

    @property
    def loops(self) -> float:
        return float(self.raw.get("Actual Loops", 0))

    @property
    def rows(self) -> float:
        """Returned, over all loops."""
        return float(self.raw.get("Actual Rows", 0)) * self.loops

    def removed(self, by: str) -> float:
        """Rows thrown away by ``Filter``, ``Join Filter`` or ``Index Recheck``, over all loops."""
        return float(self.raw.get(REMOVED + by, 0)) * self.loops

    @property
    def relation(self) -> str:
        """Schema and name where the plan tells them, else its alias."""
        name = self.raw.get("Relation Name") or self.raw.get("Alias") or "the input"
        schema = self.raw.get("Schema")
        return f"{schema}.{name}" if schema and self.raw.get("Relation Name") else str(name)

    def text(self, key: str) -> str:
        """A condition, as the server writes it."""
        value = self.raw.get(key, "")
        return " AND ".join(map(str, value)) if isinstance(value, list) else str(value)

    @property
    def conditions(self) -> str:
        """All that is evaluated for each row."""
        return " ".join(self.text(key) for key in ("Filter", "Join Filter") if key in self.raw)

    def columns(self, key: str = "Filter") -> tuple[str, ...]:
        """Those that a condition compares, each once, in its order."""
        return tuple(dict.fromkeys(_COLUMN.findall(self.text(key) + " ")))

    def searched(self, key: str = "Filter") -> tuple[str, ...]:
        """Those that a B-tree can find rows by: not the ones that are compared with a pattern, or with <>."""
        comparisons = _COMPARED.findall(self.text(key) + " ")
        return tuple(dict.fromkeys(name for name, operator in comparisons if operator in _B_TREE))

    @property
    def role(self) -> str:
        """``Outer``, ``Inner``, ``SubPlan`` …, as to its parent."""
        return str(self.raw.get("Parent Relationship", ""))

    def below(self) -> Iterator[Node]:
        """This node and all below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.below()

    def above(self) -> Iterator[Node]:
        """Those above it, the nearest first."""
        if self.parent is not None:
            yield self.parent
            yield from self.parent.above()


@dataclass(frozen=True, slots=True)
class Executed:
    """A plan with what its server said beside it."""

    root: Node
    execution_s: float | None = None
    jit_s: float | None = None
    triggers: Sequence[TriggerCost] = ()
    functions: Mapping[str, UserFunction] = field(default_factory=dict)
    """Those of the database's users, by name without schema."""
    indexes: Sequence[TableIndex] = ()
    """Those that are there already."""

    def index_on(self, node: Node, columns: Sequence[str], *, trigrams: bool = False) -> TableIndex | None:
        """An index of the node's table whose first key is one of the columns, which another would double.

        ``trigrams``: one by whose operator class patterns are found; no other serves them.
        """
        for index in self.indexes:
            names = (index.table, index.table.partition(".")[2])
            if node.relation not in names or index.partial or not index.keys:
                continue
            found = [
                key in columns and (name.endswith("trgm_ops") or not trigrams)
                for key, name in zip(index.keys, index.classes, strict=False)
            ]
            if any(found) if index.method == "gin" else found[:1] == [True]:
                return index
        return None

    @property
    def nodes(self) -> Iterator[Node]:
        """Those that ran, from top to bottom."""
        return (node for node in self.root.below() if node.loops)


def read_plan(plan: Mapping[str, Any]) -> Node:
    """The root of a plan of EXPLAIN (ANALYZE, FORMAT JSON)."""
    rows = iter(plan_rows(dict(plan)))

    def build(raw: Mapping[str, Any], parent: Node | None) -> Node:
        node = Node(raw, next(rows), parent)
        node.children = [build(child, node) for child in raw.get("Plans", ())]
        return node

    return build(plan, None)


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
