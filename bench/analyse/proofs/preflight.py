"""What the files themselves show: PL/pgSQL that cannot be parsed, and transactions that comments promise."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from postgast import PgQueryError, parse_plpgsql, split

from bench.analyse.dangers.failures import PROVIDED
from bench.analyse.names import identifier
from bench.analyse.proofs.rollback import describe_error
from bench.analyse.remedies.tree import statement_of
from bench.analyse.summary import TRANSACTION_CONTROL
from bench.model.finding import Finding
from bench.model.run import MigrationRun, Run

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_CLAIM = re.compile(
    r"(?<!not )(?:\b(?:in|within|inside) (?:a|one|a single) transaction\b|\bwrapped in (?:a )?transaction\b"
    r"|\bsingle transaction\b|\ball[ -]or[ -]nothing\b|\batomic(?:ally)?\b"
    r"|\btransaction (?:management|control|safety)\b|\btransaction[- ]safe\b|\bfully transactional\b"
    r"|\broll(?:s|ed)? back (?:on|upon|after) (?:any|every|an?) (?:failure|error)\b|\bautomatic rollback\b)",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"\b(?:not|no|never|cannot|without|outside|refuses?|instead of)\b", re.IGNORECASE)
_CREATES = re.compile(r'\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?"?([\w-]+)"?', re.IGNORECASE)
_FUNCTIONS = re.compile(r'\bFUNCTION\s+(?:"?\w+"?\.)?"?(\w+)"?\s*\(', re.IGNORECASE)
_PLPGSQL = ("DO", "CREATE FUNCTION", "CREATE PROCEDURE", "CREATE OR REPLACE FUNCTION")
_SAVEPOINTS = re.compile(r"\b(?:ROLLBACK\s+TO|SAVEPOINT|RELEASE)\b", re.IGNORECASE)


def preflight_findings(run: Run) -> Iterator[Finding]:
    """What the first repeat's statements show, and the extensions whose absence was tried."""
    repeat = next((repeat for each in run.passes for repeat in each.repeats), None)
    if repeat is not None:
        yield from preflight(repeat.migrations, run.environment.server.extensions)
    yield from _needed(run)


def preflight(migrations: Sequence[MigrationRun], extensions: Collection[str]) -> Iterator[Finding]:
    """``plpgsql-syntax``, ``transaction-claim`` and ``extension-missing`` by the statements' text.

    ``extensions`` are those that the server can install.
    """
    for migration in migrations:
        yield from _unparsable(migration)
        yield from _broken_claim(migration)
    yield from _extensions(migrations, extensions)


def plpgsql_error(text: str) -> str | None:
    """What PL/pgSQL's own parser says against a DO block or a function; None where it has no objection.

    Where the grammar of SQL refuses the text, what that says; None for another language's body, too.
    """
    found = statement_of(text)
    if found is None:
        return _grammar_error(text)
    if not _has_plpgsql_body(*found):
        return None  # the parser ends the process where it finds no body
    try:
        parse_plpgsql(text)
    except PgQueryError as error:
        return str(error)
    except (json.JSONDecodeError, RecursionError):  # it was parsed; its tree cannot be written down
        return None
    return None


def _grammar_error(text: str) -> str | None:
    try:
        split(text, method="parser")
    except PgQueryError as error:
        return str(error)
    return None


def _has_plpgsql_body(node: str, statement: Any) -> bool:
    elements = statement.args if node == "do_stmt" else getattr(statement, "options", ())
    if node not in ("do_stmt", "create_function_stmt"):
        return False
    options = {element.def_elem.defname: element.def_elem.arg for element in elements}
    language = options["language"].string.sval if "language" in options else "plpgsql"
    return "as" in options and language.lower() == "plpgsql"


def _unparsable(migration: MigrationRun) -> Iterator[Finding]:
    for statement in migration.statements:
        if not statement.kind.startswith(_PLPGSQL) or (error := plpgsql_error(statement.text)) is None:
            continue
        savepoint = bool(_SAVEPOINTS.search(_COMMENT.sub("", statement.text)))
        yield Finding(
            "plpgsql-syntax",
            "error",
            migration.id,
            statement.index,
            None,
            f"{migration.id}: the {statement.kind} at line {statement.line} cannot be parsed: {error}"
            + ("; PL/pgSQL has no savepoints" if savepoint else ""),
            {"line": statement.line, "error": error},
            "Use a block with EXCEPTION, which rolls back to its own begin."
            if savepoint
            else "Give every body inside another one a dollar quote of its own, such as $body$.",
        )


def _extensions(migrations: Sequence[MigrationRun], extensions: Collection[str]) -> Iterator[Finding]:
    """Extensions whose functions are called, and that no migration creates."""
    texts = [_COMMENT.sub("", each.text) for migration in migrations for each in migration.statements]
    created = {name.lower() for text in texts for name in _CREATES.findall(text)}
    own = {name.lower() for text in texts for name in _FUNCTIONS.findall(text)}
    for word, name in PROVIDED.items():
        if name in created or word in own:
            continue
        call = re.compile(rf"(?<![\w.\"]){word}\s*\(")
        used = next(
            ((m, s) for m in migrations for s in m.statements if call.search(_COMMENT.sub("", s.text))), None
        )
        if used is None:
            continue
        created.add(name)  # once is enough
        migration, statement = used
        available = name in extensions
        there = "" if available else ", and this server has no files of it"
        yield Finding(
            "extension-missing",
            "info",
            migration.id,
            statement.index,
            None,
            f"{migration.id}: line {statement.line} takes {word} from extension {name}, which no migration "
            f"creates: it must be there before{there}",
            {"extension": name, "available": available, "line": statement.line},
            f"Begin with CREATE EXTENSION IF NOT EXISTS {identifier(name)};",
        )


def _needed(run: Run) -> Iterator[Finding]:
    """Extensions without which a migration was tried, and failed."""
    for need in run.proofs.extensions:
        yield Finding(
            "extension-missing",
            "warning",
            need.migration,
            None,
            None,
            f"{need.migration} needs extension {need.extension}, which it does not create: on a database "
            f"without it, it fails {describe_error(need.error)}",
            {"extension": need.extension, "sqlstate": need.error.sqlstate, "line": need.error.line},
            f"Begin with CREATE EXTENSION IF NOT EXISTS {identifier(need.extension)};",
        )


def _broken_claim(migration: MigrationRun) -> Iterator[Finding]:
    claims = [
        (statement.line, " ".join(comment.split()))
        for statement in migration.statements
        for comment in _COMMENT.findall(statement.text)
        if _CLAIM.search(comment) and not _DENIAL.search(comment)
    ]
    alone = [
        each
        for each in migration.statements
        if each.transaction != "file" and each.kind not in TRANSACTION_CONTROL and each.kind != "SELECT"
    ]
    if claims and len(alone) > 1:
        line, words = claims[0]
        yield Finding(
            "transaction-claim",
            "warning",
            migration.id,
            None,
            None,
            f'{migration.id}: "{words}" (at line {line}), but {len(alone)} statements commit on their own',
            {"line": line, "claim": words, "statements": len(alone)},
            "Put BEGIN and COMMIT where the comment says, or take the comment back.",
        )
