"""A sample directory of every tool, as it is read: order, ways back, transactions, statements, lines.

``samples/expected.txt`` has what each is; it was compared with the tools' sources, and those that
``test_real_tools`` runs with what they do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.migrate.suite import Suite, find_suite
from bench.migrate.tools.table import TOOLS
from bench.migrate.transactions import read_alone, read_migrations

SAMPLES = Path(__file__).parents[1] / "samples"
EXPECTED = dict(
    part.split("\n", 1) for part in (SAMPLES / "expected.txt").read_text(encoding="utf-8").split("== ")[1:]
)
BELOW = {
    "diesel": "migrations",
    "graphile-migrate": "migrations",
    "hasura": "migrations/default",
    "refinery": "migrations",
    "supabase": "migrations",
}


def described(suite: Suite) -> str:
    """A line for each migration and for each of its statements; what the tool sends is in brackets."""
    lines = []
    for migration, statements in read_migrations(suite.migrations):
        back = migration.backward
        ways = f", back by {len(read_alone(back))} statements" if back is not None else ""
        lines.append(f"{migration.id}: {migration.file}, transaction {migration.forward.transaction}{ways}")
        for statement in statements:
            kind = f"({statement.kind})" if statement.by_tool else statement.kind
            lines.append(f"  {statement.line} {kind}")
    return "\n".join(lines) + "\n"


def test_every_tool_but_the_recorded_command_has_a_sample() -> None:
    assert {tool.name for tool in TOOLS} - {"recorded"} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_is_read_as_its_tool_reads_it(name: str) -> None:
    suite = find_suite(str(SAMPLES / name / BELOW.get(name, ".")))
    assert suite.runner.tool == name
    assert described(suite) == EXPECTED[name].rstrip("\n") + "\n"


@pytest.mark.parametrize("name", EXPECTED)
def test_a_body_in_dollar_quotes_is_one_statement(name: str) -> None:
    suite = find_suite(str(SAMPLES / name / BELOW.get(name, ".")))
    bodies = [
        statement.text
        for _, statements in read_migrations(suite.migrations)
        for statement in statements
        if statement.kind == "CREATE FUNCTION"
    ]
    assert len(bodies) == 1
    assert "-- a comment; with a semicolon and 'quotes'\n  RETURN n * 2;\nEND;\n$body$" in bodies[0]
