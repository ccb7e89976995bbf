"""Rules of the house that a machine can check."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import bench.errors

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "bench").rglob("*.py"), *(ROOT / "datagen").rglob("*.py")])
LONGEST_FILE, LONGEST_FUNCTION = 600, 60
SHORTEST_FILE = 40
"""Package faces and ``__main__`` aside: what is shorter is a part of something."""
MOST_PARAMETERS = 9
ONCE = ("summarise", "judge", "find_dangers", "check_budgets", "deploy_card")
"""A run is concluded in one place, so that all that is shown of it agrees."""
MEANINGLESS = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_and_functions_are_short_and_say_what_they_are() -> None:
    offenders = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if not ast.get_docstring(tree(path)):
            offenders.append(f"{name(path)}: a file says in a sentence what it is")
        if (lines := len(text.splitlines())) > LONGEST_FILE:
            offenders.append(f"{name(path)}: {lines} lines, {LONGEST_FILE} at most")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                if length >= LONGEST_FUNCTION:
                    offenders.append(f"{name(path)}: {node.name} has {length} lines")
    assert SOURCES
    assert offenders == []


def test_a_file_is_more_than_a_few_lines() -> None:
    short = {
        name(path): lines
        for path in SOURCES
        if not path.stem.startswith("__")
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) < SHORTEST_FILE
    }
    assert short == {}


def test_no_function_takes_more_than_can_be_kept_in_mind() -> None:
    offenders = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(parameter.arg not in ("self", "cls") for parameter in taken)
                if count > MOST_PARAMETERS:
                    offenders.append(f"{name(path)}: {node.name} takes {count}")
    assert offenders == []


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path, modules: Collection[str]) -> set[str]:
    """The modules of the project that a file imports anywhere, for its types, too."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & set(modules)) - {module(path)}


def test_imports_make_no_circle() -> None:
    modules = {module(path): path for path in SOURCES}
    graph = {one: imported(path, modules) for one, path in modules.items()}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_a_run_is_concluded_in_one_place() -> None:
    calls: dict[str, list[str]] = {called: [] for called in ONCE}
    for path in SOURCES:
        nodes = list(ast.walk(tree(path)))
        own = {
            alias.name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench.analyse")
            for alias in node.names
        }
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in own:
                calls.setdefault(node.func.id, []).append(name(path))
    assert {called: len(calls[called]) for called in ONCE} == dict.fromkeys(ONCE, 1)


def test_no_room_is_called_by_what_could_be_anything() -> None:
    assert [name(path) for path in SOURCES if path.stem in MEANINGLESS] == []


def test_a_thing_with_a_name_is_called_by_it() -> None:
    offenders = [
        f"{name(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id == "each")
        or (isinstance(node, ast.arg) and node.arg == "each")
    ]
    assert offenders == []


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
