"""The safe version of a suite: in its tool's format, equal in the end, and safe by its own measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from bench.errors import UsageError
from bench.migrate.script import statements_of
from bench.migrate.suite import find_suite
from bench.model.budget import DEFAULT_LIMITS
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.harden.equal import compare_ends
from bench.run.harden.session import Outcome, harden_suite
from bench.run.harden.writing import FORMATS
from bench.run.progress import silent
from bench.run.session import RunOptions
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

BASE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total int, note text, spare int, rest text);
CREATE TABLE heap (n int, m int);
CREATE TABLE audited (id int PRIMARY KEY, n int);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := NEW.n + 1; RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION noted();
CREATE INDEX orders_total ON orders (total);
CREATE MATERIALIZED VIEW totals AS SELECT id, total FROM orders;
CREATE UNIQUE INDEX totals_id ON totals (id);
INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
INSERT INTO orders SELECT i, 1 + i % 100, i, 'n' || i, i, repeat('x', 200) FROM generate_series(1, 6000) AS i;
INSERT INTO heap SELECT i, i FROM generate_series(1, 6000) AS i;
INSERT INTO audited SELECT i, i FROM generate_series(1, 6000) AS i;
CREATE TABLE parted (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE parted_2023 PARTITION OF parted FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE parted_2024 (id int NOT NULL, at date NOT NULL);
INSERT INTO parted_2024 SELECT i, '2024-05-01' FROM generate_series(1, 6000) AS i;
REFRESH MATERIALIZED VIEW totals;
"""
STRICT = replace(DEFAULT_LIMITS, noticeable_s=0.0, conditional_s=0.0, many_rows=100)
"""So that on small tables everything that would hurt on large ones does."""

REWRITES = {
    "index": "CREATE INDEX by_note ON orders (note);",
    "unique index": "CREATE UNIQUE INDEX by_note ON orders (note);",
    "drop index": "DROP INDEX orders_total;",
    "unique": "ALTER TABLE orders ADD CONSTRAINT one_note UNIQUE (note);",
    "primary key": "ALTER TABLE heap ADD PRIMARY KEY (n);",
    "foreign key": "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;",
    "check": "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);",
    "not null": "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;",
    "column with a random default": "ALTER TABLE orders ADD COLUMN token float8 NOT NULL DEFAULT random();",
    "type": "ALTER TABLE orders ALTER COLUMN spare TYPE bigint;",
    "update": "UPDATE orders SET spare = spare + 1, note = 'x' || note;",
    "delete": "DELETE FROM orders WHERE total > 10;",
    "updates in a block": "DO $$ BEGIN UPDATE orders SET spare = spare + 1; RAISE NOTICE 'done'; END $$;",
    "refresh": "REFRESH MATERIALIZED VIEW totals;",
    "attach": "ALTER TABLE parted ATTACH PARTITION parted_2024 "
    "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');",
    "lock without a timeout": "ALTER TABLE orders ADD COLUMN plain int;",
    "backfill between locks": "BEGIN;\nALTER TABLE customers ADD COLUMN a int;\n"
    "UPDATE orders SET spare = total;\nALTER TABLE orders ADD COLUMN b int;\nCOMMIT;",
}
REFUSED = {
    "exclusion": (
        "CREATE EXTENSION IF NOT EXISTS btree_gist;\nALTER TABLE orders ADD EXCLUDE USING gist (id WITH =);",
        "no safe form",
    ),
    "generated": (
        "ALTER TABLE orders ADD COLUMN g int GENERATED ALWAYS AS (total * 2) STORED;",
        "no safe form",
    ),
    "no key": ("UPDATE heap SET m = n + 1;", "batches"),
    "own rows": ("UPDATE orders SET total = (SELECT max(o.total) FROM orders o);", "batches"),
    "dynamic": ("DO $$ BEGIN EXECUTE 'UPDATE orders SET spare = 1'; END $$;", "batches"),
    "whole transaction": (
        "BEGIN;\nCREATE TEMP TABLE t AS SELECT 1;\nUPDATE orders SET spare = 1;\nCOMMIT;",
        "temporary table",
    ),
}
Harden = Callable[..., Outcome]


@pytest.fixture
def hardened(server: Server, tmp_path: Path) -> Harden:
    """Hardens a suite of one file, or of several by their names."""

    def run(text: str | dict[str, str], tool: str | None = None, name: str = "001_x.sql") -> Outcome:
        directory = tmp_path / "db"
        files = text if isinstance(text, dict) else {name: text}
        for file, content in files.items():
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text(content + "\n")
        (tmp_path / "base.sql").write_text(BASE)
        suite = find_suite(str(directory), base=tmp_path / "base.sql", tool=tool)
        return harden_suite(
            server, suite, RunOptions(repeats=1, explain=False, probe=False), tmp_path / "safe", run_id="x",
            save=lambda _: lambda run: None, progress=silent, limits=STRICT,
        )  # fmt: skip

    return run


def test_an_index_that_is_there_is_not_dropped(hardened: Harden, server: Server, tmp_path: Path) -> None:
    """Only an INVALID one is taken away before the build: any other of the name is somebody's."""
    written = hardened(REWRITES["index"]).written
    assert written is not None
    (file,) = (path for path in written.directory.glob("*.sql") if path.name != "base.sql")
    name = new_name("harden")
    create_database(server, name)
    try:
        with server.connect(name) as conn:
            conn.execute("CREATE TABLE orders (note text); CREATE TABLE other (x int)")
            conn.execute("CREATE INDEX by_note ON other (x)")
            *before, last = statements_of(file.read_text())
            for statement in before:
                conn.execute(statement.encode())
            with pytest.raises(psycopg.errors.DuplicateTable):
                conn.execute(last.encode())
            assert conn.execute(
                "SELECT tablename FROM pg_indexes WHERE indexname = 'by_note'"
            ).fetchall() == [("other",)]
    finally:
        drop_database(server, name)


def test_values_in_other_rows_are_found(server: Server, tmp_path: Path) -> None:
    """Each column holds the same values in both; only the rows tell them apart."""
    suites = []
    for name, text in (("one", "UPDATE heap SET m = 6001 - n;"), ("other", "UPDATE heap SET m = n;")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "001_x.sql").write_text(text)
        (tmp_path / "base.sql").write_text(BASE)
        suites.append(find_suite(str(tmp_path / name), base=tmp_path / "base.sql"))
    data = DataOptions()
    with template(server, suites[0], data, silent) as prepared:
        ends = compare_ends(server, prepared.dbname, *suites, data)
    assert ends.differences == ("public.heap has other values in its rows",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("BEGIN;\nUPDATE orders SET spare = 1;\nROLLBACK;\nUPDATE orders SET spare = 2;", "rolls back"),
        ("COPY heap FROM stdin;\n1\t2\n\\.\nUPDATE orders SET spare = 2;", "copies rows in"),
    ],
)
def test_a_file_that_cannot_be_taken_apart_stays(text: str, words: str, hardened: Harden) -> None:
    outcome = hardened({"001_x.sql": text, "002_y.sql": REWRITES["index"]})
    assert [refusal for item in outcome.hardened for refusal in item.refusals if words in refusal.why]
    assert outcome.written is not None
    assert (outcome.written.directory / "001_x.sql").read_text() == text + "\n"
    assert outcome.ends is not None
    assert outcome.ends.differences == ()


def test_what_does_not_change_is_copied_with_its_way_back_where_its_version_moves(hardened: Harden) -> None:
    files = {
        "001_x.sql": "CREATE INDEX a ON orders (note);\nCREATE INDEX b ON orders (total);",
        "002_y.sql": "-- a comment of its own\nSELECT 1;",
        "rollback/001_x_rollback.sql": "DROP INDEX a; DROP INDEX b;",
        "rollback/002_y_rollback.sql": "SELECT 2;",
    }
    outcome = hardened(files)
    assert outcome.written is not None
    assert outcome.written.files == ("001_x.sql", "002_x_part2.sql", "003_y.sql")
    safe = find_suite(str(outcome.written.directory))
    assert (safe.path / "003_y.sql").read_text() == files["002_y.sql"] + "\n"
    backs = {m.file: m.rollback and m.rollback.read_text().strip() for m in safe.migrations}
    assert backs == {
        "001_x.sql": files["rollback/001_x_rollback.sql"],
        "002_x_part2.sql": None,
        "003_y.sql": files["rollback/002_y_rollback.sql"],
    }


def test_files_without_versions_are_refused_where_one_would_become_several(hardened: Harden) -> None:
    with pytest.raises(UsageError, match="has no version in its name"):
        hardened("CREATE INDEX a ON orders (note);\nCREATE INDEX b ON orders (total);", name="x.sql")


def codes(outcome: Outcome, *, after: bool) -> set[str]:
    conclusion = outcome.after if after else outcome.before
    assert conclusion is not None
    return {
        finding.code
        for finding in conclusion.findings
        if finding.severity != "info" and not (after and (finding.relation or "").endswith(DROPPED))
    }


DROPPED = "orders_total"
"""At its end DROP INDEX CONCURRENTLY has its index to itself, when nobody uses it any more; the sampler meets
that lock now and then, and without a limit it counts."""


@pytest.mark.parametrize("name", REWRITES)
def test_what_hurts_is_written_otherwise_and_comes_to_the_same(name: str, hardened: Harden) -> None:
    outcome = hardened(REWRITES[name])
    assert outcome.ends is not None, [item.refusals for item in outcome.hardened]
    assert outcome.ends.differences == ()
    changed = {change.code for item in outcome.hardened for change in item.changes}
    assert changed
    left = codes(outcome, after=True)
    if "row-locks" in changed:  # rows are locked, but a batch at a time
        assert outcome.after is not None
        told = [found.message for found in outcome.after.findings if found.code == "row-locks"]
        assert all("in transactions of up to" in message for message in told), told
        left -= {"row-locks"}
    assert outcome.after is not None
    told = [(found.code, found.relation, found.message) for found in outcome.after.findings]
    assert not changed & left, f"what was changed is no finding any more: {told}"


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_safe_form_stays_and_is_said(name: str, hardened: Harden) -> None:
    text, words = REFUSED[name]
    outcome = hardened(text)
    said = [refusal.why for item in outcome.hardened for refusal in item.refusals]
    assert [why for why in said if words in why], said


def test_a_suite_that_hurts_nobody_is_left_alone(hardened: Harden) -> None:
    outcome = hardened("CREATE TABLE fresh (id int PRIMARY KEY);\nINSERT INTO fresh VALUES (1);")
    assert outcome.written is None


def test_a_suite_that_fails_is_not_written(hardened: Harden) -> None:
    outcome = hardened("ALTER TABLE orders ADD UNIQUE (customer_id);")
    assert outcome.written is None
    assert outcome.before.summary.failed


@pytest.mark.parametrize("name", ["index", "foreign key", "update", "not null"])
def test_its_own_output_is_left_alone(name: str, hardened: Harden) -> None:
    assert hardened(REWRITES[name]).still == ()


@dataclass(frozen=True)
class Tool:
    files: dict[str, str]
    written: list[str]


INDEX, COLUMN = "CREATE INDEX by_note ON orders (note);", "ALTER TABLE orders ADD COLUMN plain int;"
TOOLS = {
    "goose": Tool(
        {"00001_a.sql": f"-- +goose Up\n{COLUMN}\n{INDEX}\n-- +goose Down\nDROP INDEX by_note;"},
        ["00001_a.sql", "00002_a_part2.sql"],
    ),
    "dbmate": Tool(
        {"20240101000000_a.sql": f"-- migrate:up\n{COLUMN}\n{INDEX}\n-- migrate:down\nDROP INDEX by_note;"},
        ["20240101000000_a.sql", "20240101000001_a_part2.sql", "20240101000002_a_part3.sql"],
    ),
    "golang-migrate": Tool(
        {
            "1_a.up.sql": f"{COLUMN}\n{INDEX}",
            "1_a.down.sql": "DROP INDEX by_note;",
            "2_b.up.sql": "SELECT 1;",
        },
        ["1_a.up.sql", "2_a_part2.up.sql", "3_a_part3.up.sql", "4_b.up.sql"],
    ),
    "prisma": Tool(
        {"20240101000000_a/migration.sql": f"{COLUMN}\n{INDEX}", "migration_lock.toml": ""},
        [
            "20240101000000_a/migration.sql",
            "20240101000001_a_part2/migration.sql",
            "20240101000002_a_part3/migration.sql",
        ],
    ),
    "diesel": Tool(
        {
            "2024-01-01-000000_a/up.sql": f"{COLUMN}\n{INDEX}",
            "2024-01-01-000000_a/down.sql": "DROP INDEX by_note;",
            "2024-01-02-000000_b/up.sql": "SELECT 1;",
        },
        [
            "2024-01-01-000000_a/up.sql",
            "2024-01-01-000001_a_part2/up.sql",
            "2024-01-01-000002_a_part3/up.sql",
            "2024-01-02-000000_b/up.sql",
        ],
    ),
    "sqlx": Tool(
        {"1_a.sql": f"{COLUMN}\n{INDEX}"}, ["1_a.sql", "2_a_part2.sql", "3_a_part3.sql"]
    ),
    "tern": Tool({"001_a.sql": f"{COLUMN}\n{INDEX}"}, ["001_a.sql", "002_a_part2.sql"]),
    "postgrator": Tool(
        {"001.do.a.sql": f"{COLUMN}\n{INDEX}", "002.do.b.sql": "SELECT 1;"},
        ["001.do.a.sql", "002.do.a.sql", "003.do.a.sql", "004.do.b.sql"],
    ),
    "flyway": Tool(
        {"V1__a.sql": "SELECT 1;", "V1.2__b.sql": f"{COLUMN}\n{INDEX}", "V2__c.sql": "SELECT 1;"},
        ["V1__a.sql", "V1.2__b.sql", "V2__b_part2.sql", "V3__c.sql"],
    ),
    "liquibase": Tool(
        {"changes.sql": f"--liquibase formatted sql\n--changeset me:1\n{COLUMN}\n--rollback SELECT 1;\n"
         f"--changeset me:2\n{INDEX}"},
        ["0001_changes-me-1.sql", "0002_changes-me-2.sql"],
    ),
    "sqitch": Tool(
        {"sqitch.plan": "%project=x\n\na 2024-01-01T00:00:00Z x <x@x> # a\n",
         "deploy/a.sql": f"BEGIN;\n{COLUMN}\n{INDEX}\nCOMMIT;", "revert/a.sql": "DROP INDEX by_note;"},
        ["0001_a.sql", "0002_a_part2.sql"],
    ),
    "drizzle": Tool(
        {
            "0000_a.sql": f"{COLUMN}\n--> statement-breakpoint\n{INDEX}",
            "meta/_journal.json": '{"entries": [{"idx": 0, "tag": "0000_a", "when": 1}]}',
        },
        ["0001_0000_a.sql", "0002_0000_a_part2.sql"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_the_files_are_the_tools_own(tool: str, hardened: Harden) -> None:
    outcome = hardened(TOOLS[tool].files, tool)
    assert outcome.written is not None
    assert list(outcome.written.files) == TOOLS[tool].written
    assert outcome.ends is not None
    assert outcome.ends.differences == ()
    as_read = tool if tool in FORMATS else "plain"
    safe = find_suite(str(outcome.written.directory), tool=as_read)
    assert [migration.file for migration in safe.migrations] == TOOLS[tool].written


UPDATE = "UPDATE orders SET spare = spare + 1;"
BACKFILLS = {
    "dbmate": {"20240101_a.sql": f"-- migrate:up\n{UPDATE}\n-- migrate:down\nSELECT 1;"},
    "flyway": {"V1__a.sql": UPDATE},
    "golang-migrate": {"1_a.up.sql": UPDATE},
    "goose": {"1_a.sql": f"-- +goose Up\n{UPDATE}\n-- +goose Down\nSELECT 1;"},
    "sql-migrate": {"1_a.sql": f"-- +migrate Up\n{UPDATE}"},
    "sqlx": {"1_a.sql": UPDATE},
    "tern": {"001_a.sql": UPDATE},
    "atlas": {"20240101_a.sql": UPDATE, "atlas.sum": ""},
    "prisma": {"20240101_a/migration.sql": UPDATE, "migration_lock.toml": ""},
    "supabase": {"20240101_a.sql": UPDATE},
    "hasura": {"1_a/up.sql": UPDATE},
    "diesel": {"2024-01-01-000000_a/up.sql": UPDATE},
    "postgrator": {"001.do.a.sql": UPDATE},
    "plain": {"001_a.sql": UPDATE},
}


def test_every_format_has_a_backfill_tried() -> None:
    assert BACKFILLS.keys() == FORMATS.keys()


@pytest.mark.parametrize("tool", BACKFILLS)
def test_batches_commit_in_every_tools_files(tool: str, hardened: Harden) -> None:
    """A block that commits fails inside a transaction, and a splitter may cut it."""
    outcome = hardened(BACKFILLS[tool], tool)
    assert [change.code for item in outcome.hardened for change in item.changes] == ["row-locks"]
    assert outcome.ends is not None
    assert outcome.ends.differences == ()
