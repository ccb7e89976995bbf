"""What the server says without refusing anything is kept and told."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest
from field import folder
from rich.console import Console
from tracing import read_plain

from bench.analyse.conclude import conclude
from bench.analyse.findings import trace_findings
from bench.analyse.findings import traced as rehearsed
from bench.model.finding import Finding
from bench.model.run import Run
from bench.model.statement import Notice, StatementRun
from bench.pg.server import Server
from bench.report.tracejson import trace_document
from bench.report.tracetext import print_trace
from bench.report.write import write_report
from bench.run.trace import trace
from bench.store.codec import decode, encode


def coded(findings: Iterable[Finding], code: str) -> list[Finding]:
    return [each for each in findings if each.code == code]


def statements(run: Run) -> dict[int, StatementRun]:
    (migration,) = run.passes[0].repeats[0].migrations
    return {each.line: each for each in migration.statements}


def test_real_suite_30_silent_temp_view(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("real-suite/30-silent-temp-view", "m")
    (view,) = coded(run.findings, "temporary-view")
    assert view.sentence.startswith("001_summary.sql:2: the view public_summary is temporary")
    assert "gone when the migration's session ends" in view.message


def test_real_suite_06_preflight_only_in_prove(rehearse_case: Callable[..., Run], server: Server) -> None:
    run = rehearse_case("real-suite/06-preflight-only-in-prove", "m")
    found = coded(run.findings, "plpgsql-syntax")
    assert [each.evidence["line"] for each in found] == [3, 5]
    assert all("PL/pgSQL has no savepoints" in each.message and each.fix for each in found)

    file = folder("real-suite/06-preflight-only-in-prove") / "m" / "001_blocks.sql"
    traced = trace(server, read_plain([file]), probe=False)
    told = trace_findings(rehearsed(traced, server.info))
    assert [each.evidence["line"] for each in coded(told, "plpgsql-syntax")] == [3, 5]
    assert [each["code"] for each in trace_document(traced, server.info, told)["findings"]].count(
        "plpgsql-syntax"
    ) == 2


SAID = """\
SET LOCAL lock_timeout = '1s';
CREATE TABLE a_name_that_is_much_longer_than_the_sixty_three_bytes_that_the_server_keeps (i int);
DO $$
BEGIN
    RAISE WARNING 'watch out';
    FOR i IN 1..100 LOOP RAISE NOTICE 'row %', i; END LOOP;
    CREATE TEMP TABLE passing (i int);
    CREATE VIEW of_passing AS SELECT i FROM passing;
END $$;
COMMIT;
ALTER TABLE IF EXISTS nowhere ADD COLUMN a int;
DROP INDEX IF EXISTS nothing_like_it;
DROP TRIGGER IF EXISTS made_below ON kept; CREATE TRIGGER made_below BEFORE INSERT ON kept
    FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
BEGIN;
BEGIN;
COMMIT;
SET client_min_messages = error;
DROP TABLE IF EXISTS nobody_hears_of_it;
"""


@pytest.fixture
def spoken_run(rehearse_files: Callable[..., Run]) -> Run:
    return rehearse_files({"001_said.sql": SAID}, base="CREATE TABLE kept (i int);")


def test_messages_are_findings_by_their_kind(spoken_run: Run) -> None:
    found = {
        (each.code, each.severity, each.statement): each.message
        for each in spoken_run.findings
        if each.code not in ("no-lock-timeout", "non-transactional")
    }
    lines = {each.index: each.line for each in statements(spoken_run).values()}
    told = {(code, severity, lines[index]) for code, severity, index in found if index is not None}
    assert told >= {
        ("set-local-outside-transaction", "warning", 1),
        ("name-cut", "warning", 2),
        ("server-warning", "info", 3),
        ("temporary-view", "warning", 3),
        ("server-warning", "warning", 10),
        ("did-nothing", "warning", 11),
        ("did-nothing", "info", 12),
        ("server-warning", "warning", 16),
    }
    assert not any("made_below" in message for message in found.values()), "dropped to be made again"
    (absent,) = (
        m for (code, severity, _), m in found.items() if (code, severity) == ("did-nothing", "warning")
    )
    assert "there is no nowhere" in absent


def test_messages_are_kept_in_part_and_with_their_line(spoken_run: Run) -> None:
    block = statements(spoken_run)[3]
    raised = [each for each in block.notices if each.raised]
    assert [each.message for each in raised[:2]] == ["watch out", "row 1"]
    assert raised[0].line == 5
    assert block.notices_left_out == 101 - len(raised)
    assert any("temporary view" in each.message for each in block.notices), "the server's own are not lost"
    hushed = [each for each in statements(spoken_run).values() if "nobody_hears" in each.text]
    assert [each.notices for each in hushed] == [()], "what the migration silences stays silent"


def test_a_run_file_keeps_messages_and_an_older_one_has_none(spoken_run: Run) -> None:
    stored = decode(encode(spoken_run))
    assert statements(stored)[3].notices == statements(spoken_run)[3].notices
    older = msgspec.to_builtins(statements(spoken_run)[3])
    del older["notices"], older["notices_left_out"], older["skips"]
    assert msgspec.convert(older, StatementRun).notices == ()


def test_a_failure_inside_do_names_the_inner_line(rehearse_files: Callable[..., Run]) -> None:
    run = rehearse_files(
        {
            "001_fails.sql": """\
SELECT 1;
/* the
   body */ DO LANGUAGE 'plpgsql' $body$
DECLARE n int;
BEGIN
    n := 1;
    PERFORM n / 0;
END $body$;
"""
        }
    )
    error = run.passes[0].repeats[0].migrations[0].error
    assert error is not None
    assert (error.sqlstate, error.line) == ("22012", 7)


def test_who_raised_a_message_is_known_by_its_context() -> None:
    own = Notice("NOTICE", "00000", "x", context="PL/pgSQL function f(integer) line 3 at RAISE")
    within = Notice(
        "NOTICE", "42P07", "x", context='SQL statement "CREATE TABLE"\nPL/pgSQL function f() line 1 at RAISE'
    )
    assert own.raised
    assert not within.raised
    assert not Notice("NOTICE", "42P07", "x").raised


def test_messages_stand_in_page_markdown_and_trace(spoken_run: Run, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    print_trace(spoken_run.passes[0].repeats[0].migrations, console)
    paths = write_report(conclude(spoken_run), tmp_path, figures=False)
    page, markdown = (path.read_text(encoding="utf-8") for path in (paths.html, paths.markdown))
    assert isinstance(console.file, io.StringIO)
    for text in (page, markdown, console.file.getvalue()):
        assert "SET LOCAL can only be used in transaction blocks" in text
        assert "messages" in text
