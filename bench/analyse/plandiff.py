"""Two plans laid over each other as one tree: what stayed, what changed, what came and what went.

An ordered tree alignment: roots meet, or one of them is a level of its own above the other; children meet in
their order at the least cost. Jiang, Wang and Zhang, Alignment of trees, 1995.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.analyse.plans import PlanRow, plan_rows

Change = Literal["same", "changed", "added", "removed"]
SHAPE = ("Node Type", "Relation Name", "Index Name", "Function Name", "CTE Name", "Join Type", "Strategy")
OTHER_WAY, OTHER_THING = 0.6, 1.5
"""What a pair costs that reads the same relation in another way, or another one; one side alone costs 1."""


@dataclass(frozen=True, slots=True)
class DiffNode:
    """One place of the common tree."""

    change: Change
    before: PlanRow | None
    after: PlanRow | None
    children: tuple[DiffNode, ...] = ()

    def nodes(self) -> Iterator[tuple[int, DiffNode]]:
        """Depth and node, from top to bottom."""
        yield 0, self
        for child in self.children:
            for depth, node in child.nodes():
                yield depth + 1, node


@dataclass(frozen=True, slots=True)
class _Tree:
    row: PlanRow
    shape: tuple[Any, ...]
    children: tuple[_Tree, ...]
    size: int


def diff_plans(before: Mapping[str, Any], after: Mapping[str, Any]) -> DiffNode:
    """The common tree of two plans."""
    return _Alignment().align(_tree(before), _tree(after))[1]


def describe_diff(root: DiffNode) -> str:
    """The tree as text: ``~`` changed, ``-`` only before, ``+`` only after, one line a node."""
    return "\n".join(_lines(root))


def _lines(root: DiffNode) -> Iterator[str]:
    for depth, node in root.nodes():
        indent = "  " * depth
        if node.change == "changed" and node.before is not None and node.after is not None:
            yield f"~ {indent}{node.before.node} → {node.after.node}{_figures(node)}"
        else:
            row = node.after or node.before
            sign = {"same": " ", "added": "+", "removed": "-"}.get(node.change, "~")
            yield f"{sign} {indent}{row.node if row else ''}{_figures(node)}".rstrip()


def _figures(node: DiffNode) -> str:
    counts = [f"{row.rows:,.0f}" for row in (node.before, node.after) if row and row.rows is not None]
    if not counts:
        return ""
    return f"  ({counts[0]} rows)" if len(set(counts)) == 1 else f"  ({' → '.join(counts)} rows)"


def _tree(plan: Mapping[str, Any]) -> _Tree:
    rows = iter(plan_rows(dict(plan)))

    def build(raw: Mapping[str, Any]) -> _Tree:
        row = next(rows)
        children = tuple(build(child) for child in raw.get("Plans", ()))
        shape = tuple(raw.get(key) for key in SHAPE)
        return _Tree(row, shape, children, 1 + sum(child.size for child in children))

    return build(plan)


def _alone(tree: _Tree, change: Change) -> DiffNode:
    before = tree.row if change == "removed" else None
    after = tree.row if change == "added" else None
    return DiffNode(change, before, after, tuple(_alone(child, change) for child in tree.children))


Aligned = tuple[float, DiffNode]


@dataclass(slots=True)
class _Alignment:
    known: dict[tuple[int, int], Aligned] = field(default_factory=dict)

    def align(self, a: _Tree, b: _Tree) -> Aligned:
        """The least cost of laying two trees over each other, and how."""
        key = id(a), id(b)
        if key not in self.known:
            self.known[key] = min(self._ways(a, b), key=lambda found: found[0])
        return self.known[key]

    def _ways(self, a: _Tree, b: _Tree) -> Iterator[Aligned]:
        cost, children = self._sequence(a.children, b.children)
        own = _cost(a, b)
        change: Change = "same" if own == 0 else "changed"
        yield own + cost, DiffNode(change, a.row, b.row, children)
        for position, child in enumerate(a.children):
            rest = a.size - child.size
            below_cost, below = self.align(child, b)
            others = [_alone(tree, "removed") for tree in a.children]
            others[position] = below
            yield rest + below_cost, DiffNode("removed", a.row, None, tuple(others))
        for position, child in enumerate(b.children):
            rest = b.size - child.size
            below_cost, below = self.align(a, child)
            others = [_alone(tree, "added") for tree in b.children]
            others[position] = below
            yield rest + below_cost, DiffNode("added", None, b.row, tuple(others))

    def _sequence(self, a: Sequence[_Tree], b: Sequence[_Tree]) -> tuple[float, tuple[DiffNode, ...]]:
        """Children in their order, with gaps on either side."""
        best: list[list[tuple[float, tuple[DiffNode, ...]]]] = [[(0.0, ())]]
        for j, right in enumerate(b):
            cost, nodes = best[0][j]
            best[0].append((cost + right.size, (*nodes, _alone(right, "added"))))
        for i, left in enumerate(a):
            cost, nodes = best[i][0]
            best.append([(cost + left.size, (*nodes, _alone(left, "removed")))])
            for j, right in enumerate(b):
                pair_cost, pair = self.align(left, right)
                ways = (
                    (best[i][j][0] + pair_cost, (*best[i][j][1], pair)),
                    (best[i][j + 1][0] + left.size, (*best[i][j + 1][1], _alone(left, "removed"))),
                    (best[i + 1][j][0] + right.size, (*best[i + 1][j][1], _alone(right, "added"))),
                )
                best[i + 1].append(min(ways, key=lambda found: found[0]))
        return best[len(a)][len(b)]


def _cost(a: _Tree, b: _Tree) -> float:
    if a.shape == b.shape:
        return 0.0
    same_thing = a.shape[1] == b.shape[1] and bool(a.children) == bool(b.children)
    return OTHER_WAY if same_thing else OTHER_THING
