"""Dangers that are planted on a real server come out of a rehearsal, accepted ones with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from remedy_trials import copied, planted, run_script

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.server import Server
from bench.report.markdown import render_markdown
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.store.codec import decode, encode

BASE = """
CREATE TABLE orders (id int PRIMARY KEY, total int);
CREATE TABLE notes (order_id int);
INSERT INTO orders SELECT i, i FROM generate_series(1, 5000) AS i;
INSERT INTO notes SELECT i FROM generate_series(1, 5000) AS i;
"""

PLANTED = {
    "no-lock-timeout": "ALTER TABLE orders ADD COLUMN a int;",
    "truncated": "TRUNCATE notes;",
    "advisory-lock": "SELECT pg_advisory_lock(7);",
    "held-across": "BEGIN; LOCK TABLE orders IN SHARE MODE; SELECT pg_sleep(0.15); COMMIT;",
    "row-locks": "BEGIN; UPDATE orders SET total = 0; SELECT pg_sleep(0.15); COMMIT;",
    "blocks-reads": "BEGIN; LOCK TABLE orders; SELECT pg_sleep(1.1); COMMIT;",
    "fails-on-data": "CREATE UNIQUE INDEX u ON orders ((total % 9));",
    "false-success": "BEGIN; UPDATE orders SET total = 0;",
    "side-effect-on-failure": "CREATE TABLE made (id int); SELECT * FROM nowhere;",
    "extension-missing": "SELECT similarity('a', 'b');",
    "timer-frozen": "DO $$ DECLARE t timestamptz := now(); BEGIN RAISE NOTICE '%', now() - t; END $$;",
    "estimate-wrong": "-- Estimated time: 5-10 minutes\nSELECT 1;",
    "non-transactional": "CREATE INDEX CONCURRENTLY i ON orders (total);",
}  # fmt: skip


def run(server: Server, directory: Path, text: str) -> Run:
    (directory / "base.sql").write_text(BASE)
    (directory / "001_step.sql").write_text(text + "\n")
    options = RunOptions(repeats=1, explain=False)
    suite = find_suite(str(directory))
    return rehearse(server, suite, options, run_id="test", save=lambda _: None, progress=silent)


def codes(found: tuple[Finding, ...]) -> set[str]:
    return {each.code for each in found}


@pytest.mark.parametrize("code", PLANTED)
def test_what_is_planted_is_found(code: str, server: Server, tmp_path: Path) -> None:
    found = conclude(run(server, tmp_path, PLANTED[code])).findings
    expected = {"held-across", "blocks-reads"} if code == "blocks-reads" else {code}
    assert codes(found) & expected, found
    with planted(server, BASE) as base:
        for script in {each.sql for each in found if each.sql} - {None}:
            if "EXTENSION" in script:
                continue  # a server without its files refuses it
            with copied(server, base) as conn:
                assert run_script(conn, script) == [], script


def test_a_careful_migration_has_no_finding_at_all(server: Server, tmp_path: Path) -> None:
    careful = (
        "SET lock_timeout = '2s';\n"
        "CREATE TABLE fresh (id int PRIMARY KEY, order_id int);\n"
        "CREATE INDEX ON fresh (order_id);\n"
        "INSERT INTO fresh SELECT i, i FROM generate_series(1, 1000) AS i;\n"
        "ALTER TABLE fresh ALTER COLUMN order_id SET NOT NULL;\n"
        "ALTER TABLE fresh ALTER COLUMN order_id TYPE bigint;\n"
        "TRUNCATE fresh;\n"
        "ALTER TABLE orders ADD COLUMN note text, ADD CHECK (total > -1) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT orders_total_check;\n"
        "RESET lock_timeout;\n"
    )
    careful_run = run(server, tmp_path, careful)
    assert conclude(careful_run).findings == ()
    assert conclude(careful_run).verdict.status == "ready"


def test_an_accepted_finding_is_redrawn_from_the_run_file_with_its_reason(
    server: Server, tmp_path: Path
) -> None:
    text = (
        "-- bench: accept no-lock-timeout because nobody is connected at that time\n"
        "ALTER TABLE orders ADD COLUMN a int;\n"
    )
    stored = decode(encode(run(server, tmp_path, text)))
    (finding,) = conclude(stored).findings
    assert (finding.code, finding.accepted) == ("no-lock-timeout", "nobody is connected at that time")
    assert conclude(stored).verdict.status == "ready"
    assert "**Because** nobody is connected at that time" in render_markdown(conclude(stored))
