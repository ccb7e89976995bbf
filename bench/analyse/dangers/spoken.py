"""What the server said without refusing anything: a statement that did nothing, or something else than asked.

The SQLSTATE tells what is meant, not the words, which a server may have in another language:
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding, Severity
from bench.model.statement import Notice, Skip
from bench.sql.tree import statement_of

SKIPPED = {
    "42P07": "relation", "42701": "column", "42710": "object", "42P06": "schema", "42723": "function",
}  # fmt: skip
"""SQLSTATEs of what IF NOT EXISTS found: duplicate_table, duplicate_column, duplicate_object, …"""
_CUT = "42622"
"""name_too_long"""
_NO_TRANSACTION = "25P01"
"""no_active_sql_transaction"""
_NOTHING_SPECIAL = "00000"
_BACKSLASHES = "22P06"
"""nonstandard_use_of_escape_character"""
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')
_SETS = ("SET", "SET TRANSACTION", "SET CONSTRAINTS")
_MAKES_VIEW = re.compile(r'^SQL statement "\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:RECURSIVE\s+)?VIEW\b', re.I)
_LISTED = 6


@danger("did-nothing", "A statement did nothing", "Data integrity")
def did_nothing(rehearsed: Rehearsed) -> Iterator[Finding]:
    """IF NOT EXISTS found something of the name, or IF EXISTS found nothing, and the statement passed.

    Why: IF NOT EXISTS looks at the name alone: what is there may be another table, another column type, or
    an INVALID index, and no error tells of it.
    Way out: bring what is there to what is wanted by ALTER, change by change; drop an INVALID index before it
    is built again.
    Example:
        ALTER TABLE deals ADD COLUMN IF NOT EXISTS title varchar(20);
    Instead:
        ALTER TABLE deals ADD COLUMN IF NOT EXISTS short_title varchar(20);
    Source: https://www.postgresql.org/docs/current/sql-altertable.html
    """
    for migration in rehearsed.summary.migrations:
        for statement in migration.statements:
            yield from _did_nothing(statement)
            yield from _absent(statement)
        yield from _same_already(migration)
        yield from _nothing_to_drop(migration)


@danger("name-cut", "A name is cut to 63 bytes", "Data integrity")
def name_cut(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A name is longer than 63 bytes, and the server cuts it.

    Why: who looks for the long one in the catalog does not find it, and two names that differ at their ends
    alone are one.
    Way out: choose a name of at most 63 bytes.
    Example:
        CREATE TABLE what_every_single_deal_of_a_contact_has_cost_in_the_years_before (id bigint);
    Instead:
        CREATE TABLE deal_costs_by_year (id bigint);
    Source: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    """
    for statement, notice in _notices(rehearsed):
        if notice.sqlstate == _CUT and not notice.raised:
            yield _cut_name(notice, statement)


@danger("temporary-view", "A view is temporary without saying so", "Data integrity")
def temporary_view(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A view reads a temporary table, and so is temporary itself.

    Why: it is gone when the migration's session ends; the file reported that it was created.
    Way out: have it read permanent tables, or say CREATE TEMP VIEW where that is meant.
    Example:
        CREATE TEMP TABLE picked AS SELECT id FROM deals;
        CREATE VIEW picked_deals AS SELECT * FROM picked;
    Instead:
        CREATE TABLE picked AS SELECT id FROM deals;
        CREATE VIEW picked_deals AS SELECT * FROM picked;
    Source: https://www.postgresql.org/docs/current/sql-createview.html
    """
    for statement, notice in _notices(rehearsed):
        if _makes_view(notice, statement) and not notice.raised:
            yield finding(
                "temporary-view",
                "warning",
                statement,
                f"the view {name_in(notice)} is temporary, as what it reads is: it is gone when the "
                "migration's session ends",
                evidence={"name": name_in(notice), "line": notice.line},
                remedy=Remedy(
                    "Have the view read permanent tables, or say CREATE TEMP VIEW if that is meant."
                ),
            )


@danger("set-local-outside-transaction", "SET LOCAL outside a transaction", "Downtime")
def set_local_outside_transaction(rehearsed: Rehearsed) -> Iterator[Finding]:
    """SET LOCAL, or SET TRANSACTION, stands where no transaction is open: it has no effect.

    Why: most often it is the lock_timeout that was to protect the application.
    Way out: put BEGIN before it and COMMIT after what it is meant for; or write SET without LOCAL.
    Example:
        SET LOCAL lock_timeout = '2s';
        ALTER TABLE deals ADD COLUMN region text;
    Instead:
        BEGIN;
        SET LOCAL lock_timeout = '2s';
        ALTER TABLE deals ADD COLUMN region text;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/sql-set.html
    """
    for statement, notice in _notices(rehearsed):
        if _warns(notice) and _sets_nothing(notice, statement):
            yield finding(
                "set-local-outside-transaction",
                "warning",
                statement,
                f"it has no effect, as no transaction is open: {notice.message}",
                evidence={"sqlstate": notice.sqlstate},
                remedy=Remedy(
                    "Put BEGIN before it and COMMIT after what it is meant for; or write SET without LOCAL, "
                    "and RESET after it."
                ),
            )


@danger("server-warning", "The server warns", "Data integrity")
def server_warning(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The server answers a statement with a WARNING, or the migration's own code raises one.

    Why: the statement passed, and did not do all that its words say.
    Way out: change the statement so that the server has nothing to say.
    Example:
        ALTER TABLE deals ADD COLUMN region text;
        COMMIT;
    Instead:
        BEGIN;
        ALTER TABLE deals ADD COLUMN region text;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/plpgsql-errors-and-messages.html
        https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-SEVERITY-LEVELS
    """
    for statement, notice in _notices(rehearsed):
        if notice.raised and notice.severity == "WARNING":
            yield _own_warning(notice, statement)
        elif _warns(notice) and not _sets_nothing(notice, statement) and not _makes_view(notice, statement):
            yield finding(
                "server-warning",
                "info" if notice.sqlstate == _BACKSLASHES else "warning",
                statement,
                f"the server warns: {notice.message}{f' ({notice.detail})' if notice.detail else ''}",
                evidence={"sqlstate": notice.sqlstate, "line": notice.line},
                remedy=Remedy(notice.hint or _advice(notice, statement)),
            )


def _notices(rehearsed: Rehearsed) -> Iterator[tuple[StatementSummary, Notice]]:
    """Each message once, whatever the line."""
    for statement in rehearsed.summary.statements:
        for notice in _distinct(statement):
            yield statement, notice


def _warns(notice: Notice) -> bool:
    return notice.severity == "WARNING" and notice.sqlstate != _CUT and not notice.raised


def _sets_nothing(notice: Notice, statement: StatementSummary) -> bool:
    return notice.sqlstate == _NO_TRANSACTION and statement.kind in _SETS


def _distinct(statement: StatementSummary) -> Iterator[Notice]:
    """Each message once, whatever the line."""
    yield from {(notice.sqlstate, notice.message): notice for notice in reversed(statement.notices)}.values()


def skips_of(statement: StatementSummary) -> tuple[Skip, ...]:
    """What its IF NOT EXISTS found: compared where that was done, else as the messages have it."""
    if statement.skips:
        return statement.skips
    return tuple(
        Skip(SKIPPED[notice.sqlstate or ""], name_in(notice), None, line=notice.line)
        for notice in statement.notices
        if is_skip(notice)
    )


def is_skip(notice: Notice) -> bool:
    """Whether the message says that IF NOT EXISTS found something."""
    return notice.severity == "NOTICE" and notice.sqlstate in SKIPPED and not notice.raised


def name_in(notice: Notice) -> str:
    """The first name in quotes, else the whole message."""
    quoted = _QUOTED.search(notice.message)
    return quoted[1].replace('""', '"') if quoted else notice.message


def _did_nothing(statement: StatementSummary) -> Iterator[Finding]:
    """IF NOT EXISTS over an index that is not valid, or over something else than was wanted."""
    for skip in skips_of(statement):
        if skip.invalid:
            yield _over_invalid(skip, statement)
        elif skip.same is False:
            many = "; ".join(skip.differences[:_LISTED])
            more = len(skip.differences) - _LISTED
            yield _nothing(
                "warning",
                statement,
                skip,
                f"{statement.kind} did nothing: {skip.kind} {skip.name} is there already, and it is another: "
                f"{many}{f'; and {more} more' if more > 0 else ''}",
                Remedy(
                    "IF NOT EXISTS looks at the name alone. "
                    + (
                        "Build the index that is wanted under another name, then drop the old one."
                        if skip.kind == "index"
                        else f"Bring {skip.name} to what is wanted with ALTER, change by change."
                    )
                ),
                differences=list(skip.differences),
            )


def _over_invalid(skip: Skip, statement: StatementSummary) -> Finding:
    return _nothing(
        "error",
        statement,
        skip,
        f"{statement.kind} did nothing: an INVALID index {skip.name} has the name, and it stays INVALID: no "
        "query uses it, every write keeps it up to date",
        Remedy(
            "Drop the INVALID index first, then build it; or build it again with REINDEX INDEX CONCURRENTLY.",
            f"DROP INDEX CONCURRENTLY IF EXISTS {skip.name};",
        ),
        invalid=True,
    )


def _nothing(
    severity: Severity,
    statement: StatementSummary,
    skip: Skip,
    message: str,
    remedy: Remedy,
    **evidence: object,
) -> Finding:
    place = f" (line {skip.line})" if skip.line is not None and skip.line != statement.line else ""
    return finding(
        "did-nothing",
        severity,
        statement,
        message + place,
        relation=skip.name if skip.kind in ("table", "relation") else None,
        evidence={"kind": skip.kind, "name": skip.name, "line": skip.line, **evidence},
        remedy=remedy,
    )


def _same_already(migration: MigrationSummary) -> Iterator[Finding]:
    """One note for all that was there already and is the same, or was not compared."""
    skips = [
        (statement, skip)
        for statement in migration.statements
        for skip in skips_of(statement)
        if skip.same is not False and not skip.invalid
    ]
    if not skips:
        return
    first, unknown = skips[0][0], any(skip.same is None for _, skip in skips)
    names = list(dict.fromkeys(skip.name for _, skip in skips))
    yield finding(
        "did-nothing",
        "info",
        first,
        f"IF NOT EXISTS did nothing for {_listed(names)}, which {'is' if len(names) == 1 else 'are'} there "
        f"already{'; whether as wanted was not compared for all' if unknown else ', as wanted'}",
        evidence={
            "names": names,
            "lines": [skip.line or statement.line for statement, skip in skips],
            "compared": not unknown,
        },
        remedy=Remedy("Nothing, if that is meant; else take the lines out, as they say more than they do."),
    )


def _absent(statement: StatementSummary) -> Iterator[Finding]:
    """ALTER … IF EXISTS of something that is not there."""
    if not statement.kind.startswith("ALTER ") or statement.locks or not statement.notices:
        return
    node = statement_of(statement.text)
    notice = statement.notices[0]
    if node is None or not getattr(node[1], "missing_ok", False) or notice.sqlstate != _NOTHING_SPECIAL:
        return
    yield finding(
        "did-nothing",
        "warning",
        statement,
        f"{statement.kind} IF EXISTS did nothing: there is no {name_in(notice)}",
        evidence={"name": name_in(notice)},
        remedy=Remedy("Look whether the name or the search_path is right; without IF EXISTS it would fail."),
    )


def _nothing_to_drop(migration: MigrationSummary) -> Iterator[Finding]:
    """DROP … IF EXISTS of what was not there, and what no other statement of the file has to do with."""
    skipped: list[tuple[StatementSummary, str]] = []
    for statement in migration.statements:
        if not statement.kind.startswith("DROP ") or statement.locks:
            continue
        others = [other.text for other in migration.statements if other.index != statement.index]
        for notice in statement.notices:
            name = name_in(notice)
            if notice.sqlstate == _NOTHING_SPECIAL and not any(name in text for text in others):
                skipped.append((statement, name))
    if skipped:
        names = list(dict.fromkeys(name for _, name in skipped))
        yield finding(
            "did-nothing",
            "info",
            skipped[0][0],
            f"DROP IF EXISTS found nothing to drop: there is no {_listed(names)}",
            evidence={"names": names, "lines": [statement.line for statement, _ in skipped]},
            remedy=Remedy("Look whether the names are right."),
        )


def _makes_view(notice: Notice, statement: StatementSummary) -> bool:
    """CREATE VIEW has no other message without a code of its own."""
    inside = _MAKES_VIEW.match(notice.context or "")
    return (
        notice.severity == "NOTICE"
        and notice.sqlstate == _NOTHING_SPECIAL
        and (statement.kind == "CREATE VIEW" or inside is not None)
    )


def _cut_name(notice: Notice, statement: StatementSummary) -> Finding:
    names = [name.replace('""', '"') for name in _QUOTED.findall(notice.message)]
    full, kept = (names[0], names[-1]) if len(names) > 1 else (notice.message, "")
    return finding(
        "name-cut",
        "warning",
        statement,
        f"the name {full} is longer than 63 bytes: the server cuts it to {kept}",
        evidence={"name": full, "cut_to": kept, "bytes_of_name": len(full.encode()), "line": notice.line},
        remedy=Remedy(
            "Choose a name of at most 63 bytes: who looks for the long one in the catalog does not find it, "
            "and two that differ at their ends alone are one."
        ),
    )


def _advice(notice: Notice, statement: StatementSummary) -> str:
    if notice.sqlstate == _NO_TRANSACTION and statement.kind in ("COMMIT", "ROLLBACK"):
        return "Put BEGIN where the transaction is to start: what ran before this line is committed already."
    if notice.sqlstate == "25001":
        return "Take one BEGIN out: the first COMMIT ends the transaction, and what follows runs without one."
    return "Change the statement so that the server has nothing to say."


def _own_warning(notice: Notice, statement: StatementSummary) -> Finding:
    return finding(
        "server-warning",
        "info",
        statement,
        f"its own code warns: {notice.message}",
        evidence={"sqlstate": notice.sqlstate, "line": notice.line},
        remedy=Remedy("Read what it says before the deploy."),
    )


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_LISTED])
    if len(names) > _LISTED:
        return f"{', '.join(shown)} and {len(names) - _LISTED} more"
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last
