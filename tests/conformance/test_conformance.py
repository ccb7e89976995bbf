"""Every case, traced on every version that it has a truth for, says exactly what a debugger saw.

``make test-conformance`` traces all of them, the ordinary run a part.
The cases stand in ``cases/``; ``casefile.py`` says how they are written, ``record.py`` how truth is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conformance.casefile import HERE, KINDS, VERSIONS, Case, all_cases, read_cases, write_cases
from conformance.compare import judge, traced

from bench.errors import BenchError
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import parse_server
from bench.run.trace import trace_settings

ALL = os.environ.get("BENCH_TEST_CONFORMANCE") == "all"
EVERY = 4


def chosen(cases: Sequence[Case]) -> list[Case]:
    """All cases; in an ordinary run every fourth of those that need no stops half-way, as those take long."""
    if ALL:
        return list(cases)
    stops = ("plain", "error", "undone", "brief")
    steady = [
        case
        for case in cases
        if not any(fact.startswith(stops) for each in VERSIONS for fact in case.facts(each))
    ]
    return steady[::EVERY]


CASES = chosen(all_cases())


@pytest.fixture(scope="session")
def traced_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of the version, as ``bench trace`` would open it."""
    version: int = request.param
    spec = replace(parse_server(KINDS[version]), durable=False, settings=trace_settings())
    with ExitStack() as stack:
        try:
            server = stack.enter_context(open_server(spec, print))
        except BenchError as error:
            pytest.skip(f"no server {spec.kind}: {error.message}")
        found = server.info.version_num // 10000
        if found != version:
            pytest.skip(f"the server {spec.kind} is PostgreSQL {found}, the truth is for {version}")
        yield server


@pytest.mark.parametrize(
    "traced_server", VERSIONS, indirect=True, ids=lambda version: f"pg{version} part=pg{version}"
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_says_what_a_debugger_saw(case: Case, traced_server: Server) -> None:
    version = traced_server.info.version_num // 10000
    wrong = [
        f"{result.category} of statement {result.step}: {word} {text}"
        for result in judge(case, traced(case, traced_server), version)
        for word, texts in (("missing", result.missing), ("extra", result.extra))
        for text in sorted(texts)
    ]
    assert not wrong, "\n".join([case.script, *wrong])


def test_case_files_are_read_as_they_are_written(tmp_path: Path) -> None:
    for path in sorted((HERE / "cases").glob("*.sql")):
        written = tmp_path / path.name
        write_cases(written, list(read_cases(path)))
        assert written.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


def test_what_is_missing_and_what_is_too_much_is_told() -> None:
    (case,) = (case for case in all_cases() if case.name == "set_not_null")
    document = {"statements": [SAYS_NOTHING | {"locks": [LOCK], "rewrites": ["public.child"]}]}
    told = {result.category: result for result in judge(case, document, 15)}
    assert told["locks"].right == {"public.child AccessExclusiveLock"}
    assert told["rewrites"].extra == {"public.child"}
    assert told["scans"].missing == {"public.child rows=60 passes=1"}
    assert "public.parent DELETE on public.child" in told["blocks"].missing
    assert not told["outcome"].missing | told["outcome"].extra


def test_every_case_has_a_truth_or_is_known_to_lock_nothing() -> None:
    """A case that nobody recorded would pass for a migration without locks."""
    silent = {case.name for case in all_cases() if not case.facts(15)}
    assert silent == LOCK_NOTHING


SAYS_NOTHING: dict[str, Any] = {
    "locks": [],
    "rewrites": [],
    "indexes_rebuilt": [],
    "truncated": [],
    "scans": [],
    "blocks": [],
    "error": None,
    "transaction": "own",
    "kind": "ALTER TABLE",
    "outcome": "applied",
}
LOCK = {"relation": "public.child", "mode": "AccessExclusiveLock", "relkind": "r", "new": False}
LOCK_NOTHING = {
    "add_domain_constraint_not_valid",
    "add_enum_value",
    "advisory_lock",
    "alter_default_privileges",
    "alter_function",
    "alter_statistics",
    "alter_table_if_exists_absent",
    "block_with_duplicate_type",
    "create_extension",
    "create_publication_for_all",
    "create_publication_for_schema",
    "create_table_if_not_exists_present",
    "drop_domain_constraint",
    "drop_extension",
    "drop_index_if_exists_absent",
    "drop_table_if_exists_absent",
    "grant_on_all_tables",
    "grant_select",
    "rename_domain",
    "rename_enum_value",
    "rename_schema",
    "rename_type",
    "replace_trigger_function",
    "revoke",
    "set_schema_of_function",
    "set_schema_of_type",
}
"""Cases whose statements take no lock on a relation and do not fail."""
