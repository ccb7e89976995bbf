"""What statements do beyond their own database, told from the parse tree, also inside bodies."""

from __future__ import annotations

import pytest

from bench.sql.bodies import MYSELF
from bench.sql.reach import FUNCTIONS, SHARED_CATALOGS, reaches_of


def plpgsql(body: str, declared: str = "") -> str:
    return f"DO $$ {f'DECLARE {declared}' if declared else ''} BEGIN {body} END $$"


BEYOND = {
    "CREATE USER u IN ROLE app": "CREATE ROLE",
    "ALTER USER u PASSWORD 'x'": "ALTER ROLE",
    "ALTER GROUP g ADD USER u": "ALTER ROLE",
    "ALTER ROLE ALL IN DATABASE shop SET work_mem = '1MB'": "ALTER ROLE",
    "ALTER ROLE a RENAME TO b": "ALTER ROLE",
    "DROP USER IF EXISTS a, b": "DROP ROLE",
    "GRANT a TO b WITH ADMIN OPTION": "GRANT or REVOKE of a role",
    "REVOKE CONNECT ON DATABASE shop FROM PUBLIC": "REVOKE ON DATABASE",
    "GRANT CREATE ON TABLESPACE fast TO a": "GRANT ON TABLESPACE",
    "GRANT SET ON PARAMETER work_mem TO a": "GRANT ON PARAMETER",
    "COMMENT ON ROLE a IS 'x'": "COMMENT ON ROLE",
    "COMMENT ON TABLESPACE a IS 'x'": "COMMENT ON TABLESPACE",
    "COMMENT ON SUBSCRIPTION a IS 'x'": "COMMENT ON SUBSCRIPTION",
    "SECURITY LABEL ON DATABASE a IS 'x'": "SECURITY LABEL ON DATABASE",
    "DROP OWNED BY CURRENT_USER": "DROP OWNED",
    "REASSIGN OWNED BY a TO b": "REASSIGN OWNED",
    "ALTER DATABASE shop RENAME TO store": "ALTER DATABASE",
    "ALTER DATABASE shop REFRESH COLLATION VERSION": "ALTER DATABASE",
    "ALTER TABLESPACE a OWNER TO b": "ALTER TABLESPACE",
    "ALTER SUBSCRIPTION s DISABLE": "ALTER SUBSCRIPTION",
    "ALTER SYSTEM RESET ALL": "ALTER SYSTEM",
    "COPY t FROM '/etc/passwd'": "COPY FROM a file",
    "COPY t FROM PROGRAM 'ls'": "COPY FROM PROGRAM",
    "COPY pg_authid FROM STDIN": "COPY into pg_authid",
    "PREPARE TRANSACTION 'x'": "PREPARE TRANSACTION",
    "INSERT INTO pg_catalog.pg_db_role_setting VALUES (0, 0, NULL)": "INSERT into pg_db_role_setting",
    "MERGE INTO pg_database d USING t ON true WHEN MATCHED THEN DELETE": "MERGE into pg_database",
    "WITH gone AS (DELETE FROM pg_authid RETURNING 1) SELECT 1": "DELETE from pg_authid",
    "PREPARE p AS UPDATE pg_database SET datallowconn = false": "UPDATE of pg_database",
    "EXPLAIN ANALYZE UPDATE pg_database SET datallowconn = false": "UPDATE of pg_database",
    "LOCK TABLE pg_catalog.pg_authid": "LOCK of pg_authid",
    "REINDEX SYSTEM shop": "REINDEX SYSTEM",
    "VACUUM (FULL, ANALYZE)": "VACUUM FULL of all tables",
    "CREATE VIEW v AS SELECT pg_reload_conf()": "pg_reload_conf()",
    "CREATE TABLE t (x bool DEFAULT pg_catalog.pg_promote())": "pg_promote()",
    "SELECT extensions.dblink_exec('host=elsewhere', 'DROP TABLE t')": "dblink_exec()",
    "CREATE FUNCTION f() RETURNS bool LANGUAGE sql BEGIN ATOMIC SELECT pg_cancel_backend(1); END": (
        "pg_cancel_backend()"
    ),
    plpgsql("ALTER ROLE a NOLOGIN;"): "ALTER ROLE",
    plpgsql("IF pg_reload_conf() THEN NULL; END IF;"): "pg_reload_conf()",
    plpgsql("PERFORM pg_switch_wal();"): "pg_switch_wal()",
    plpgsql("FOR r IN SELECT pg_terminate_backend(1) LOOP NULL; END LOOP;", "r record;"): (
        "pg_terminate_backend()"
    ),
    plpgsql("OPEN c;", "c CURSOR FOR SELECT pg_switch_wal();"): "pg_switch_wal()",
    plpgsql("CASE WHEN true THEN DROP DATABASE shop; ELSE NULL; END CASE;"): "DROP DATABASE",
    plpgsql("EXECUTE 'CREATE ' || 'ROLE sneaky';"): "CREATE ROLE",
    plpgsql("EXECUTE concat('DROP ', 'ROLE ', quote_ident(r));", "r text;"): "DROP ROLE",
    plpgsql("EXECUTE format('GRANT %I TO %I', a, b);", "a text; b text;"): "GRANT or REVOKE of a role",
    plpgsql("q := 'DROP ROLE ' || 'a'; EXECUTE q;", "q text;"): "DROP ROLE",
    plpgsql("FOREACH c IN ARRAY ARRAY['SELECT 1', 'DROP ROLE a'] LOOP EXECUTE c; END LOOP;", "c text;"): (
        "DROP ROLE"
    ),
    plpgsql(
        "FOR r IN EXECUTE 'SELECT pg_reload_conf()' LOOP NULL; END LOOP;", "r record;"
    ): "pg_reload_conf()",
    plpgsql("SAVEPOINT s; DROP ROLE a;"): "DROP ROLE",  # which PL/pgSQL does not parse
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP TABLESPACE t; END $$": "DROP TABLESPACE",
    "DO $o$ BEGIN CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP ROLE a $$; END $o$": "DROP ROLE",
    "ALTER ROLE a WITH SOMETHING NEW": "ALTER ROLE",  # which the grammar does not know
}
WITHIN = (
    "CREATE TABLE users (role text, \"user\" text, database text, current_role text)",
    "SELECT entry.current_role FROM old_roles AS entry",
    "GRANT SELECT ON ALL TABLES IN SCHEMA app TO reader",
    "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b",
    "ALTER USER MAPPING FOR postgres SERVER s OPTIONS (ADD user 'x')",
    "COMMENT ON TABLE t IS 'ALTER ROLE postgres'",
    "SECURITY LABEL ON TABLE t IS 'x'",
    "INSERT INTO notes VALUES ('DROP DATABASE shop; SELECT pg_reload_conf()')",
    "UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'",
    "UPDATE app.pg_database SET x = 1",
    "COPY t FROM STDIN",
    "COPY t TO STDOUT",
    "SET ROLE app",
    "ALTER TABLE t OWNER TO app",
    "REINDEX TABLE t",
    "VACUUM FULL t",
    "LOCK TABLE t",
    "SELECT current_database(), pg_database_size(current_database())",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS $$ plpy.execute('DROP ROLE a') $$",
    plpgsql("RAISE NOTICE 'DROP ROLE %', current_user;"),
    plpgsql("EXECUTE format('ALTER DATABASE %I SET a.b = 1', current_database());"),
    plpgsql("EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET a.b = 1';"),
    plpgsql("EXECUTE format('CREATE TABLE %I (role text)', 'ALTER ROLE');"),
)  # fmt: skip


@pytest.mark.parametrize("text", BEYOND)
def test_what_a_statement_does_beyond_its_database(text: str) -> None:
    assert BEYOND[text] in [reach.what for reach in reaches_of(text)]


@pytest.mark.parametrize("text", WITHIN)
def test_what_stays_within_it(text: str) -> None:
    assert list(reaches_of(text)) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_list_is_told(name: str) -> None:
    assert [reach.what for reach in reaches_of(f"SELECT {name}()")] == [f"{name}()"]


@pytest.mark.parametrize("name", sorted(SHARED_CATALOGS))
def test_every_shared_catalog_is_told(name: str) -> None:
    assert [reach.what for reach in reaches_of(f"LOCK {name}")] == [f"LOCK of {name}"]


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("ALTER ROLE CURRENT_USER NOLOGIN", (MYSELF,)),
        ("DROP ROLE App, \"App\"", ("app", "App")),
        (plpgsql("EXECUTE format('ALTER ROLE %I NOLOGIN', current_role);"), (MYSELF,)),
        (plpgsql("EXECUTE 'DROP ROLE ' || me;", "me text := session_user;"), (MYSELF,)),
        (plpgsql("EXECUTE format('ALTER ROLE %s NOLOGIN', 'app');"), ("app",)),
    ],
)  # fmt: skip
def test_the_roles_that_are_changed_are_named(text: str, roles: tuple[str, ...]) -> None:
    (reach,) = reaches_of(text)
    assert reach.roles == roles


def test_a_field_named_current_role_is_not_the_role_of_the_session() -> None:
    (reach,) = reaches_of(plpgsql("EXECUTE format('DROP ROLE %I', entry.current_role);", "entry record;"))
    assert MYSELF not in reach.roles
