"""What psql without ON_ERROR_STOP does after a failure, as a finding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_migration, a_run, a_statement, an_error

from bench.analyse.conclude import conclude
from bench.model.finding import Finding
from bench.model.statement import Onward, RowChanges, StatementRun


def skipped(index: int, text: str, kind: str) -> StatementRun:
    return a_statement(index, text, kind=kind, transaction="none", outcome="skipped", duration_s=None)


def going_on(text: str, kind: str, **onward: object) -> list[Finding]:
    """The findings where a statement of this text comes after one that failed."""
    failed = a_statement(0, outcome="failed", error=an_error("42P01"))
    migration = a_migration([failed, skipped(1, text, kind)])
    after = Onward(1, 11, kind, None, committed=True)
    sent = replace(migration, onward=(replace(after, **onward),))  # type: ignore[arg-type]
    found = conclude(a_run([sent])).findings
    return [each for each in found if each.code == "false-success"]


@pytest.mark.parametrize(
    ("text", "kind", "printed"),
    [
        ("-- Success\nDO $$ BEGIN RAISE NOTICE '%', 'all done'; END $$", "DO", "all done"),
        ("SELECT 'done' AS status", "SELECT", "done"),
        ("SELECT 'Shelves filled.' AS status", "SELECT", "Shelves filled."),
        ("ANALYZE", "ANALYZE", "Migration completed"),
    ],
)
def test_success_that_is_printed_after_a_failure_is_false(text: str, kind: str, printed: str) -> None:
    (finding,) = going_on(text, kind, prints=(printed,))
    assert (finding.severity, finding.statement, finding.sql) == ("error", 1, "\\set ON_ERROR_STOP on")
    assert f'prints "{printed}" here and exits 0' in finding.message


@pytest.mark.parametrize(
    ("text", "kind", "prints"),
    [
        ("SELECT 'the migration failed' AS status", "SELECT", ("the migration failed",)),
        ("SELECT name FROM t", "SELECT", ("Ada Lovelace",)),
        ("DO $$ BEGIN NULL; END $$", "DO", ()),
        ("SET search_path = a", "SET", ()),
    ],
)
def test_what_neither_works_nor_claims_is_no_false_success(
    text: str, kind: str, prints: tuple[str, ...]
) -> None:
    assert going_on(text, kind, prints=prints) == []


def test_rows_that_are_committed_after_a_failure_are_counted() -> None:
    changes = (RowChanges("public.stock", 0, 40, 0),)
    (finding,) = going_on("UPDATE stock SET n = 1", "UPDATE", row_changes=changes)
    assert finding.severity == "error"
    assert "commits 40 changed rows of public.stock (line 11) and exits 0" in finding.message
    assert finding.evidence["changed_rows"] == 40
    assert going_on("UPDATE stock SET n = 1", "UPDATE", row_changes=changes, committed=False) == []


def test_other_work_that_is_committed_is_a_warning() -> None:
    (finding,) = going_on("CREATE TABLE t (a int)", "CREATE TABLE")
    assert finding.severity == "warning"
    assert "commits 1 statement (line 11) and exits 0" in finding.message
