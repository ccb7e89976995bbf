"""The safe version of a suite: in its tool's format, equal in the end, and safe by its own measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.analyse.limits import DEFAULT_LIMITS
from bench.migrate.suite import find_suite
from bench.pg.server import Server
from bench.run.harden.session import Outcome, harden_suite
from bench.run.progress import silent
from bench.run.session import RunOptions

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
    "backfill between locks": "BEGIN;\nALTER TABLE customers ADD COLUMN a int;\nUPDATE orders SET spare = total;\n"  # noqa: E501  # one statement
    "ALTER TABLE orders ADD COLUMN b int;\nCOMMIT;",
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


def codes(outcome: Outcome, *, after: bool) -> set[str]:
    conclusion = outcome.after if after else outcome.before
    assert conclusion is not None
    return {finding.code for finding in conclusion.findings if finding.severity != "info"}


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
    assert not changed & left, "what was changed is no finding any more"


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
        {"1_a.up.sql": f"{COLUMN}\n{INDEX}", "1_a.down.sql": "DROP INDEX by_note;", "2_b.up.sql": "SELECT 1;"},  # noqa: E501  # one statement
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
    "sqlx": Tool(
        {"1_a.sql": f"{COLUMN}\n{INDEX}"}, ["1_a.sql", "2_a_part2.sql", "3_a_part3.sql"]
    ),
    "tern": Tool({"001_a.sql": f"{COLUMN}\n{INDEX}"}, ["001_a.sql", "002_a_part2.sql"]),
    "drizzle": Tool(
        {
            "0000_a.sql": f"{COLUMN}\n--> statement-breakpoint\n{INDEX}",
            "meta/_journal.json": '{"entries": [{"idx": 0, "tag": "0000_a", "when": 1}]}',
        },
        ["0000_a.sql", "0001_a_part2.sql"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_the_files_are_the_tools_own(tool: str, hardened: Harden) -> None:
    outcome = hardened(TOOLS[tool].files, tool)
    assert outcome.written is not None
    assert list(outcome.written.files) == TOOLS[tool].written
    assert outcome.ends is not None
    assert outcome.ends.differences == ()
    safe = find_suite(
        str(outcome.written.directory),
        tool="plain" if outcome.written.remarks and tool == "drizzle" else tool,
    )
    assert [migration.file for migration in safe.migrations] == TOOLS[tool].written
