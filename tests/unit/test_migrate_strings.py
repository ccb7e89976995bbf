"""Backslashes in plain strings: psql follows the session's setting, and so does what cuts a script."""

from __future__ import annotations

import pytest

from bench.migrate.pieces import split_script
from bench.sql.strings import Strings


def sent(text: str) -> list[str]:
    return [piece.text.strip() for piece in split_script(text) if piece.kind == "statement"]


@pytest.mark.parametrize(
    ("setting", "standard"),
    [
        ("SET standard_conforming_strings = off", False),
        ("set Standard_Conforming_Strings to 'off'", False),
        ("SET SESSION standard_conforming_strings TO false", False),
        ("/* a */ SET standard_conforming_strings -- b\n = off", False),
        ("SELECT set_config('standard_conforming_strings', 'off', false)", False),
        ("SELECT set_config('standard_conforming_strings', 'off', true)", True),
        ("SET LOCAL standard_conforming_strings = off", True),
        ("SET standard_conforming_strings = DEFAULT", True),
        ("SELECT 'standard_conforming_strings = off'", True),
    ],
)
def test_what_a_statement_sets(setting: str, standard: bool) -> None:
    strings = Strings()
    strings.follow(setting)
    assert strings.standard is standard


def test_a_script_is_cut_by_the_setting_of_each_statement() -> None:
    script = (
        r"SELECT 'a\'; SET standard_conforming_strings = off; SELECT 'b\';'; "
        r"RESET standard_conforming_strings; SELECT 'c\'; SELECT 2"
    )
    assert sent(script) == [
        r"SELECT 'a\';",
        "SET standard_conforming_strings = off;",
        r"SELECT 'b\';';",
        "RESET standard_conforming_strings;",
        r"SELECT 'c\';",
        "SELECT 2",
    ]


def test_the_end_of_a_transaction_takes_back_what_it_set() -> None:
    strings = Strings()
    seen = []
    for text in (
        "BEGIN", "SET standard_conforming_strings = off", "ROLLBACK",
        "BEGIN", "SET LOCAL standard_conforming_strings = off", "COMMIT",
        "BEGIN", "SET standard_conforming_strings = off", "COMMIT",
    ):  # fmt: skip
        strings.follow(text)
        seen.append(strings.standard)
    assert seen == [True, False, True, True, False, True, True, False, False]
