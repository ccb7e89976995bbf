"""The truth of a case against what a trace says of it, category by category."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.casefile import KIND_WORDS, Case, base_file
from tracing import read_plain

from bench.pg.server import Server
from bench.report.tracejson import trace_document
from bench.run.trace import trace

CATEGORIES = ("locks", "others", "rewrites", "rebuilds", "truncations", "scans", "blocks", "outcome")
"""``locks`` are those on tables and indexes, ``others`` those on sequences and views."""

UNNAMED = ("pg_toast.", "(transient relation")
"""TOAST, and copies that a statement makes and drops."""
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "RESET", "SET TRANSACTION")
Facts = dict[str, set[str]]
WORDS = {"rewrite": "rewrites", "rebuild": "rebuilds", "truncate": "truncations", "scan": "scans"}
BLOCK = re.compile(r"(\S+) (.*) on (.*)")


@dataclass(frozen=True, slots=True)
class Result:
    """One category of one statement of one case."""

    case: str
    step: int
    category: str
    right: frozenset[str]
    missing: frozenset[str]
    extra: frozenset[str]


def traced(case: Case, server: Server) -> dict[str, Any]:
    """The trace of a case, as ``bench trace --json -`` prints it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"{case.name}.sql"
        path.write_text(case.script, encoding="utf-8")
        runs = trace(server, read_plain([path]), before=[base_file(case.base)])
        return trace_document(runs, server.info)


def judge(case: Case, document: Mapping[str, Any], version: int) -> list[Result]:
    """Compare what each statement did; ``brief`` locks may be seen, but need not."""
    results = []
    for position, (step, said) in enumerate(zip(case.steps, document["statements"], strict=True)):
        wanted, optional = expected(step.facts[version])
        found = observed(said)
        for category in CATEGORIES:
            want, got = wanted[category], found[category]
            results.append(
                Result(
                    case.name,
                    position,
                    category,
                    frozenset(want & got),
                    frozenset(want - got),
                    frozenset(got - want - optional),
                )
            )
    return results


def expected(facts: Iterable[str]) -> tuple[Facts, set[str]]:
    """What a trace must say, and what it may."""
    wanted = nothing()
    optional: set[str] = set()
    for fact in facts:
        word, _, rest = fact.partition(" ")
        if word in ("lock", "undone"):
            wanted[lock_category(rest)].add(rest)
        elif word == "brief":
            optional.add(rest)
        elif word == "block":
            match = BLOCK.fullmatch(rest)
            assert match, fact
            wanted["blocks"] |= {f"{match[1]} {op} on {match[3]}" for op in match[2].split(", ")}
        elif word == "error":
            wanted["outcome"] = {fact}  # whether it ran plain does not matter then
        elif word == "plain":
            wanted["outcome"].add(fact)
        else:
            wanted[WORDS[word]].add(rest)
    return wanted, optional


def observed(said: Mapping[str, Any]) -> Facts:
    """The statement of a trace in the words of the cases."""
    found = nothing()
    for lock in said["locks"]:
        if not lock["relation"].startswith(UNNAMED):
            new, kind = " new" if lock["new"] else "", KIND_WORDS.get(lock["relkind"], "")
            relation = re.sub(r"^pg_temp_\d+\.", "pg_temp.", lock["relation"])
            text = f"{relation} {lock['mode']}{new}{kind}"
            found[lock_category(text)].add(text)
    found["rewrites"] = named(said["rewrites"])
    found["rebuilds"] = named(said["indexes_rebuilt"])
    found["truncations"] = named(said["truncated"])
    found["scans"] = {
        f"{scan['relation']} rows={scan['rows']} passes={scan['passes']:.0f}"
        for scan in said["scans"]
        if scan["rows"]
    }
    found["blocks"] = {
        f"{block['relation']} {block['op']} on "
        f"{block['waits_on'] if block['wait_kind'] == 'relation' else block['wait_kind']}"
        for block in said["blocks"]
    }
    if said["error"]:
        found["outcome"].add(f"error {said['error']['sqlstate']}")
    elif said["transaction"] == "none" and said["kind"] not in CONTROL and said["outcome"] == "applied":
        found["outcome"].add("plain")
    if said["kind"] in CONTROL or said["transaction"] == "none":  # nothing was tried in the debugger
        found["blocks"].clear()
    return found


def nothing() -> Facts:
    return {category: set() for category in CATEGORIES}


def named(relations: Iterable[str]) -> set[str]:
    return {relation for relation in relations if not relation.startswith("pg_toast.")}


def lock_category(text: str) -> str:
    return "others" if text.endswith(tuple(KIND_WORDS.values())) else "locks"
