"""Rows as production has them, from what a read-only script printed there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datagen.engine.plan import DataSet
from datagen.errors import UsageError

_HINT = (
    'give JSON such as {"tables": {"public.deals": {"rows": 5000000}}}; '
    "bench forecast --production-sql shows how"
)


def read_like(path: Path) -> dict[str, int]:
    """Rows by schema-qualified table; what psql prints around the JSON object is passed over.

    Raises UsageError: no such file, no JSON, no table with a number of rows.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text[text.find("{") : text.rfind("}") + 1])
        return {name: _rows(name, entry) for name, entry in _entries(document["tables"])}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", _HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} does not tell the rows of tables: {error}", _HINT) from error


def like_production(data: DataSet, production: Mapping[str, int], path: Path) -> tuple[float, dict[str, int]]:
    """Scale and rows by table of a data set as large as production's.

    The scale, of which the tables that production lacks get their rows, is that of the first leading table
    that it has. Counts from statistics may contradict each other a little: parents that rows cannot do
    without are there. Raises UsageError where production has none of the tables.
    """
    at_one = data.rows_at(1)
    known = {table: rows for table, rows in production.items() if table in at_one}
    for table in data.leading:
        if known.get(table):
            scale = known[table] / at_one[table]
            rows = data.rows_at(scale) | known
            needed = {parent for sizes in data.rows.values() for parent in sizes.needs}
            return scale, data.fitted(rows | {parent: max(rows[parent], 1) for parent in needed})
    seen = ", ".join(sorted(production)[:5]) or "none"
    raise UsageError(
        f"{path} has no rows in tables of {data.title}, but: {seen}", "was it the right database?"
    )


def _entries(tables: Any) -> list[tuple[str, Any]]:
    if isinstance(tables, list):
        return [(table["name"], table) for table in tables]
    return list(tables.items())


def _rows(name: str, entry: Any) -> int:
    rows = entry["rows"]
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise ValueError(f"{name} has {rows!r} rows")
    return rows
