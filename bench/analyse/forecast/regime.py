"""How the server did a statement, so that only sizes are compared at which it did the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.analyse.forecast.series import Memory, Regime
from bench.analyse.nested import hottest
from bench.analyse.plans import node_work, nodes
from bench.model.run import Run
from bench.model.statement import StatementRun

OF_A_SORT = "work_mem of a sort"
OF_A_HASH = "work_mem of a hash"
MAINTENANCE = "maintenance_work_mem"
SHARED_BUFFERS = "shared_buffers"
DOMINATING = 0.5
"""A way of doing things counts from this share of the rows that a statement's plans handle."""
_BY_INDEX = frozenset({"Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
"""Ways to fetch rows by an index: which one it is changes no growth."""
_UNDER_HEAP_SCAN = frozenset({"Bitmap Index Scan", "BitmapAnd", "BitmapOr"})
_SET = re.compile(r"\bSET\s+(?:SESSION\s+|(LOCAL)\s+)?(\w+)\s*(?:=|\bTO\b)\s*'?([^';]+)", re.IGNORECASE)
_RESET = re.compile(r"\bRESET\s+(\w+)", re.IGNORECASE)
_UNITS = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_IN_MEMORY = 2.0
"""Bytes in memory for each byte of an index that is sorted for its build: tuple headers and pointers."""


def regime(run: StatementRun) -> Regime:
    """What of the plans, spills and rewrites changes how the cost grows."""
    work: dict[str, float] = {}
    present: set[str] = set()
    for plan in run.nested:
        for node in nodes(plan.plan) if plan.plan is not None else ():
            if node.get("Node Type") in _UNDER_HEAP_SCAN:
                continue
            way = _way(node)
            present.add(way)
            work[way] = work.get(way, 0.0) + node_work(node).rows * plan.calls
    total = sum(work.values())
    return Regime(
        dominating=frozenset(way for way, rows in work.items() if rows >= DOMINATING * total > 0),
        present=frozenset(present),
        spilled=bool(run.counters.temp_bytes),
        rewrites=frozenset(rewrite.relation for rewrite in run.rewrites),
    )


def _way(node: Mapping[str, Any]) -> str:
    """``Hash Join (anti), spilled``, ``Index Scan on public.deals``."""
    kind = str(node.get("Node Type", "node"))
    way = "Index Scan" if kind in _BY_INDEX else kind
    if node.get("Join Type") not in (None, "Inner"):
        way += f" ({str(node['Join Type']).lower()})"
    if node.get("Strategy") in ("Hashed", "Sorted", "Mixed"):
        way += f" ({str(node['Strategy']).lower()})"
    if target := node.get("Relation Name") or node.get("Function Name"):
        way += f" on {target}"
    if _batches(node) > 1 or node.get("Sort Space Type") == "Disk":
        way += ", spilled"
    return way + (", in parallel" if node.get("Workers Launched") else "")


def _batches(node: Mapping[str, Any]) -> int:
    return int(node.get("Hash Batches", node.get("HashAgg Batches", 1)))


def settings_after(settings: Mapping[str, str], statements: Sequence[StatementRun]) -> dict[str, str]:
    """The server's settings as the statements of a migration before one leave them, by SET and RESET."""
    found, outside = dict(settings), dict(settings)
    for statement in statements:
        said = _SET.search(statement.text)
        if statement.kind in ("COMMIT", "END", "ROLLBACK"):
            found = dict(outside)
        elif statement.kind == "SET" and said is not None:
            found[said[2].lower()] = said[3].strip()
            if not said[1]:
                outside[said[2].lower()] = said[3].strip()
        elif statement.kind == "RESET" and (name := _RESET.search(statement.text)) is not None:
            found[name[1].lower()] = outside[name[1].lower()] = settings.get(name[1].lower(), "")
    return found


def memory(run: StatementRun, of: Run, settings: Mapping[str, str]) -> dict[str, Memory]:
    """What sorts, hashes, index builds and tables took of the memory there is for them."""
    version = of.environment.server.version_num
    found = dict(_limits(run, settings, version))
    touched = {lock.relation for lock in run.locks if not lock.new and lock.on_table}
    tables = of.dataset.tables if of.dataset is not None else ()
    table_bytes = sum(table.bytes for table in tables if table.name in touched)
    buffers = setting_bytes(settings.get("shared_buffers"))
    if table_bytes and buffers:
        found[SHARED_BUFFERS] = Memory(float(table_bytes), buffers)
    if table_bytes:
        found["the machine's memory"] = Memory(float(table_bytes), float(of.environment.host.memory_bytes))
    return found


def _limits(run: StatementRun, settings: Mapping[str, str], version: int) -> Iterator[tuple[str, Memory]]:
    work_mem = setting_bytes(settings.get("work_mem"))
    hot = hottest(run.nested)
    if work_mem and hot is not None and hot.plan is not None:
        sorts = [
            1024.0 * node.get("Sort Space Used", 0)
            for node in nodes(hot.plan)
            if node.get("Sort Space Type") == "Memory" and node.get("Sort Method") != "top-N heapsort"
        ]
        if sorts:
            yield OF_A_SORT, Memory(max(sorts), work_mem)
        hashes = [
            1024.0 * node.get("Peak Memory Usage", 0)
            for node in nodes(hot.plan)
            if "Peak Memory Usage" in node and _batches(node) <= 1
        ]
        if hashes:
            default = "2" if version >= 150000 else "1"
            multiplier = float(settings.get("hash_mem_multiplier", default))
            yield OF_A_HASH, Memory(max(hashes), work_mem * multiplier)
    maintenance = setting_bytes(settings.get("maintenance_work_mem"))
    built = run.counters.size_delta_bytes
    if maintenance and built and built > 0 and "INDEX" in run.kind and not run.counters.temp_bytes:
        # What a build in memory took cannot have been more than there was.
        yield MAINTENANCE, Memory(min(_IN_MEMORY * built, 0.99 * maintenance), maintenance)


def setting_bytes(value: str | None) -> float | None:
    """``64MB`` in bytes; None where there is no such setting."""
    match = re.fullmatch(r"(\d+)\s*([kMGT]?B)", value or "")
    return float(match[1]) * _UNITS[match[2]] if match else None
