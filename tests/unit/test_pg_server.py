"""Which server ``--server`` names, and what its address shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from bench.errors import UsageError
from bench.pg.database import new_name
from bench.pg.endpoint import Endpoint, parse_dsn
from bench.pg.spec import DEFAULT_IMAGE, ServerSpec, parse_server

SECRET = "s3cret!word"


@pytest.mark.parametrize("kind", ["auto", "container", "embedded", "cluster"])
def test_a_kind_by_its_name(kind: str) -> None:
    spec = parse_server(kind, image="postgres:15", pg_bindir=Path("/opt/pg/bin"))
    assert (spec.kind, spec.dsn, spec.image, spec.pg_bindir) == (
        kind,
        None,
        "postgres:15",
        Path("/opt/pg/bin"),
    )
    assert spec.durable, "measured runs keep fsync on"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_connection_string(scheme: str) -> None:
    text = f"{scheme}://me:{SECRET}@db.example:6432/crm?sslmode=require"
    spec = parse_server(text)
    assert spec == ServerSpec("dsn", dsn=text, image=DEFAULT_IMAGE)
    assert SECRET not in repr(spec)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("conatiner", "did you mean container?"),
        ("embeded", "did you mean embedded?"),
        ("oracle", "choose auto,"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"unknown server '{text}'") as caught:
        parse_server(text)
    assert (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://me:{SECRET}@host/db",
        f"host=h password={SECRET}",
        f"postgresql://me:{SECRET}%zz@host/db",
        f"postgresql://me:{SECRET}@host/db?no_such_option=1",
        f"postgresql://me:{SECRET}@[::1/db",
    ],
)
def test_a_string_that_cannot_be_used_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_server(text)
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code == 2
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_environment_for_psql_says_the_same_as_the_string() -> None:
    endpoint = parse_dsn(f"postgresql://me:{SECRET}@db.example:6432/crm?sslmode=require")
    assert endpoint.environ("other") == {
        "PGHOST": "db.example",
        "PGPORT": "6432",
        "PGUSER": "me",
        "PGPASSWORD": SECRET,
        "PGDATABASE": "other",
        "PGSSLMODE": "require",
    }


def test_without_a_database_the_maintenance_database_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGDATABASE", raising=False)
    assert parse_dsn("postgresql://me@host").parameters["dbname"] == "postgres"
    monkeypatch.setenv("PGDATABASE", "mine")
    assert "dbname" not in parse_dsn("postgresql://me@host").parameters


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_password_reaches_the_server_and_no_reader(password: str) -> None:
    endpoint = Endpoint({"host": "h", "port": "1", "user": "u", "password": password, "dbname": "d"})
    assert conninfo_to_dict(endpoint.conninfo())["password"] == password
    assert endpoint.describe("x") == "h, port 1, user u, database x"
    assert repr(endpoint) == "Endpoint()"
    marked = endpoint.scrub(f"<{password}>")
    assert marked.count("***") >= 1


@given(st.text())
def test_new_names_are_ours_and_fit(purpose: str) -> None:
    name = new_name(purpose)
    assert name.startswith("bench_")
    assert len(name.encode()) <= 63
    assert name != new_name(purpose)
