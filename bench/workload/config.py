"""``workload.toml``, read strictly; and which traffic a suite is rehearsed under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.migrate.config import check_keys, read_toml, suggest
from bench.model.load import Access
from bench.sql.kinds import classify
from bench.workload.defaults import derive
from bench.workload.parameters import names_in
from bench.workload.pgbench import read_pgbench
from bench.workload.spec import Generator, RequestClass, TrafficMix, access_of

_KEYS: dict[str, type] = {
    "name": str,
    "tables": list,
    "access": str,
    "weight": int,
    "role": str,
    "settings": dict,
    "draw": str,
    "generate": dict,
    "prepared": bool,
    "rows": int,
    "min_rows": int,
}
_GENERATORS: dict[str, type] = {"integer": list, "choice": list}


def read_workload(path: Path) -> TrafficMix:
    """Read the file. UsageError names the file, the class and the key that cannot be used."""
    table = read_toml(path)
    check_keys(path, "", table, {"class": list, "same_as": str})
    if "same_as" in table:
        return _elsewhere(path, table)
    classes = tuple(_read_class(path, n, entry) for n, entry in enumerate(table.get("class", []), start=1))
    if not classes:
        raise UsageError(f"{path}: has no class of requests", hint="add [[class]] with name, sql and tables")
    names = [request_class.name for request_class in classes]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'{path}: two classes are named "{name}"', hint="give each class its own name")
    return TrafficMix(classes, "workload.toml", str(path))


def _elsewhere(path: Path, table: Mapping[str, Any]) -> TrafficMix:
    """``same_as``: the file of another suite, so that two suites meet the same traffic."""
    other = (path.parent / table["same_as"]).resolve()
    if "class" in table:
        raise UsageError(f"{path}: has both same_as and classes", hint="keep one of the two")
    if not other.is_file():
        raise UsageError(f"{path}: same_as names {other}, which is no file", hint="name a workload.toml")
    if "same_as" in read_toml(other):
        raise UsageError(
            f"{path}: same_as leads to another same_as, in {other}", hint="name its file at once"
        )
    return read_workload(other)


def _read_class(path: Path, position: int, entry: object) -> RequestClass:
    where = f"class {position}"
    if not isinstance(entry, dict):
        raise UsageError(f"{path}: {where} must be a table", hint="write [[class]] above its keys")
    if isinstance(entry.get("name"), str) and entry["name"].strip():
        where = f'class "{entry["name"]}"'
    check_keys(path, where, entry, _KEYS | {"sql": list if isinstance(entry.get("sql"), list) else str})
    for key in ("name", "sql", "tables"):
        if not entry.get(key):
            raise UsageError(f"{path}: {where} has no {key}", hint=f"add {key} = …")
    statements = _statements(path, where, entry["sql"])
    request_class = RequestClass(
        name=entry["name"],
        statements=statements,
        tables=_texts(path, f"{where}: tables", entry["tables"]),
        access=cast(Access, entry.get("access", access_of(statements))),
        weight=float(entry.get("weight", 1)),
        role=entry.get("role"),
        settings=_settings(path, where, entry.get("settings", {})),
        draw=entry.get("draw"),
        generate={
            name: _generator(path, f"{where}: generate.{name}", given)
            for name, given in entry.get("generate", {}).items()
        },
        prepared=entry.get("prepared"),
        rows=entry.get("rows"),
        min_rows=entry.get("min_rows"),
    )
    _check(path, where, request_class)
    return request_class


def _statements(path: Path, where: str, given: str | list[object]) -> tuple[str, ...]:
    """One statement, or those of one transaction, with its BEGIN and COMMIT."""
    if isinstance(given, str):
        return (given.strip().removesuffix(";"),)
    statements = [text.strip().removesuffix(";") for text in _texts(path, f"{where}: sql", given)]
    for text in statements:
        if classify(text).transaction_control is not None:
            raise UsageError(
                f"{path}: {where}: sql has {text.split()[0]} among its statements",
                hint="leave it out: an array of statements is one transaction",
            )
    return ("BEGIN", *statements, "COMMIT")


def _check(path: Path, where: str, request_class: RequestClass) -> None:
    if request_class.access not in ("read", "write"):
        raise UsageError(
            f'{path}: {where} has access = "{request_class.access}"',
            hint=f'{suggest(request_class.access, ["read", "write"])}known: "read", "write"',
        )
    if request_class.weight <= 0:
        raise UsageError(
            f"{path}: {where} has weight = {request_class.weight:g}", hint="give it a weight from 1"
        )
    for key, rows in (("rows", request_class.rows), ("min_rows", request_class.min_rows)):
        if rows is not None and rows < 0:
            raise UsageError(f"{path}: {where} has {key} = {rows}", hint="give it a number from 0")
    if request_class.rows is not None and request_class.min_rows is not None:
        raise UsageError(f"{path}: {where} has both rows and min_rows", hint="keep one of the two")
    used = names_in(*request_class.statements, *request_class.settings.values())
    for name in sorted(used - request_class.generate.keys()):
        if request_class.draw is None:
            raise UsageError(
                f"{path}: {where} uses %({name})s, which nothing gives",
                hint=f"{suggest(name, request_class.generate)}"
                f'add draw = "SELECT … AS {name} …" or generate.{name}',
            )
    for name in sorted(request_class.generate.keys() - used):
        raise UsageError(f"{path}: {where} never uses its parameter {name}", hint=f"write %({name})s in sql")


def _generator(path: Path, where: str, given: object) -> Generator:
    """``"uuid"``, ``{ integer = [1, 6] }`` or ``{ choice = ["a", "b"] }``."""
    if given == "uuid":
        return Generator("uuid")
    if isinstance(given, dict) and len(given) == 1:
        check_keys(path, where, given, _GENERATORS)
        ((kind, values),) = given.items()
        if kind == "choice" and values:
            return Generator("choice", values=_texts(path, where, values))
        if kind == "integer" and len(values) == 2 and all(type(value) is int for value in values):
            low, high = values
            if low <= high:
                return Generator("integer", low=low, high=high)
    raise UsageError(
        f"{path}: {where} cannot be used",
        hint='write "uuid", { integer = [1, 6] } or { choice = ["a", "b"] }',
    )


def _settings(path: Path, where: str, given: Mapping[str, object]) -> dict[str, str]:
    for name, value in given.items():
        if not isinstance(value, str):
            raise UsageError(f"{path}: {where}: settings.{name} must be a string", hint="put it in quotes")
    return {name: str(value) for name, value in given.items()}


def _texts(path: Path, where: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise UsageError(f"{path}: {where} must be an array of strings")
    return tuple(values)


PGBENCH = "pgbench:"


def given_mix(suite: Path, given: Sequence[str]) -> TrafficMix | None:
    """The traffic that ``--workload`` names, else the suite's own; None where there is neither.

    UsageError for a file that cannot be used.
    """
    scripts = [name.removeprefix(PGBENCH) for name in given if name.startswith(PGBENCH)]
    files = [name for name in given if not name.startswith(PGBENCH)]
    if len(files) > 1 or (files and scripts):
        raise UsageError(
            f"--workload is given {len(given)} times, with a file of classes among them",
            hint="give one workload.toml, or any number of pgbench:file.sql@weight",
        )
    if scripts:
        return read_pgbench(scripts)
    if files:
        if not Path(files[0]).is_file():
            raise UsageError(f"--workload {files[0]}: no such file", hint="name a workload.toml")
        return read_workload(Path(files[0]))
    own = suite / "workload.toml"
    return read_workload(own) if own.is_file() else None


def mix_for(
    conn: psycopg.Connection[TupleRow],
    given: TrafficMix | None,
    *,
    touched: Sequence[str] = (),
    even_empty: bool = False,
) -> TrafficMix | None:
    """The given traffic, else one derived from the tables, ``touched`` first; None where no table has rows.

    ``even_empty``: tables without rows are read all the same; None then where there is no table.
    """
    return given if given is not None else derive(conn, touched=touched, even_empty=even_empty)
