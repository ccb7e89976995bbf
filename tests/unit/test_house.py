"""Rules of the house that a machine can check."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import bench.errors

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "bench").rglob("*.py"), *(ROOT / "datagen").rglob("*.py")])
LONGEST_FILE, LONGEST_FUNCTION = 320, 60


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file says in a sentence what it is"
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_room_is_called_by_what_could_be_anything(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def test_every_error_that_a_user_meets_has_an_exit_code_of_its_own() -> None:
    errors = [
        value
        for _, value in inspect.getmembers(bench.errors, inspect.isclass)
        if issubclass(value, bench.errors.BenchError) and value is not bench.errors.BenchError
    ]
    codes = [error.exit_code for error in errors]
    assert len(set(codes)) == len(codes) >= 5
    assert 0 not in codes


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_pattern_has_a_possessive_group(path: Path) -> None:
    """Python before 3.11.5 matches them wrongly: https://github.com/python/cpython/issues/106052"""
    for quantifier in (")*+", ")++", ")?+"):
        assert quantifier not in path.read_text(encoding="utf-8")
