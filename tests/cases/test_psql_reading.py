"""Files are read and sent as psql reads and sends them, also those that nobody can parse."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from field import folder
from rich.console import Console

from bench.analyse.conclude import conclude
from bench.migrate.script import read_statements
from bench.model.finding import Finding
from bench.model.run import MigrationRun, Run
from bench.report.console import print_summary


def migrations(run: Run) -> tuple[MigrationRun, ...]:
    return run.passes[0].repeats[0].migrations


def false_success(run: Run) -> Finding:
    (finding,) = (each for each in run.findings if each.code == "false-success")
    return finding


def test_real_suite_05_dollar_quote_refused(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("real-suite/05-dollar-quote-refused", "m")
    note, fill = migrations(run)
    assert (note.outcome, fill.outcome) == ("applied", "failed")
    assert note.duration_s is not None
    assert fill.error is not None
    assert (fill.error.sqlstate, fill.error.line) == ("42601", 5)
    finding = false_success(run)
    assert finding.evidence["errors"] == 3
    assert 'prints "Shelves filled." here' in finding.message
    assert "commits 40 changed rows of public.stock (line 9)" in finding.message
    assert any(each.code == "plpgsql-syntax" and "dollar quote" in (each.fix or "") for each in run.findings)


def test_real_suite_07_false_success_quote(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("real-suite/07-false-success-quote", "m")
    quoted = 'prints "The ledger was moved successfully." here and exits 0'
    assert quoted in false_success(run).message
    assert "fails-on-data" not in {each.code for each in run.findings}, "SELECT 1/0 reads no row"
    console = Console(file=io.StringIO(), width=200)
    print_summary(conclude(run), None, console)
    assert isinstance(console.file, io.StringIO)
    assert quoted in console.file.getvalue()


def test_reports_60_parser_torture(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("reports/60-parser-torture")
    assert [each.outcome for each in migrations(run)] == ["applied", "applied"]
    rest = read_statements(folder("reports/60-parser-torture") / "mig" / "002_rest.sql")
    assert rest[10].text == "SELECT 'back\\\\slash; \\'quoted'"
    assert rest[12].copy_data == "201\ta;b\t1\n202\tc\t2\n"


GOES_ON = """\
SET lock_timeout = '2s';
BEGIN;
SELECT 1/0;
UPDATE stock SET n = 1;
SELECT 'never printed, as it fails';
COMMIT;
BEGIN;
UPDATE stock SET n = 2;
ROLLBACK;
BEGIN;
UPDATE stock SET n = 3 WHERE id <= 3;
INSERT INTO stock VALUES (11, 0);
COMMIT;
DO $$ BEGIN DELETE FROM stock WHERE id = 10; RAISE NOTICE 'cleaning up is done'; END $$;
CREATE TABLE made (i int);
SELECT 'open: '' and no end
"""


@pytest.fixture
def gone_on(rehearse_files: Callable[..., Run]) -> Run:
    base = "CREATE TABLE stock (id int, n int); INSERT INTO stock SELECT i, 0 FROM generate_series(1, 10) i;"
    return rehearse_files({"001_goes_on.sql": GOES_ON}, base=base)


def test_what_psql_goes_on_to_commit_is_counted_row_by_row(gone_on: Run) -> None:
    (migration,) = migrations(gone_on)
    done = {each.line: each for each in migration.onward}
    assert [line for line, each in done.items() if each.committed and each.row_changes] == [11, 12, 14]
    assert {line: each.sqlstate for line, each in done.items() if each.sqlstate} == {
        4: "25P02", 5: "25P02", 16: "42601",
    }  # fmt: skip
    assert done[15].committed
    finding = false_success(gone_on)
    assert "5 changed rows of public.stock (lines 11, 12, 14)" in finding.message
    assert 'prints "cleaning up is done"' in finding.message
    assert (finding.evidence["errors"], finding.evidence["changed_rows"]) == (4, 5)


def test_an_unterminated_quote_is_sent_as_psql_sends_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sql"
    path.write_text("SELECT 1;\nSELECT 'open;\nSELECT 2;\n", encoding="utf-8")
    assert [each.text for each in read_statements(path)] == ["SELECT 1", "SELECT 'open;\nSELECT 2;"]


def test_a_file_that_stops_at_errors_goes_nowhere(rehearse_files: Callable[..., Run]) -> None:
    text = "\\set ON_ERROR_STOP on\nSELECT 1/0;\n\\echo Migration completed\n"
    run = rehearse_files({"001_stops.sql": text})
    (migration,) = migrations(run)
    assert (migration.outcome, migration.onward) == ("failed", ())
    assert not [each for each in run.findings if each.code == "false-success"]


def test_words_of_echo_are_what_psql_prints(rehearse_files: Callable[..., Run]) -> None:
    run = rehearse_files({"001_says.sql": "SELECT 1/0;\nSELECT 1;\n\\echo 'Migration completed'\n"})
    assert 'prints "Migration completed" here' in false_success(run).message
