"""Changes of many rows in batches, along the primary key, each batch in a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analyse.names import identifier
from bench.analyse.remedies.tree import relation_name, sql_of, statement_of, tree

BATCH_ROWS = 5000
Keys = Mapping[str, Sequence[str]]
"""Table, with its schema → columns of its primary key."""


def batch_loop(table: str, key: Sequence[str], change: str) -> str:
    """A block that runs ``change`` for one batch after the other; the change holds :func:`in_batch`.

    Every query of the block follows the key's index, so that the work grows with the rows alone.
    """
    columns, low, high = _row(key), _variables("batch_low", key), _variables("batch_high", key)
    declared = "\n".join(
        f"    {name} {table}.{identifier(column)}%TYPE;"
        for names in (low, high)
        for name, column in zip(names, key, strict=True)
    )
    bare = ", ".join(map(identifier, key))
    descending = ", ".join(f"{identifier(column)} DESC" for column in key)
    return f"""\
DO $batches$
DECLARE
{declared}
BEGIN
    SELECT {bare} INTO {", ".join(low)} FROM {table} ORDER BY {bare} LIMIT 1;
    WHILE {low[0]} IS NOT NULL LOOP
        SELECT {bare} INTO {", ".join(high)}
          FROM (SELECT {bare} FROM {table} WHERE {columns} >= {_tuple(low)}
                 ORDER BY {bare} LIMIT {BATCH_ROWS}) AS batch
         ORDER BY {descending} LIMIT 1;
        {change};
        COMMIT;
        SELECT {bare} INTO {", ".join(low)} FROM {table} WHERE {columns} > {_tuple(high)}
         ORDER BY {bare} LIMIT 1;
    END LOOP;
END $batches$;"""


def in_batch(key: Sequence[str], of: str | None = None) -> str:
    """The condition that a row belongs to the batch at hand; ``of`` is the table or its alias."""
    columns = _row(key, of)
    low, high = _variables("batch_low", key), _variables("batch_high", key)
    return f"{columns} >= {_tuple(low)} AND {columns} <= {_tuple(high)}"


def change_in_batches(text: str, table: str, keys: Keys) -> str | None:
    """The UPDATE or DELETE of this text in batches; None where it is of another table, or no key is known."""
    key = keys.get(table)
    found = statement_of(text)
    if not key or found is None or found[0] not in ("update_stmt", "delete_stmt"):
        return None
    node, statement = found
    relation = statement.relation
    if relation.relname != table.partition(".")[2] or statement.HasField("returning_clause"):
        return None
    name = relation_name(relation)
    alias = identifier(relation.alias.aliasname) if relation.HasField("alias") else name
    statement.where_clause.CopyFrom(_both(statement, in_batch(key, alias)))
    return batch_loop(name, key, sql_of(node, statement))


def _both(statement: Any, condition: str) -> Any:
    """The statement's own condition and another one."""
    found = statement_of(f"SELECT 1 WHERE {condition}")
    assert found is not None
    added = found[1].where_clause
    if not statement.HasField("where_clause"):
        return added
    both = tree.Node()
    both.bool_expr.boolop = tree.AND_EXPR
    both.bool_expr.args.add().CopyFrom(statement.where_clause)
    both.bool_expr.args.add().CopyFrom(added)
    return both


def _variables(name: str, key: Sequence[str]) -> list[str]:
    return [name] if len(key) == 1 else [f"{name}_{position}" for position in range(1, len(key) + 1)]


def _row(key: Sequence[str], of: str | None = None) -> str:
    prefix = f"{of}." if of else ""
    return _tuple([prefix + identifier(column) for column in key])


def _tuple(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
