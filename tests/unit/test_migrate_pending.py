"""What of a directory is pending: by the rows of each tool's own table, by a version, by a dump."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.migrate.pending import after_version, without_applied
from bench.migrate.suite import Suite, find_suite
from bench.migrate.tools.bookkeeping import Row
from bench.migrate.tools.table import TOOLS
from bench.pg.notes import notes_in_script

PLAN = "%project=x\n\na 2024-01-01T00:00:00Z x <x@x> # a\nb 2024-01-01T00:00:00Z x <x@x> # b\n"
A, B, C = ("SELECT 1;\n", "SELECT 2;\n", "SELECT 3;\n")
GOOSE = "-- +goose Up\nSELECT 1;\n"
JOURNAL = json.dumps({"entries": [{"tag": f"000{n}_x", "when": n * 1000, "idx": n} for n in (1, 2, 3)]})


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def crc(text: str) -> str:
    value = zlib.crc32("".join(text.splitlines()).encode())
    return str(value - 2**32 if value >= 2**31 else value)


def suite_of(tmp_path: Path, files: dict[str, str], tool: str) -> Suite:
    directory = tmp_path / "db"
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    return find_suite(str(directory), tool=tool)


CASES: dict[str, tuple[dict[str, str], list[Row], list[str]]] = {
    "atlas": (
        {"20240101_a.sql": A, "20240102_b.sql": B, "20240103_c.sql": C, "atlas.sum": ""},
        [{"version": "20240101", "error": ""}, {"version": "20240102", "error": "division by zero"}],
        ["20240102_b.sql", "20240103_c.sql"],
    ),
    "dbmate": (
        {f"0{n}_x.sql": "-- migrate:up\nSELECT 1;\n" for n in (1, 2, 3)},
        [{"version": "01"}, {"version": "02"}],
        ["03_x.sql"],
    ),
    "diesel": (
        {f"2024-01-0{n}-000000_x/up.sql": A for n in (1, 2, 3)} | {"../diesel.toml": ""},
        [{"version": "20240101000000"}],
        ["2024-01-02-000000_x/up.sql", "2024-01-03-000000_x/up.sql"],
    ),
    "drizzle": (
        {"0001_x.sql": A, "0002_x.sql": B, "0003_x.sql": C, "meta/_journal.json": JOURNAL},
        [
            {"id": "1", "hash": sha(A), "created_at": "1000"},
            {"id": "2", "hash": sha(B), "created_at": "2000"},
        ],
        ["0003_x.sql"],
    ),
    "flyway": (
        {"V1__a.sql": A, "V2__b.sql": B, "V3__c.sql": C, "R__views.sql": A},
        [
            {"version": "1", "script": "V1__a.sql", "type": "SQL", "success": "true", "checksum": crc(A)},
            {"version": "2", "script": "V2__b.sql", "type": "SQL", "success": "false", "checksum": crc(B)},
            {"version": None, "script": "R__views.sql", "type": "SQL", "success": "t", "checksum": "5"},
        ],
        ["V2__b.sql", "V3__c.sql", "R__views.sql"],
    ),
    "golang-migrate": (
        {f"00{n}_x.up.sql": A for n in (1, 2, 3)},
        [{"version": "2", "dirty": "false"}],
        ["003_x.up.sql"],
    ),
    "goose": (
        {f"00{n}_x.sql": GOOSE for n in (1, 2, 3)},
        [
            {"id": "1", "version_id": "0", "is_applied": "t"},
            {"id": "2", "version_id": "1", "is_applied": "t"},
            {"id": "3", "version_id": "2", "is_applied": "t"},
            {"id": "4", "version_id": "2", "is_applied": "f"},
        ],
        ["002_x.sql", "003_x.sql"],
    ),
    "graphile-migrate": (
        {f"committed/00000{n}.sql": f"--! Previous: -\n--! Hash: sha1:{n}\n\n{A}" for n in (1, 2)},
        [{"filename": "000001.sql", "hash": "sha1:1"}],
        ["committed/000002.sql"],
    ),
    "hasura": ({f"{n}_x/up.sql": A for n in (1, 2)}, [{"version": "1"}], ["2_x/up.sql"]),
    "liquibase": (
        {"x.sql": f"--liquibase formatted sql\n--changeset me:1\n{A}--changeset me:2\n{B}"},
        [{"id": "1", "author": "me", "filename": "db/changelog/x.sql"}],
        ["x.sql"],
    ),
    "mybatis": ({f"2024010{n}_x.sql": A for n in (1, 2)}, [{"id": "20240101"}], ["20240102_x.sql"]),
    "node-pg-migrate": ({f"{n}_x.sql": A for n in (1, 2)}, [{"name": "1_x"}], ["2_x.sql"]),
    "play": (
        {f"{n}.sql": f"# --- !Ups\n{A}" for n in (1, 2)},
        [{"id": "1", "state": "applied"}, {"id": "2", "state": "applying_up"}],
        ["2.sql"],
    ),
    "postgrator": ({f"00{n}.do.x.sql": A for n in (1, 2)}, [{"version": "1", "md5": None}], ["002.do.x.sql"]),
    "prisma": (
        {f"2024_{n}/migration.sql": A for n in (1, 2, 3)},
        [
            {"migration_name": "2024_1", "finished_at": "x", "rolled_back_at": None, "checksum": sha(A)},
            {"migration_name": "2024_2", "finished_at": None, "rolled_back_at": None, "checksum": sha(A)},
        ],
        ["2024_2/migration.sql", "2024_3/migration.sql"],
    ),
    "rambler": (
        {f"0{n}_x.sql": "-- rambler up\nSELECT 1;\n" for n in (1, 2)},
        [{"migration": "01_x.sql"}],
        ["02_x.sql"],
    ),
    "refinery": ({f"V{n}__x.sql": A for n in (1, 2)}, [{"version": "1"}], ["V2__x.sql"]),
    "sql-migrate": (
        {f"0{n}_x.sql": "-- +migrate Up\nSELECT 1;\n" for n in (1, 2)},
        [{"id": "01_x.sql"}],
        ["02_x.sql"],
    ),
    "sqitch": (
        {"sqitch.plan": PLAN,
         "deploy/a.sql": A, "deploy/b.sql": B},
        [{"change": "a", "committed_at": "x"}],
        ["deploy/b.sql"],
    ),
    "sqlx": ({f"{n}_x.sql": A for n in (1, 2)}, [{"version": "1", "success": "true"}], ["2_x.sql"]),
    "supabase": ({f"2024{n}_x.sql": A for n in (1, 2)}, [{"version": "20241"}], ["20242_x.sql"]),
    "tern": ({f"00{n}_x.sql": A for n in (1, 2)}, [{"version": "1"}], ["002_x.sql"]),
    "yoyo": ({f"{n}-x.sql": A for n in (1, 2)}, [{"migration_id": "1-x"}], ["2-x.sql"]),
}  # fmt: skip


@pytest.mark.parametrize("tool", CASES)
def test_what_the_tools_own_table_has_is_deployed(tool: str, tmp_path: Path) -> None:
    files, rows, pending = CASES[tool]
    suite = suite_of(tmp_path, files, tool)
    found = without_applied(suite, rows, "public.notes")
    assert [migration.file for migration in found.migrations] == pending
    assert len(found.deployed) == len(suite.migrations) - len(pending)
    assert f"{len(pending)} of {len(suite.migrations)} migrations are pending by public.notes" in " ".join(
        found.remarks
    )


def test_every_tool_that_keeps_a_table_has_a_case() -> None:
    assert {tool.name for tool in TOOLS if tool.bookkeeping} == set(CASES)


def test_a_table_with_everything_leaves_nothing(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, CASES["sqlx"][0], "sqlx")
    with pytest.raises(UsageError, match=r"has all 2"):
        without_applied(suite, [{"version": "1"}, {"version": "2"}], "public._sqlx_migrations")


def test_what_is_edited_out_of_order_or_gone_is_said(tmp_path: Path) -> None:
    files, _, _ = CASES["prisma"]
    suite = suite_of(tmp_path, files, "prisma")
    rows: list[Row] = [
        {"migration_name": name, "finished_at": "x", "rolled_back_at": None, "checksum": sha(text)}
        for name, text in (("2024_1", "other"), ("2024_3", A), ("2023_9", A))
    ]
    said = " ".join(without_applied(suite, rows, "public._prisma_migrations").remarks)
    assert "Out of order, before one that is deployed already: 2024_2/migration.sql." in said
    assert "Edited since, by the checksum in public._prisma_migrations: 2024_1/migration.sql." in said
    assert "no longer among the files: 2023_9." in said


def test_a_file_of_sqlx_is_compared_by_its_checksum(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, CASES["sqlx"][0], "sqlx")
    same, other = (hashlib.sha384(text.encode()).hexdigest() for text in (A, "other"))
    for digest, edited in ((same, False), (other, True)):
        rows: list[Row] = [{"version": "1", "success": "true", "checksum": f"\\x{digest}"}]
        said = " ".join(without_applied(suite, rows, "public._sqlx_migrations").remarks)
        assert ("Edited since" in said) == edited


def test_a_file_of_graphile_migrate_is_compared_by_its_header(tmp_path: Path) -> None:
    files = {f"committed/00000{n}.sql": f"--! Previous: -\n--! Hash: sha1:{n}\n\nSELECT 1;\n" for n in (1, 2)}
    suite = suite_of(tmp_path, files, "graphile-migrate")
    for digest, edited in (("sha1:1", False), ("sha1:9", True)):
        rows: list[Row] = [{"filename": "000001.sql", "hash": digest}]
        said = " ".join(without_applied(suite, rows, "graphile_migrate.migrations").remarks)
        assert ("Edited since" in said) == edited


@pytest.mark.parametrize("tool", ["atlas", "liquibase", "refinery"])
def test_checksums_that_are_not_read_are_no_silence(tool: str, tmp_path: Path) -> None:
    files, rows, _ = CASES[tool]
    said = " ".join(without_applied(suite_of(tmp_path, files, tool), rows, "the table").remarks)
    assert "Whether deployed files were edited since is not told" in said


def test_a_dirty_database_is_told(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, CASES["golang-migrate"][0], "golang-migrate")
    said = " ".join(without_applied(suite, [{"version": "2", "dirty": "true"}], "x").remarks)
    assert "dirty at version 2" in said


@pytest.mark.parametrize("version", ["2", "002", "002_x.up.sql", "002_x"])
def test_a_version_divides_what_is_deployed_from_what_is_pending(version: str, tmp_path: Path) -> None:
    suite = suite_of(tmp_path, CASES["golang-migrate"][0], "golang-migrate")
    found = after_version(suite, version)
    assert [migration.file for migration in found.migrations] == ["003_x.up.sql"]
    assert len(found.deployed) == 2


def test_an_unknown_version_is_refused_with_the_last_ones(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, CASES["golang-migrate"][0], "golang-migrate")
    with pytest.raises(UsageError) as raised:
        after_version(suite, "9")
    assert "003_x" in (raised.value.hint or "")


def test_plain_files_have_no_table(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"1_a.sql": A, "2_b.sql": B}, "plain")
    with pytest.raises(UsageError, match="notes nowhere"):
        without_applied(suite, [], "x")


DUMP = """\
COPY public.other (id, note) FROM stdin;
1\tCOPY public.schema_migrations (version) FROM stdin;
\\.
COPY "My app".schema_migrations (version, note) FROM stdin;
001\ta\\tb
002\t\\N
\\.
"""


def test_the_rows_are_read_from_a_plain_dump() -> None:
    name, rows = notes_in_script(iter(DUMP.splitlines(keepends=True)), "schema_migrations", "x.sql")
    assert name == "My app.schema_migrations"
    assert rows == ({"version": "001", "note": "a\tb"}, {"version": "002", "note": None})


def test_a_dump_without_the_table_is_refused() -> None:
    with pytest.raises(UsageError, match=r"x\.sql has no table gorp_migrations"):
        notes_in_script(iter(DUMP.splitlines(keepends=True)), "gorp_migrations", "x.sql")
