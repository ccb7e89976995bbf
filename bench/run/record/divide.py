"""What a command sent, divided into migrations: one for each row in its bookkeeping table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from postgast import PgQueryError, parse

from bench.migrate.division import read_pieces
from bench.run.record.serverlog import Sent
from bench.sql.kinds import classify

LEAST_PAUSE_S = 0.02
"""Shorter pauses of the client add up until they come to this."""
LAST = "after the last"
_READS = frozenset({"SELECT", "SHOW", "SET", "RESET", "DISCARD", "EXPLAIN", "VALUES", "DEALLOCATE"})
_RETURNS = re.compile(r"\bRETURNING\b", re.IGNORECASE)
_ENDS = frozenset({"commit", "rollback", "prepare"})
_MAY_COMMIT = frozenset({"CALL", "DO"})

Row = Mapping[str, str]
"""Column → value, as written; unnamed ones by their positions."""


Named = Callable[[Row], str | None]
"""The name of the migration that a row notes as applied; None: the row says something else."""


def _column(*names: str) -> Named:
    return lambda row: next((row[name] for name in (*names, "0") if name in row), None)


def _django(row: Row) -> str | None:
    return f"{row['app']}.{row['name']}" if {"app", "name"} <= set(row) else None


def _golang(row: Row) -> str | None:
    """golang-migrate writes the version twice: as dirty before it, and clean after it."""
    return None if row.get("dirty", "").lower() in ("true", "t") else row.get("version", row.get("0"))


TABLES: Mapping[str, Named] = {
    "django_migrations": _django,
    "alembic_version": _column("version_num"),
    "schema_migrations": _golang,  # Rails, Ecto, dbmate, golang-migrate
    "knex_migrations": _column("name"),
    "migrations": _column("migration", "name"),  # Laravel, TypeORM, db-migrate
    "SequelizeMeta": _column("name"),
    "kysely_migration": _column("name"),
    "mikro_orm_migrations": _column("name"),
    "pgmigrations": _column("name"),
    "__drizzle_migrations": _column("created_at", "hash"),
    "__EFMigrationsHistory": _column("MigrationId"),
    "flyway_schema_history": _column("script", "description"),
    "databasechangelog": _column("id"),
    "goose_db_version": _column("version_id"),
    "gorp_migrations": _column("id"),
    "phinxlog": _column("migration_name", "version"),
    "doctrine_migration_versions": _column("version"),
    "_sqlx_migrations": _column("description", "version"),
    "__diesel_schema_migrations": _column("version"),
    "refinery_schema_history": _column("name"),
    "_yoyo_migration": _column("migration_id"),
}
"""Bookkeeping tables of tools, as each tool's source or documentation names them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One statement of a recorded migration, a pause, or what cannot be repeated."""

    text: str
    pause_s: float | None = None
    left_out: str | None = None
    """Why it is not sent again."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One migration as it was sent."""

    name: str
    lines: tuple[Line, ...]
    together: bool = False
    """It shares a transaction with its neighbour that is marked so, too."""


@dataclass(slots=True)
class _Unit:
    """A transaction, or a statement outside of one: what is replayed without anything in between."""

    began_s: float
    lines: list[Line] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)
    """Lines after which a migration is noted as applied, and its name."""
    ended_s: float = 0.0


def divide(sent: Iterable[Sent]) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """The migrations in the order in which they were applied, and what a reader must know of them."""
    sessions: dict[str, list[Sent]] = {}
    for query in sent:
        sessions.setdefault(query.session, []).append(query)
    writing = [queries for queries in sessions.values() if any(_writes(query) for query in queries)]
    remarks = []
    if len(writing) < len(sessions):
        idle = len(sessions) - len(writing)
        remarks.append(f"{idle} more {'session' if idle == 1 else 'sessions'} only read, and left out.")
    units = [unit for queries in writing for unit in _units(queries)]
    units.sort(key=lambda unit: unit.began_s)
    if any(later.began_s < earlier.ended_s for earlier, later in pairwise(units)):
        remarks.append("Two sessions wrote at the same time; they are repeated one after the other.")
    lines = [line for unit in units for line in unit.lines if line.left_out is None]
    returning = sum(_RETURNS.search(line.text) is not None for line in lines)
    if returning:
        statements = "1 statement returns" if returning == 1 else f"{returning} statements return"
        remarks.append(
            f"{statements} what was written (RETURNING), such as new keys: where the command sent that back, "
            "it is sent as it was then."
        )
    return tuple(_migrations(units)), tuple(remarks)


def _writes(query: Sent) -> bool:
    kind = classify(query.text).kind
    control = classify(query.text).transaction_control
    return control is None and kind.split()[0] not in _READS


def _units(queries: Sequence[Sent]) -> Iterator[_Unit]:
    """The transactions of one session, with the client's pauses inside them."""
    unit: _Unit | None = None
    away_s = last_s = 0.0
    for query in queries:
        inside = unit is not None
        if unit is None:
            unit = _Unit(query.began_s)
            away_s = 0.0
        elif inside:
            away_s += max(query.began_s - last_s, 0.0)
            if away_s >= LEAST_PAUSE_S:
                unit.lines.append(Line("", pause_s=away_s))
                away_s = 0.0
        last_s = unit.ended_s = query.ended_s
        open_ = inside
        for line in _lines(query, inside=inside):
            unit.lines.append(line)
            if line.left_out is not None:
                continue
            if (name := applied_by(line.text)) is not None:
                unit.marks.append((len(unit.lines), name))
            control = classify(line.text).transaction_control
            if control == "begin":
                open_ = True
            elif control in _ENDS:
                open_ = False
        if not open_:
            yield unit
            unit = None
    if unit is not None:  # the client went away inside it, so that the server rolled it back
        unit.lines.append(Line("ROLLBACK"))
        unit.marks.clear()
        yield unit


def _lines(query: Sent, *, inside: bool) -> Iterator[Line]:
    """The statements of a query; several outside a transaction are one of their own."""
    if query.sqlstate is not None:
        yield Line(query.text, left_out=f"it failed ({query.sqlstate}), and the command went on")
        return
    if query.text.startswith("-- fastpath"):
        yield Line(query.text, left_out="the log does not have its arguments")
        return
    texts = [
        statement.text
        for statement in read_pieces(Path("recorded"), query.text, "semicolons")
        if statement.kind != "DEALLOCATE"  # of what its client had prepared
    ]
    controls = {classify(text).transaction_control for text in texts}
    implicit = len(texts) > 1 and not inside and not controls & {"begin", "commit", "rollback"}
    if implicit:
        yield Line("BEGIN /* one query */")
    for text in texts:
        if re.match(r"\s*copy\b.*\bfrom\s+stdin\b", text, re.IGNORECASE | re.DOTALL):
            yield Line(text, left_out="the rows that it sent are not in the server's log")
        else:
            yield Line(text)
    if implicit:
        yield Line("COMMIT /* one query */")


def _migrations(units: Sequence[_Unit]) -> Iterator[Recorded]:
    """Cut after the transaction in which a migration is noted; where several are in one, after each note."""
    pending: list[Line] = []
    seen = False
    for unit in units:
        if len(unit.marks) < 2:
            pending += unit.lines
            if unit.marks:
                seen = True
                yield Recorded(unit.marks[0][1], tuple(pending))
                pending = []
            continue
        if not all(_only_reads(line) for line in pending):
            yield Recorded(f"before {unit.marks[0][1]}", tuple(pending))
        pending, seen, begun = [], True, 0
        for position, (end, name) in enumerate(unit.marks):
            last = position == len(unit.marks) - 1
            lines = unit.lines[begun:] if last else unit.lines[begun:end]
            yield Recorded(name, tuple(lines), together=True)
            begun = end
    if not all(_only_reads(line) for line in pending):
        yield Recorded(LAST if seen else "command", tuple(pending))


def _only_reads(line: Line) -> bool:
    """Whether it leaves nothing behind and calls no function, so that nobody misses it."""
    facts = classify(line.text)
    reads = facts.kind == "SHOW" or (facts.kind == "SELECT" and "(" not in line.text)
    return line.left_out is None and (
        line.pause_s is not None or facts.transaction_control is not None or reads
    )


def applied_by(text: str) -> str | None:
    """The migration that a statement notes as applied; None where it notes none."""
    if not any(table in text for table in TABLES):
        return None
    try:
        parsed = parse(text).stmts
    except PgQueryError:
        return None
    statement = parsed[0].stmt if len(parsed) == 1 else None
    if statement is None:
        return None
    if statement.HasField("insert_stmt"):
        insert = statement.insert_stmt
        rows = insert.select_stmt.select_stmt.values_lists
        names = [column.res_target.name for column in insert.cols]
        values = [[_constant(item) for item in row.list.items] for row in rows]
        named = [
            _named(insert.relation.relname, dict(zip(names or map(str, range(len(row))), row, strict=False)))
            for row in values
        ]
        return next((name for name in reversed(named) if name is not None), None)
    if statement.HasField("update_stmt"):
        update = statement.update_stmt
        row = {target.res_target.name: _constant(target.res_target.val) for target in update.target_list}
        return _named(update.relation.relname, row)
    return None


def _named(table: str, row: Mapping[str, str]) -> str | None:
    return TABLES[table](row) if table in TABLES else None


def _constant(node: Any) -> str:
    """A constant's value as text; of anything else, its source is no name."""
    while node.HasField("type_cast"):
        node = node.type_cast.arg
    if not node.HasField("a_const"):
        return ""
    kinds = ("sval", "ival", "fval", "boolval")
    return next(
        (str(getattr(getattr(node.a_const, kind), kind)) for kind in kinds if node.a_const.HasField(kind)), ""
    )
