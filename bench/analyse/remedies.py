"""The way out of a danger, in words and SQL; the statement's text chooses the wording."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.analyse.names import bare, quoted


def fix_rewrite(kind: str, table: str) -> str:
    """How to do without writing a table, or its indexes, anew under a lock."""
    if kind.startswith("ALTER TABLE"):
        return (
            f"Add a new column to {quoted(table)}, fill it in batches while a trigger keeps it current, then "
            "swap the names in one short transaction."
        )
    return (
        f"Do it outside the deploy, with a tool that copies {quoted(table)} online (pg_repack, pg_squeeze)."
    )


def rebuilds_indexes(kind: str, text: str) -> bool:
    """Whether an index new after the statement replaces an old one: a column's type or collation changed."""
    return kind.startswith("ALTER TABLE") and not re.search(r"\b(ADD|ATTACH)\b", text, re.IGNORECASE)


def fix_reindex(table: str, indexes: Sequence[str]) -> str:
    """How to build indexes again while the table is in use; with none named, those of the whole table."""
    if not indexes:
        return f"REINDEX TABLE CONCURRENTLY {quoted(table)};"
    return " ".join(f"REINDEX INDEX CONCURRENTLY {quoted(index)};" for index in indexes)


def fix_index(kind: str, text: str, index: str, table: str) -> str:
    """How to build a new index while the table is in use."""
    if rebuilds_indexes(kind, text):
        return fix_rewrite(kind, table)
    unique = "UNIQUE " if re.search(r"\b(UNIQUE|PRIMARY\s+KEY)\b", text, re.IGNORECASE) else ""
    build = f"CREATE {unique}INDEX CONCURRENTLY {bare(index)} ON {quoted(table)} …"
    if kind.startswith("CREATE"):
        return f"{build}, alone and outside a transaction."
    if _attaches(text):
        return f"{build}, alone and outside a transaction, before the partition is attached."
    return (
        f"{build}, alone and outside a transaction; then ALTER TABLE {quoted(table)} ADD CONSTRAINT "
        f"{bare(index)} … USING INDEX {bare(index)}."
    )


def fix_scan(text: str, table: str) -> str:
    """How to have a table read without a lock that blocks it."""
    name = quoted(table)
    validate = f"then, in a transaction of its own, ALTER TABLE {name} VALIDATE CONSTRAINT …"
    if _attaches(text):
        return (
            f"ALTER TABLE {name} ADD CONSTRAINT … CHECK (…) NOT VALID, matching the partition bounds; "
            f"{validate}; ATTACH PARTITION then needs no scan, and the constraint can go."
        )
    column = re.search(r"ALTER\s+(?:COLUMN\s+)?(\"(?:[^\"]|\"\")+\"|\w+)\s+SET\s+NOT\s+NULL", text, re.I)
    if column:
        return (
            f"ALTER TABLE {name} ADD CONSTRAINT … CHECK ({column[1]} IS NOT NULL) NOT VALID; {validate}; "
            f"SET NOT NULL then needs no scan, and the constraint can go."
        )
    return f"Add the constraint to {name} as NOT VALID; {validate}."


def _attaches(text: str) -> bool:
    return re.search(r"\bATTACH\s+PARTITION\b", text, re.IGNORECASE) is not None
