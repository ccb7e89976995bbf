"""Where an acceptance stands decides which statement it means; its words are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.migrate.accept import read_acceptances
from bench.migrate.config import read_suite_config
from bench.migrate.suite import find_suite
from bench.model.finding import Acceptance


def read(text: str) -> tuple[Acceptance, ...]:
    return read_acceptances(text, "001_a", "001_a.sql")


def only(text: str) -> Acceptance:
    (found,) = read(text)
    return found


def test_above_a_statement_it_means_that_statement() -> None:
    text = (
        "SELECT 1;\n\n-- The table is small.\n"
        "-- bench: accept rewrite because it has 40 rows\n-- More.\n\nSELECT\n2;\n"
    )
    assert only(text) == Acceptance(
        code="rewrite", because="it has 40 rows", place="001_a.sql:4", migration="001_a", line=7
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT 1; -- bench: accept rewrite because x\nSELECT 2;\n", 1),
        ("SELECT\n1 -- bench: accept rewrite because x\n, 2;\nSELECT 2;", 1),
        ("SELECT\n1;\n-- bench: accept rewrite because x\n\nSELECT 2;\n", 1),
        ("SELECT\n1;\n-- bench: accept rewrite because x\nSELECT 2;\n", 4),
        ("SELECT 1;\n\n-- bench: accept rewrite because x\n\nSELECT 2;\n", 5),
        ("SELECT 1;\n-- bench: accept rewrite because x\n", 1),
        ("SELECT 1;\n-- bench: accept rewrite because x", 1),
        ("-- head\n\n-- bench: accept rewrite because x\n\n\nSELECT 2", 6),
        ("SELECT 1; SELECT 2; -- bench: accept rewrite because x\n", 1),
        ("\\set x 1\n-- bench: accept rewrite because x\nSELECT 2;", 3),
    ],
    ids=[
        "at its end", "inside", "right below, then a blank line", "between two", "blank lines around",
        "below the last one", "at the end of the file", "file's head", "two on a line", "after a command",
    ],
)  # fmt: skip
def test_the_nearest_statement_is_meant(text: str, line: int) -> None:
    assert (only(text).line, only(text).problem) == (line, None)


def test_a_whole_file_can_be_meant_from_anywhere_in_it() -> None:
    accepted = only("SELECT 1;\n-- bench: accept-file row-locks because at night\n\nSELECT 2;\n")
    assert (accepted.line, accepted.migration, accepted.problem) == (None, "001_a", None)


def test_a_relation_can_be_named() -> None:
    accepted = only("-- bench: accept held-across on public.deals because nobody reads it\nSELECT 1;")
    assert (accepted.relation, accepted.because) == ("public.deals", "nobody reads it")


@pytest.mark.parametrize(
    "text",
    [
        "DO $$ BEGIN\n-- bench: accept rewrite because x\nNULL; END $$;",
        "SELECT '\n-- bench: accept rewrite because x\n';",
        "/*\n-- bench: accept rewrite because x\n*/ SELECT 1;",
        "COPY t FROM stdin;\n-- bench: accept rewrite because x\n\\.\n",
        "-- see bench: accept rewrite because x\nSELECT 1;",
    ],
    ids=["dollar quotes", "quotes", "block comment", "rows", "another comment"],
)
def test_other_text_is_none(text: str) -> None:
    assert read(text) == ()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("accept rewrite", 'no reason is given why "rewrite" is accepted'),
        ("accept rewrite because", 'no reason is given why "rewrite" is accepted'),
        ("accept", "it does not say which finding is accepted"),
        ("accept because x", "it does not say which finding is accepted"),
        ("acept rewrite because x", 'is not understood, did you mean "accept"?'),
        ("", '"bench: " is not understood'),
    ],
)
def test_wrong_words_are_a_problem(words: str, problem: str) -> None:
    found = only(f"-- bench: {words}\nSELECT 1;")
    assert found.problem is not None
    assert problem in found.problem


def test_without_a_statement_there_is_nothing_to_accept() -> None:
    assert "there is none here" in (only("-- bench: accept rewrite because x\n").problem or "")


def test_the_suites_file_accepts_by_code_migration_and_relation(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(
        'description = "x"\n\n[[accept]]\ncode = "rewrite"\nmigration = "001_a"\nrelation = "deals"\n'
        'because = "it is\\nsmall"\n\n[[accept]]\ncode = "row-locks"\n'
    )
    first, second = read_suite_config(tmp_path / "suite.toml").accepted
    assert first == Acceptance("rewrite", "it is small", "suite.toml:3", "001_a", None, "deals")
    assert (second.place, second.problem) == ("suite.toml:9", "[[accept]] has no because")


def test_the_suites_file_is_read_strictly(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text('[[accept]]\ncode = "rewrite"\nreason = "x"\n')
    with pytest.raises(UsageError, match='accept 1: unknown key "reason"'):
        read_suite_config(tmp_path / "suite.toml")
    (tmp_path / "suite.toml").write_text('accept = ["rewrite"]\n')
    with pytest.raises(UsageError, match="accept 1 must be a table"):
        read_suite_config(tmp_path / "suite.toml")


def test_a_suite_has_both(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text('[[accept]]\ncode = "rewrite"\nbecause = "x"\n')
    (tmp_path / "001_a.sql").write_text("SELECT 1; -- bench: accept row-locks because y\n")
    assert [each.place for each in find_suite(str(tmp_path)).info.accepted] == ["suite.toml:1", "001_a.sql:1"]
