"""A trace as JSON: what each statement locked, wrote anew, read in full and blocked, and all together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bench.analyse.locks import is_toast
from bench.model.finding import Finding
from bench.model.lock import Lock
from bench.model.run import MigrationRun, ServerInfo
from bench.model.statement import StatementRun

_UNITED = (
    "locks",
    "rewrites",
    "full_scans",
    "indexes_rebuilt",
    "truncated",
    "blocks",
    "untried",
    "scans",
    "row_changes",
)


def trace_document(
    runs: Sequence[MigrationRun], server: ServerInfo, findings: Sequence[Finding] = ()
) -> dict[str, Any]:
    """The trace of some scripts, ready to be written as JSON.

    Names are those from before the script. ``rewrites``, ``full_scans``, ``indexes_rebuilt`` and
    ``truncated`` are names of existing relations, ``scans`` has rows and passes. TOAST tables, whose names
    say nothing, have their locks apart. ``summary`` has the same keys, each thing once.
    """
    statements = [_statement(run.id, statement) for run in runs for statement in run.statements]
    error = next((document["error"] for document in statements if document["error"]), None)
    error = error or next((asdict(run.error) for run in runs if run.error is not None), None)
    return {
        "server": {"kind": server.kind, "version": server.version, "version_num": server.version_num},
        "statements": statements,
        "findings": [asdict(finding) for finding in findings],
        "summary": {key: _union(document[key] for document in statements) for key in _UNITED}
        | {"error": error},
    }


def _statement(migration: str, run: StatementRun) -> dict[str, Any]:
    rewrites = [rewrite for rewrite in run.rewrites if not is_toast(rewrite.relation)]
    return {
        "file": run.file or migration,
        "line": run.line,
        "index": run.index,
        "text": run.text,
        "kind": run.kind,
        "outcome": run.outcome,
        "transaction": run.transaction,
        "locks": _union(_lock(lock) for lock in run.locks if not is_toast(lock.relation)),
        "toast_locks": _union(_lock(lock) for lock in run.locks if is_toast(lock.relation)),
        "rewrites": [rewrite.relation for rewrite in rewrites if not rewrite.target.endswith("index")],
        "full_scans": [validation.relation for validation in run.validations],
        "indexes_rebuilt": [rewrite.relation for rewrite in rewrites if rewrite.target.endswith("index")],
        "truncated": list(run.truncated),
        "blocks": None if run.blocks is None else [asdict(block) for block in run.blocks],
        "untried": list(run.untried),
        "scans": [asdict(validation) for validation in run.validations],
        "row_changes": [asdict(changes) for changes in run.row_changes],
        "advisory": [asdict(advisory) for advisory in run.advisory],
        "notices": [asdict(notice) for notice in run.notices],
        "lock_timeout_s": run.lock_timeout_s,
        "lock_count": run.lock_count,
        "error": asdict(run.error) if run.error else None,
    }


def _lock(lock: Lock) -> dict[str, Any]:
    return {
        "relation": lock.relation,
        "mode": lock.mode.value,
        "relkind": lock.relkind,
        "new": lock.new,
        "source": lock.source,
        "table": lock.table,
    }


def _union(lists: Iterable[Any]) -> list[Any]:
    """Everything in the order in which it came first, each thing once."""
    found: dict[Hashable, Any] = {}
    for item in _flat(lists):
        found.setdefault(_key(item), item)
    return list(found.values())


def _flat(lists: Iterable[Any]) -> Iterator[Any]:
    for item in lists:
        if item is None:  # not known
            continue
        if isinstance(item, list):
            yield from item
        else:
            yield item


def _key(value: Any) -> Hashable:
    return tuple(value.items()) if isinstance(value, dict) else value
