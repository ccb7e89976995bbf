"""What a failure says and leaves: rows refused, extensions missing, work kept or lost, success claimed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bench.analyse.dangers.evidence import Rehearsed, finding, total
from bench.analyse.names import identifier, is_named_in
from bench.analyse.quantity import count, seconds
from bench.analyse.remedies.alter import required_columns
from bench.analyse.remedies.indexes import name_of_index
from bench.analyse.remedies.offending import offending_rows
from bench.analyse.remedies.retrying import for_refused, invalid_index
from bench.analyse.remedies.script import Remedy
from bench.analyse.remedies.tree import messages, statement_of
from bench.analyse.summary import TRANSACTION_CONTROL, MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.model.statement import Onward

_DATA_ERRORS = ("21", "22", "23", "27", "44")
"""SQLSTATE classes that rows cause: cardinality violation, data exception, integrity constraint violation,
triggered data change violation, WITH CHECK OPTION violation."""
_CONSTRAINT = re.compile(r'constraint "([^"]+)"')
_EXTENSION = re.compile(r'extension "([^"]+)" is not available|extension control file ".*?([^/"]+)\.control"')
PROVIDED = {
    "uuid_generate_v4": "uuid-ossp", "uuid_generate_v1": "uuid-ossp", "crypt": "pgcrypto",
    "gen_salt": "pgcrypto", "digest": "pgcrypto", "gin_trgm_ops": "pg_trgm", "gist_trgm_ops": "pg_trgm",
    "similarity": "pg_trgm", "citext": "citext", "unaccent": "unaccent", "hstore": "hstore",
    "vector": "vector", "geometry": "postgis",
}  # fmt: skip
"""Names that an extension brings: a migration that fails for want of one says nothing of the extension."""
_MISSING_NAME = re.compile(
    r'(?:function |type |operator class )"?(?:\w+\.)?(\w+)"?(?:\(.*\))? does not exist', re.DOTALL
)
_CLAIM = re.compile(r"\b(success(?:ful(?:ly)?)?|succeeded|completed?|finished|done)\b", re.IGNORECASE)
_COMPLAINT = re.compile(r"\b(?:fail(?:ed|ure|s)?|errors?|rolled back|abort(?:ed)?|not)\b", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_ENDS_ALL = ("COMMIT", "END", "ROLLBACK")
_SETTINGS = ("RESET", "SET TRANSACTION", "SET CONSTRAINTS", "RELEASE", "ROLLBACK TO", "ANALYZE", "DISCARD")
_AGAIN = ("REFRESH", "REINDEX", "VACUUM", "ANALYZE", "CLUSTER", "CHECKPOINT")
"""Beginnings of commands that a second run does once more."""
_LINES = 8
"""So many lines are named."""
_TABLES = 4
"""So many tables are named, those with the most rows."""


def fails_on_data(
    statement: StatementSummary, migration: MigrationSummary, rehearsed: Rehearsed
) -> Iterator[Finding]:
    """A statement that the rows there are refuse."""
    error = statement.error
    if error is None or error.sqlstate is None or not error.sqlstate.startswith(_DATA_ERRORS):
        return
    if _reads_no_table(statement.text):
        return  # SELECT 1/0 says nothing of rows
    constraint = _CONSTRAINT.search(error.message)
    detail = f" ({error.detail})" if error.detail else ""
    query = offending_rows(
        statement.text, error.sqlstate, rehearsed.around.keys, rehearsed.run.environment.server.version_num
    )
    yield finding(
        "fails-on-data",
        "error",
        statement,
        f"the rows that exist are refused: {error.message}{detail}",
        evidence={
            "sqlstate": error.sqlstate,
            "constraint": constraint[1] if constraint else None,
            "detail": error.detail,
            "failed_repeats": migration.failures,
            "repeats": migration.n,
        },
        remedy=_for_rows_refused(statement, error.sqlstate, query),
    )


def _reads_no_table(text: str) -> bool:
    found = statement_of(text)
    if found is None or found[0] != "select_stmt":
        return False
    return not any(True for type_name in ("RangeVar", "FuncCall") for _ in messages(found[1], type_name))


def _for_rows_refused(statement: StatementSummary, sqlstate: str, query: str | None) -> Remedy:
    """Repair the rows; an index that was built CONCURRENTLY is there, INVALID, and goes first."""
    required = required_columns(statement.text) if sqlstate == "23502" else None
    if required is not None:
        return Remedy(_GIVE_A_VALUE.format(" and ".join(required[1])))
    if sqlstate == "27000":
        return Remedy(_OWN_TRIGGER)
    say = (
        f"Repair or set aside the rows {'that this query lists' if query else 'that it names'} before line "
        f"{statement.line} runs, in a statement of its own that can be repeated."
    )
    sql = f"{query};" if query else None
    if drop := invalid_index(statement.text):
        say += " The index that could not be built stays, INVALID: drop it before it is built again."
        sql = f"{sql}\n{drop}" if sql else drop
    return Remedy(say, sql)


_OWN_TRIGGER = (
    "A BEFORE trigger of the table changes rows that the statement is to change as well: make it an AFTER "
    "trigger, or change these rows in statements of their own."
)
_GIVE_A_VALUE = (
    "Give {} a default, or add it without NOT NULL, fill it in batches and set NOT NULL then; deploy "
    "code that writes it first."
)


def refused(statement: StatementSummary) -> Iterator[Finding]:
    """A statement that the server refused for something else than rows, where a way out is known."""
    error = statement.error
    if error is None or error.interrupted or (remedy := for_refused(error.sqlstate, statement.text)) is None:
        return
    yield finding(
        "refused",
        "error",
        statement,
        f"{statement.kind} is refused: {error.message} ({error.sqlstate})",
        evidence={"sqlstate": error.sqlstate, "hint": error.hint},
        remedy=remedy,
    )


def fails_on_any_row(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """A column that rows of before would have no value for, added to a table that happens to be empty here.

    https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN
    """
    required = required_columns(statement.text) if statement.outcome == "applied" else None
    if required is None:
        return
    table, columns = required
    known = rehearsed.run.dataset.tables if rehearsed.run.dataset else ()
    here = next((size for size in known if is_named_in(table, [size.name])), None)
    if here is None or here.rows or is_named_in(table, rehearsed.made):
        return
    for column in columns:
        yield finding(
            "fails-on-data",
            "warning",
            statement,
            f"{table} is empty here; on any row that it has, {column} as NOT NULL without a default fails "
            "(23502)",
            relation=here.name,
            evidence={"sqlstate": "23502", "column": column, "rows_here": 0},
            remedy=Remedy(
                f"{_GIVE_A_VALUE.format(column)} Rehearse on rows: --fill, or a dump of production."
            ),
        )


def extension_missing(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """An extension that the server cannot install, or that nobody created before its names were used."""
    error = statement.error
    if error is None:
        return
    found = _EXTENSION.search(error.message)
    wanted = _MISSING_NAME.search(error.message)
    available = rehearsed.run.environment.server.extensions
    if found and error.sqlstate in ("0A000", "58P01"):
        name, what = found[1] or found[2], "this server has no files of extension"
        say = f"Install {name} on the server first: nothing in SQL can."
        sql = None
    elif wanted and error.sqlstate in ("42883", "42704") and wanted[1] in PROVIDED:
        name = PROVIDED[wanted[1]]
        what = f"{wanted[1]} belongs to an extension that nobody created:"
        say = f"Create {name} before line {statement.line}" + (
            "." if name in available else f", once it is installed on the server, which lacks {name} now."
        )
        sql = f"CREATE EXTENSION IF NOT EXISTS {identifier(name)};"
    else:
        return
    yield finding(
        "extension-missing",
        "error",
        statement,
        f"{what} {name}: {error.message}",
        evidence={"extension": name, "sqlstate": error.sqlstate, "available": name in available},
        remedy=Remedy(say, sql),
    )


def side_effects(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """What a migration that failed had committed by then."""
    failed = migration.failed_statement
    if migration.outcome != "failed" or migration.interrupted:
        return
    kept = committed(migration)
    worked = [
        each
        for each in kept
        if each.kind not in TRANSACTION_CONTROL and each.kind != "SELECT" and not _may_run_again(each)
    ]
    if not worked:
        return
    made = {lock.relation for each in worked for lock in each.locks if lock.stays}
    rows = sum(total(change) for each in worked for change in rehearsed.row_changes(each))
    left = [f"{len(worked)} {'statement' if len(worked) == 1 else 'statements'}"]
    left += [f"{len(made)} new {'relation' if len(made) == 1 else 'relations'}"] if made else []
    left += [f"{count(rows)} changed {'row' if rows == 1 else 'rows'}"] if rows else []
    last = worked[-1]
    online = any(
        "CONCURRENTLY" in each.kind or each.kind in ("VACUUM", "CALL") for each in migration.statements
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
    for each in migration.statements:
        if each.outcome != "applied":
            break
        if each.transaction == "file" and each.kind not in _ENDS_ALL:
            open_work.append(each)
        elif each.transaction == "file" and each.kind == "ROLLBACK":
            open_work = []
        else:
            kept += [*open_work, each]
            open_work = []
    return kept


def false_success(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Work that is rolled back while the file says, or its exit code would say, that all is well."""
    if migration.interrupted:
        return
    if migration.outcome == "failed":
        yield from _lost_at_end(migration)
        yield from _goes_on(migration)
    elif migration.outcome == "applied":
        yield from _rolled_back(migration, rehearsed)


def _lost_at_end(migration: MigrationSummary) -> Iterator[Finding]:
    """Every statement succeeded, but nobody committed."""
    if not migration.statements or any(each.outcome != "applied" for each in migration.statements):
        return
    last = migration.statements[-1]
    begin = next((each for each in reversed(migration.statements) if each.kind == "BEGIN"), last)
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
    kept = [each for each in migration.onward if each.committed and _works(each)]
    claim = _claim(migration)
    if claim is None and not kept:
        return
    rows: dict[str, int] = {}
    for change in (change for each in kept for change in each.row_changes):
        rows[change.relation] = rows.get(change.relation, 0) + total(change)
    errors = 1 + sum(each.sqlstate is not None for each in migration.onward)
    at = claim[0] if claim else kept[0]
    statement = next(each for each in migration.statements if each.index == at.index)
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
            "committed_lines": [each.line for each in kept] or None,
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
    lines = [str(each.line) for each in kept if each.row_changes or not rows]
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
    texts = {each.index: each.text for each in migration.statements}
    said = [
        (each, text)
        for each in migration.onward
        for text in each.prints
        if not _COMPLAINT.search(text) and (_CLAIM.search(text) or _only_reports(each, texts[each.index]))
    ]
    claims = [(each, text) for each, text in said if _CLAIM.search(text)]
    sentences = [(each, text) for each, text in said if len(text.split()) > 1]
    return next(iter([*claims, *sentences]), None)


def _only_reports(statement: Onward, text: str) -> bool:
    """Whether it does nothing but print: what it prints is then meant as a report."""
    if statement.kind == "SELECT":
        return not re.search(r"\bFROM\b", _COMMENT.sub(" ", text), re.IGNORECASE)
    return bool(statement.prints) and not statement.row_changes


def _rolled_back(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """A ROLLBACK that the file itself asks for, after work."""
    open_work: list[StatementSummary] = []
    for each in migration.statements:
        if each.kind == "ROLLBACK" and open_work:
            rows = sum(total(change) for work in open_work for change in rehearsed.row_changes(work))
            yield finding(
                "false-success",
                "warning",
                each,
                f"the file applies without an error, but takes back its {len(open_work)} "
                f"{'statement' if len(open_work) == 1 else 'statements'} from line {open_work[0].line} on",
                evidence={"statements": len(open_work), "changed_rows": rows or None},
                remedy=Remedy("Write COMMIT where the work is to stay, and take a trial out of the deploy."),
            )
        if each.transaction != "file" or each.kind in _ENDS_ALL:
            open_work = []
        elif each.kind not in TRANSACTION_CONTROL and each.kind != "SELECT":
            open_work.append(each)


def non_transactional(migration: MigrationSummary) -> Iterator[Finding]:
    """One finding for all statements of a file that refused a transaction."""
    plain = [
        each
        for each in migration.statements
        if each.transaction == "none" and each.kind not in TRANSACTION_CONTROL and each.outcome != "skipped"
    ]
    if not plain:
        return
    first = plain[0]
    total_s = sum(each.duration_s.median for each in plain if each.duration_s)
    many = "1 statement runs" if len(plain) == 1 else f"{len(plain)} statements run"
    builds = [each for each in plain if each.kind == "CREATE INDEX CONCURRENTLY"]
    invalid = any("CONCURRENTLY" in each.kind for each in plain)
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
            "lines": [each.line for each in plain],
            "kinds": list(dict.fromkeys(each.kind for each in plain)),
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
        before = (each.text for each in migration.statements[: build.index] if "DROP" in each.text.upper())
        plain = name.rpartition(".")[2].strip('"') if name else ""
        if name and not any(plain in text for text in before):
            yield name, build.line


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
