"""The Markdown report: its figures are the run's, and SQL cannot break out of its cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import golden
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
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.analyse.conclude import conclude
from bench.analyse.summary import summarise
from bench.model.finding import Verdict
from bench.model.lock import LockMode
from bench.model.run import Note, Run
from bench.model.statement import Rewrite
from bench.report.markdown import render_markdown
from bench.report.render.markdown import block, bullets, code, plain, table

PARSER = MarkdownIt("commonmark").enable("table")
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
NASTY = st.text(st.sampled_from("ab12 |`\\*_[]()<>&#-+.!~\n\t$'\""), max_size=30)


def one_line(text: str) -> str:
    """Without what white space and the mark behind ``@`` add."""
    return " ".join(text.replace("\u200b", "").split())


def text_of(tokens: list[Token]) -> str:
    """What a reader sees of inline tokens; fails on anything but plain text, code and the given breaks."""
    seen = ""
    for token in tokens:
        if token.type == "html_inline" and token.content in ("<code>", "</code>"):
            continue
        assert token.type in ("text", "code_inline", "text_special"), f"{token.type}: {token.content!r}"
        seen += token.content
    return seen


def cells(markdown: str) -> list[list[str]]:
    """The cells of the only table of a text, as a reader sees them."""
    rows: list[list[str]] = []
    for token in PARSER.parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(text_of(token.children or []))
    return rows


@pytest.mark.parametrize(
    ("name", "make"),
    [("report.md", rich_run), ("report-failed.md", failed_run), ("report-empty.md", empty_run)],
)
def test_report_is_the_golden_one(name: str, make: Callable[[], Run]) -> None:
    assert_golden(name, render_markdown(conclude(make())))


def test_a_golden_difference_fails_with_a_diff_and_leaves_the_golden_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    (tmp_path / "x.md").write_text("old\n")
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"-old\n\+new"):
            assert_golden("x.md", "new\n")
    assert (tmp_path / "x.md").read_text() == "old\n"
    assert (tmp_path / "x.md.got").read_text() == "new\n"
    assert_golden("x.md", "old\n")
    assert not (tmp_path / "x.md.got").exists()


@given(st.lists(st.tuples(NASTY, NASTY | PRINTABLE), min_size=1, max_size=4))
@example([("a\\|b", "a\\|b"), ("\\", "`|`"), ("12. x", "|"), ("- # > x", "\\")])
def test_any_text_stays_in_its_cell_and_reads_as_it_was(rows: list[tuple[str, str]]) -> None:
    markdown = table(("Prose", ">Code"), [(plain(prose), code(sql)) for prose, sql in rows])
    read = cells(markdown)
    assert read[0] == ["Prose", "Code"]
    told = [[one_line(cell) for cell in row] for row in read[1:]]
    assert told == [[one_line(prose), one_line(sql)] for prose, sql in rows]


@given(NASTY | PRINTABLE)
@example("__0__")
def test_prose_in_a_list_is_prose(text: str) -> None:
    tokens = [token for token in PARSER.parse(bullets([plain(text)])) if token.type == "inline"]
    assert one_line("".join(text_of(token.children or []) for token in tokens)) == one_line(text)
    assert (
        len([token for token in PARSER.parse(bullets([plain(text)])) if token.type == "list_item_open"]) == 1
    )


@given(st.text(st.sampled_from("a`~ \n"), max_size=20))
def test_a_block_holds_the_whole_text(text: str) -> None:
    tokens = PARSER.parse(block(text))
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content == text + "\n"


def test_html_in_sql_and_messages_is_inert() -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=y>"
    error = replace(an_error(), message=hostile, detail=hostile, hint=hostile, context=hostile)
    statement = a_statement(
        text=f"SELECT '{hostile}'", outcome="failed", error=error, locks=(a_lock(f'public."{hostile}"'),)
    )
    run = replace(a_run([a_migration([statement])]), notes=(Note(hostile, hostile),))
    markdown = render_markdown(conclude(run))
    blocks = "".join(token.content for token in PARSER.parse(markdown) if token.type == "html_block")
    assert set(re.findall(r"<[^>]*>", blocks)) <= {"<details>", "</details>", "<summary>", "</summary>"}
    inline = [child for token in PARSER.parse(markdown) for child in token.children or []]
    assert not [child.content for child in inline if child.type == "html_inline"]


def test_a_stored_verdict_is_shown_rather_than_a_new_one() -> None:
    run = replace(rich_run(), verdict=Verdict("conditional", "Ask the operators first.", ("one | two",)))
    markdown = render_markdown(conclude(run))
    assert "🟡 **Ready on conditions**: Ask the operators first." in markdown
    assert "- one \\| two" in markdown
    assert conclude(rich_run()).verdict.sentence not in markdown


@pytest.mark.parametrize("make", [rich_run, failed_run, empty_run])
def test_every_table_has_as_many_cells_in_every_row(make: Callable[[], Run]) -> None:
    for part in re.split(r"\n\n", render_markdown(conclude(make()))):
        if part.startswith("|"):
            assert len({len(row) for row in cells(part)}) == 1, part


def test_every_statement_that_ran_stands_in_the_report_once_in_file_order() -> None:
    summary = summarise(rich_run())
    text = render_markdown(conclude(rich_run())).split("## Migration by migration")[1]
    lines = re.findall(r"^\| (\d+) \| `", text, re.MULTILINE)
    assert [int(line) for line in lines] == [each.line for each in summary.statements]


def test_durations_in_the_tables_add_up_to_the_total() -> None:
    run = rich_run(1)
    total = 0.0
    for unit, section in re.findall(
        r"Median, (\w+) \|.*?\n(.*?)\n\n", render_markdown(conclude(run)), re.DOTALL
    ):
        for value in re.findall(r"^\| \d+ \| .*?` \| ([\d.,]+) \|", section, re.MULTILINE):
            total += float(value) * {"ms": 1e-3, "s": 1.0}[unit]
    spread = summarise(run).duration_s
    assert spread is not None
    assert total == pytest.approx(spread.median, abs=0.005)


def test_a_failure_has_place_code_message_detail_and_the_statement() -> None:
    markdown = render_markdown(conclude(failed_run()))
    for part in (
        "- **Where**: `20250831000001_migrate_legacy_contact_relationships.sql:24:1`",
        "- **SQLSTATE**: `23505`",
        '- **Message**: duplicate key value violates unique constraint "companies_domain_key"',
        "- **Detail**: Key (domain)=(acme.example) already exists.",
        "```sql\nINSERT INTO companies (name, domain)\n",
        "Not reached: 3 more statements.",
    ):
        assert part in markdown


def test_what_is_not_known_is_a_dash_and_why_stands_at_the_end() -> None:
    markdown = render_markdown(conclude(empty_run()))
    assert "| Duration of all migrations | – |" in markdown
    assert markdown.rstrip().endswith("- **run**: cut off before the first repeat ended")


def test_a_sampled_hold_says_so() -> None:
    lock = a_lock(held_s=0.2, source="sampled", bounds=(0.195, 0.205))
    markdown = render_markdown(
        conclude(a_run([a_migration([a_statement(transaction="none", locks=(lock,))])]))
    )
    assert "195–205 ms, sampled" in markdown


def test_locks_that_nobody_waits_for_are_not_listed_as_blocking() -> None:
    new = a_lock("public.brand_new", new=True)
    assert "brand_new" not in render_markdown(conclude(a_run([a_migration([a_statement(locks=(new,))])])))


def test_data_from_the_base_is_said_to_be_its_own() -> None:
    run = replace(a_run([a_migration([a_statement()])]), dataset=a_base_dataset(1200))
    assert "| Data | 1,200 rows, 1 MiB, filled by the base |" in render_markdown(conclude(run))


def test_where_only_rows_were_locked_their_writers_are_named() -> None:
    text = render_markdown(
        conclude(a_run([a_migration([a_statement(locks=(a_lock(mode=LockMode.ROW_EXCLUSIVE),))])]))
    )
    assert "| Longest block of reads | no wait: no lock on an existing table blocks reads |" in text
    assert "| Longest block of writes | rows only: no lock on an existing table blocks writes;" in text
    assert "but writers of the same rows do" in text


def test_a_rewritten_toast_table_goes_under_its_owner() -> None:
    toast = Rewrite("pg_toast.pg_toast_1", "toast", "public.deals", 8192)
    text = render_markdown(conclude(a_run([a_migration([a_statement(rewrites=(toast,))])])))
    assert "TOAST of `public.deals` rewritten, 8 KiB" in text


def test_nobody_is_called_by_a_name_in_a_message() -> None:
    assert plain("owned by @team and a@b.example") == "owned by @\u200bteam and a@b.example"
