"""Data of one's own wherever data make sense, and what cannot be had said."""

from __future__ import annotations

from pathlib import Path

import pytest
from dumping import dumped

from bench.cli import build_parser
from bench.migrate.suite import Suite, find_suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.prove.session import ProofOptions, prove
from bench.run.template.options import DataOptions


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "m" / "rollback").mkdir(parents=True)
    (tmp_path / "m" / "001_a.sql").write_text("ALTER TABLE t ADD COLUMN extra int NOT NULL DEFAULT 0;\n")
    (tmp_path / "m" / "rollback" / "001_a.sql").write_text("ALTER TABLE t DROP COLUMN extra;\n")
    (tmp_path / "base.sql").write_text("CREATE TABLE t (id int PRIMARY KEY, v text);\n")
    return find_suite(str(tmp_path / "m"), base=tmp_path / "base.sql")


def proved(server: Server, suite: Suite, data: DataOptions) -> Run:
    options = ProofOptions(budget_s=0.1)
    return prove(server, suite, options, data, run_id="t", save=lambda _: None, progress=silent)


def test_real_suite_24_proofs_on_a_dump(server: Server, database: str, suite: Suite, tmp_path: Path) -> None:
    with server.connect(database) as conn:
        conn.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        conn.execute("INSERT INTO t SELECT n FROM generate_series(1, 30) AS n")
    dump = dumped(server, database, "custom", tmp_path / "x.dump")
    alone = find_suite(str(suite.path))
    run = proved(server, alone, DataOptions(dump=dump))
    assert run.dataset is not None
    assert [table.rows for table in run.dataset.tables] == [30]
    assert "exact" in {proof.outcome for proof in run.proofs.rollback}
    assert "No dirty rows were planted" in " ".join(note.text for note in run.notes)


@pytest.mark.parametrize("command", ["run", "explain", "prove"])
def test_real_suite_24_the_same_options_everywhere(command: str) -> None:
    given = ["--columns", "c.toml", "--like", "p.json", "--from-dump", "x.dump", "--role", "app"]
    given += ["--locale", "C", "--size", "a=1k,b=2", "--rows", "t=1k,u=2", "--fill", "--from-dsn", "x"]
    parsed = build_parser(command).parse_args([command, "m", *given])
    assert parsed.size == [("a", 1000), ("b", 2)]
    assert parsed.rows == [("t", 1000), ("u", 2)]
    assert parsed.role == "app"
