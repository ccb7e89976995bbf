"""A plan, or two laid over each other, as a drawn tree: SVG that follows the theme and stands alone too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bench.analyse.plandiff import DiffNode
from bench.analyse.plans import PlanRow
from bench.report import format as fmt
from bench.report.palette import LIGHT, PAGE_LIGHT

BOX_W, BOX_H, GAP_X, GAP_Y, PAD = 236.0, 76.0, 14.0, 26.0, 8.0
LONGEST = 35
"""Characters of a line of 11 px that fit into a box."""
_STYLE = {"same": "rule", "changed": "bad", "added": "after", "removed": "before"}
_WORD = {"changed": "another way", "added": "only after", "removed": "only before"}
_ALL = LIGHT | PAGE_LIGHT


@dataclass(frozen=True, slots=True)
class _Placed:
    node: DiffNode
    x: float
    y: float
    children: tuple[_Placed, ...]

    def all(self) -> Iterator[_Placed]:
        yield self
        for child in self.children:
            yield from child.all()


def draw_plan(root: DiffNode, label: str) -> str:
    """The tree from top to bottom; the bar at a foot is the own share of the time of all nodes."""
    placed, width, depth = _place(root, 0, 0.0)
    height = (depth + 1) * (BOX_H + GAP_Y) - GAP_Y + 2 * PAD
    total = width - GAP_X + 2 * PAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plan-tree" role="img" aria-label="{escape(label)}" '
        f'viewBox="{-PAD:g} {-PAD:g} {total:g} {height:g}" width="{total:g}" height="{height:g}" '
        f'font-family="system-ui, sans-serif" font-size="11">'
    ]
    parts += [_edge(other, child) for other in placed.all() for child in other.children]
    parts += [part for other in placed.all() for part in _box(other)]
    return "".join((*parts, "</svg>"))


def _place(node: DiffNode, depth: int, left: float) -> tuple[_Placed, float, int]:
    """The node placed, where the next one begins, and the deepest level; parents stand above children."""
    y = depth * (BOX_H + GAP_Y)
    if not node.children:
        return _Placed(node, left, y, ()), left + BOX_W + GAP_X, depth
    children, deepest, at = [], depth, left
    for child in node.children:
        placed, at, below = _place(child, depth + 1, at)
        children.append(placed)
        deepest = max(deepest, below)
    x = (children[0].x + children[-1].x) / 2
    return _Placed(node, x, y, tuple(children)), at, deepest


def _edge(parent: _Placed, child: _Placed) -> str:
    x1, y1, x2, y2 = parent.x + BOX_W / 2, parent.y + BOX_H, child.x + BOX_W / 2, child.y
    middle = (y1 + y2) / 2
    dashed = ' stroke-dasharray="4 3"' if child.node.change in ("added", "removed") else ""
    return (
        f'<path d="M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}" fill="none" '
        f'stroke="{_colour("rule")}" stroke-width="1.4"{dashed}/>'
    )


def _box(placed: _Placed) -> Iterator[str]:
    node, x, y = placed.node, placed.x, placed.y
    row = node.after or node.before
    if row is None:
        return
    dashed = ' stroke-dasharray="5 3"' if node.change in ("added", "removed") else ""
    thick = 1 if node.change == "same" else 2
    yield (
        f'<g><title>{escape(_title(node))}</title><rect x="{x:g}" y="{y:g}" width="{BOX_W:g}" '
        f'height="{BOX_H:g}" rx="6" fill="{_colour("paper")}" stroke="{_colour(_STYLE[node.change])}" '
        f'stroke-width="{thick}"{dashed}/>'
    )
    if row.share:
        yield (
            f'<rect x="{x + 6:g}" y="{y + BOX_H - 7:g}" width="{(BOX_W - 12) * min(row.share, 1):.1f}" '
            f'height="4" rx="2" fill="{_colour("lock-6")}"/>'
        )
    for position, (text, colour, weight) in enumerate(_texts(node, row)):
        yield (
            f'<text x="{x + 9:g}" y="{y + 16 + 14 * position:g}" fill="{_colour(colour)}" '
            f'font-weight="{weight}">{escape(fmt.shortened(text, LONGEST))}</text>'
        )
    yield "</g>"


def _texts(node: DiffNode, row: PlanRow) -> Iterator[tuple[str, str, int]]:
    """Four lines: what it is, on what, what it was or on which side it is alone, and its rows and time."""
    kind, target = _parts(row)
    yield kind, "ink", 600
    yield target, "muted", 400
    if node.change == "changed" and node.before is not None:
        old_kind, old_target = _parts(node.before)
        yield f"was {old_kind if old_kind != kind else old_target}", "bad-text", 400
    else:
        yield _WORD.get(node.change, row.role or ""), "muted", 400
    amount = "1 row" if row.rows == 1 else f"{fmt.count(row.rows)} rows"
    loops = f" × {fmt.count(row.loops)}" if row.loops and row.loops > 1 else ""
    own = f" · {fmt.seconds(row.exclusive_s)}" if row.exclusive_s is not None else ""
    yield "never ran" if row.never_ran else f"{amount}{loops}{own}", "muted", 400


def _parts(row: PlanRow) -> tuple[str, str]:
    """``Index Scan`` and ``deals_pkey on deals``."""
    kind, using, target = row.node.partition(" using ")
    if not using:
        kind, _, target = row.node.partition(" on ")
    return kind, target


def _title(node: DiffNode) -> str:
    sides = (("before", node.before), ("after", node.after))
    return "\n".join(
        f"{side}: {row.node}, {fmt.count(row.rows)} rows, {fmt.count(row.rows_estimated)} expected"
        for side, row in sides
        if row is not None
    )


def _colour(name: str) -> str:
    return f"var(--{name},{_ALL[name]})"
