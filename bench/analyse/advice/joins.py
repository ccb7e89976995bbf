"""Rules about how tables meet: loops, joins without an equality, subqueries for each row, CTEs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.analyse.advice.nodes import Advice, Executed, Node, advice, listed
from bench.analyse.quantity import count

MANY_LOOPS = 1_000
MANY_PAIRS = 100_000
MANY_ROWS = 1_000
OFF = 10.0
LEAST_ROWS = 100.0
"""An estimate that is off among fewer rows chooses no other plan."""
JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})


def scan_per_loop(plan: Executed) -> Iterator[Advice]:
    """A table that a nested loop reads in full again and again."""
    for node in plan.nodes:
        inner = node.kind == "Nested Loop" and len(node.children) > 1 and node.children[1]
        if not inner or inner.loops < 10:
            continue
        scan = next((below for below in inner.below() if below.kind == "Seq Scan"), None)
        if scan is None or scan.loops < 10:
            continue
        read = scan.rows + scan.removed("Filter")
        columns = _joined(node, scan) or scan.searched()
        if plan.index_on(scan, columns):
            continue
        if (
            read >= MANY_PAIRS
            and scan.raw.get("Actual Rows", 0) + scan.raw.get("Rows Removed by Filter", 0) > 1
        ):
            yield advice(
                "nested-loop-scan",
                scan,
                f"read in full {count(scan.loops)} times, {count(read)} rows in all",
                f"CREATE INDEX CONCURRENTLY ON {scan.relation} {listed(columns, 'its join columns')};",
                loops=scan.loops,
                rows_read=read,
            )


def _joined(join: Node, scan: Node) -> tuple[str, ...]:
    """The columns of a scan by which a join compares its rows."""
    alias = re.escape(str(scan.raw.get("Alias", "")))
    side = rf'\(?"?{alias}"?\."?(\w+)"?\)?(?:::\w+)?'
    pairs = re.findall(rf"{side} = |= {side}", join.text("Join Filter")) if alias else []
    return tuple(dict.fromkeys(left or right for left, right in pairs))


def many_loops(plan: Executed) -> Iterator[Advice]:
    """A nested loop that was expected to run ten times less often than it did."""
    for node in plan.nodes:
        if node.kind != "Nested Loop" or len(node.children) < 2:
            continue
        outer, inner = node.children[0], node.children[1]
        factor = outer.row.estimate_factor
        if inner.loops >= MANY_LOOPS and factor is not None and factor >= OFF:
            yield advice(
                "nested-loop-many",
                node,
                f"its inner side ran {count(inner.loops)} times, {factor:.0f} times as often as expected",
                f"better statistics for {outer.name} (ANALYZE, CREATE STATISTICS), so that a hash join is "
                "chosen",
                loops=inner.loops,
                factor=factor,
            )


def join_filter(plan: Executed) -> Iterator[Advice]:
    """A join that tries pairs and throws nearly all away."""
    for node in plan.nodes:
        removed = node.removed("Join Filter")
        if node.kind not in JOINS or removed < MANY_PAIRS or " OR " in node.text("Join Filter"):
            continue
        yield advice(
            "join-without-equality",
            node,
            f"tries {count(removed + node.rows)} pairs and keeps {count(node.rows)}",
            "join by an equality of stored values, computed in a column or an expression index if need be",
            pairs=removed + node.rows,
            rows_kept=node.rows,
        )


def or_across_tables(plan: Executed) -> Iterator[Advice]:
    """An OR over columns of two tables, which only pairs can answer."""
    for node in plan.nodes:
        removed = node.removed("Join Filter")
        if node.kind in JOINS and " OR " in node.text("Join Filter") and removed >= MANY_ROWS:
            yield advice(
                "or-across-tables",
                node,
                f"evaluates an OR over two tables for {count(removed + node.rows)} pairs, keeps "
                f"{count(node.rows)}",
                "a UNION of two queries, one for each side of the OR, each with its own index",
                pairs=removed + node.rows,
                rows_kept=node.rows,
            )


def correlated_subplan(plan: Executed) -> Iterator[Advice]:
    """A subquery that runs for each row."""
    for node in plan.nodes:
        if node.role == "SubPlan" and node.loops >= MANY_LOOPS:
            yield advice(
                "correlated-subquery",
                node,
                f"{node.raw.get('Subplan Name', 'a subquery')} runs {count(node.loops)} times",
                "join with the subquery, grouped by its key, or LEFT JOIN LATERAL where an index serves it",
                loops=node.loops,
            )


def materialised_cte(plan: Executed) -> Iterator[Advice]:
    """A CTE that is computed in full and then filtered."""
    for node in plan.nodes:
        removed = node.removed("Filter")
        if node.kind == "CTE Scan" and removed >= MANY_ROWS and removed >= 9 * node.rows:
            yield advice(
                "cte-filtered-late",
                node,
                f"CTE {node.raw.get('CTE Name')} yields {count(removed + node.rows)} rows, of which "
                f"{count(node.rows)} are used",
                "AS NOT MATERIALIZED, or put the condition into the CTE",
                rows_computed=removed + node.rows,
                rows_kept=node.rows,
            )


def estimate_off(plan: Executed) -> Iterator[Advice]:
    """Where an estimate first goes wrong by a factor of ten: below it, all are right."""
    for node in plan.nodes:
        factor = node.row.estimate_factor
        if factor is None or 1 / OFF < factor < OFF or node.kind in ("Function Scan", "CTE Scan"):
            continue
        if max(node.row.rows or 0, node.row.rows_estimated or 0) < LEAST_ROWS or _off_below(node):
            continue
        what = f"{factor:.0f} times as many" if factor > 1 else f"{1 / factor:.0f} times fewer"
        columns = node.columns()
        extended = (
            f"CREATE STATISTICS ON {', '.join(columns)} FROM {node.relation}; " if len(columns) > 1 else ""
        )
        yield advice(
            "estimate-off",
            node,
            f"{count(node.row.rows)} rows where {count(node.row.rows_estimated)} were expected, {what}",
            f"{extended}ANALYZE, with a higher statistics target for the columns of its condition",
            rows=node.row.rows or 0.0,
            rows_expected=node.row.rows_estimated or 0.0,
        )


def _off_below(node: Node) -> bool:
    return any(
        below.row.estimate_factor is not None and not 1 / OFF < below.row.estimate_factor < OFF
        for child in node.children
        for below in child.below()
    )
