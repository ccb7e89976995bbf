"""What a file leaves behind, and what it says of that: success claimed, work kept or lost, no transaction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding, total
from bench.analyse.quantity import count, seconds
from bench.analyse.remedies.indexes import name_of_index
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import TRANSACTION_CONTROL, MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.model.statement import Onward

_CLAIM = re.compile(r"\b(success(?:ful(?:ly)?)?|succeeded|completed?|finished|done)\b", re.IGNORECASE)
_COMPLAINT = re.compile(r"\b(?:fail(?:ed|ure|s)?|errors?|rolled back|abort(?:ed)?|not)\b", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_PROMISE = re.compile(
    r"(?<!not )(?:\b(?:in|within|inside) (?:a|one|a single) transaction\b|\bwrapped in (?:a )?transaction\b"
    r"|\bsingle transaction\b|\ball[ -]or[ -]nothing\b|\batomic(?:ally)?\b"
    r"|\btransaction (?:management|control|safety)\b|\btransaction[- ]safe\b|\bfully transactional\b"
    r"|\broll(?:s|ed)? back (?:on|upon|after) (?:any|every|an?) (?:failure|error)\b|\bautomatic rollback\b)",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"\b(?:not|no|never|cannot|without|outside|refuses?|instead of)\b", re.IGNORECASE)
_ENDS_ALL = ("COMMIT", "END", "ROLLBACK")
_SETTINGS = ("RESET", "SET TRANSACTION", "SET CONSTRAINTS", "RELEASE", "ROLLBACK TO", "ANALYZE", "DISCARD")
_AGAIN = ("REFRESH", "REINDEX", "VACUUM", "ANALYZE", "CLUSTER", "CHECKPOINT")
"""Beginnings of commands that a second run does once more."""
_LINES = 8
"""So many lines are named."""
_TABLES = 4
"""So many tables are named, those with the most rows."""


@danger("false-success", "Reports success though work was lost", "Partial failure")
def false_success(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Work is rolled back while the file, or the exit code of psql, says that all is well.

    psql goes on after an error unless ON_ERROR_STOP is set: it prints the closing message, commits what
    comes outside the failed transaction, and exits 0. A transaction that nobody commits ends likewise.

    Why: the pipeline is green, and the schema is not the one that the next release needs.
    Way out: set ON_ERROR_STOP, commit, and report success inside the transaction that did the work.
    Example:
        BEGIN;
        UPDATE deals SET stage = 'open' WHERE stage = 'new';
    Instead:
        BEGIN;
        UPDATE deals SET stage = 'open' WHERE stage = 'new';
        COMMIT;
    Source: https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-VARIABLES-ON-ERROR-STOP
    """
    for migration in rehearsed.summary.migrations:
        if migration.outcome == "failed" and not migration.interrupted:
            yield from _lost_at_end(migration)
            yield from _goes_on(migration)
        elif migration.outcome == "applied" and not migration.interrupted:
            yield from _rolled_back(migration, rehearsed)


@danger("side-effect-on-failure", "A failed migration leaves work behind", "Partial failure")
def side_effect_on_failure(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A migration failed, and statements before the failure were committed already.

    Why: the state is neither the one before nor the one after; the file cannot run again, as what it
    creates is there.
    Way out: put the whole file between BEGIN and COMMIT; what cannot be in a transaction must be safe to
    run again.
    Example:
        CREATE TABLE regions (id bigint PRIMARY KEY);
        ALTER TABLE deals ADD COLUMN quantity text;
    Instead:
        BEGIN;
        CREATE TABLE regions (id bigint PRIMARY KEY);
        ALTER TABLE deals ADD COLUMN region_id bigint;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/tutorial-transactions.html
    """
    for migration in rehearsed.summary.migrations:
        yield from _side_effects(migration, rehearsed)


@danger("non-transactional", "Runs outside a transaction", "Partial failure", is_condition=False)
def non_transactional(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Statements refuse a transaction: CREATE INDEX CONCURRENTLY, VACUUM, procedures that commit.

    Why: a failure there takes nothing back, and a build that was cut off leaves an INVALID index. It is
    the price of not blocking anybody, so it is a note and no condition.
    Way out: none, it is meant so; let each of them be safe to run again, with DROP INDEX CONCURRENTLY IF
    EXISTS before an index is built.
    Example:
        CREATE INDEX CONCURRENTLY deals_title ON deals (title);
    Source: https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    for migration in rehearsed.summary.migrations:
        yield from _non_transactional(migration)


@danger("transaction-claim", "A comment promises a transaction", "Partial failure")
def transaction_claim(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Comments say that the file is atomic, and its statements commit one by one.

    Why: whoever deploys relies on the words, and finds half of the work after a failure.
    Way out: put BEGIN and COMMIT where the comment says, or take the comment back.
    Example:
        -- all in a single transaction
        ALTER TABLE deals ADD COLUMN region text;
        ALTER TABLE contacts ADD COLUMN region text;
    Instead:
        BEGIN;
        -- all in a single transaction
        ALTER TABLE deals ADD COLUMN region text;
        ALTER TABLE contacts ADD COLUMN region text;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/tutorial-transactions.html
    """
    for migration in rehearsed.summary.migrations:
        yield from _broken_promise(migration)


def _side_effects(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """What a migration that failed had committed by then."""
    failed = migration.failed_statement
    if migration.outcome != "failed" or migration.interrupted:
        return
    kept = committed(migration)
    worked = [
        statement
        for statement in kept
        if statement.kind not in TRANSACTION_CONTROL
        and statement.kind != "SELECT"
        and not _may_run_again(statement)
    ]
    if not worked:
        return
    made = {lock.relation for statement in worked for lock in statement.locks if lock.stays}
    rows = sum(total(change) for statement in worked for change in rehearsed.row_changes(statement))
    left = [f"{len(worked)} {'statement' if len(worked) == 1 else 'statements'}"]
    left += [f"{len(made)} new {'relation' if len(made) == 1 else 'relations'}"] if made else []
    left += [f"{count(rows)} changed {'row' if rows == 1 else 'rows'}"] if rows else []
    last = worked[-1]
    online = any(
        "CONCURRENTLY" in statement.kind or statement.kind in ("VACUUM", "CALL")
        for statement in migration.statements
    )
    yield finding(
        "side-effect-on-failure",
        "warning",
        failed or last,
        f"the migration failed, but {_listed(left)} up to line {last.line} "
        f"{'stays' if left == ['1 statement'] else 'stay'}: the state is neither that "
        "before nor that after, and the file cannot simply run again",
        evidence={
            "statements": len(worked),
            "new_relations": len(made) or None,
            "changed_rows": rows or None,
            "last_line": last.line,
        },
        remedy=Remedy(
            "Make each statement safe to run again (IF NOT EXISTS, OR REPLACE, WHERE it is not done yet; an "
            "index is dropped first, as IF NOT EXISTS would keep one that is INVALID), and put those "
            "that belong together between BEGIN and COMMIT."
            if online
            else "Put the whole file between BEGIN and COMMIT, so that a failure leaves nothing.",
        ),
    )


def _may_run_again(statement: StatementSummary) -> bool:
    """Whether a second run does the same once more, so that the first one leaves nothing in the way."""
    return statement.kind.startswith(_AGAIN)


def committed(migration: MigrationSummary) -> list[StatementSummary]:
    """The statements whose work was committed: before a failure, and not taken back by the file itself."""
    kept: list[StatementSummary] = []
    open_work: list[StatementSummary] = []
    for statement in migration.statements:
        if statement.outcome != "applied":
            break
        if statement.transaction == "file" and statement.kind not in _ENDS_ALL:
            open_work.append(statement)
        elif statement.transaction == "file" and statement.kind == "ROLLBACK":
            open_work = []
        else:
            kept += [*open_work, statement]
            open_work = []
    return kept


def _lost_at_end(migration: MigrationSummary) -> Iterator[Finding]:
    """Every statement succeeded, but nobody committed."""
    if not migration.statements or any(statement.outcome != "applied" for statement in migration.statements):
        return
    last = migration.statements[-1]
    begin = next(
        (statement for statement in reversed(migration.statements) if statement.kind == "BEGIN"), last
    )
    yield finding(
        "false-success",
        "error",
        last,
        f"every statement succeeds and psql exits 0, but the transaction of line {begin.line} is never "
        "committed: the server rolls all of it back",
        evidence={"begin_line": begin.line, "statements": last.index - begin.index},
        remedy=Remedy("End the file with COMMIT.", "COMMIT;"),
    )


def _goes_on(migration: MigrationSummary) -> Iterator[Finding]:
    """What psql without ON_ERROR_STOP prints and commits after the failure, before it exits with 0."""
    failed = migration.failed_statement
    if failed is None or not migration.onward:
        return
    kept = [onward for onward in migration.onward if onward.committed and _works(onward)]
    claim = _claim(migration)
    if claim is None and not kept:
        return
    rows: dict[str, int] = {}
    for change in (change for onward in kept for change in onward.row_changes):
        rows[change.relation] = rows.get(change.relation, 0) + total(change)
    errors = 1 + sum(onward.sqlstate is not None for onward in migration.onward)
    at = claim[0] if claim else kept[0]
    statement = next(other for other in migration.statements if other.index == at.index)
    does = [f'prints "{claim[1]}" here'] if claim else []
    does += [_commits(kept, rows)] if kept else []
    yield finding(
        "false-success",
        "error" if claim or rows else "warning",
        statement,
        f"without ON_ERROR_STOP, psql goes on after line {migration.failure_line or failed.line} failed"
        f"{f' ({errors} errors in all)' if errors > 1 else ''}, {_listed([*does, 'exits 0'])}",
        evidence={
            "failed_line": migration.failure_line or failed.line,
            "errors": errors,
            "claim": claim[1] if claim else None,
            "committed_statements": len(kept) or None,
            "committed_lines": [onward.line for onward in kept] or None,
            "changed_rows": sum(rows.values()) or None,
            "relations": sorted(rows) or None,
        },
        remedy=Remedy(
            "Have psql stop at the first error, and report success inside the transaction that did the work.",
            "\\set ON_ERROR_STOP on",
        ),
    )


def _works(statement: Onward) -> bool:
    if statement.kind in TRANSACTION_CONTROL or statement.kind in _SETTINGS:
        return False
    return statement.kind not in ("SELECT", "DO", "CALL") or bool(statement.row_changes)


def _commits(kept: Sequence[Onward], rows: Mapping[str, int]) -> str:
    lines = [str(onward.line) for onward in kept if onward.row_changes or not rows]
    at = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines[:_LINES])}"
    if not rows:
        return f"commits {'1 statement' if len(kept) == 1 else f'{len(kept)} statements'} ({at})"
    most = sorted(rows.items(), key=lambda item: -item[1])
    changed = [
        f"{many:,} changed {'row' if many == 1 else 'rows'} of {name}" for name, many in most[:_TABLES]
    ]
    more = len(most) - _TABLES
    changed += [f"rows of {more} more {'table' if more == 1 else 'tables'}"] if more > 0 else []
    return f"commits {_listed(changed)} ({at})"


def _claim(migration: MigrationSummary) -> tuple[Onward, str] | None:
    """The statement that reports, and what psql prints for it: words of success first, else any sentence."""
    texts = {statement.index: statement.text for statement in migration.statements}
    said = [
        (onward, text)
        for onward in migration.onward
        for text in onward.prints
        if not _COMPLAINT.search(text) and (_CLAIM.search(text) or _only_reports(onward, texts[onward.index]))
    ]
    claims = [(onward, text) for onward, text in said if _CLAIM.search(text)]
    sentences = [(onward, text) for onward, text in said if len(text.split()) > 1]
    return next(iter([*claims, *sentences]), None)


def _only_reports(statement: Onward, text: str) -> bool:
    """Whether it does nothing but print: what it prints is then meant as a report."""
    if statement.kind == "SELECT":
        return not re.search(r"\bFROM\b", _COMMENT.sub(" ", text), re.IGNORECASE)
    return bool(statement.prints) and not statement.row_changes


def _rolled_back(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """A ROLLBACK that the file itself asks for, after work."""
    open_work: list[StatementSummary] = []
    for statement in migration.statements:
        if statement.kind == "ROLLBACK" and open_work:
            rows = sum(total(change) for work in open_work for change in rehearsed.row_changes(work))
            yield finding(
                "false-success",
                "warning",
                statement,
                f"the file applies without an error, but takes back its {len(open_work)} "
                f"{'statement' if len(open_work) == 1 else 'statements'} from line {open_work[0].line} on",
                evidence={"statements": len(open_work), "changed_rows": rows or None},
                remedy=Remedy("Write COMMIT where the work is to stay, and take a trial out of the deploy."),
            )
        if statement.transaction != "file" or statement.kind in _ENDS_ALL:
            open_work = []
        elif statement.kind not in TRANSACTION_CONTROL and statement.kind != "SELECT":
            open_work.append(statement)


def _non_transactional(migration: MigrationSummary) -> Iterator[Finding]:
    """One finding for all statements of a file that refused a transaction."""
    plain = [
        statement
        for statement in migration.statements
        if statement.transaction == "none"
        and statement.kind not in TRANSACTION_CONTROL
        and statement.outcome != "skipped"
    ]
    if not plain:
        return
    first = plain[0]
    total_s = sum(statement.duration_s.median for statement in plain if statement.duration_s)
    many = "1 statement runs" if len(plain) == 1 else f"{len(plain)} statements run"
    builds = [statement for statement in plain if statement.kind == "CREATE INDEX CONCURRENTLY"]
    invalid = any("CONCURRENTLY" in statement.kind for statement in plain)
    unguarded = _unguarded(builds, migration)
    drops = [f"DROP INDEX CONCURRENTLY IF EXISTS {name}; -- before line {line}" for name, line in unguarded]
    yield finding(
        "non-transactional",
        "info",
        first,
        f"{many} outside a transaction for {seconds(total_s)}: a failure there leaves what came before in "
        f"place{', and an INVALID index' if invalid else ''}",
        evidence={
            "statements": len(plain),
            "duration_s": total_s,
            "lines": [statement.line for statement in plain],
            "kinds": list(dict.fromkeys(statement.kind for statement in plain)),
        },
        remedy=Remedy(
            "Make each of them safe to run again"
            + (
                ": DROP INDEX CONCURRENTLY IF EXISTS before an index is built again."
                if drops
                else ": the indexes already are, as each is dropped before it is built."
                if builds
                else "."
            ),
            "\n".join(drops) or None,
        ),
    )


def _unguarded(builds: Sequence[StatementSummary], migration: MigrationSummary) -> Iterator[tuple[str, int]]:
    """The builds whose index no statement before them drops: name and line."""
    for build in builds:
        name = name_of_index(build.text)
        before = (
            statement.text
            for statement in migration.statements[: build.index]
            if "DROP" in statement.text.upper()
        )
        plain = name.rpartition(".")[2].strip('"') if name else ""
        if name and not any(plain in text for text in before):
            yield name, build.line


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _broken_promise(migration: MigrationSummary) -> Iterator[Finding]:
    claims = [
        (statement, " ".join(comment.split()))
        for statement in migration.statements
        for comment in _COMMENT.findall(statement.text)
        if _PROMISE.search(comment) and not _DENIAL.search(comment)
    ]
    alone = [
        statement
        for statement in migration.statements
        if statement.transaction != "file"
        and statement.kind not in TRANSACTION_CONTROL
        and statement.kind != "SELECT"
    ]
    if claims and len(alone) > 1:
        statement, words = claims[0]
        yield finding(
            "transaction-claim",
            "warning",
            statement,
            f'the comment says "{words}", but {len(alone)} statements commit on their own',
            evidence={"line": statement.line, "claim": words, "statements": len(alone)},
            remedy=Remedy("Put BEGIN and COMMIT where the comment says, or take the comment back."),
        )
