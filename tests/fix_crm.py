"""A small CRM with every kind of dirty text, in databases with none, some or all of the suite applied."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bench.migrate.suite import Suite, find_suite
from bench.pg.binaries import find_installations
from bench.pg.database import clone_database, create_database, drop_database, new_name
from bench.pg.embedded import embedded_installation
from bench.pg.server import Server

ROOT = Path(__file__).parents[1] / "migrations"
DATA = Path(__file__).parent / "data"
CRM = find_suite("crm", ROOT)
MIGRATIONS = [migration.path for migration in CRM.migrations]
ROLLBACKS = [migration.rollback for migration in CRM.migrations if migration.rollback]
BASE_TABLES = (
    "companies", "contacts", "deals", "activities", "tasks", "meetings", "meeting_attendees",
    "meeting_action_items",
)  # fmt: skip
LONG_NAME = "Very Long Name " + "x" * 185

ANN, BEN, EVE, ADMIN = (f"00000000-0000-0000-0000-00000000000{n}" for n in range(1, 5))
"""Two users, a user without a profile, an administrator."""

Crm = Callable[[int], tuple[str, psycopg.Connection[Any]]]

DIRTY_DEALS = {
    # deal: (owner, company, contact_name, contact_email)
    "spacing and case": (ANN, "  ACME\t  ltd ", "Jane Doe", "JANE@acme.com"),
    "two owners, mine": (BEN, "Twin Co", None, None),
    "two owners, nobody's": (EVE, "twin co", None, None),
    "merged": (ANN, "Old Name", None, None),
    "new": (ANN, "New One", "Xavier  Yves Zed", "x@newone.com"),
    "new again": (BEN, "NEW  one", "Somebody Else", " X@NEWONE.COM"),
    "free mail": (ANN, "Free Co", "Fay", "fay@gmail.com"),
    "shared domain 1": (ANN, "Shared A", "One", "1@shared.com"),
    "shared domain 2": (ANN, "Shared B", "Two", "2@shared.com"),
    "domain taken": (ANN, "Not Acme", "Tim", "tim@acme.com"),
    "no host": (ANN, "Malformed 1", "Foo", "foo@"),
    "two ats": (ANN, "Malformed 2", "Foo", "a@@b"),
    "backslash": (ANN, "Back\\", None, None),
    "percent": (ANN, "%", None, None),
    "percent in name": (ANN, "100% Co", None, None),
    "underscore": (ANN, "a_b", None, None),
    "no underscore": (ANN, "axb", None, None),
    "emoji": (ANN, "🚀 Émile", "Émile 🚀", "emile@rocket.example"),
    "right to left": (ANN, "شركة", None, None),
    "long": (ANN, LONG_NAME, None, None),
    "empty": (ANN, "", "", ""),
    "blank": (ANN, " \t ", None, "   "),
    "orphan": (EVE, "Orphan Inc", "Olga", "olga@orphan.example"),
    "linked": (BEN, "Acme Ltd", None, None),
}
EXPECTED = {
    # deal: (company, its domain, contact's address)
    "spacing and case": ("Acme Ltd", "acme.com", "Jane@Acme.com"),
    "two owners, mine": ("Twin Co", "ben", None),
    "two owners, nobody's": ("Twin Co", "ann", None),
    "merged": ("Acme Ltd", "acme.com", None),
    "new": ("New One", "newone.com", "x@newone.com"),
    "new again": ("New One", "newone.com", "x@newone.com"),
    "free mail": ("Free Co", None, "fay@gmail.com"),
    "shared domain 1": ("Shared A", None, "1@shared.com"),
    "shared domain 2": ("Shared B", None, "2@shared.com"),
    "domain taken": ("Not Acme", None, "tim@acme.com"),
    "no host": ("Malformed 1", None, None),
    "two ats": ("Malformed 2", None, None),
    "backslash": ("Back\\", None, None),
    "percent": ("%", None, None),
    "percent in name": ("100% Co", None, None),
    "underscore": ("a_b", None, None),
    "no underscore": ("axb", None, None),
    "emoji": ("🚀 Émile", "rocket.example", "emile@rocket.example"),
    "right to left": ("شركة", None, None),
    "long": (LONG_NAME, None, None),
    "empty": (None, None, None),
    "blank": (None, None, None),
    "orphan": (None, None, "olga@orphan.example"),
    "linked": ("Twin Co", "ann", None),
}


@contextmanager
def base_database(server: Server, script: str = "") -> Iterator[str]:
    """A database with the CRM's base schema alone, changed by ``script``."""
    name = new_name("test")
    create_database(server, name)
    try:
        with server.connect(name) as conn:
            conn.execute("SET client_min_messages = error")
            conn.execute((ROOT / "crm" / "base.sql").read_bytes())
            conn.execute(script.encode() or b"SELECT")
        yield name
    finally:
        drop_database(server, name)


def psql(server: Server, dbname: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a file as an operator would; the caller looks at the exit code."""
    program = [*(found.bindir for found in find_installations()), embedded_installation().bindir][0] / "psql"
    return subprocess.run(
        [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", path],
        env={**os.environ, **server.environ(dbname), "PGOPTIONS": "-c client_min_messages=notice"},
        capture_output=True,
        text=True,
        check=False,
    )


def apply(server: Server, dbname: str, *paths: Path) -> str:
    """Run files that must succeed; what they said."""
    said = ""
    for path in paths:
        done = psql(server, dbname, path)
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
        said += done.stderr
    return said


def checksums(conn: psycopg.Connection[Any], tables: tuple[str, ...] = BASE_TABLES) -> dict[str, Any]:
    text = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t.id)) FROM {} AS t"
    return {table: conn.execute(sql.SQL(text).format(sql.Identifier(table))).fetchone() for table in tables}


def links(conn: psycopg.Connection[Any]) -> dict[str, tuple[str | None, str | None, str | None]]:
    rows = conn.execute("""
        SELECT d.name, c.name, c.domain, ct.email
        FROM deals AS d
        LEFT JOIN companies AS c ON c.id = d.company_id
        LEFT JOIN contacts AS ct ON ct.id = d.primary_contact_id
    """)
    return {deal: (company, domain, email) for deal, company, domain, email in rows}


def one(conn: psycopg.Connection[Any], query: str, params: tuple[Any, ...] | None = None) -> Any:
    """The one value of a query that must yield a row."""
    row = conn.execute(query, params).fetchone()
    assert row is not None, query
    return row[0]


def fill(conn: psycopg.Connection[Any], deals: dict[str, tuple[str, str, str | None, str | None]]) -> None:
    conn.execute((DATA / "crm_people_and_customers.sql").read_bytes())
    conn.cursor().executemany(
        """
        INSERT INTO deals (name, owner_id, company, contact_name, contact_email, value, stage_id, created_at)
        SELECT %s, %s, %s, %s, %s, 100, id, now() - interval '10 days' + %s * interval '1 minute'
        FROM deal_stages
        """,
        [(name, *deal, position) for position, (name, deal) in enumerate(deals.items())],
    )
    conn.execute((DATA / "crm_history.sql").read_bytes())


def prepare(server: Server, name: str, suite: Suite, deals: dict[str, Any] = DIRTY_DEALS) -> None:
    create_database(server, name)
    assert suite.base is not None
    apply(server, name, suite.base)
    with server.connect(name) as conn:
        fill(conn, deals)


@pytest.fixture(scope="session")
def templates(server: Server) -> Iterator[Callable[[int], str]]:
    """Databases with the dirty CRM and so many of the suite's migrations, made when first wanted."""
    made: dict[int, str] = {}
    with ExitStack() as stack:

        def template(applied: int) -> str:
            if applied not in made:
                name = new_name("tmpl")
                if applied == 0:
                    prepare(server, name, CRM)
                else:
                    clone_database(server, template(applied - 1), name)
                    apply(server, name, MIGRATIONS[applied - 1])
                stack.callback(drop_database, server, name)
                made[applied] = name
            return made[applied]

        yield template


@pytest.fixture
def crm(server: Server, templates: Callable[[int], str]) -> Iterator[Crm]:
    """A clone of the CRM with the first so many migrations applied: its name, and a connection to it."""
    with ExitStack() as stack:

        def clone(applied: int) -> tuple[str, psycopg.Connection[Any]]:
            name = new_name("crm")
            clone_database(server, templates(applied), name)
            stack.callback(drop_database, server, name)
            return name, stack.enter_context(server.connect(name))

        yield clone
