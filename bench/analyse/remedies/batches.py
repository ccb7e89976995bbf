"""Changes of many rows in batches, along the primary key, each batch in a transaction of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from postgast import PgQueryError, parse_plpgsql

from bench.analyse.remedies.script import OUTSIDE, Script
from bench.sql.names import identifier
from bench.sql.tree import messages, object_name, relation_name, sql_of, statement_of, tree

BATCH_ROWS, LEAST_ROWS = 5000, 10
BATCH_S = 0.1
"""A batch's locks should be held no longer."""
_REPORTS = ("PLpgSQL_stmt_getdiag", "PLpgSQL_stmt_raise", "PLpgSQL_stmt_return")
_NUMBERS = frozenset({"nextval", "setval", "currval", "lastval"})
"""Functions by which a row's value depends on how many rows came before it."""
_ERROR = 21
"""elog level from which RAISE ends the block."""
Keys = Mapping[str, Sequence[str]]
"""Table, with its schema → columns of its primary key."""


def batch_loop(
    table: str,
    key: Sequence[str],
    change: str,
    at_end: str = "",
    progress: str | None = None,
    batch_rows: int = BATCH_ROWS,
) -> str:
    """A block that runs ``change`` for one batch after the other; the change holds :func:`in_batch`.

    Every query of the block follows the key's index, so that the work grows with the rows alone.
    ``at_end``: a statement that runs once all batches are committed; ``progress``: a table of the key's
    columns in which the last key is committed with its batch, so that a second run goes on after it.
    """
    low, high = _variables("batch_low", key), _variables("batch_high", key)
    declared = "\n".join(
        f"    {name} {table}.{identifier(column)}%TYPE;"
        for names in (low, high)
        for name, column in zip(names, key, strict=True)
    )
    bare = ", ".join(map(identifier, key))
    descending = ", ".join(f"{identifier(column)} DESC" for column in key)
    last = f"\n    {at_end};" if at_end else ""
    first = f"SELECT {bare} INTO {', '.join(low)} FROM {table} ORDER BY {bare} LIMIT 1;"
    after = f"SELECT {bare} INTO {', '.join(low)} FROM {table} WHERE {_row(key)} > {_tuple(high)}"
    noted = ""
    if progress:
        first = f"""\
SELECT {bare} INTO {", ".join(high)} FROM {progress};
    IF FOUND THEN
        {after} ORDER BY {bare} LIMIT 1;
    ELSE
        {first}
    END IF;"""
        noted = f"""
        DELETE FROM {progress};
        INSERT INTO {progress} ({bare}) VALUES ({", ".join(high)});"""
    return f"""\
DO $batches$
DECLARE
{declared}
BEGIN
    {first}
    WHILE {low[0]} IS NOT NULL LOOP
        SELECT {bare} INTO {", ".join(high)}
          FROM (SELECT {bare} FROM {table} WHERE {_row(key)} >= {_tuple(low)}
                 ORDER BY {bare} LIMIT {batch_rows}) AS batch
         ORDER BY {descending} LIMIT 1;
        {change};{noted}
        COMMIT;
        {after}
         ORDER BY {bare} LIMIT 1;
    END LOOP;{last}
END $batches$;"""


def in_batch(key: Sequence[str], of: str | None = None) -> str:
    """The condition that a row belongs to the batch at hand; ``of`` is the table or its alias."""
    columns = _row(key, of)
    low, high = _variables("batch_low", key), _variables("batch_high", key)
    return f"{columns} >= {_tuple(low)} AND {columns} <= {_tuple(high)}"


def rows_per_batch(rows: int, duration_s: float) -> int:
    """So many rows that a batch takes about :data:`BATCH_S`, by what the whole change took; one digit."""
    if not rows or duration_s <= 0:
        return BATCH_ROWS
    fitting = min(max(BATCH_S * rows / duration_s, LEAST_ROWS), BATCH_ROWS)
    digit = 10 ** (len(str(int(fitting))) - 1)
    return int(fitting // digit * digit)


def block_in_batches(text: str, table: str, keys: Keys, batch_rows: int = BATCH_ROWS) -> str | None:
    """The UPDATEs and DELETEs of a DO block, each in batches, in the block's order; None where it does more.

    What it reports of them (GET DIAGNOSTICS, RAISE of less than an error) is left out, and said.
    """
    node = statement_of(text)
    if node is None or node[0] != "do_stmt":
        return None
    try:
        function = parse_plpgsql(text)[0]["PLpgSQL_function"]
    except (PgQueryError, json.JSONDecodeError, RecursionError, LookupError, TypeError):
        return None
    body = function.get("action", {}).get("PLpgSQL_stmt_block", {})
    variables = {
        datum["refname"]
        for part in function.get("datums", ())
        for datum in part.values()
        if "refname" in datum
    }
    scripts = []
    for statement in body.get("body", ()):
        ((kind, parts),) = statement.items()
        if kind == "PLpgSQL_stmt_execsql" and not parts.get("into"):
            query = parts["sqlstmt"]["PLpgSQL_expr"]["query"]
            batches = change_in_batches(query, table, keys, batch_rows)
            if batches is None or any(re.search(rf"\b{re.escape(name)}\b", query) for name in variables):
                return None
            scripts.append(batches)
        elif kind not in _REPORTS or parts.get("elog_level", 0) >= _ERROR:
            return None
    if not scripts or body.get("exceptions"):
        return None
    return "\n".join(scripts)


def change_in_batches(text: str, table: str, keys: Keys, batch_rows: int = BATCH_ROWS) -> str | None:
    """The UPDATE or DELETE of this text in batches; None where they would not come to the same.

    That is where no key is known or the key itself changes, and where the statement looks at other rows of
    its table, which earlier batches have changed by then. No row is changed twice: a second run after a
    failure goes on after the last batch.
    """
    key = keys.get(table)
    tagged = statement_of(text)
    if not key or tagged is None or tagged[0] not in ("update_stmt", "delete_stmt"):
        return None
    node, statement = tagged
    relation = statement.relation
    if relation.relname != table.partition(".")[2] or not _by_row(statement, key):
        return None
    name = relation_name(relation)
    alias = identifier(relation.alias.aliasname) if relation.HasField("alias") else name
    statement.where_clause.CopyFrom(_both(statement, in_batch(key, alias)))
    schema, dot, _ = name.rpartition(".")
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    progress = f"{schema}{dot}{identifier(object_name(relation.relname, digest, 'batches'))}"
    columns = ", ".join(map(identifier, key))
    script = Script()
    script.note(f"{OUTSIDE}, as it commits after each batch; a second run goes on where a failure ended it")
    if _tells_time(statement):
        script.note("now() is the time of each batch; triggers FOR EACH STATEMENT fire for each batch")
    script.add(f"CREATE TABLE IF NOT EXISTS {progress} AS SELECT {columns} FROM {name} WITH NO DATA")
    change = sql_of(node, statement)
    script.append(
        batch_loop(
            name, key, change, at_end=f"DROP TABLE {progress}", progress=progress, batch_rows=batch_rows
        )
    )
    return script.text


def _by_row(statement: Any, key: Sequence[str]) -> bool:
    """Whether what becomes of a row depends on no other row of its table, and its key stays."""
    if statement.HasField("returning_clause") or statement.HasField("with_clause"):
        return False
    if not statement.relation.inh or any(messages(statement, "CurrentOfExpr")):
        return False
    if _functions(statement) & _NUMBERS:
        return False
    own = [
        message
        for message in messages(statement, "RangeVar")
        if message.relname == statement.relation.relname
    ]
    assigned = {target.res_target.name for target in getattr(statement, "target_list", ())}
    return len(own) == 1 and not assigned & set(key)


def _tells_time(statement: Any) -> bool:
    return bool(_functions(statement) & {"now", "transaction_timestamp"}) or any(
        messages(statement, "SQLValueFunction")
    )


def _functions(statement: Any) -> set[str]:
    return {call.funcname[-1].string.sval for call in messages(statement, "FuncCall")}


def _both(statement: Any, condition: str) -> Any:
    """The statement's own condition and another one."""
    node = statement_of(f"SELECT 1 WHERE {condition}")
    assert node is not None
    added = node[1].where_clause
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
