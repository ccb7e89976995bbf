"""Each danger is found where it is planted, with its numbers, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from factories import a_lock, a_migration, a_run, a_statement, an_error, empty_run, failed_run, rich_run

from bench.analyse.conclude import conclude
from bench.model.budget import DEFAULT_LIMITS
from bench.model.finding import Finding
from bench.model.lock import Lock, LockMode
from bench.model.run import Run
from bench.model.statement import Counters, Rewrite, StatementRun, Validation
from bench.sql.names import bare, quoted

NOTICEABLE_S = DEFAULT_LIMITS.noticeable_s
AX, SHARE, SRX, SUX = (
    LockMode.ACCESS_EXCLUSIVE,
    LockMode.SHARE,
    LockMode.SHARE_ROW_EXCLUSIVE,
    LockMode.SHARE_UPDATE_EXCLUSIVE,
)


def find(*statements: StatementRun) -> tuple[Finding, ...]:
    return conclude(a_run([a_migration(statements)])).findings


def only(*statements: StatementRun) -> Finding:
    (finding,) = find(*statements)
    return finding


def rewriting(held_s: float | None = 0.5) -> StatementRun:
    return a_statement(
        text="ALTER TABLE deals ALTER COLUMN value TYPE text",
        locks=(a_lock(held_s=held_s), a_lock("public.deals_pkey", target="index", table="public.deals")),
        rewrites=(
            Rewrite("public.deals", "table", None, 30 * 1024**2),
            Rewrite("public.deals_pkey", "index", "public.deals", 4 * 1024**2),
        ),
        validations=(Validation("public.deals", 125_000, 2.0),),
        counters=Counters(wal_bytes=38_000_000),
    )


def building(
    held_s: float = 0.5, mode: LockMode = SHARE, text: str = "CREATE INDEX i ON deals (a)"
) -> StatementRun:
    return a_statement(
        text=text,
        locks=(
            a_lock(mode=mode, held_s=held_s),
            a_lock("public.i", AX, target="index", new=True, table="public.deals"),
        ),
        validations=(Validation("public.deals", 125_000, 1.0),),
        counters=Counters(size_delta_bytes=4096),
    )


def scanning(
    text: str = "ALTER TABLE deals ALTER COLUMN company_id SET NOT NULL", rows: int = 125_000
) -> StatementRun:
    return a_statement(text=text, locks=(a_lock(),), validations=(Validation("public.deals", rows, 1.0),))


def held_across(kept_s: float = 4.0, mode: LockMode = AX, new: bool = False) -> tuple[StatementRun, ...]:
    """A lock taken in 10 ms and held while another statement runs for ``kept_s``, to the commit."""
    lock = a_lock(mode=mode, held_s=0.011 + kept_s, new=new)
    return (
        a_statement(0, "BEGIN", kind="BEGIN", duration_s=0.0, started_at_s=0.0, transaction="file"),
        a_statement(1, duration_s=0.01, started_at_s=0.0, transaction="file", locks=(lock,)),
        a_statement(
            2,
            "UPDATE contacts SET a = 1",
            kind="UPDATE",
            duration_s=kept_s,
            started_at_s=0.01,
            transaction="file",
        ),
        a_statement(
            3, "COMMIT", kind="COMMIT", duration_s=0.001, started_at_s=0.01 + kept_s, transaction="file"
        ),
        a_statement(4, "ANALYZE deals", kind="ANALYZE", duration_s=9.0, started_at_s=0.02 + kept_s),
    )


def plain(kind: str = "CREATE INDEX CONCURRENTLY") -> StatementRun:
    return a_statement(text=f"{kind} i ON deals (a)", kind=kind, transaction="none", duration_s=0.25)


def test_a_rewrite_is_found_once_for_table_and_indexes_with_bytes_and_lock() -> None:
    finding = only(rewriting())
    assert (finding.code, finding.relation, finding.statement) == ("rewrite", "public.deals", 0)
    assert finding.evidence == {
        "bytes": 34 * 1024**2, "relations": ["public.deals", "public.deals_pkey"], "duration_s": 0.5,
        "wal_bytes": 38_000_000, "mode": "AccessExclusiveLock", "held_s": pytest.approx(0.505),
    }  # fmt: skip
    assert "34 MiB in 500 ms under ACCESS EXCLUSIVE on public.deals, held for up to 505 ms" in finding.message
    assert finding.fix is not None
    assert "public.deals" in finding.fix


def test_a_rewrite_of_unknown_size_has_no_size_rather_than_none_of_it() -> None:
    unknown = replace(rewriting(), rewrites=(Rewrite("public.deals", "table", None, None),))
    finding = only(unknown)
    assert "bytes" not in finding.evidence
    assert "anew: – in" in finding.message


def test_an_index_rewritten_alone_is_a_build_under_lock() -> None:
    finding = only(
        a_statement(
            text="REINDEX INDEX deals_pkey",
            locks=(a_lock(mode=SHARE), a_lock("public.deals_pkey", target="index", table="public.deals")),
            rewrites=(Rewrite("public.deals_pkey", "index", "public.deals", 8192),),
        )
    )
    assert finding.code == "index-built-under-lock"
    assert finding.sql == "-- outside a transaction\nREINDEX INDEX CONCURRENTLY deals_pkey;"


def test_an_index_build_that_blocks_writes_is_found_with_its_name_and_the_statement_to_use() -> None:
    finding = only(building())
    assert (finding.code, finding.relation) == ("index-built-under-lock", "public.deals")
    assert finding.evidence["index"] == "public.i"
    assert finding.evidence["mode"] == "ShareLock"
    assert finding.evidence["size_delta_bytes"] == 4096
    assert finding.sql == "-- outside a transaction\nCREATE INDEX CONCURRENTLY i ON deals (a);"


def test_a_unique_constraint_is_built_online_and_then_attached() -> None:
    finding = only(building(mode=AX, text="ALTER TABLE deals ADD CONSTRAINT i UNIQUE (a)"))
    assert finding.code == "index-built-under-lock"
    assert finding.sql is not None
    assert "CREATE UNIQUE INDEX CONCURRENTLY i ON deals USING btree (a);" in finding.sql
    assert "ALTER TABLE deals ADD CONSTRAINT i UNIQUE USING INDEX i;" in finding.sql


def test_a_scan_under_a_strong_lock_is_found_with_rows_and_seconds() -> None:
    finding = only(scanning())
    assert (finding.code, finding.relation) == ("scan-under-lock", "public.deals")
    assert finding.evidence["rows"] == 125_000
    assert "reads 125 k rows of public.deals in 500 ms under ACCESS EXCLUSIVE" in finding.message
    assert finding.sql is not None
    assert "CHECK (company_id IS NOT NULL) NOT VALID" in finding.sql


def test_a_scanning_constraint_is_to_be_added_not_valid() -> None:
    text = "ALTER TABLE deals ADD CONSTRAINT positive CHECK (value > 0)"
    assert only(scanning(text)).sql == (
        "ALTER TABLE deals ADD CONSTRAINT positive CHECK (value > 0) NOT VALID;\n"
        "-- in a transaction of its own\nALTER TABLE deals VALIDATE CONSTRAINT positive;"
    )


def test_a_lock_kept_while_a_later_statement_runs_is_found_with_the_time_it_was_kept() -> None:
    finding = only(*held_across(4.0))
    assert (finding.code, finding.statement, finding.relation) == ("held-across", 1, "public.deals")
    assert finding.evidence["kept_s"] == 4.0
    assert finding.evidence["later_statements"] == 1
    assert (
        "kept for 4.00 s after its own statement, most of it while 001_first.sql:21 (UPDATE)"
        in finding.message
    )
    assert finding.fix == "Commit before line 21, or lock public.deals (line 11) after it."


def test_a_kept_lock_that_blocks_writes_alone_is_found_too() -> None:
    assert only(*held_across(4.0, SHARE)).evidence["mode"] == "ShareLock"


def test_a_lock_is_worth_a_line_from_a_tenth_of_a_second_on() -> None:
    assert only(*held_across(NOTICEABLE_S)).code == "held-across"


def test_of_several_locks_on_a_table_the_one_kept_longest_is_named() -> None:
    begin, first, later, commit, after = held_across(4.0)
    second = replace(later, locks=(a_lock(mode=SHARE, held_s=4.001, granted_at_s=0.01),))
    third = replace(later, index=9, started_at_s=4.005, duration_s=0.2)
    assert only(begin, first, second, commit, after, third).statement == 1


def test_a_statement_that_begins_when_the_lock_is_gone_did_not_run_under_it() -> None:
    begin, first, later, commit, _ = held_across(4.0)
    lock = replace(first.locks[0], released_at_s=4.011)
    after = a_statement(4, duration_s=9.0, started_at_s=4.011)
    finding = only(begin, replace(first, locks=(lock,)), later, commit, after)
    assert finding.evidence["later_statements"] == 1


def test_an_index_that_a_rewrite_made_anew_is_not_a_build_of_its_own() -> None:
    rewrite = rewriting()
    made = a_lock("public.deals_value", AX, target="index", new=True, table="public.deals")
    assert only(replace(rewrite, locks=(*rewrite.locks, made))).code == "rewrite"


def test_a_refusal_by_the_data_is_found_with_sqlstate_and_row() -> None:
    finding = only(a_statement(outcome="failed", error=an_error()))
    assert (finding.code, finding.severity) == ("fails-on-data", "error")
    assert finding.evidence == {
        "sqlstate": "23505", "detail": "Key (lower(name))=(acme inc) is duplicated.",
        "failed_repeats": 1, "repeats": 1,
    }  # fmt: skip
    assert "acme inc" in finding.message


@pytest.mark.parametrize("sqlstate", ["42P01", "57014", "40P01", "P0001", None])
def test_other_errors_prove_nothing_about_the_data(sqlstate: str | None) -> None:
    found = find(a_statement(outcome="failed", error=an_error(sqlstate)))
    assert "fails-on-data" not in {each.code for each in found}


def test_statements_outside_a_transaction_are_one_note_per_file_with_their_lines() -> None:
    finding = only(plain(), replace(plain(), index=1, line=30))
    assert (finding.code, finding.severity) == ("non-transactional", "info")
    assert finding.evidence == {
        "statements": 2, "duration_s": 0.5, "lines": [1, 30], "kinds": ["CREATE INDEX CONCURRENTLY"],
    }  # fmt: skip
    assert "INVALID index" in finding.message
    assert "2 statements run outside a transaction for 500 ms" in finding.message
    assert finding.fix is not None
    assert "DROP INDEX CONCURRENTLY" in finding.fix
    vacuum = only(plain("VACUUM"))
    assert "1 statement runs outside a transaction for 250 ms" in vacuum.message
    assert "INVALID" not in vacuum.message
    assert vacuum.fix == "Make each of them safe to run again."


WITH_LOCK: Sequence[Callable[[float], StatementRun]] = (
    rewriting,
    building,
    lambda held_s: replace(scanning(), locks=(a_lock(held_s=held_s),)),
)


@pytest.mark.parametrize("plant", WITH_LOCK, ids=["rewrite", "index", "scan"])
@pytest.mark.parametrize(
    ("held_s", "severity"),
    [(0.5, "info"), (0.995, "info"), (1.1, "warning"), (9.995, "warning"), (10.1, "error")],
)
def test_severity_follows_the_measured_hold(
    plant: Callable[[float], StatementRun], held_s: float, severity: str
) -> None:
    assert only(plant(held_s)).severity == severity


def test_an_unknown_hold_is_a_warning() -> None:
    assert only(rewriting(None)).severity == "warning"


@pytest.mark.parametrize(("kept_s", "severity"), [(0.5, "info"), (5.0, "warning"), (12.0, "error")])
def test_severity_of_a_kept_lock_follows_its_whole_hold(kept_s: float, severity: str) -> None:
    assert only(*held_across(kept_s)).severity == severity


def without_locks(statement: StatementRun, *locks: Lock) -> StatementRun:
    return replace(statement, locks=locks)


@pytest.mark.parametrize(
    "statements",
    [
        (a_statement(locks=(a_lock(),)),),
        (without_locks(scanning(), a_lock(new=True)),),
        (without_locks(scanning(), a_lock(mode=SUX)),),
        (without_locks(scanning(), a_lock("public.contacts")),),
        (without_locks(scanning()),),
        (scanning(rows=0),),
        (without_locks(building(), *building().locks[1:]),),
        (building(mode=SUX),),
        (without_locks(building(), *(replace(lock, new=True) for lock in building().locks)),),
        (a_statement(text="CREATE INDEX IF NOT EXISTS i ON deals (a)", locks=(a_lock(mode=SHARE),)),),
        held_across(NOTICEABLE_S / 2),
        held_across(mode=SUX),
        held_across(new=True),
        (replace(plain(), transaction="own"),),
        (replace(plain(), kind="SET"),),
    ],
    ids=[
        "strong lock, no work", "scan of a new table", "validation under a weak lock",
        "lock on another table", "scan without a lock", "scan of an empty table",
        "index without lock on the table", "online index build",
        "index on a new table", "index that existed already", "lock kept for a moment", "weak lock kept",
        "new table kept", "in a transaction", "setting outside a transaction",
    ],
)  # fmt: skip
def test_what_harms_nobody_is_not_reported(statements: Sequence[StatementRun]) -> None:
    assert find(*statements) == ()


@pytest.mark.parametrize("make", [rich_run, failed_run, empty_run])
def test_findings_stand_severest_first_and_name_places_that_exist(make: Callable[[], Run]) -> None:
    run = make()
    findings = conclude(run).findings
    severities = [("error", "warning", "info").index(finding.severity) for finding in findings]
    assert severities == sorted(severities)
    ids = {migration.id for migration in run.suite.migrations}
    for finding in findings:
        assert finding.migration in ids
        assert finding.sentence.startswith(f"{finding.migration}.sql:")
        assert finding.sentence == f"{finding.place}: {finding.message}"
        assert finding.fix
        assert None not in finding.evidence.values()


def test_the_realistic_run_holds_exactly_what_was_planted() -> None:
    assert [finding.code for finding in conclude(rich_run()).findings] == [
        "non-transactional", "rewrite", "index-built-under-lock", "non-transactional",
    ]  # fmt: skip
    assert "fails-on-data" in {finding.code for finding in conclude(failed_run()).findings}


TOAST = a_lock("pg_toast.pg_toast_1", target="toast", table="public.deals")
TOAST_INDEX = a_lock("pg_toast.pg_toast_1_index", target="index", table="public.deals")
TOAST_REWRITES = (
    Rewrite("pg_toast.pg_toast_1", "toast", "public.deals", 8192),
    Rewrite("pg_toast.pg_toast_1_index", "index", "public.deals", 8192),
)


def fix_of(finding: Finding) -> str:
    assert finding.fix is not None
    return finding.fix


def test_toast_is_counted_with_its_table_and_never_named() -> None:
    plan = rewriting()
    finding = only(
        replace(plan, locks=(*plan.locks, TOAST, TOAST_INDEX), rewrites=(*plan.rewrites, *TOAST_REWRITES))
    )
    assert finding.evidence["bytes"] == 34 * 1024**2 + 16384
    assert "pg_toast" not in f"{finding}"


def test_a_toast_index_built_again_with_the_others_is_part_of_the_table() -> None:
    finding = only(
        a_statement(
            text="REINDEX TABLE deals",
            locks=(a_lock(mode=SHARE), TOAST_INDEX),
            rewrites=(Rewrite("public.i", "index", "public.deals", 8192), TOAST_REWRITES[1]),
        )
    )
    assert finding.code == "index-built-under-lock"
    assert finding.sql == "-- outside a transaction\nREINDEX TABLE CONCURRENTLY deals;"
    assert "pg_toast" not in f"{finding}"


def test_a_toast_table_added_by_a_column_is_no_index_build() -> None:
    new = (replace(TOAST, new=True), replace(TOAST_INDEX, new=True))
    assert find(a_statement(locks=(a_lock(), *new))) == ()


def test_indexes_made_anew_by_a_change_of_type_are_a_rewrite() -> None:
    text = 'ALTER TABLE deals ALTER COLUMN a TYPE text COLLATE "C"'
    rewritten = a_statement(
        text=text, locks=(a_lock(),), rewrites=(Rewrite("public.i", "index", "public.deals", 8192),)
    )
    for finding in (only(rewritten), only(building(mode=AX, text=text))):
        assert finding.code == "rewrite"
        assert "CONCURRENTLY" not in fix_of(finding)


def test_what_is_built_concurrently_is_not_built_under_a_lock() -> None:
    online = replace(building(), kind="CREATE INDEX CONCURRENTLY", validations=())
    again = a_statement(
        kind="REINDEX INDEX CONCURRENTLY",
        locks=(a_lock(mode=SHARE),),
        rewrites=(Rewrite("public.i", "index", "public.deals", 8192),),
    )
    assert find(online, again) == ()


def foreign_key(text: str, deals_rows: int = 125_000) -> StatementRun:
    return a_statement(
        text=text,
        locks=(a_lock("public.orgs", SRX), a_lock(mode=SRX)),
        validations=(Validation("public.orgs", 9_000, 1.0), Validation("public.deals", deals_rows, 1.0)),
    )


@pytest.mark.parametrize(
    "name", ["deals", "public.deals", "IF EXISTS ONLY Deals", '"public" . "deals"'],
)  # fmt: skip
def test_a_foreign_key_is_one_finding_on_the_table_that_gets_it(name: str) -> None:
    finding = only(foreign_key(f"ALTER TABLE {name} ADD FOREIGN KEY (o) REFERENCES orgs (id)"))
    assert finding.relation == "public.deals"
    assert fix_of(finding).startswith("Add the constraint to public.deals as NOT VALID")


def test_a_foreign_key_of_an_empty_table_is_no_scan_of_the_other() -> None:
    assert find(foreign_key("ALTER TABLE deals ADD FOREIGN KEY (o) REFERENCES public.orgs", 0)) == ()
    unread = foreign_key("ALTER TABLE deals ADD FOREIGN KEY (o) REFERENCES public.orgs")
    assert find(replace(unread, validations=unread.validations[:1])) == ()


def test_where_the_text_names_no_table_the_strongest_then_earliest_lock_decides() -> None:
    dynamic = foreign_key("DO $$ BEGIN PERFORM add_keys(); END $$")
    later = replace(dynamic, locks=(a_lock("public.orgs", SRX, granted_at_s=0.2), a_lock(mode=SRX)))
    stronger = replace(later, locks=(a_lock("public.orgs", AX, granted_at_s=0.2), a_lock(mode=SRX)))
    assert only(later).relation == "public.deals"
    assert only(stronger).relation == "public.orgs"


def test_a_partition_is_checked_before_it_is_attached() -> None:
    scan = scanning("ALTER TABLE all_deals ATTACH PARTITION deals FOR VALUES FROM (1) TO (9)")
    parent = a_statement(9, "CREATE TABLE all_deals (id int) PARTITION BY RANGE (id)")
    found = next(each for each in find(scan, parent) if each.code == "scan-under-lock")
    assert "ATTACH PARTITION then needs no scan" in fix_of(found)
    assert found.sql is not None
    assert found.sql.startswith(
        "ALTER TABLE deals ADD CONSTRAINT deals_bounds "
        "CHECK (id IS NOT NULL AND id >= 1 AND id < 9) NOT VALID;"
    )


def test_names_in_a_fix_are_quoted_where_they_need_it() -> None:
    weird = a_statement(
        text='ALTER TABLE "Weird Name" ADD CHECK (a > 0)',
        locks=(a_lock("public.Weird Name"),),
        validations=(Validation("public.Weird Name", 10, 1.0),),
    )
    assert fix_of(only(weird)).startswith('Add the constraint to public."Weird Name" as NOT VALID')
    assert 'ALTER TABLE "Weird Name" VALIDATE CONSTRAINT "Weird Name_a_check"' in (only(weird).sql or "")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("public.deals", "public.deals"),
        ("deals", "deals"),
        ("public.t_1$", "public.t_1$"),
        ("Crm.deals", '"Crm".deals'),
        ("public.1st", 'public."1st"'),
        ('public.a"b', 'public."a""b"'),
        ("public.a.b", 'public."a.b"'),
        ("public.naïve", 'public."naïve"'),
    ],
)
def test_each_part_of_a_name_is_quoted_by_itself(name: str, written: str) -> None:
    assert quoted(name) == written
    assert bare(name) == (written.partition(".")[2] or written)


def test_the_text_decides_before_the_lock_does() -> None:
    itself = scanning("ALTER TABLE deals ADD FOREIGN KEY (parent) REFERENCES deals (id)")
    assert only(itself).relation == "public.deals"
    attached = foreign_key("ALTER TABLE all_deals ATTACH PARTITION deals FOR VALUES IN (1)")
    default = replace(attached, locks=(a_lock("public.orgs", AX), a_lock(mode=SRX)))
    assert only(default).relation == "public.deals"
