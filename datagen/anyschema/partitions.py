"""Partition keys: which values lead to which partition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from datagen.anyschema.catalog import Column, Leaf, Table
from datagen.anyschema.checks import Limits
from datagen.anyschema.guess import Unknown, values_of
from datagen.anyschema.values import Values, chosen

_LITERAL = re.compile(r"'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?)|MINVALUE|MAXVALUE|NULL")


@dataclass(slots=True)
class Leaves:
    """For each column of a partition key, its values by partition; None for any value."""

    by_column: dict[int, list[Values | None]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def leaf_values(table: Table, columns: Sequence[Column], leaves: Sequence[Leaf]) -> Leaves:
    """The values that lead to each partition of a table; DEFAULT is used only where it is alone."""
    found = Leaves()
    if table.partition_key is None:
        return found
    own = [leaf for leaf in leaves if leaf.root == table.oid]
    usable = [leaf for leaf in own if "DEFAULT" not in leaf.bounds] or own
    if not own:
        found.problems.append("it is partitioned and has no partition")
    for position, leaf in enumerate(usable):
        for bound, key in zip(leaf.bounds, leaf.keys, strict=True):
            if bound == "DEFAULT" or "WITH (modulus" in bound:
                continue
            column = _key_column(key, columns)
            if column is None:
                found.problems.append(f"partition key {key} is not planned for")
                return found
            try:
                values = _bounded(table, column, bound)
            except Unknown as reason:
                found.problems.append(f"partition {bound}: {reason}")
                return found
            found.by_column.setdefault(column.number, [None] * len(usable))[position] = values
    return found


def _key_column(key: str, columns: Sequence[Column]) -> Column | None:
    inside = re.fullmatch(r"\w+ \((.*)\)", key)
    name = inside[1].strip('"').replace('""', '"') if inside else ""
    return next((column for column in columns if column.name == name), None)


def _bounded(table: Table, column: Column, bound: str) -> Values:
    literals = [
        m[1].replace("''", "'") if m[1] is not None else m[2] or m[0] for m in _LITERAL.finditer(bound)
    ]
    if bound.startswith("FOR VALUES IN"):
        given = [text for text in literals if text != "NULL"]
        if not given:
            raise Unknown("it takes NULL alone")
        return chosen(given)
    low, high = literals[0], literals[-1]
    limits = Limits(
        low=None if low == "MINVALUE" else low, high=None if high == "MAXVALUE" else high, high_open=True
    )
    return values_of(table.label, replace(column, labels=None), limits, None, 1)
