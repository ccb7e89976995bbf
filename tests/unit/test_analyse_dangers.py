"""Dangers of locks, rows, failures and words: each is found where it is planted, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_base_dataset, a_lock, a_migration, a_run, a_statement, an_error

from bench.analyse.conclude import conclude
from bench.analyse.dangers.claims import read_estimate
from bench.analyse.findings import BY_CODE
from bench.model.finding import Finding
from bench.model.lock import LockMode
from bench.model.run import Dataset, Run, TableKey, TableSize
from bench.model.statement import AdvisoryLock, Block, RowChanges, StatementError, StatementRun

AX, SHARE, RX = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE, LockMode.ROW_EXCLUSIVE


def run_of(*statements: StatementRun, rows: int = 50_000, outcome: str | None = None) -> Run:
    dataset = Dataset(
        None, None, None, None, from_template=False,
        tables=(TableSize("public.deals", rows, 4096),), keys=(TableKey("public.deals", ("id",)),),
    )  # fmt: skip
    return replace(a_run([a_migration(statements, outcome=outcome)]), dataset=dataset)


def find(*statements: StatementRun, code: str, **made: object) -> list[Finding]:
    found = conclude(run_of(*statements, **made)).findings  # type: ignore[arg-type]
    assert {each.code for each in found} <= BY_CODE.keys()
    return [each for each in found if each.code == code]


def only(*statements: StatementRun, code: str, **made: object) -> Finding:
    (finding,) = find(*statements, code=code, **made)
    return finding


# Long blocks that no work explains


@pytest.mark.parametrize(
    ("mode", "code"), [(AX, "blocks-reads"), (SHARE, "blocks-writes")], ids=["reads", "writes"]
)
def test_a_long_block_without_another_cause_is_told_with_a_retry(mode: LockMode, code: str) -> None:
    finding = only(a_statement(text="TRUNCATE deals", locks=(a_lock(mode=mode, held_s=1.5),)), code=code)
    assert (finding.severity, finding.relation) == ("warning", "public.deals")
    assert "            TRUNCATE deals;\n            RETURN;" in (finding.sql or "")


def test_a_short_block_is_none() -> None:
    assert find(a_statement(locks=(a_lock(held_s=0.9),)), code="blocks-reads") == []


def test_an_index_that_is_dropped_is_to_be_dropped_concurrently() -> None:
    dropped = a_statement(text="DROP INDEX public.a, b CASCADE", locks=(a_lock(held_s=2.0),))
    assert only(dropped, code="blocks-reads").sql == (
        "-- outside a transaction\nDROP INDEX CONCURRENTLY public.a;\n"
        "-- outside a transaction\nDROP INDEX CONCURRENTLY b;"
    )


# Fan-out


def block(relation: str, op: str = "SELECT", waits_on: str = "public.deals") -> Block:
    return Block(relation, op, waits_on, "relation", "AccessShareLock")


def blocking(*blocks: Block, held_s: float | None = 0.5) -> StatementRun:
    return a_statement(locks=(a_lock(held_s=held_s),), blocks=blocks)


def test_commands_on_other_relations_that_wait_are_told_with_the_hold() -> None:
    finding = only(
        blocking(block("public.deals"), block("public.open_deals"), block("public.notes", "INSERT")),
        code="fan-out",
    )
    assert finding.relation == "public.deals"
    assert "SELECT on public.open_deals; INSERT on public.notes wait for it too" in finding.message
    assert finding.evidence["others"] == ["public.open_deals", "public.notes"]
    assert finding.severity == "info"


@pytest.mark.parametrize(("held_s", "severity"), [(2.0, "warning"), (11.0, "error"), (None, "warning")])
def test_fan_out_is_as_severe_as_its_hold(held_s: float | None, severity: str) -> None:
    assert only(blocking(block("public.v"), held_s=held_s), code="fan-out").severity == severity


def test_of_a_migration_only_the_longest_hold_of_a_relation_fans_out() -> None:
    short = blocking(block("public.v"), held_s=0.2)
    finding = only(short, replace(blocking(block("public.v"), held_s=0.4), index=1), code="fan-out")
    assert finding.statement == 1


@pytest.mark.parametrize(
    "statement",
    [
        blocking(block("public.deals")),
        blocking(block("public.v"), held_s=0.01),
        blocking(),
        blocking(Block("public.v", "UPDATE", "public.deals", "transactionid", "ShareLock")),
    ],
    ids=["the table itself", "a moment", "nothing was tried", "a row"],
)
def test_what_blocks_nobody_else_does_not_fan_out(statement: StatementRun) -> None:
    assert find(statement, code="fan-out") == []


def test_on_empty_tables_no_hold_is_too_short_to_tell() -> None:
    assert find(blocking(block("public.v"), held_s=0.001), code="fan-out", rows=0)


def test_an_index_lock_is_felt_through_its_table() -> None:
    index = a_lock("public.i", target="index", table="public.deals")
    own = a_statement(locks=(a_lock(), index), blocks=(block("public.deals", waits_on="public.i"),))
    assert find(own, code="fan-out") == []


# lock_timeout


def unbounded(index: int = 0, **changes: object) -> StatementRun:
    made = a_statement(index, locks=(a_lock(held_s=0.01),), lock_timeout_s=0.0, lock_timeout_source="default")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_waits_without_end_are_one_finding_for_the_file() -> None:
    finding = only(unbounded(), unbounded(1), unbounded(2, lock_timeout_s=2.0), code="no-lock-timeout")
    assert (finding.severity, finding.statement) == ("warning", 0)
    assert finding.evidence["statements"] == 2
    assert "as does 1 more of the file" in finding.message
    assert (finding.sql or "").startswith("SET lock_timeout = '2s';\n")


@pytest.mark.parametrize(
    "statement",
    [
        unbounded(lock_timeout_s=None),
        unbounded(lock_timeout_s=2.0),
        unbounded(locks=(a_lock(new=True),)),
        unbounded(locks=(a_lock(mode=LockMode.SHARE_UPDATE_EXCLUSIVE),)),
        unbounded(locks=()),
        unbounded(kind="DROP INDEX CONCURRENTLY"),
    ],
    ids=["not read", "bounded", "new table", "weak lock", "no lock", "concurrently"],
)
def test_a_bounded_or_harmless_wait_is_none(statement: StatementRun) -> None:
    assert find(statement, code="no-lock-timeout") == []


# Rows


def updating(
    rows: int = 20_000, held_s: float = 3.0, text: str = "UPDATE deals SET a = 1", **changes: object
) -> StatementRun:
    made = a_statement(
        text=text, kind=text.split()[0], duration_s=held_s, locks=(a_lock(mode=RX, held_s=held_s),),
        row_changes=(RowChanges("public.deals", 0, rows, 0),),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_backfill_tells_its_rows_and_seconds_and_its_own_batches() -> None:
    finding = only(updating(), code="row-locks")
    assert (finding.severity, finding.relation) == ("warning", "public.deals")
    assert "keeps 20 k of 50 k rows of public.deals locked for up to 3.0" in finding.message
    assert finding.evidence["rows"] == 20_000
    assert "UPDATE deals SET a = 1 WHERE deals.id >= batch_low AND deals.id <= batch_high;" in (
        finding.sql or ""
    )


def test_rows_are_locked_until_their_transaction_ends() -> None:
    early = updating(held_s=0.05, transaction="file", locks=(a_lock(mode=RX, held_s=5.0),))
    assert only(early, code="row-locks").evidence["locked_s"] == pytest.approx(5.0, abs=0.01)


def test_rows_that_a_lock_of_an_earlier_statement_covers_count_from_their_own() -> None:
    opening = a_statement(0, transaction="file", locks=(a_lock(mode=RX, held_s=6.0),))
    later = updating(held_s=0.5, transaction="file", locks=(), index=1, started_at_s=4.0)
    assert only(opening, later, code="row-locks").evidence["locked_s"] == pytest.approx(2.0)


def test_rows_changed_with_a_trigger_off_are_not_to_be_changed_in_batches_with_it_off() -> None:
    off = a_statement(0, "ALTER TABLE deals DISABLE TRIGGER t", kind="ALTER TABLE")
    on = a_statement(1, "ALTER TABLE deals ENABLE TRIGGER t", kind="ALTER TABLE")
    update = updating(index=2, line=21)
    beside = only(off, update, code="row-locks")
    assert beside.sql is None
    assert "Leave the trigger on" in (beside.fix or "")
    assert "Leave the trigger on" not in (only(off, on, update, code="row-locks").fix or "")


@pytest.mark.parametrize(
    ("rows", "held_s", "severity"),
    [(20_000, 12.0, "error"), (20_000, 0.5, "info"), (999, 12.0, "info"), (1000, 2.0, "warning")],
)
def test_severity_of_row_locks_follows_seconds_and_rows(rows: int, held_s: float, severity: str) -> None:
    assert only(updating(rows, held_s), code="row-locks").severity == severity


@pytest.mark.parametrize(
    "statement",
    [
        updating(held_s=0.05),
        updating(rows=0),
        updating(row_changes=(RowChanges("public.deals", 9000, 0, 0),)),
        updating(row_changes=()),
    ],
    ids=["a moment", "no rows", "inserted", "new table"],
)
def test_rows_that_nobody_else_can_want_are_none(statement: StatementRun) -> None:
    assert find(statement, code="row-locks") == []


def test_a_block_that_commits_inside_is_told_only_where_its_batches_take_long() -> None:
    batched = updating(
        held_s=2.5, text="DO $$ BEGIN UPDATE deals SET a = 1; COMMIT; END $$", transaction="none"
    )
    finding = only(batched, code="row-locks")
    assert "in transactions of up to 2.5" in finding.message
    assert (finding.fix, finding.sql) == ("Make the batches smaller, so that others wait for less.", None)
    assert find(updating(held_s=0.9, transaction="none"), code="row-locks") == []


def test_where_no_key_is_known_the_way_out_is_in_words() -> None:
    run = replace(run_of(updating()), dataset=a_base_dataset())
    finding = next(each for each in conclude(run).findings if each.code == "row-locks")
    assert finding.sql is None
    assert "in batches along its key" in (finding.fix or "")


# Emptied tables


def emptying(**changes: object) -> StatementRun:
    made = a_statement(text="TRUNCATE deals", kind="TRUNCATE", truncated=("public.deals",), locks=(a_lock(),))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_an_emptied_table_is_told_with_the_rows_that_it_held() -> None:
    finding = only(emptying(), code="truncated")
    assert (finding.severity, finding.relation, finding.evidence["rows"]) == (
        "warning",
        "public.deals",
        50_000,
    )
    assert (finding.sql or "").startswith("BEGIN;")
    assert "CREATE TABLE public.deals_before AS TABLE public.deals;\nTRUNCATE deals;" in (finding.sql or "")


def test_an_empty_table_loses_nothing() -> None:
    assert find(emptying(), code="truncated", rows=0) == []
    assert find(emptying(truncated=()), code="truncated") == []
    assert find(emptying(locks=(a_lock(new=True),)), code="truncated") == []


# The shared lock table


def with_settings(statement: StatementRun, **settings: str) -> list[Finding]:
    run = run_of(statement)
    server = replace(run.environment.server, settings=settings)
    found = conclude(replace(run, environment=replace(run.environment, server=server))).findings
    return [each for each in found if each.code == "lock-table-full"]


@pytest.mark.parametrize(("locks", "severity"), [(3300, "warning"), (6400, "warning"), (700, "info")])
def test_a_lock_table_that_fills_up_is_told_with_both_counts(locks: int, severity: str) -> None:
    (finding,) = with_settings(
        a_statement(lock_count=locks), max_locks_per_transaction="64", max_connections="100"
    )
    assert (finding.severity, finding.evidence["locks"], finding.evidence["lock_table"]) == (
        severity,
        locks,
        6400,
    )
    assert "max_locks_per_transaction = " in (finding.sql or "")


def test_few_locks_or_an_unknown_table_are_none() -> None:
    settings = {"max_locks_per_transaction": "64", "max_connections": "100"}
    assert with_settings(a_statement(lock_count=640), **settings) == []
    assert with_settings(a_statement(lock_count=None), **settings) == []
    assert with_settings(a_statement(lock_count=9000)) == []
    assert with_settings(a_statement(lock_count=640), **settings, max_prepared_transactions="10") == []


# Advisory locks


def test_an_advisory_lock_is_told_once_with_how_to_release_it() -> None:
    held = (AdvisoryLock("42", "ExclusiveLock"),)
    finding = only(
        a_statement(0, "SELECT pg_advisory_lock(42)", advisory=held), a_statement(1, advisory=held),
        code="advisory-lock",
    )  # fmt: skip
    assert (finding.severity, finding.statement, finding.evidence["key"]) == ("info", 0, "42")
    assert "the end of its session, 500 ms" in finding.message
    assert finding.sql == "SELECT pg_advisory_unlock(42);"
    assert find(a_statement(), code="advisory-lock") == []


# Failures


def failed(sqlstate: str, message: str, text: str = "CREATE EXTENSION x", **changes: object) -> StatementRun:
    error = StatementError(sqlstate, message, line=changes.get("line"))  # type: ignore[arg-type]
    return replace(a_statement(text=text, outcome="failed", error=error), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sqlstate", "message", "name"),
    [
        ("0A000", 'extension "postgis" is not available', "postgis"),
        (
            "58P01",
            'could not open extension control file "/usr/share/extension/postgis.control": No such file',
            "postgis",
        ),
        ("42883", "function uuid_generate_v4() does not exist", "uuid-ossp"),
        ("42883", "function public.crypt(text, text) does not exist", "pgcrypto"),
        ("42704", 'operator class "gin_trgm_ops" does not exist for access method "gin"', "pg_trgm"),
        ("42704", 'type "citext" does not exist', "citext"),
    ],
)
def test_a_missing_extension_is_named(sqlstate: str, message: str, name: str) -> None:
    finding = only(failed(sqlstate, message), code="extension-missing")
    assert (finding.severity, finding.evidence["extension"]) == ("error", name)


def test_an_extension_that_only_has_to_be_created_is_told_how() -> None:
    finding = only(failed("42704", 'operator class "gin_trgm_ops" does not exist'), code="extension-missing")
    assert finding.sql == "CREATE EXTENSION IF NOT EXISTS pg_trgm;"
    assert finding.evidence["available"] is True


@pytest.mark.parametrize(
    ("sqlstate", "message"),
    [
        ("42883", "function my_own(text) does not exist"),
        ("42P01", 'relation "x" does not exist'),
        ("0A000", "no"),
    ],
)
def test_other_failures_are_no_missing_extension(sqlstate: str, message: str) -> None:
    assert find(failed(sqlstate, message), code="extension-missing") == []


@pytest.mark.parametrize(
    ("text", "sqlstate", "query"),
    [
        ("ALTER TABLE deals ALTER a SET NOT NULL", "23502", "SELECT * FROM deals WHERE a IS NULL;"),
        (
            "ALTER TABLE deals ADD CHECK (a > 0)",
            "23514",
            "SELECT * FROM deals WHERE NOT (a > 0);",
        ),
        (
            "CREATE UNIQUE INDEX i ON deals (lower(n)) WHERE a > 1",
            "23505",
            "SELECT lower(n), count(*) FROM deals WHERE (lower(n)) IS NOT NULL AND (a > 1) "
            "GROUP BY 1 HAVING count(*) > 1;",
        ),
        (
            "ALTER TABLE notes ADD FOREIGN KEY (d) REFERENCES deals",
            "23503",
            "SELECT child.* FROM notes AS child WHERE child.d IS NOT NULL "
            "AND NOT EXISTS (SELECT FROM deals AS parent WHERE parent.id = child.d);",
        ),
        (
            "ALTER TABLE deals ALTER a TYPE int",
            "22P02",
            "SELECT * FROM deals WHERE NOT pg_input_is_valid(a::text, 'int');",
        ),
        ("INSERT INTO deals VALUES (1)", "23505", None),
    ],
)
def test_the_rows_in_the_way_can_be_listed(text: str, sqlstate: str, query: str | None) -> None:
    run = failed(sqlstate, "rows are refused", text)
    assert run.error is not None
    finding = only(replace(run, error=replace(run.error, constraint="c")), code="fails-on-data")
    assert (finding.sql, finding.evidence["constraint"]) == (query, "c")


def transaction(*inner: StatementRun, end: str | None = "COMMIT") -> tuple[StatementRun, ...]:
    """The statements between BEGIN and its end, numbered from 0."""
    begin = a_statement(0, "BEGIN", kind="BEGIN", transaction="file")
    body = [replace(each, index=i, line=10 * i + 1, transaction="file") for i, each in enumerate(inner, 1)]
    closing = [a_statement(len(inner) + 1, end, kind=end, transaction="file")] if end else []
    return (begin, *body, *closing)


def test_what_a_failed_file_had_committed_is_counted() -> None:
    made = a_statement(0, "CREATE TABLE t ()", kind="CREATE TABLE", locks=(a_lock("public.t", new=True),))
    changed = updating(rows=7, index=1, line=11)
    finding = only(
        made, changed, replace(failed("42P01", "no"), index=2, line=21), code="side-effect-on-failure"
    )
    assert finding.evidence == {"statements": 2, "new_relations": 1, "changed_rows": 7, "last_line": 11}
    assert "2 statements, 1 new relation and 7 changed rows up to line 11 stay" in finding.message
    assert "BEGIN and COMMIT" in (finding.fix or "")


def test_a_failure_inside_a_transaction_leaves_nothing_of_it() -> None:
    *inside, _ = transaction(updating(), failed("42P01", "no"))
    assert find(*inside, code="side-effect-on-failure") == []
    before = transaction(updating())
    after = replace(failed("42P01", "no"), index=3)
    assert only(*before, after, code="side-effect-on-failure").evidence["statements"] == 1
    assert find(failed("42P01", "no"), code="side-effect-on-failure") == []
    assert find(updating(), code="side-effect-on-failure") == []


def test_a_file_that_never_commits_is_no_success() -> None:
    finding = only(*transaction(updating(), end=None), code="false-success", outcome="failed")
    assert (finding.severity, finding.sql) == ("error", "COMMIT;")
    assert "psql exits 0" in finding.message


def test_work_that_the_file_takes_back_is_told() -> None:
    finding = only(*transaction(updating(rows=5), end="ROLLBACK"), code="false-success")
    assert (finding.severity, finding.evidence) == ("warning", {"statements": 1, "changed_rows": 5})
    assert find(*transaction(updating()), code="false-success") == []
    assert find(*transaction(end="ROLLBACK"), code="false-success") == []


def test_an_index_that_is_dropped_before_it_is_built_needs_no_guard() -> None:
    build = a_statement(
        1, "CREATE INDEX CONCURRENTLY i ON s.t (a)", kind="CREATE INDEX CONCURRENTLY", transaction="none"
    )
    drop = a_statement(
        0, "DROP INDEX CONCURRENTLY IF EXISTS s.i", kind="DROP INDEX CONCURRENTLY", transaction="none"
    )
    assert (
        only(build, code="non-transactional").sql
        == "DROP INDEX CONCURRENTLY IF EXISTS s.i; -- before line 11"
    )
    assert only(drop, build, code="non-transactional").sql is None


# Words about time


@pytest.mark.parametrize(
    ("comment", "low_s", "high_s"),
    [
        ("Estimated time: 5-10 minutes", 300.0, 600.0),
        ("Expected duration: ~2s", 2.0, 2.0),
        ("this takes < 1 second", 0.0, 1.0),
        ("Execution time: about 30 min on production", 1800.0, 1800.0),
        ("should take less than 5 minutes", 0.0, 300.0),
        ("Estimated execution time: 200 ms", 0.2, 0.2),
        ("Runs in approx. 1.5 hours", 5400.0, 5400.0),
        ("Takes up to 3 to 4 s", 0.0, 4.0),
        ("Expected to be instant", 0.0, 1.0),
    ],
)
def test_estimates_are_read(comment: str, low_s: float, high_s: float) -> None:
    estimate = read_estimate(comment)
    assert estimate is not None
    assert (estimate.low_s, estimate.high_s) == (low_s, high_s)


@pytest.mark.parametrize(
    "comment", ["Adds 10 columns", "estimated_duration_minutes integer", "takes 3 tables", "about 5 deals"]
)
def test_other_words_are_no_estimate(comment: str) -> None:
    assert read_estimate(comment) is None


def with_comment(comment: str, duration_s: float) -> StatementRun:
    return a_statement(text=f"-- {comment}\nUPDATE deals SET a = 1", kind="UPDATE", duration_s=duration_s)


@pytest.mark.parametrize(
    ("comment", "duration_s"),
    [
        ("Estimated time: 1 second", 3.0),
        ("Estimated time: 100 ms", 0.5),
        ("Estimated time: 5-10 minutes", 2.0),
    ],
)
def test_an_estimate_that_is_wrong_is_told_with_both(comment: str, duration_s: float) -> None:
    finding = only(with_comment(comment, duration_s), code="estimate-wrong")
    assert finding.severity == "info", "words are no danger"
    assert finding.evidence["measured_s"] == duration_s


@pytest.mark.parametrize("duration_s", [0.5, 1.0, 1.4])
def test_an_estimate_that_fits_is_none(duration_s: float) -> None:
    assert find(with_comment("Estimated time: 1 second", duration_s), code="estimate-wrong") == []


def test_on_empty_tables_nothing_is_too_fast() -> None:
    assert find(with_comment("Estimated time: 1 hour", 0.1), code="estimate-wrong", rows=0) == []


FROZEN = """\
-- Timed.
DO $$
DECLARE
    started timestamptz := now();
BEGIN
    PERFORM 1;
    RAISE NOTICE 'took %', {expression};
END $$"""


@pytest.mark.parametrize(
    "expression", ["now() - started", "CURRENT_TIMESTAMP - started", "transaction_timestamp() - started"]
)
def test_a_timer_that_stands_still_is_told_with_its_line(expression: str) -> None:
    text = FROZEN.format(expression=expression)
    finding = only(a_statement(text=text, kind="DO", line=2), code="timer-frozen")
    assert (finding.severity, finding.evidence["line"]) == ("info", 7)
    assert expression in finding.message


@pytest.mark.parametrize(
    "text",
    [
        FROZEN.format(expression="clock_timestamp() - started"),
        FROZEN.format(expression="now() - interval '1 day'"),
        FROZEN.format(expression="now() - created_at"),
        FROZEN.replace("now()", "clock_timestamp()").format(expression="now() - started"),
        "SELECT now() - now()",
    ],
)
def test_other_clocks_and_dates_run(text: str) -> None:
    assert find(a_statement(text=text, kind="DO"), code="timer-frozen") == []


def test_a_refusal_by_the_data_is_still_found_among_the_others() -> None:
    assert only(a_statement(outcome="failed", error=an_error()), code="fails-on-data").severity == "error"
