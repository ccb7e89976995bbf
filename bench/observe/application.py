"""What an application does: the commands that are tried on every table and view that is there."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from bench.observe.relations import Reach, Relation, RelationCatalog
from bench.pg.catalog import load_query

TRIED = ("r", "p", "v", "m")
"""Kinds of relations, as ``pg_class.relkind`` has them, that an application names in its commands."""
OPS = ("SELECT", "SELECT FOR UPDATE", "INSERT", "UPDATE", "DELETE")

FOREIGN_KEY_VIOLATION = "23503"
ANOTHER_ROW_MAY_DO = ("22", "23")
"""Classes of errors: data exception, integrity constraint violation."""

# A row without the rows that it refers to, put into a table that has none: for superusers.
_KEYS_OFF = b"SET LOCAL session_replication_role = replica"
_KEYS_ON = b"SET LOCAL session_replication_role = origin"


@dataclass(frozen=True, slots=True)
class Command:
    """One command on one relation."""

    relation: str
    """As it was called before the migration."""
    op: str
    text: bytes
    after_insert: bytes | None = None
    """The same on a row that it inserts before, for a table that has none."""


@dataclass(frozen=True, slots=True)
class _Table:
    columns: tuple[Column, ...]
    row: Mapping[str, str]
    """A new row, by column."""
    takes_row: bool
    """Whether the INSERT comes to its end, if need be without its foreign keys."""
    rows: int
    """Rows that the table has, counted up to one more than matters."""


class Application:
    """The commands of an application on the relations that were there before the migration.

    ``conn`` must not be a session that waits for locks while a migration's transaction is open. Of more than
    ``max_tables`` tables only so many get commands, those first that a migration is likely to reach.
    """

    def __init__(self, conn: psycopg.Connection[TupleRow], max_tables: int) -> None:
        self._conn = conn
        self._catalog = RelationCatalog(())
        self._max_tables = max_tables
        self._random = random.Random(1)
        self._without_keys = self._refusal(sql.Composed([sql.SQL(_KEYS_OFF.decode())])) is None
        self._names: dict[int, sql.Identifier] = {}
        self._leaves: dict[int, list[int]] = {}
        """Partitioned table → its partitions on all levels."""
        self._tables: dict[int, _Table] = {}
        self._reach = Reach()
        self._dirty: set[int] = set()
        """Tables in which trying may have left dead rows."""

    def learn(self, catalog: RelationCatalog, likely: Set[int], changed: Set[int] | None = None) -> None:
        """Read names and columns as they are committed now, and find a new row for each table that changed.

        ``catalog`` has the relations from before the migration, of which ``likely`` come first; ``changed``:
        those that may have changed since the last time, None: any. Waits for locks: no migration's
        transaction may be open.
        """
        self._catalog = catalog
        text = load_query("probe_links", self._conn.info.server_version)
        self._reach = Reach(self._conn.execute(text).fetchall())
        targets = [relation.oid for relation in catalog.existing() if relation.relkind in TRIED]
        if changed is None:
            self._names, self._leaves = {}, {}
        else:
            targets = [oid for oid in targets if oid in changed or oid not in self._names]
        found = self._query("probe_targets", targets).fetchall()
        for gone in set(targets) - {oid for oid, *_ in found}:
            self._names.pop(gone, None)
        for parent, leaves in self._leaves.items():
            self._leaves[parent] = [leaf for leaf in leaves if leaf not in targets]
        for oid, schema, name, ancestors in found:
            self._names[oid] = sql.Identifier(schema, name)
            for ancestor in ancestors:
                self._leaves.setdefault(ancestor, []).append(oid)
        self._learn_tables(self._to_prepare(likely), set(targets))
        self.clean()

    def _to_prepare(self, likely: Set[int]) -> list[int]:
        """The tables that get commands: all, or as many as may be, the likely ones first."""
        tables = [
            relation.oid
            for relation in self._catalog.existing()
            if relation.relkind in ("r", "p") and relation.oid in self._names
        ]
        if len(tables) <= self._max_tables:
            return tables
        met = self._reach.of(likely)
        return sorted(tables, key=lambda oid: (oid not in likely, oid not in met, oid))[: self._max_tables]

    def _learn_tables(self, chosen: list[int], targets: Set[int]) -> None:
        """Find a new row for each table that has no commands yet, or other columns than before."""
        known = self._tables
        wanted = [oid for oid in chosen if oid in targets or oid not in known]
        columns: dict[int, list[Column]] = {oid: [] for oid in wanted}
        with self._conn.cursor(row_factory=class_row(Column)) as cursor:
            text = load_query("probe_columns", self._conn.info.server_version)
            for column in cursor.execute(text, {"oids": wanted}):
                columns[column.oid].append(column)
        self._tables = {oid: known[oid] for oid in chosen if oid in known and oid not in columns}
        for oid, found in columns.items():
            same = oid in known and known[oid].columns == tuple(found)
            self._tables[oid] = known[oid] if same else self._prepare(oid, tuple(found))

    def clean(self) -> None:
        """Remove the dead rows that trying has left, since scans of the migration would count them.

        Tables that the migration has locked, or of which it has changed the entry in the catalog, are left
        for later: nobody may wait for it here. The planner must not know more afterwards than before, or it
        would choose other plans.
        """
        left = self._query("probe_dirty", sorted(self._dirty)).fetchall() if self._dirty else []
        if not left:
            return
        known = self._query("planner_figures", [oid for oid, *_ in left]).fetchall()
        names = sql.SQL(", ").join(sql.Identifier(schema, name) for _, schema, name in left)
        vacuum = sql.SQL("VACUUM (SKIP_LOCKED, TRUNCATE false, INDEX_CLEANUP on) {}").format(names)
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            self._conn.execute(vacuum)
            self._dirty -= {oid for oid, *_ in left}
            if self._without_keys:  # as a superuser
                columns = dict(
                    zip(("oids", "pages", "tuples", "visible"), zip(*known, strict=True), strict=True)
                )
                text = load_query("planner_figures_back", self._conn.info.server_version)
                self._conn.execute(text, {name: list(values) for name, values in columns.items()})

    def targets(self, locked: Set[int]) -> tuple[list[Relation], list[Relation]]:
        """The relations whose users may meet locks on ``locked``: those with commands, and those without."""
        reached = self._reach.of(locked)
        tried: list[Relation] = []
        untried: list[Relation] = []
        for relation in self._catalog.existing():
            if relation.relkind in TRIED and relation.oid in reached and relation.oid in self._names:
                has_commands = relation.oid in self._tables or relation.relkind in ("v", "m")
                (tried if has_commands else untried).append(relation)
        written = self._reach.written_with({relation.oid for relation in tried})
        self._dirty |= self._tables.keys() if written is None else written & self._tables.keys()
        return tried, untried

    def commands(self, relation: Relation, xid: int | None) -> list[Command]:
        """The commands on one relation, in the order of :data:`OPS`.

        ``xid``: the transaction in whose name the migration keeps rows locked, if it has written.
        """
        name, table = self._names[relation.oid], self._tables.get(relation.oid)
        if table is None:
            return [self._command(relation, "SELECT", sql.SQL("SELECT * FROM {} LIMIT 1").format(name))]
        rows = rows_clause(name, table.rows, xid)
        column = settable(table.columns)
        texts: dict[str, sql.Composable | None] = {
            "SELECT": sql.SQL("SELECT * FROM {} LIMIT 1").format(name),
            "SELECT FOR UPDATE": sql.SQL("SELECT * FROM {}{} FOR UPDATE").format(name, rows),
            "INSERT": self._insert(relation.oid),
            "UPDATE": _update(name, column, rows) if column else None,
            "DELETE": sql.SQL("DELETE FROM {}{}").format(name, rows),
        }
        made = [self._command(relation, op, text) for op, text in texts.items() if text is not None]
        if table.rows == 0 and table.takes_row:
            insert = insert_row(name, table.row).as_bytes(self._conn)
            if self._without_keys:
                insert = b"%s; %s; %s" % (_KEYS_OFF, insert, _KEYS_ON)
            made[-1] = replace(made[-1], after_insert=b"%s; %s" % (insert, made[-1].text))
        return made

    def _insert(self, oid: int) -> sql.Composable:
        """A row for the table or, if it is partitioned, one for each of its partitions."""
        own = self._tables[oid].row
        leaves = [self._tables[leaf] for leaf in self._leaves.get(oid, ()) if leaf in self._tables]
        rows = [leaf.row for leaf in leaves if leaf.takes_row] or [own]
        return sql.SQL("; ").join([insert_row(self._names[oid], row) for row in rows])

    def _command(self, relation: Relation, op: str, text: sql.Composable) -> Command:
        return Command(relation.full_name, op, text.as_bytes(self._conn))

    def _prepare(self, oid: int, columns: tuple[Column, ...]) -> _Table:
        """Find an INSERT that the table takes: each is tried, and rolled back."""
        name = self._names[oid]
        self._dirty.update((oid, *self._leaves.get(oid, ())))
        fields = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in columns
        )
        sample = self._conn.execute(sql.SQL("SELECT {} FROM {} LIMIT 1").format(fields, name)).fetchone()
        some = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS counted").format(name, FEW_ROWS + 1)
        rows: int = (self._conn.execute(some).fetchone() or (0,))[0]
        present = dict(zip((column.name for column in columns), sample or (), strict=False))
        first: Mapping[str, str] | None = None
        for row in rows_to_try(columns, present, self._random.getrandbits(31)):
            first = row if first is None else first
            refused = self._refusal(insert_row(name, row))
            if refused is None or refused == FOREIGN_KEY_VIOLATION:  # foreign keys are looked at last
                return _Table(columns, row, refused is None or self._without_keys, rows)
            if not refused.startswith(ANOTHER_ROW_MAY_DO):
                break
        return _Table(columns, first or {}, False, rows)

    def _refusal(self, text: sql.Composed) -> str | None:
        """SQLSTATE with which the server refuses the command; None if it does not."""
        self._conn.execute("BEGIN")
        try:
            self._conn.execute(text)
        except psycopg.Error as error:
            return error.sqlstate or "?"
        finally:
            self._conn.execute("ROLLBACK")
        return None

    def _query(self, name: str, oids: list[int]) -> psycopg.Cursor[TupleRow]:
        return self._conn.execute(load_query(name, self._conn.info.server_version), {"oids": oids})


def _update(name: sql.Identifier, column: Column, rows: sql.Composable) -> sql.Composed:
    """Sets a column to what it is, so that no key changes."""
    return sql.SQL("UPDATE {} SET {column} = {column}{}").format(
        name, rows, column=sql.Identifier(column.name)
    )


ATTEMPTS = 30
"""So many rows are tried before an INSERT is taken as it is, refused by the table's constraints."""
FEW_ROWS = 100
"""A table of so many rows is updated and deleted from as a whole, a larger one in a row or two."""
_LITERAL = re.compile(r"'((?:[^']|'')*)'|\b(\d+(?:\.\d+)?)\b")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and what a new row must have in it."""

    oid: int
    """Of its table."""
    name: str
    type: str
    category: str
    """pg_type.typcategory of its type or, for a domain, of the type below it."""
    label: str | None
    """The first label of an enum."""
    not_null: bool
    has_default: bool
    generated: bool
    identity_always: bool
    numbered: bool
    """Its default is the next number of a sequence, which no rollback gives back."""
    in_key: bool
    """Part of a unique or exclusion key."""
    references_other: bool
    """Part of a foreign key."""
    in_partition_key: bool
    checks: list[str]
    """Definitions of the CHECK constraints that it is part of."""


def rows_to_try(
    columns: Sequence[Column], sample: Mapping[str, str | None], fresh: int
) -> Iterator[dict[str, str]]:
    """New rows, values as text by column, to be tried until the table takes one; the likeliest come first.

    ``sample`` is a row that the table has, empty for an empty table; ``fresh`` a number that makes keys new.
    A column that is left out takes its default. A key that a sequence numbers is given a number, since the
    migration may rely on the next one, as a runner in code does that was recorded.
    """
    for attempt in range(ATTEMPTS):
        yield {
            column.name: value
            for column in columns
            if not column.generated
            and (column.in_key or not column.identity_always)
            and (value := _value(column, sample, attempt, fresh)) is not None
        }


def insert_row(table: sql.Identifier, row: Mapping[str, str]) -> sql.Composed:
    """The INSERT of a row; a number for an identity column is taken, whatever the column says."""
    if not row:
        return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(table)
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Literal, row.values())),
    )


def _value(column: Column, sample: Mapping[str, str | None], attempt: int, fresh: int) -> str | None:
    """The column's value in a new row; None leaves it to its default."""
    present = sample.get(column.name)
    if column.in_key and not (column.in_partition_key and attempt % 2 == 0 and present is not None):
        has_own = column.has_default and not column.numbered
        return None if has_own and attempt == 0 else _new_key(column, present, attempt, fresh)
    if column.references_other:
        return present if present is not None else _new_key(column, present, attempt, fresh)
    if column.has_default or (present is None and not column.not_null):
        return None
    if present is not None:
        return present
    allowed: list[str] = [
        quoted or number for check in column.checks for quoted, number in _LITERAL.findall(check)
    ]
    candidates = [*allowed, _plain(column, attempt, fresh)]
    return candidates[attempt % len(candidates)]


def _new_key(column: Column, present: str | None, attempt: int, fresh: int) -> str:
    """A value that no row has, with near certainty; near one that a row has where that is needed."""
    if column.category == "N":
        near = present if present is not None and present.lstrip("-").isdecimal() else "0"
        if attempt % 3 == 1:
            return str(int(near) + 1 + attempt)
        if attempt % 3 == 2:
            return str(30_000 + fresh % 2_000 + attempt)
        return str(1_000_000_000 + fresh % 1_000_000_000 + attempt)
    if column.category == "D" and present is not None and attempt % 2 == 0:
        return present
    return _plain(column, attempt, fresh)


def _plain(column: Column, attempt: int, fresh: int) -> str:
    """A value of the column's type."""
    token = f"{fresh + attempt:x}"
    match column.category:
        case "N":
            return str(attempt if attempt < 5 else fresh % 30_000)
        case "B":
            return "true"
        case "E":
            return column.label or ""
        case "D":
            return f"20{10 + attempt % 80}-01-{1 + fresh % 28:02d}"
        case "T":
            return "1 day"
        case "A":
            return "{}"
        case "R":
            return "empty"
        case "I":
            return f"10.{fresh // 65536 % 256}.{fresh // 256 % 256}.{fresh % 256}"
        case "G":
            return "(0,0)"
    if column.type == "uuid":
        return f"{fresh + attempt:032x}"
    if column.type in ("json", "jsonb"):
        return "{}"
    if column.type == "bytea":
        return f"\\x{token.zfill(len(token) + len(token) % 2)}"
    length = re.search(r"\((\d+)\)", column.type)
    return token[-int(length[1]) :] if length else token


def settable(columns: Sequence[Column]) -> Column | None:
    """The column that an UPDATE sets to what it is: if possible one of no key; None if none can be set."""
    free = [column for column in columns if not column.generated and not column.identity_always]
    plain = [
        other for other in free if not (other.in_key or other.references_other or other.in_partition_key)
    ]
    return next(iter(plain or free), None)


def rows_clause(table: sql.Identifier, rows: int, xid: int | None) -> sql.Composable:
    """Which rows to touch: all of a few, else one that a transaction keeps locked, if any, and another one.

    ``xid``: of that transaction; those of its subtransactions are higher. None where it has none.
    """
    if rows <= FEW_ROWS:
        return sql.SQL("")
    choices = [sql.SQL("(SELECT tableoid, ctid FROM {} LIMIT 1)").format(table)]
    if xid is not None:
        choices.append(_LOCKED_ROW.format(table, sql.Literal(xid)))
    return sql.SQL(" WHERE (tableoid, ctid) IN (SELECT * FROM ({}) AS chosen)").format(
        sql.SQL(" UNION ALL ").join(choices)
    )


# Where nobody locks a row any more, its xmax is of a transaction that has ended.
_LOCKED_ROW = sql.SQL(
    "(SELECT tableoid, ctid "
    "FROM {}, (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint) AS snapshot(newest) "
    "WHERE CASE WHEN xmax::text::bigint >= {} THEN pg_xact_status("
    "(newest - newest % 4294967296 + xmax::text::bigint)::text::xid8) = 'in progress' ELSE false END LIMIT 1)"
)
