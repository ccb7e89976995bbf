"""A rollback drafted from what a migration changed in the catalog: a start for whoever writes the real one.

What it can undo is tried on a copy, in whatever order works. Rows that were changed are not brought back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.migrate.script import read_statements
from bench.model.statement import Statement
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.prove.chain import Link
from bench.run.prove.states import compare

_MEMBER = re.compile(r'(?P<kind>column|constraint) (?P<relation>.+)\.(?P<name>"(?:[^"]|"")+"|[^".]+)')
_DROPPED = re.compile(
    r"(?P<kind>table|view|materialized view|foreign table|index|sequence|type|schema|extension|function|"
    r"procedure|trigger|policy|rule|statistics) (?P<identity>.+)",
    re.DOTALL,
)
_FUNCTION = re.compile(r"\A(CREATE OR REPLACE .*?)\nowner ", re.DOTALL)
_VIEW = re.compile(r"\n( SELECT .*|\s*WITH .*)\Z", re.DOTALL)


def draft_rollback(server: Server, link: Link, directory: Path) -> tuple[Statement, ...]:
    """Write ``<id>.draft.sql`` into the directory, and return its statements; the migration has applied."""
    assert link.after is not None
    wanted = list(_undo(link.before.schema, link.after.schema))
    with temporary_database(server, "draft", link.after.dbname) as dbname, server.connect(dbname) as conn:
        working = _in_an_order_that_works(conn, wanted)
    rows = [
        difference
        for difference in compare(server, link.before, link.after, link.volatile)
        if difference.thing == "rows"
    ]
    left = [statement for statement in wanted if statement not in working]
    lines = [
        f"-- DRAFT of a rollback of {link.id}, from what it changed in the catalog. Nobody has read it yet.",
        *(
            f"-- Not undone: {difference.rows} rows {difference.change} in {difference.object}."
            for difference in rows
        ),
        *(f"-- Did not work: {' '.join(statement.split())}" for statement in left),
        "BEGIN;",
        *(f"{statement};" for statement in working),
        "COMMIT;",
    ]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{link.id}.draft.sql"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_statements(path)


def _undo(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """The statements that undo each object's change, as far as its kind can be undone."""
    for name in sorted(after.keys() - before.keys()):
        if member := _MEMBER.fullmatch(name):
            yield f"ALTER TABLE {member['relation']} DROP {member['kind'].upper()} {member['name']}"
        elif match := _DROPPED.fullmatch(name):
            yield f"DROP {match['kind'].upper()} {match['identity']}"
    for name in sorted(before):
        if before[name] != after.get(name) and (statement := _restore(name, before[name])) is not None:
            yield statement


def _restore(name: str, definition: str) -> str | None:
    """The statement that makes an object what it was; None where its description does not tell."""
    if name.startswith("index "):
        return definition.split("\n", 1)[0]
    if name.startswith("view ") and (query := _VIEW.search(definition)):
        return f"CREATE OR REPLACE {name} AS {query[1].rstrip('; ')}"
    if name.startswith(("function ", "procedure ")) and (match := _FUNCTION.match(definition)):
        return match[1].rstrip()
    if name.startswith("constraint ") and (member := _MEMBER.fullmatch(name)):
        rule = definition.split("\nvalidated ", 1)[0]
        return f"ALTER TABLE {member['relation']} ADD CONSTRAINT {member['name']} {rule}"
    return None


def _in_an_order_that_works(conn: psycopg.Connection[object], wanted: list[str]) -> list[str]:
    """What depends on others goes first: try again and again what did not work yet."""
    working: list[str] = []
    pending, progress = list(wanted), True
    while pending and progress:
        progress = False
        for statement in list(pending):
            try:
                with conn.transaction():
                    conn.execute(statement.encode())
            except (
                psycopg.errors.UndefinedObject,
                psycopg.errors.UndefinedTable,
                psycopg.errors.UndefinedColumn,
            ):
                pending.remove(statement)  # it went with something else
            except psycopg.Error:
                continue
            else:
                pending.remove(statement)
                working.append(statement)
                progress = True
    return working
