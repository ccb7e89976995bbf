"""A migration that takes the harness's own role away is caught before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.run.guard import refuse_own_role


def check(directory: Path, text: str) -> None:
    path = directory / "001_roles.sql"
    path.write_text(text)
    refuse_own_role(path, read_statements(path), "postgres")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;\nALTER ROLE postgres NOSUPERUSER;",
        "SELECT 1;\nALTER USER Postgres NOCREATEDB;",
        'SELECT 1;\nDROP ROLE IF EXISTS "postgres";',
        "SELECT 1;\nALTER ROLE CURRENT_USER NOSUPERUSER;",
        "SELECT 1;\nDO $$ BEGIN EXECUTE format('ALTER ROLE %I NOSUPERUSER', current_user); END $$;",
        "SELECT 1;\nDO $$ BEGIN ALTER ROLE postgres NOLOGIN; END $$;",
    ],
)
def test_its_own_role_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"001_roles\.sql:2: (ALTER|DROP) ROLE postgres"):
        check(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE app NOLOGIN;",
        "DROP ROLE IF EXISTS app;",
        "-- ALTER ROLE postgres NOSUPERUSER\nSELECT 1;",
        "DO $$ BEGIN EXECUTE format('CREATE ROLE %I NOLOGIN', 'app'); END $$;",
        "ALTER USER MAPPING FOR postgres SERVER s OPTIONS (ADD user 'x');",
        "COMMENT ON TABLE t IS 'ALTER ROLE postgres';",
    ],
)
def test_others_are_not(tmp_path: Path, text: str) -> None:
    check(tmp_path, text)
