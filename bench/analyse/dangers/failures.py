"""Statements that cannot run: refused by rows or by the server, without an extension, or not to be parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from postgast import PgQueryError, parse_plpgsql, split

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.dangers.rollback import describe_error
from bench.analyse.quantity import count
from bench.analyse.remedies.alter import required_columns
from bench.analyse.remedies.choice import for_refused, invalid_index
from bench.analyse.remedies.offending import offending_rows
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding, Place
from bench.model.proof import DirtProof, OffendingRow
from bench.sql.names import identifier, is_named_in
from bench.sql.tree import messages, statement_of

_DATA_ERRORS = ("21", "22", "23", "27", "44")
"""SQLSTATE classes that rows cause: cardinality violation, data exception, integrity constraint violation,
triggered data change violation, WITH CHECK OPTION violation."""
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
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_CREATES = re.compile(r'\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?"?([\w-]+)"?', re.IGNORECASE)
_FUNCTIONS = re.compile(r'\bFUNCTION\s+(?:"?\w+"?\.)?"?(\w+)"?\s*\(', re.IGNORECASE)
_PLPGSQL = ("DO", "CREATE FUNCTION", "CREATE PROCEDURE", "CREATE OR REPLACE FUNCTION")
_SAVEPOINTS = re.compile(r"\b(?:ROLLBACK\s+TO|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
SHOWN = 3
ROW_SHOWN = 120


@danger("fails-on-data", "The rows that exist are refused", "Data integrity")
def fails_on_data(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A statement cannot take rows that are there, or rows that production may have.

    Seen where it failed on the rehearsal's own rows, where a column would need a value that a table happens
    to be too empty to ask for, and where rows were made dirty on purpose (`bench prove`).

    Why: it passes on the small clean data of a test and stops the deploy in production.
    Way out: find the rows by a query, repair or set them aside in a statement of its own, then constrain.
    Example:
        ALTER TABLE contacts ADD CONSTRAINT one_phone UNIQUE (phone);
    Instead:
        UPDATE contacts SET phone = phone || '-' || id;
        ALTER TABLE contacts ADD CONSTRAINT one_phone UNIQUE (phone);
    Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    for migration in rehearsed.summary.migrations:
        for statement in migration.statements:
            yield from _rows_refused(statement, migration, rehearsed)
            yield from _fails_on_any_row(statement, rehearsed)
    yield from _dirt(rehearsed)


@danger("refused", "The server refuses a statement", "Partial failure")
def refused(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The server refuses a statement for something else than rows, and there is a known way round it.

    Why: the deploy stops there: a new enum value is used in the transaction that added it, a partition is
    half detached, a table is in use by its own session, a timeout is too short.
    Way out: the one that the finding names, with the names of its place.
    Example:
        BEGIN;
        ALTER TYPE priority ADD VALUE 'urgent';
        ALTER TABLE deals ADD COLUMN priority priority DEFAULT 'urgent';
        COMMIT;
    Instead:
        ALTER TYPE priority ADD VALUE 'urgent';
        ALTER TABLE deals ADD COLUMN priority priority DEFAULT 'urgent';
    Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    for statement in rehearsed.summary.statements:
        yield from _refused(statement)


@danger("extension-missing", "An extension is missing", "Partial failure")
def extension_missing(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A migration uses what an extension brings, and nobody creates the extension, or the server lacks it.

    Why: it works where somebody created the extension by hand once, and fails on every new database.
    Way out: create it in the migration, IF NOT EXISTS; have its files installed on every server first.
    Example:
        ALTER TABLE deals ADD COLUMN key uuid DEFAULT uuid_generate_v4();
    Instead:
        ALTER TABLE deals ADD COLUMN key uuid DEFAULT gen_random_uuid();
    Source: https://www.postgresql.org/docs/current/sql-createextension.html
    """
    for statement in rehearsed.summary.statements:
        yield from _not_installed(statement, rehearsed)
    yield from _not_created(rehearsed)
    yield from _needed(rehearsed)


@danger("verify-fails", "A verify script of the migration tool fails", "Data integrity")
def verify_fails(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A script that the tool keeps to check a migration fails once all migrations are applied.

    Why: what the script looks for is not there, though the migration reported success; `sqitch verify`
    fails in production as well.
    Way out: correct the migration, or the script where a later migration has changed what it looks for.
    Example:
        -- deploy/items.sql
        CREATE TABLE items (id int);
        -- verify/items.sql
        SELECT id, note FROM items WHERE false;
    Instead:
        -- deploy/items.sql
        CREATE TABLE items (id int, note text);
        -- verify/items.sql
        SELECT id, note FROM items WHERE false;
    Source: https://sqitch.org/docs/manual/sqitch-verify/
    """
    for verified in rehearsed.run.verified:
        if (error := verified.error) is not None:
            yield Finding(
                code="verify-fails",
                severity="error",
                migration=verified.migration,
                statement=None,
                relation=None,
                message=f"fails after the deploy: {error.message} ({error.sqlstate})",
                evidence={"sqlstate": error.sqlstate},
                fix="Correct the migration, or the script where a later migration changed what it looks for.",
                place=Place(verified.file, error.line),
            )


@danger("plpgsql-syntax", "PL/pgSQL that cannot be parsed", "Partial failure")
def plpgsql_syntax(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A DO block or function has a body that PL/pgSQL's own parser refuses.

    Why: the server looks at a body when it runs; the file may have done half of its work by then.
    Way out: a block with EXCEPTION in place of savepoints, which PL/pgSQL has none of; a dollar quote of its
    own for every body inside another one.
    Example:
        DO $$ BEGIN ROLLBACK TO SAVEPOINT before_all; END $$;
    Instead:
        DO $$ BEGIN UPDATE deals SET stage = 'open'; EXCEPTION WHEN check_violation THEN NULL; END $$;
    Source: https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-ERROR-TRAPPING
    """
    for statement in rehearsed.summary.statements:
        yield from _unparsable(statement)


def _rows_refused(
    statement: StatementSummary, migration: MigrationSummary, rehearsed: Rehearsed
) -> Iterator[Finding]:
    """A statement that the rows there are refuse."""
    error = statement.error
    if error is None or error.sqlstate is None or not error.sqlstate.startswith(_DATA_ERRORS):
        return
    if _reads_no_table(statement.text):
        return  # SELECT 1/0 says nothing of rows
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
            "constraint": error.constraint,
            "detail": error.detail,
            "failed_repeats": migration.failures,
            "repeats": migration.n,
        },
        remedy=_for_rows_refused(statement, error.sqlstate, query),
    )


def _reads_no_table(text: str) -> bool:
    node = statement_of(text)
    if node is None or node[0] != "select_stmt":
        return False
    return not any(True for type_name in ("RangeVar", "FuncCall") for _ in messages(node[1], type_name))


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


def _refused(statement: StatementSummary) -> Iterator[Finding]:
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


def _fails_on_any_row(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
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


def _not_installed(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """An extension that the server cannot install, or that nobody created before its names were used."""
    error = statement.error
    if error is None:
        return
    match = _EXTENSION.search(error.message)
    wanted = _MISSING_NAME.search(error.message)
    available = rehearsed.run.environment.server.extensions
    if match and error.sqlstate in ("0A000", "58P01"):
        name, what = match[1] or match[2], "this server has no files of extension"
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


def plpgsql_error(text: str) -> str | None:
    """What PL/pgSQL's own parser says against a DO block or a function; None where it has no objection.

    Where the grammar of SQL refuses the text, what that says; None for another language's body, too.
    """
    node = statement_of(text)
    if node is None:
        return _grammar_error(text)
    if not _has_plpgsql_body(*node):
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


def _unparsable(statement: StatementSummary) -> Iterator[Finding]:
    if not statement.kind.startswith(_PLPGSQL) or (error := plpgsql_error(statement.text)) is None:
        return
    savepoint = bool(_SAVEPOINTS.search(_COMMENT.sub("", statement.text)))
    yield finding(
        "plpgsql-syntax",
        "error",
        statement,
        f"{statement.kind} cannot be parsed: {error}" + ("; PL/pgSQL has no savepoints" if savepoint else ""),
        evidence={"line": statement.line, "error": error},
        remedy=Remedy(
            "Use a block with EXCEPTION, which rolls back to its own begin."
            if savepoint
            else "Give every body inside another one a dollar quote of its own, such as $body$."
        ),
    )


def _not_created(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Extensions whose functions are called, and that no migration creates."""
    statements = [(s, _COMMENT.sub("", s.text)) for s in rehearsed.summary.statements]
    created = {name.lower() for _, text in statements for name in _CREATES.findall(text)}
    own = {name.lower() for _, text in statements for name in _FUNCTIONS.findall(text)}
    for word, name in PROVIDED.items():
        if name in created or word in own:
            continue
        call = re.compile(rf"(?<![\w.\"]){word}\s*\(")
        statement = next((statement for statement, text in statements if call.search(text)), None)
        if statement is None:
            continue
        created.add(name)  # once is enough
        available = name in rehearsed.run.environment.server.extensions
        there = "" if available else ", and this server has no files of it"
        yield finding(
            "extension-missing",
            "info",
            statement,
            f"{word} is of extension {name}, which no migration creates: it must be there before{there}",
            evidence={"extension": name, "available": available, "line": statement.line},
            remedy=Remedy(f"Begin with CREATE EXTENSION IF NOT EXISTS {identifier(name)};"),
        )


def _needed(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Extensions without which a migration was tried, and failed."""
    for need in rehearsed.run.proofs.extensions:
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


def _dirt(rehearsed: Rehearsed) -> Iterator[Finding]:
    """``fails-on-data``, one for each way to fail, with the kinds of dirt that lead there."""
    failed = [proof for proof in rehearsed.run.proofs.dirt if proof.outcome == "failed"]
    for way in dict.fromkeys(map(_way, failed)):
        yield _dirt_finding([proof for proof in failed if _way(proof) == way])


def _way(proof: DirtProof) -> tuple[str | None, str | None, int | None]:
    error = proof.error
    return proof.migration, error.sqlstate if error else None, error.line if error else None


def _dirt_finding(proofs: Sequence[DirtProof]) -> Finding:
    first = next((proof for proof in proofs if proof.offending), proofs[0])
    alone = [proof.kinds[0] for proof in proofs if len(proof.kinds) == 1]
    if not first.kinds:
        what = f"{count(first.rows)} rows"
    elif alone:
        what = f"rows that are dirty by {', '.join(alone)}"
    else:
        what = f"rows that are dirty in all {len(first.kinds)} ways together, though in none of them alone"
    fewest = "the fewest rows that do" if first.smallest else "of the rows that do"
    rows = f"; {fewest}: {_rows(first.offending)}" if first.offending else ""
    return Finding(
        "fails-on-data",
        "error",
        first.migration,
        None,
        first.offending[0].relation if first.offending else None,
        f"{first.migration} fails {describe_error(first.error)} on {what}{rows}",
        {
            "kinds": alone,
            "dirty_rows": first.rows,
            "sqlstate": first.error.sqlstate if first.error else None,
            "rows": [f"{row.relation} {row.key}" for row in first.offending],
            "trials": first.trials,
        },
        "Let the migration meet such rows: match by a key of its own, leave out what cannot be decided, "
        "count it, and insert with ON CONFLICT.",
    )


def _rows(rows: Sequence[OffendingRow]) -> str:
    shown = [f"{row.relation} {row.key} {row.values[:ROW_SHOWN]}" for row in rows[:SHOWN]]
    return "; ".join(shown) + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
