"""The index audit: who uses each index, what it costs, and a trial without those that could go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from bench.analyse.indexes import (
    ForeignKey,
    IndexFacts,
    candidates,
    duplicate_of,
    heir,
    prefix_of,
    supported_keys,
    users,
)
from bench.model.index import IndexAudit, IndexStatus
from bench.model.plan import Query
from bench.pg.catalog import load_query
from bench.pg.server import Server
from bench.run.clones import clone
from bench.run.costs import Subject, cost_or_none
from bench.run.explain.traffic import Used
from bench.run.explain.trial import Tried, try_table
from bench.run.progress import Explaining, Progress, Step

MORE_BLOCKS, FEW_BLOCKS = 1.1, 8
"""A query that reads up to a tenth, or so few blocks, more without an index does not need it."""


@dataclass(frozen=True, slots=True)
class Indexes:
    """Those of the state after the suite, and its foreign keys."""

    facts: tuple[IndexFacts, ...]
    keys: tuple[ForeignKey, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """What trying without some indexes showed."""

    dropped: frozenset[int]
    needed_by: Mapping[int, str]
    """Of those that were tried and are needed: by which query, and how much more it read."""
    queries: int


def audit(
    server: Server,
    before: str,
    after: str,
    subjects: Sequence[Subject],
    queries: Sequence[Query],
    used: Used | None,
    progress: Progress,
) -> tuple[IndexAudit, ...]:
    """Audit every index of the state after the suite, in the order of tables and names."""
    progress(Step("index audit"))
    with server.connect(before) as old, server.connect(after) as new:
        known = {(index.schema, index.name) for index in read_indexes(old).facts}
        indexes = read_indexes(new)
    used_by = users(queries)
    scans = used.scans if used is not None else None
    with clone(server, after, "without") as dbname:
        spare = candidates(indexes.facts, indexes.keys, used_by, scans)
        without = _try_without(server, dbname, spare, subjects, queries, progress)
    with clone(server, after, "writes") as dbname:
        tried = _try_writes(server, dbname, indexes.facts, progress)
    return tuple(
        _audited(
            index, indexes, _inherited(index, indexes, used_by, without), used, tried.get(index.oid), without,
            new=(index.schema, index.name) not in known,
        )
        for index in indexes.facts
    )  # fmt: skip


def _inherited(
    index: IndexFacts, indexes: Indexes, used_by: Mapping[str, Sequence[str]], without: Without
) -> tuple[str, ...]:
    """Queries that use it, and those that would if its copies and beginnings were gone."""
    stay = [kept for kept in indexes.facts if kept.oid not in without.dropped]
    gone = [lost for lost in indexes.facts if lost.oid in without.dropped and heir(lost, stay) == index]
    return tuple(dict.fromkeys(name for known in (index, *gone) for name in used_by.get(known.name, ())))


def read_indexes(conn: psycopg.Connection[TupleRow]) -> Indexes:
    """Indexes and foreign keys of the database's users."""
    version = conn.info.server_version
    with conn.cursor(row_factory=class_row(IndexFacts)) as cursor:
        facts = cursor.execute(load_query("user_indexes", version)).fetchall()
    with conn.cursor(row_factory=class_row(ForeignKey)) as cursor:
        keys = cursor.execute(load_query("user_foreign_keys", version)).fetchall()
    return Indexes(tuple(facts), tuple(keys))


def _try_writes(
    server: Server, dbname: str, facts: Sequence[IndexFacts], progress: Progress
) -> dict[int, Tried]:
    tried: dict[int, Tried] = {}
    tables = [(table, list(group)) for table, group in groupby(facts, key=lambda index: index.table)]
    with server.connect(dbname, application_name="pgrehearse trial", kind="application") as conn:
        for position, (table, group) in enumerate(tables):
            progress(Explaining(f"writes to {table}, with and without each index", position, len(tables)))
            tried |= try_table(conn, [index for index in group if index.valid])
    return tried


def _try_without(
    server: Server,
    dbname: str,
    spare: Sequence[IndexFacts],
    subjects: Sequence[Subject],
    queries: Sequence[Query],
    progress: Progress,
) -> Without:
    """Drop all that could go, and execute every query again; what one then lacks is built again."""
    needed: dict[int, str] = {}
    checked = [
        (subject, query)
        for subject, query in zip(subjects, queries, strict=True)
        if query.after is not None and query.after.error is None and query.after.blocks is not None
    ]
    with server.connect(dbname, application_name="pgrehearse explain", kind="application") as conn:
        for index in spare:
            conn.execute(
                sql.SQL("DROP INDEX {}").format(sql.Identifier(index.schema, index.name)), prepare=False
            )
        for position, (subject, query) in enumerate(checked):
            progress(Explaining(f"{subject.name}, without spare indexes", position, len(checked)))
            worse = _worse(conn, subject, query)
            if worse is None:
                continue
            for index in spare:
                if index.oid not in needed and query.name in users([query]).get(index.name, ()):
                    conn.execute(index.definition.encode(), prepare=False)
                    needed[index.oid] = f"{query.name} {worse}"
    dropped = frozenset(index.oid for index in spare) - needed.keys()
    return Without(dropped, needed, len(checked))


def _worse(conn: psycopg.Connection[TupleRow], subject: Subject, query: Query) -> str | None:
    """How much more the query reads now; None where it does not."""
    cost = cost_or_none(conn, subject.way, executions=1, budget_s=0.1)
    main = query.after
    if cost is None or main is None or cost.blocks is None or main.blocks is None:
        return None
    if cost.blocks <= MORE_BLOCKS * main.blocks + FEW_BLOCKS:
        return None
    return f"reads {cost.blocks:,} blocks without it, {main.blocks:,} with it"


def _audited(
    index: IndexFacts,
    indexes: Indexes,
    used_by: Sequence[str],
    used: Used | None,
    tried: Tried | None,
    without: Without,
    *,
    new: bool,
) -> IndexAudit:
    stay = [other for other in indexes.facts if other.oid not in without.dropped]
    copy, longer = duplicate_of(index, stay), prefix_of(index, stay)
    scans = used.scans.get(index.oid, 0) if used is not None else None
    audited = IndexAudit(
        name=index.full_name,
        table=index.table,
        definition=index.definition,
        method=index.method,
        unique=index.is_unique,
        new=new,
        valid=index.valid,
        bytes=index.bytes,
        constraint=index.constraint,
        foreign_keys=supported_keys(index, indexes.keys),
        duplicate_of=copy.full_name if copy is not None else None,
        prefix_of=longer.full_name if longer is not None else None,
        used_by=tuple(used_by),
        scans=scans,
        build_s=tried.build_s if tried is not None else (),
        insert=tried.insert if tried is not None else None,
        update=tried.update if tried is not None else None,
        status="used",
        proof="",
    )
    status = _status(index, audited, without)
    also = [
        other.full_name
        for other in stay
        if other.oid != index.oid and set(supported_keys(other, indexes.keys)) & set(audited.foreign_keys)
    ]
    proof = "; ".join(_proof(index, audited, status, used, without, also))
    return replace(audited, status=status, proof=proof)


def _status(index: IndexFacts, audited: IndexAudit, without: Without) -> IndexStatus:
    if index.oid in without.dropped:
        return "could-go"
    if index.oid in without.needed_by:
        return "kept"
    if audited.used_by or audited.scans:
        return "used"
    if index.enforces:
        return "constraint"
    return "foreign-key" if audited.foreign_keys else "kept"


def _proof(
    index: IndexFacts,
    audited: IndexAudit,
    status: IndexStatus,
    used: Used | None,
    without: Without,
    also: Sequence[str],
) -> Iterator[str]:
    if audited.constraint is not None or index.is_unique:
        yield f"it enforces {audited.constraint or 'uniqueness'}"
    if audited.foreign_keys:
        others = f", as {', '.join(also)} could" if also else ""
        yield f"it finds the rows that refer by {', '.join(audited.foreign_keys)}{others}"
    if status == "kept" and index.oid in without.needed_by:
        yield without.needed_by[index.oid]
    if audited.used_by:
        yield f"in the plans of {len(audited.used_by)} queries"
    else:
        yield f"in no plan of {without.queries} queries"
    if used is not None:
        yield f"{audited.scans or 0:,} scans in {used.requests:,} requests"
    other = audited.duplicate_of or audited.prefix_of
    if other is not None:
        yield f"{'the same as' if audited.duplicate_of else 'the beginning of'} {other}"
    if status == "could-go":
        yield "without it and the others that could go, no query reads more than a tenth more blocks"
