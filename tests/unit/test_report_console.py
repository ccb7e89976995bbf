"""The summary on the terminal: right at 80 columns, plain in a log, ending with verdict and next command."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from factories import (
    a_base_dataset,
    a_lock,
    a_migration,
    a_run,
    a_statement,
    an_error,
    empty_run,
    failed_run,
    rich_run,
)
from golden import assert_golden
from rich.cells import cell_len
from rich.console import Console

from bench.analyse.conclude import conclude
from bench.model.finding import Verdict
from bench.model.lock import Lock, LockMode
from bench.model.run import Run
from bench.report.console import print_summary

REPORT = Path("results/runs/20251103T091502Z-crm-7f3a9c/report.html")
RUNS = [rich_run, failed_run, empty_run]


def printed(run: Run, width: int = 80, *, terminal: bool = False, report: Path | None = REPORT) -> str:
    # rich draws Windows consoles differently and reads the environment: both are fixed here
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, legacy_windows=False, _environ={},
        color_system="standard" if terminal else None,
    )  # fmt: skip
    print_summary(conclude(run), report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("name", "make"),
    [("console.txt", rich_run), ("console-failed.txt", failed_run), ("console-empty.txt", empty_run)],
)
def test_summary_at_80_columns_is_the_golden_one(name: str, make: Callable[[], Run]) -> None:
    assert_golden(name, "\n".join(lines(printed(make()))) + "\n")


@pytest.mark.parametrize("make", RUNS)
@pytest.mark.parametrize("width", [80, 100, 160])
def test_nothing_but_the_lines_to_copy_is_wider_than_the_terminal(
    make: Callable[[], Run], width: int
) -> None:
    wide = [line for line in lines(printed(make(), width)) if cell_len(line) > width]
    assert [line for line in wide if not line.startswith(("Report", "Next"))] == []


@pytest.mark.parametrize("width", [80, 100, 160])
def test_numbers_outcomes_and_modes_are_never_cut(width: int) -> None:
    text = printed(rich_run(), width)
    migrations = text.split("Migrations\n")[1].split("\n\n")[0].splitlines()
    assert re.search(r" 754 ms +754 ms +183 MiB", migrations[2])
    assert all("MiB" in line and " applied " in line for line in migrations[1:])
    assert ("Findings" in migrations[0]) == (width >= 120), "what needs room is left out"
    assert "  754.4  2:58    ACCESS EXCLUSIVE  public.deals       reads, writes" in text


def test_a_log_gets_plain_text() -> None:
    text = printed(rich_run())
    assert "\x1b" not in text
    assert not set("─│┃━┌└") & set(text)


def test_a_terminal_gets_colours_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = printed(rich_run(), terminal=True)
    assert "\x1b[1;32m" in coloured
    assert lines(re.sub(r"\x1b\[[\d;]*m", "", coloured)) == lines(printed(rich_run()))


def test_no_color_is_respected() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={"NO_COLOR": "1"})
    print_summary(conclude(rich_run()), REPORT, console)
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[1;32m" not in console.file.getvalue()
    assert "[32m" not in console.file.getvalue()


def test_the_last_lines_are_verdict_worst_block_duration_report_and_next_command() -> None:
    text = lines(printed(rich_run(), 400))
    assert [line.split()[0] for line in text[-5:]] == ["Verdict", "Blocked", "Duration", "Report", "Next"]
    assert text[-5] == f"Verdict   {conclude(rich_run()).verdict.sentence}"
    assert text[-4].startswith(
        "Blocked   reads and writes on public.deals, 754 ms at most (ACCESS EXCLUSIVE, "
    )
    assert text[-3] == "Duration  10.5 s (n=3, 10.2–10.8)"
    assert text[-2] == f"Report    {REPORT}"
    assert text[-1] == "Next      see how it grows: bench run crm --scale 1"


def test_a_long_report_path_is_one_line_that_can_be_copied() -> None:
    path = Path("/" + "very-long-directory-name/" * 8 + "report.html")
    assert f"Report    {path}\n" in printed(rich_run(), 80, report=path)


def test_without_a_report_none_is_named() -> None:
    assert "Report" not in printed(rich_run(), report=None)


def test_a_failure_is_shown_with_place_statement_message_and_what_to_do() -> None:
    text = printed(failed_run(), 200)
    assert "20250831000001_migrate_legacy_contact_relationships.sql:24:1" in text
    assert "  INSERT INTO companies (name, domain)\n  SELECT DISTINCT lower(company)" in re.sub(
        r" +\n", "\n", text
    )
    assert "SQLSTATE  23505" in text
    assert 'Message   duplicate key value violates unique constraint "companies_domain_key"' in text
    assert "Detail    Key (domain)=(acme.example) already exists." in text
    assert lines(text)[-1] == "Next      correct the file, then: bench run crm"


def test_square_brackets_of_sql_are_text_and_no_markup() -> None:
    sql = "SELECT '[red]x[/red]'::text, ARRAY[1, 2], a[b], '[/]'"
    error = replace(an_error(), message="[bold]no[/bold] [/x]", detail="[/]")
    failing = a_statement(1, sql, outcome="failed", error=error)
    text = printed(a_run([a_migration([a_statement(0, sql, locks=(a_lock('public."[u]"'),)), failing])]), 160)
    assert sql in text
    assert "[bold]no[/bold] [/x]" in text
    assert 'public."[u]"' in text


def test_conditions_follow_the_verdict() -> None:
    run = replace(
        rich_run(), verdict=Verdict("conditional", "Ready on two conditions.", ("first [1]", "second"))
    )
    text = lines(printed(run))
    at = text.index("Verdict   Ready on two conditions.")
    assert text[at + 1 : at + 3] == ["          - first [1]", "          - second"]


def test_comments_before_a_statement_do_not_hide_it() -> None:
    statement = a_statement(text="-- a remark\n/* and\nanother */ ALTER TABLE deals ADD COLUMN x int")
    assert "1:1     ALTER TABLE deals ADD COLUMN x int" in printed(a_run([a_migration([statement])]))


def test_a_suite_elsewhere_is_named_by_its_directory() -> None:
    run = rich_run()
    moved = replace(run, suite=replace(run.suite, path="/srv/app/db"))
    assert lines(printed(moved))[-1] == "Next      see how it grows: bench run /srv/app/db --scale 1"


def test_an_index_is_not_listed_beside_its_table() -> None:
    assert "deals_pkey" not in printed(rich_run(), 160)


def last_line(run: Run) -> str:
    return printed(run).splitlines()[-1]


def test_rows_from_the_base_are_counted_and_cannot_be_scaled() -> None:
    run = replace(a_run([a_migration([a_statement()])]), dataset=a_base_dataset(1200))
    assert "1,200 rows, 1 MiB, 1 repeat" in printed(run)
    assert last_line(run) == "Next      bench run crm"


def test_after_an_interruption_the_same_command_comes_next() -> None:
    error = replace(an_error(None), message="interrupted", detail=None, interrupted=True)
    run = replace(a_run([a_migration([a_statement(outcome="failed", error=error)])]), finished_at=None)
    assert last_line(run) == "Next      run it again: bench run crm"


def test_a_path_with_spaces_is_quoted_in_the_next_command() -> None:
    run = a_run([a_migration([a_statement()])])
    run = replace(run, suite=replace(run.suite, path="/tmp/my suites/crm"))
    assert last_line(run) == "Next      bench run '/tmp/my suites/crm'"


def test_a_failure_shows_the_row_of_the_copy_that_the_server_names() -> None:
    error = replace(an_error("22P02"), context='COPY cc, line 3, column a: "x"')
    text = printed(a_run([a_migration([a_statement(outcome="failed", error=error)])]), 100)
    assert 'Context   COPY cc, line 3, column a: "x"' in text


ROW_EXCLUSIVE = a_lock(mode=LockMode.ROW_EXCLUSIVE)


@pytest.mark.parametrize(
    ("locks", "reads", "writes"),
    [
        ((), "no lock", "no lock"),
        ((a_lock(new=True),), "no lock", "no lock"),
        ((ROW_EXCLUSIVE,), "no wait", "rows only"),
        ((a_lock(mode=LockMode.SHARE_UPDATE_EXCLUSIVE),), "no wait", "no wait"),
        ((a_lock(mode=LockMode.SHARE, bounds=(0.5, 0.5)), ROW_EXCLUSIVE), "no wait", "500 ms"),
        ((a_lock("pg_toast.pg_toast_1", target="toast", table="public.deals"),), "no lock", "no lock"),
        ((a_lock("pg_toast.pg_toast_1_index", target="index", table="public.deals"),), "no lock", "no lock"),
    ],
)
def test_without_a_blocking_lock_it_says_what_was_held(
    locks: tuple[Lock, ...], reads: str, writes: str
) -> None:
    line = next(each for each in lines(printed(a_run([a_migration([a_statement(locks=locks)])]), 100))
                if "applied" in each and "001_first" in each)  # fmt: skip
    assert re.split(r"  +", line.strip())[4:6] == [reads, writes]


def test_where_only_rows_were_locked_nobody_is_not_the_whole_truth() -> None:
    text = printed(a_run([a_migration([a_statement(locks=(ROW_EXCLUSIVE,))])]))
    assert "Blocked   nobody but writers of the same rows" in text
