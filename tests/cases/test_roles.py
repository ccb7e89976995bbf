"""Roles: those that a dump names, the one that deploys, and the one that made a template that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_tcp import TcpServer
from psycopg import sql
from tracing import read_plain

from bench.analyse.conclude import conclude
from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.database import clone_database, create_database, drop_database, new_name, roles_of
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.pg.templates import prune_kept
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions
from bench.run.trace import trace
from bench.sql.reach import dispensable, for_database, roles_needed

SCHEMA = Path(__file__).parent / "inputs" / "newcomer" / "10-first-run-base-owner" / "schema_owner.sql"
OLD_DUMP = """\
COMMENT ON EXTENSION plpgsql IS 'PL/pgSQL procedural language';
SET SESSION AUTHORIZATION 'old_owner';
CREATE TABLE public.t (id int PRIMARY KEY);
RESET SESSION AUTHORIZATION;
BEGIN;
ALTER TABLE public.t OWNER TO postgres;
GRANT SELECT ON public.t TO reader, another;
CREATE POLICY p ON public.t TO another;
ALTER DEFAULT PRIVILEGES FOR ROLE another GRANT SELECT ON TABLES TO reader;
COMMIT;
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "m"
    path.mkdir()
    return path


def rehearsed(server: Server, suite: Path, base: Path, data: DataOptions | None = None) -> Run:
    found = find_suite(str(suite), base=base)
    options = RunOptions(repeats=1, explain=False, probe=False, data=data or DataOptions())
    return conclude(rehearse(server, found, options, run_id="t", save=lambda _: None, progress=silent)).run


def notes(run: Run) -> str:
    return " ".join(note.text for note in run.notes if note.subject == "roles")


def outcome(run: Run) -> str:
    return run.passes[0].repeats[0].migrations[0].outcome


def test_newcomer_10_owners_in_run_and_trace(server: Server, suite: Path) -> None:
    file = suite / "001_a.sql"
    file.write_text("ALTER TABLE public.orders ADD COLUMN extra int;\n")
    with server.connect() as conn:
        conn.execute("DROP ROLE IF EXISTS shop_app; DROP ROLE IF EXISTS reporting")
    try:
        run = rehearsed(server, suite, SCHEMA)
        (traced,) = trace(server, read_plain([file]), before=[SCHEMA], probe=False)
    finally:
        with server.connect() as conn:
            conn.execute("DROP ROLE IF EXISTS shop_app; DROP ROLE IF EXISTS reporting")
    assert outcome(run) == traced.outcome == "applied"
    assert "reporting, shop_app" in notes(run) or "shop_app, reporting" in notes(run)


@pytest.mark.parametrize("role", ["postgres", "stager"])
def test_newcomer_10_on_a_server_of_others_no_role_is_made(
    tcp: TcpServer, suite: Path, tmp_path: Path, role: str
) -> None:
    tcp.create_role("stager", "CREATEDB")
    (suite / "001_a.sql").write_text("ALTER TABLE t ADD COLUMN extra int;\n")
    (tmp_path / "old.sql").write_text(OLD_DUMP)
    before = roles_of(tcp.admin)
    with open_server(ServerSpec("dsn", dsn=tcp.dsn(role))) as server:
        run = rehearsed(server, suite, tmp_path / "old.sql")
    assert outcome(run) == "applied"
    assert roles_of(tcp.admin) == before
    assert "lacks another, old_owner, reader" in notes(run)


def test_reports_68_a_role_of_a_server_of_others(tcp: TcpServer, suite: Path, tmp_path: Path) -> None:
    tcp.create_role("deployer", "CREATEDB")
    tcp.create_role("owner_of_all")
    with tcp.admin.connect() as conn:
        conn.execute("GRANT owner_of_all TO deployer; ALTER ROLE owner_of_all SET search_path = app, public")
    (suite / "001_a.sql").write_text(
        "CREATE SCHEMA app; CREATE TABLE app.mine AS SELECT current_user AS me;\n"
    )
    (suite / "002_b.sql").write_text("ALTER TABLE mine ADD COLUMN b int; ALTER TABLE t ADD COLUMN c int;\n")
    base = tmp_path / "base.sql"
    base.write_text("CREATE TABLE public.t (id serial PRIMARY KEY);\n")
    before = roles_of(tcp.admin)
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("deployer"))) as server:
        run = rehearsed(server, suite, base, DataOptions(role="owner_of_all"))
        with pytest.raises(UsageError, match="no such role"):
            rehearsed(server, suite, base, DataOptions(role="nobody_here"))
        with pytest.raises(UsageError, match="not a member"):
            rehearsed(server, suite, base, DataOptions(role="postgres"))
    assert roles_of(tcp.admin) == before
    assert [each.outcome for each in run.passes[0].repeats[0].migrations] == ["applied", "applied"]


@pytest.fixture
def dsns(tcp: TcpServer) -> Iterator[list[str]]:
    tcp.create_role("stager", "CREATEDB")
    yield [tcp.dsn("postgres"), tcp.dsn("stager")]
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("postgres"))) as server:
        prune_kept(server, 0)


def test_newcomer_08_a_kept_template_is_its_makers_alone(
    dsns: list[str], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.template.keep.WORTH_BYTES", 0)
    base = tmp_path / "base.sql"
    base.write_text("CREATE TABLE t (id int);\n")
    (suite / "001_a.sql").write_text("ALTER TABLE t ADD COLUMN extra int;\n")
    runs = []
    for dsn in (*dsns, dsns[1]):
        with open_server(ServerSpec("dsn", dsn=dsn)) as server:
            runs.append(rehearsed(server, suite, base, DataOptions(cache=True)))
    assert [outcome(run) for run in runs] == ["applied"] * 3
    assert [run.dataset is not None and run.dataset.from_template for run in runs] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "roles", "spare"),
    [
        ("GRANT SELECT ON t TO a, PUBLIC", {"a"}, True),
        ("GRANT a TO b", {"a", "b"}, True),
        ("ALTER TABLE t OWNER TO a", {"a"}, True),
        ("ALTER TABLE t OWNER TO CURRENT_USER", set(), True),
        ("ALTER TABLE t ADD c int, OWNER TO a", {"a"}, False),
        ("ALTER FUNCTION f() OWNER TO a", {"a"}, True),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", {"a", "b"}, True),
        ("CREATE POLICY p ON t TO a USING (true)", {"a"}, True),
        ("CREATE SCHEMA AUTHORIZATION a", {"a"}, False),
        ("SET ROLE a", {"a"}, True),
        ("SET SESSION AUTHORIZATION DEFAULT", set(), True),
        ("CREATE ROLE a", set(), False),
        ("CREATE TABLE grants (role text)", set(), False),
        ("not SQL OWNER", set(), False),
    ],
)
def test_roles_that_a_statement_needs(text: str, roles: set[str], spare: bool) -> None:
    assert roles_needed(text) == roles
    assert dispensable(text) is spare


def test_settings_of_another_database() -> None:
    setting = for_database("ALTER DATABASE q SET search_path TO 'app', 'public';", "bench_x")
    assert setting is not None
    assert "bench_x" in setting
    assert for_database("ALTER DATABASE q OWNER TO someone", "bench_x") is None
    assert for_database("COMMENT ON DATABASE q IS 'theirs'", "bench_x") is None
    assert for_database("GRANT SELECT ON t TO a", "bench_x") is None


def test_a_copy_has_settings_grants_and_owner_of_its_source(server: Server) -> None:
    source, copy = new_name("source"), new_name("copy")
    try:
        create_database(server, source)
        with server.connect() as conn:
            conn.execute("CREATE ROLE carried; CREATE ROLE carrier")
            for text in (
                "ALTER DATABASE {} SET search_path = \"odd, name\", public, ''",
                "ALTER DATABASE {} SET app.tenant = 'a b, c'",
                "ALTER DATABASE {} SET TimeZone = 'Europe/Berlin'",
                "ALTER ROLE carried IN DATABASE {} SET search_path = ''",
                "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
                "GRANT CREATE ON DATABASE {} TO carried WITH GRANT OPTION",
                "ALTER DATABASE {} OWNER TO carrier",
            ):
                conn.execute(sql.SQL(text).format(sql.Identifier(source)))  # type: ignore[arg-type]
        clone_database(server, source, copy)
        with server.connect() as conn:
            rows = [
                conn.execute(
                    "SELECT d.datdba, (SELECT array_agg(a::text ORDER BY a::text)"
                    "  FROM aclexplode(d.datacl) AS a),"
                    " (SELECT array_agg((s.setrole, entry)::text ORDER BY s.setrole, entry)"
                    "  FROM pg_db_role_setting AS s, unnest(s.setconfig) AS entry"
                    "  WHERE s.setdatabase = d.oid)"
                    " FROM pg_database AS d WHERE d.datname = %s",
                    [name],
                ).fetchone()
                for name in (source, copy)
            ]
        assert rows[0] is not None
        assert rows[0][2] is not None
        assert rows[0] == rows[1]
    finally:
        drop_database(server, copy)
        drop_database(server, source)
        with server.connect() as conn:
            conn.execute("DROP ROLE IF EXISTS carried; DROP ROLE IF EXISTS carrier")
