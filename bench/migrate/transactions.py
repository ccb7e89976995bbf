"""What a runner puts round the statements of a file: its BEGIN and COMMIT become statements of their own.

So every pass sends them, holds last to the COMMIT, and a failure takes back what the runner's transaction
held. A file that is sent as one query runs in an implicit transaction, which an explicit one stands in for;
where the two differ, what the server does in the implicit one is done (tried on PostgreSQL 15 and 18):
SAVEPOINT, RELEASE, ROLLBACK TO and AND CHAIN fail outside a transaction that the file itself began; after a
COMMIT the rest is a new implicit transaction; a single statement has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from bench.errors import UsageError
from bench.migrate.migration import Migration, Part, Transaction
from bench.migrate.script import read_part
from bench.model.statement import Statement
from bench.sql.kinds import classify

_NEEDS_OWN_BEGIN = frozenset(
    {"savepoint", "release", "rollback_to", "commit_and_chain", "rollback_and_chain"}
)
NO_SWITCH = "it has no mark to switch that off, so run the statement by itself"
_OUTSIDE: dict[Transaction, str] = {
    "none": "",
    "file": "{runner} runs this file in a transaction: {switch}.",
    "query": "{runner} sends this file as one query, which is one transaction: {switch}.",
    "all": "{runner} runs all pending files in one transaction: {switch}.",
    "where it can": "{runner} runs this file in a transaction: {switch}.",
}
_MAY_COMMIT = frozenset({"CALL", "DO"})
_ENDS = frozenset({"commit", "rollback", "prepare"})

Statements = tuple[Statement, ...]


def read_migrations(
    migrations: Sequence[Migration], known: Mapping[str, str] | None = None
) -> tuple[tuple[Migration, Statements], ...]:
    """Each migration with its statements and those of the runner around them, in the order of the deploy.

    ``known`` are psql's variables. UsageError: a file that cannot be used, or that its tool would refuse.
    """
    plain = [(migration, read_part(migration.forward, known)) for migration in migrations]
    read: list[tuple[Migration, Statements]] = []
    for together, group in groupby(plain, _together):
        members = list(group)
        if not together:
            read += [(migration, _around(migration.forward, statements)) for migration, statements in members]
            continue
        sending = [position for position, (_, statements) in enumerate(members) if statements] or [0]
        for position, (migration, statements) in enumerate(members):
            begin, commit = position == sending[0], position == sending[-1]
            statements = _marked(migration.forward, statements)
            read.append((migration, _between(migration.forward, statements, begin=begin, commit=commit)))
    return tuple(read)


def read_alone(part: Part, known: Mapping[str, str] | None = None) -> Statements:
    """The statements of one part by itself; where its runner takes all files together, it takes this one."""
    return _around(part, read_part(part, known))


def way_outside(part: Part) -> str | None:
    """How to have statements run outside the runner's transaction, in a sentence; None: there is none."""
    said = _OUTSIDE[part.transaction].format(runner=part.runner, switch=part.switch or NO_SWITCH)
    return said[:1].upper() + said[1:] if said.startswith("the ") else said or None


def leaves_open(statements: Sequence[Statement]) -> bool:
    """Whether the runner's transaction goes on after them."""
    own = [statement for statement in statements if statement.by_tool]
    return bool(own) and own[-1].kind == "BEGIN"


def _together(migration: tuple[Migration, Statements]) -> bool:
    return migration[0].forward.transaction == "all"


def _around(part: Part, statements: Statements) -> Statements:
    statements = _marked(part, statements)
    if part.transaction == "none" or not statements or _alone(statements):
        return statements
    if part.transaction == "query":
        return _numbered(_as_one_query(part, statements))
    if part.transaction == "where it can" and _cannot(part, statements):
        return statements
    return _between(part, statements, begin=True, commit=True)


def _marked(part: Part, statements: Statements) -> Statements:
    """With what the runner does at an error, and how to get out of its transaction."""
    stops, outside = part.stops or part.transaction != "none", way_outside(part)
    return tuple(replace(statement, stops=stops, outside=outside) for statement in statements)


def _alone(statements: Statements) -> bool:
    """Whether a transaction round them changes nothing: one statement that neither needs nor refuses one."""
    facts = classify(statements[0].text)
    return (
        len(statements) == 1
        and statements[0].kind not in _MAY_COMMIT
        and facts.parsed
        and facts.transaction_control is None
        and not (facts.refuses_transaction or facts.needs_transaction or facts.sets_local)
    )


def _between(part: Part, statements: Statements, *, begin: bool, commit: bool) -> Statements:
    if not statements:
        return statements
    before = [_own(part, "BEGIN", statements[0])] if begin else []
    after = [_own(part, "COMMIT", statements[-1])] if commit else []
    return _numbered([*before, *statements, *after])


def _as_one_query(part: Part, statements: Statements) -> Iterator[Statement]:
    if len(statements) == 1:
        yield statements[0]
        return
    inside: str | None = None
    for statement in statements:
        control = classify(statement.text).transaction_control
        if control == "begin":
            inside = "of the file"
        elif inside is None and control not in _ENDS:
            yield _own(part, "BEGIN", statement)
            inside = "implicit"
        if control in _NEEDS_OWN_BEGIN and inside == "implicit":
            yield _own(part, "ROLLBACK", statement)
        yield statement
        if control in _ENDS:
            inside = None
    if inside == "implicit":
        yield _own(part, "COMMIT", statements[-1])


def _cannot(part: Part, statements: Statements) -> bool:
    """Whether none of them can run in a transaction. UsageError for a mix, as Flyway refuses it."""
    refusing = [statement for statement in statements if classify(statement.text).refuses_transaction]
    if refusing and len(refusing) < len(statements):
        other = next(statement for statement in statements if statement not in refusing)
        raise UsageError(
            f"{part.path}:{refusing[0].line}: {refusing[0].kind} cannot run in a transaction, and "
            f"{other.kind} (line {other.line}) can: Flyway refuses a mix of both in one file",
            hint=part.switch,
        )
    return bool(refusing)


def _own(part: Part, kind: str, beside: Statement) -> Statement:
    """A statement of the runner; a comment in it says so wherever it is shown."""
    text = f"{kind} /* sent by {part.runner} */"
    return Statement(0, beside.line, text, kind, file=beside.file, by_tool=True, stops=True)


def _numbered(statements: Iterator[Statement] | Sequence[Statement]) -> Statements:
    return tuple(replace(statement, index=index) for index, statement in enumerate(statements))
