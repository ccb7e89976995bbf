"""Rules of the house that a machine can check."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import bench.errors

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "bench").rglob("*.py"), *(ROOT / "datagen").rglob("*.py")])
LONGEST_FILE, LONGEST_FUNCTION = 600, 60
MEANINGLESS = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_and_functions_are_short_and_say_what_they_are() -> None:
    offenders = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if not ast.get_docstring(tree):
            offenders.append(f"{name(path)}: a file says in a sentence what it is")
        if (lines := len(text.splitlines())) > LONGEST_FILE:
            offenders.append(f"{name(path)}: {lines} lines, {LONGEST_FILE} at most")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                if length >= LONGEST_FUNCTION:
                    offenders.append(f"{name(path)}: {node.name} has {length} lines")
    assert SOURCES
    assert offenders == []


def test_no_room_is_called_by_what_could_be_anything() -> None:
    assert [name(path) for path in SOURCES if path.stem in MEANINGLESS] == []


def test_every_error_that_a_user_meets_has_an_exit_code_of_its_own() -> None:
    errors = [
        value
        for _, value in inspect.getmembers(bench.errors, inspect.isclass)
        if bench.errors.BenchError in value.__bases__
    ]
    codes = [error.exit_code for error in errors]
    assert len(set(codes)) == len(codes) >= 5
    assert 0 not in codes


def test_no_pattern_has_a_possessive_group() -> None:
    """Python before 3.11.5 matches them wrongly: https://github.com/python/cpython/issues/106052"""
    patterns = (")*+", ")++", ")?+")
    offenders = [
        name(path)
        for path in SOURCES
        if any(pattern in path.read_text(encoding="utf-8") for pattern in patterns)
    ]
    assert offenders == []
