"""Strict reading of the suite's TOML files: every key is known, every value has its type."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.migrate.migration import TRANSACTIONS, Transaction
from bench.model.finding import Acceptance
from datagen import DATA_SETS

_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "a table",
}
_ACCEPT_TABLE = re.compile(r"\s*\[\[\s*accept\s*\]\]")
_PARAMETER = re.compile(r"%\(([^)]*)\)s")


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """A query whose cost is compared before and after the suite."""

    name: str
    kind: str
    """``workload`` or ``function``."""
    sql: str
    """With ``%(name)s`` for each parameter."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Parameter → SQL that yields its one value, evaluated beforehand."""


@dataclass(frozen=True, slots=True)
class SuiteConfig:
    """The keys of ``suite.toml``, all optional."""

    description: str = ""
    base: str | None = None
    """Path relative to the suite's directory."""
    data: str | None = None
    """What datagen fills the base schema with; None for no data."""
    accepted: tuple[Acceptance, ...] = ()
    """``[[accept]]``: findings that the authors accept."""
    rerunnable: bool = False
    """Each file may be run again from its start, after it stopped anywhere."""
    tool: str | None = None
    """The migration tool whose files these are; None: told from the files."""
    transaction: Transaction | None = None
    """What the runner puts a transaction round; None: as the tool does."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """``[placeholders]``: values of those that the tool replaces."""


def read_suite_config(path: Path) -> SuiteConfig:
    """Read ``suite.toml``; a missing file has all defaults. UsageError names what is wrong, and where."""
    if not path.is_file():
        return SuiteConfig()
    table = read_toml(path)
    known = {"description": str, "base": str, "data": str, "rerunnable": bool, "accept": list}
    known |= {"tool": str, "transaction": str, "placeholders": dict}
    check_keys(path, "", table, known)
    accepted = _read_acceptances(path, table.pop("accept", []))
    config = SuiteConfig(**table, accepted=accepted)
    if config.transaction is not None and config.transaction not in TRANSACTIONS:
        raise UsageError(
            f'{path}: transaction = "{config.transaction}" is not known',
            hint=f"{suggest(config.transaction, TRANSACTIONS)}known: {', '.join(TRANSACTIONS)}",
        )
    placeholders = config.placeholders
    check_keys(path, "placeholders", placeholders, dict.fromkeys(placeholders, str))
    if config.data is not None and config.data not in DATA_SETS:
        names = ", ".join(f'"{name}"' for name in DATA_SETS)
        raise UsageError(
            f'{path}: data = "{config.data}" is not a known data set',
            hint=f"{suggest(config.data, DATA_SETS)}known: {names}; leave the key out for no data",
        )
    return config


def _read_acceptances(path: Path, entries: list[Any]) -> tuple[Acceptance, ...]:
    """``[[accept]]`` tables; what is missing in them becomes a problem that the report shows."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    places = [number for number, line in enumerate(lines, start=1) if _ACCEPT_TABLE.match(line)]
    accepted: list[Acceptance] = []
    for position, entry in enumerate(entries):
        where = f"accept {position + 1}"
        if not isinstance(entry, dict):
            raise UsageError(f"{path}: {where} must be a table", hint="write [[accept]] above its keys")
        check_keys(path, where, entry, dict.fromkeys(("code", "because", "migration", "relation"), str))
        missing = [key for key in ("code", "because") if not entry.get(key, "").strip()]
        accepted.append(
            Acceptance(
                code=entry.get("code", ""),
                because=" ".join(entry.get("because", "").split()),
                place=f"{path.name}:{places[position]}" if position < len(places) else path.name,
                migration=entry.get("migration"),
                relation=entry.get("relation"),
                problem=f"[[accept]] has no {missing[0]}" if missing else None,
            )
        )
    return tuple(accepted)


def read_queries(path: Path) -> tuple[QuerySpec, ...]:
    """Read ``queries.toml``; a missing file has no queries. UsageError names what is wrong, and where."""
    if not path.is_file():
        return ()
    table = read_toml(path)
    check_keys(path, "", table, {"query": list})
    queries = tuple(
        _read_query(path, position, entry) for position, entry in enumerate(table.get("query", []), start=1)
    )
    names = [query.name for query in queries]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'{path}: two queries are named "{name}"', hint="give each query its own name")
    return queries


def _read_query(path: Path, position: int, entry: object) -> QuerySpec:
    where = f"query {position}"
    if not isinstance(entry, dict):
        raise UsageError(f"{path}: {where} must be a table", hint="write [[query]] above its keys")
    check_keys(path, where, entry, {"name": str, "kind": str, "sql": str, "params": dict})
    for key in ("name", "sql"):
        if not entry.get(key, "").strip():
            raise UsageError(f"{path}: {where} has no {key}", hint=f'add {key} = "…"')
    where = f'query "{entry["name"]}"'
    query = QuerySpec(entry["name"], entry.get("kind", "workload"), entry["sql"], entry.get("params", {}))
    if query.kind not in ("workload", "function"):
        raise UsageError(
            f'{path}: {where} has kind = "{query.kind}"',
            hint=f'{suggest(query.kind, ["workload", "function"])}known: "workload", "function"',
        )
    _check_parameters(path, where, query)
    return query


def _check_parameters(path: Path, where: str, query: QuerySpec) -> None:
    for name, sql in query.params.items():
        if not isinstance(sql, str):
            raise UsageError(
                f"{path}: {where}: params.{name} must be a string, not {_type_name(sql)}",
                hint="write SQL that yields the value, for example name = \"SELECT 'x'\"",
            )
    used = set(_PARAMETER.findall(query.sql))
    for name in sorted(used - query.params.keys()):
        raise UsageError(
            f"{path}: {where} uses %({name})s, which its params do not give",
            hint=f'{suggest(name, query.params)}add params.{name} = "SELECT …"',
        )
    for name in sorted(query.params.keys() - used):
        raise UsageError(
            f"{path}: {where} never uses its parameter {name}", hint=f"write %({name})s in sql, or remove it"
        )


def suggest(word: str, known: Iterable[str]) -> str:
    """``did you mean "x"? `` for the nearest known word, or nothing."""
    nearest = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{nearest[0]}"? ' if nearest else ""


def read_toml(path: Path) -> dict[str, Any]:
    """The file's keys; UsageError where it is not UTF-8 or not TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}", hint="see https://toml.io") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def check_keys(path: Path, where: str, table: Mapping[str, Any], known: Mapping[str, type]) -> None:
    """UsageError for the first key that is not ``known``, or whose value is of another type."""
    prefix = f"{path}: {where}: " if where else f"{path}: "
    for key, value in table.items():
        if key not in known:
            raise UsageError(
                f'{prefix}unknown key "{key}"',
                hint=f"{suggest(key, known)}known keys: {', '.join(known)}",
            )
        if type(value) is not known[key]:
            wanted = _TYPE_NAMES[known[key]]
            raise UsageError(f"{prefix}{key} must be {wanted}, not {_type_name(value)}")


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")
