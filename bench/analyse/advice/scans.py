"""Rules about how rows are found: tables read in full, indexes that find too many or cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.analyse.advice.nodes import Advice, Executed, Node, advice, listed
from bench.analyse.quantity import count

MANY_ROWS = 1_000
"""Fewer rows are read in no time."""
SELECTIVE = 0.1
"""A filter that keeps less than this share would be served by an index."""
INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
_CAST = re.compile(
    r"\(\"?(?:\w+\"?\.\"?)?(\w+)\"?\)::(numeric|double precision|real|date|timestamp|bigint)\b"
)
_LEADING = re.compile(r"\"?(\w+)\"?(?:\)::text)? (~~\*?) '%")
_PATTERN = re.compile(r"(?:\b(?:lower|upper)\()?\(?\"?(\w+)\"?(?:\)::text)?\)? (~~\*|~\*|~) ")
"""ILIKE and regular expressions, which only trigrams serve, whatever the pattern."""
_ARRAY = re.compile(r"= ANY \('(\{[^']*\})'")
LONG_LIST = 100


def sequential_scan(plan: Executed) -> Iterator[Advice]:
    """A table read in full for a small part of it, where nothing in the condition keeps an index from it."""
    for node in plan.nodes:
        removed = node.removed("Filter")
        if node.kind != "Seq Scan" or removed < MANY_ROWS or node.rows > SELECTIVE * (removed + node.rows):
            continue
        if _LEADING.search(node.text("Filter")) or _PATTERN.search(node.text("Filter")) or _cast_in(node):
            continue  # rules of their own
        searched = node.searched()
        if plan.index_on(node, searched) or (node.columns() and not searched):
            continue  # there already, and not taken; or nothing that a B-tree finds
        yield advice(
            "seq-scan-selective",
            node,
            f"reads {count(removed + node.rows)} rows and keeps {count(node.rows)}",
            f"CREATE INDEX CONCURRENTLY ON {node.relation} {listed(searched)};",
            rows_read=removed + node.rows,
            rows_kept=node.rows,
        )


def filter_after_index(plan: Executed) -> Iterator[Advice]:
    """An index that finds ten times the rows that its filter keeps."""
    for node in plan.nodes:
        removed = node.removed("Filter")
        if node.kind not in INDEX_SCANS or removed < MANY_ROWS or node.rows > SELECTIVE * removed:
            continue
        if _under_limit(node) or plan.index_on(node, node.searched()):
            continue  # late-limit; or there is one by the filter's own columns, which was not taken
        yield advice(
            "filter-after-index",
            node,
            f"the index finds {count(removed + node.rows)} rows, its filter throws {count(removed)} away",
            f"add {listed(node.columns())} to the index on {node.relation}, or make it partial",
            rows_removed=removed,
            rows_kept=node.rows,
        )


def late_limit(plan: Executed) -> Iterator[Advice]:
    """A LIMIT that walks an index in order and throws most rows away before it has enough."""
    for node in plan.nodes:
        removed = node.removed("Filter")
        limit = _under_limit(node)
        if limit is None or node.kind not in INDEX_SCANS or removed < MANY_ROWS or removed < 10 * node.rows:
            continue
        if plan.index_on(node, node.searched()):
            continue
        yield advice(
            "late-limit",
            node,
            f"walks past {count(removed)} rows to find the {count(limit.rows)} of the LIMIT",
            f"an index on {node.relation} that begins with {listed(node.columns())} and goes on with the "
            "columns of ORDER BY",
            rows_removed=removed,
            rows_wanted=limit.rows,
        )


def deep_offset(plan: Executed) -> Iterator[Advice]:
    """An OFFSET that reads many rows to skip them."""
    for node in plan.nodes:
        if node.kind != "Limit" or not node.children:
            continue
        skipped = node.children[0].rows - node.rows
        if skipped >= MANY_ROWS:
            yield advice(
                "deep-offset",
                node,
                f"reads {count(skipped)} rows to skip them and returns {count(node.rows)}",
                "page by key: WHERE (sort columns) > (those of the last row seen), without OFFSET",
                rows_skipped=skipped,
            )


def heap_fetches(plan: Executed) -> Iterator[Advice]:
    """An index-only scan that goes to the table all the same."""
    for node in plan.nodes:
        fetches = float(node.raw.get("Heap Fetches", 0))
        if node.kind == "Index Only Scan" and fetches >= MANY_ROWS and fetches >= SELECTIVE * node.rows:
            yield advice(
                "heap-fetches",
                node,
                f"went to the table for {count(fetches)} of {count(node.rows)} rows",
                f"VACUUM {node.relation}; and a lower autovacuum_vacuum_scale_factor for it",
                heap_fetches=fetches,
                rows=node.rows,
            )


def lossy_bitmap(plan: Executed) -> Iterator[Advice]:
    """A bitmap that had no room for rows, so that whole pages were looked through."""
    for node in plan.nodes:
        lossy, exact = (float(node.raw.get(f"{which} Heap Blocks", 0)) for which in ("Lossy", "Exact"))
        if lossy >= 100 and lossy > SELECTIVE * exact:
            removed = node.removed("Index Recheck")
            yield advice(
                "bitmap-lossy",
                node,
                f"{count(lossy)} of {count(lossy + exact)} pages lossy, {count(removed)} rows tried in vain",
                "more work_mem for this session, or an index that finds fewer rows",
                lossy_blocks=lossy,
                rows_rechecked=removed,
            )


def cast_column(plan: Executed) -> Iterator[Advice]:
    """A column that is cast before it is compared, which no plain index on it serves."""
    for node in plan.nodes:
        found = _cast_in(node)
        removed = node.removed("Filter")
        if node.kind != "Seq Scan" or found is None or removed < MANY_ROWS:
            continue
        column, to = found
        yield advice(
            "cast-on-column",
            node,
            f"casts {column} to {to} for {count(removed + node.rows)} rows and keeps {count(node.rows)}",
            f"compare {column} with a value of its own type (a range instead of ::date), or index the "
            f"expression: CREATE INDEX ON {node.relation} (({column}::{to}));",
            column=column,
            cast_to=to,
            rows_read=removed + node.rows,
        )


def leading_wildcard(plan: Executed) -> Iterator[Advice]:
    """LIKE with a wildcard in front, for which a B-tree is of no use."""
    for node in plan.nodes:
        match = _LEADING.search(node.text("Filter")) or _PATTERN.search(node.text("Filter"))
        removed = node.removed("Filter")
        if node.kind == "Seq Scan" and match is not None and removed >= MANY_ROWS:
            if plan.index_on(node, [match[1]], trigrams=True):
                continue
            yield advice(
                "leading-wildcard",
                node,
                f"compares {match[1]} of {count(removed + node.rows)} rows with a pattern that no B-tree "
                "serves",
                f"CREATE EXTENSION pg_trgm; CREATE INDEX ON {node.relation} USING gin ({match[1]} "
                "gin_trgm_ops);",
                column=match[1],
                rows_read=removed + node.rows,
            )


def long_list(plan: Executed) -> Iterator[Advice]:
    """An IN list of hundreds of values."""
    for node in plan.nodes:
        text = " ".join(node.text(key) for key in ("Filter", "Index Cond", "Recheck Cond"))
        lengths = [found.count(",") + 1 for found in _ARRAY.findall(text)]
        if lengths and max(lengths) >= LONG_LIST and node.kind != "Bitmap Index Scan":
            yield advice(
                "long-in-list",
                node,
                f"compares with a list of {count(max(lengths))} values",
                "join with the values instead: JOIN unnest($1::…[]) AS wanted(id) USING (id)",
                values=float(max(lengths)),
            )


def _cast_in(node: Node) -> tuple[str, str] | None:
    """A column and the type that it is cast to; to text tells nothing, as varchar is compared so anyway."""
    match = _CAST.search(node.text("Filter"))
    return (match[1], match[2]) if match else None


def _under_limit(node: Node) -> Node | None:
    """The Limit that stops this node, if nothing in between reads all of it first."""
    for above in node.above():
        if above.kind == "Limit":
            return above
        if above.kind not in ("Subquery Scan", "Result", "LockRows", "ProjectSet"):
            return None
    return None
