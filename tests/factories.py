"""Realistic runs for the tests of everything that reads a run file: no server, fixed clock, fixed ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.model.deploy import HazardRecord, Try
from bench.model.load import (
    BlockedBy,
    Cause,
    ClassLoad,
    LatencySummary,
    LoadSlot,
    LockSpan,
    RequestErrors,
    SchedulingDelay,
    StatementSpan,
    Wait,
    Workload,
)
from bench.model.lock import Lock, LockMode, LockSource
from bench.model.plan import NestedPlan, Query, QueryCost
from bench.model.run import (
    SCHEMA_VERSION,
    Dataset,
    Environment,
    HostInfo,
    MigrationFile,
    MigrationRun,
    Note,
    Pass,
    Repeat,
    Run,
    SamplerInfo,
    ServerInfo,
    SuiteInfo,
    TableSize,
)
from bench.model.statement import (
    Counters,
    Hanging,
    Rewrite,
    StatementError,
    StatementRun,
    TransactionMode,
    Validation,
)

MIB = 1024**2
JITTER = (1.0, 1.032, 0.974, 1.011, 0.989)
"""How much slower or faster each repeat was."""


@dataclass(frozen=True)
class Held:
    """A lock that a planned statement takes and keeps until its transaction ends."""

    relation: str
    mode: LockMode
    target: str = "table"
    new: bool = False
    table: str | None = None


@dataclass(frozen=True)
class Step:
    """A planned statement: what it is and what it costs in the first repeat."""

    line: int
    text: str
    kind: str
    duration_s: float
    transaction: TransactionMode = "file"
    locks: tuple[Held, ...] = ()
    wal_bytes: int | None = 0
    size_delta_bytes: int | None = 0
    rows: int | None = None
    temp_bytes: int = 0
    rewrites: tuple[Rewrite, ...] = ()
    validations: tuple[Validation, ...] = ()
    hanging: tuple[Hanging, ...] | None = None
    nested: tuple[NestedPlan, ...] = ()
    error: StatementError | None = None


def a_lock(
    relation: str = "public.deals",
    mode: LockMode = LockMode.ACCESS_EXCLUSIVE,
    held_s: float | None = 0.5,
    *,
    target: str = "table",
    new: bool = False,
    source: LockSource = "exact",
    table: str | None = None,
    bounds: tuple[float, float] | None = None,
    granted_at_s: float | None = 0.0,
) -> Lock:
    """One lock; bounds default to 10 ms around the hold."""
    if bounds is None and held_s is not None:
        bounds = (max(held_s - 0.005, 0.0), held_s + 0.005)
    released = None if held_s is None or granted_at_s is None else granted_at_s + held_s
    return Lock(
        relation=relation, mode=mode, target=target, new=new, source=source, waited_s=0.0, held_s=held_s,
        held_s_bounds=bounds, table=table, granted_at_s=granted_at_s, released_at_s=released,
    )  # fmt: skip


def a_statement(
    index: int = 0, text: str = "ALTER TABLE deals ADD COLUMN x int", **changes: object
) -> StatementRun:
    """One applied statement that took 0.5 s in a transaction of its own."""
    kind = " ".join(text.split()[:2]).upper()
    plain = StatementRun(
        index=index, line=10 * index + 1, text=text, kind=kind, transaction="own", outcome="applied",
        duration_s=0.5, calibration_s=0.002, rows=None, started_at_s=float(index), commit_s=0.001,
        counters=Counters(wal_bytes=8192, wal_records=12, size_delta_bytes=0), observed_s=0.0004,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_migration(
    statements: Sequence[StatementRun], id: str = "001_first", outcome: str | None = None
) -> MigrationRun:
    """A migration of these statements; failed where one of them failed."""
    error = next((each.error for each in statements if each.error), None)
    known = [each.duration_s for each in statements if each.duration_s is not None]
    return MigrationRun(
        id=id,
        outcome=outcome or ("failed" if error else "applied"),  # type: ignore[arg-type]
        duration_s=sum(known) if known else None,
        error=error,
        statements=tuple(statements),
        wall_s=sum(known) + 0.01 if known else None,
    )


def a_run(*repeats: Sequence[MigrationRun], queries: Sequence[Query] = (), notes: Sequence[Note] = ()) -> Run:
    """A finished run with one solo repeat per argument; the suite's files are those of the first repeat."""
    ids = [each.id for each in repeats[0]] if repeats else []
    return Run(
        schema_version=SCHEMA_VERSION,
        tool_version="0.1.0",
        run_id="20251103T091502Z-crm-7f3a9c",
        started_at="2025-11-03T09:15:02+00:00",
        finished_at="2025-11-03T09:17:41+00:00",
        environment=an_environment(),
        suite=SuiteInfo(
            name="crm",
            path="migrations/crm",
            base_sha256="5f" * 32,
            migrations=tuple(MigrationFile(id, f"{id}.sql", "ab" * 32, f"rollback/{id}.sql") for id in ids),
        ),
        dataset=None,
        passes=(
            Pass(
                kind="solo",
                hazard=None,
                repeats=tuple(
                    Repeat(
                        index, 0.0021, tuple(each), sampler=SamplerInfo(0.01, 4200, 0.0101, 0.0124, 0.0001)
                    )
                    for index, each in enumerate(repeats)
                ),
            ),
        )
        if repeats
        else (),
        queries=tuple(queries),
        notes=tuple(notes),
    )


def an_environment() -> Environment:
    """An embedded PostgreSQL 18 on a small machine."""
    settings = {"fsync": "on", "jit": "off", "maintenance_work_mem": "64MB", "shared_buffers": "128MB"}
    return Environment(
        server=ServerInfo("embedded", "18.0", 180000, settings, ("btree_gin", "pg_trgm", "plpgsql")),
        host=HostInfo(os="Linux 6.1", cpu="AMD EPYC 7B13", cores=2, memory_bytes=8 * 1024**3),
    )


def a_dataset() -> Dataset:
    """About three quarters of a million rows."""
    return Dataset(
        seed=1, scale=0.25, generator_version="1", load_s=21.4, from_template=True,
        tables=(
            TableSize("public.activities", 400_000, 118 * MIB),
            TableSize("public.contacts", 150_000, 41 * MIB),
            TableSize("public.deals", 125_000, 52 * MIB),
            TableSize("public.companies", 50_000, 11 * MIB),
        ),
        dirt={"email without @": 1250, "company name in other case": 812},
        pools_sha256="c0" * 32, faker_version="40.54.0",
    )  # fmt: skip


def a_base_dataset(rows: int = 1200) -> Dataset:
    """One table that the base filled, without a generator."""
    tables = (TableSize("public.deals", rows, MIB),)
    return Dataset(None, None, None, None, from_template=False, tables=tables)


@dataclass
class _Clock:
    """Where the simulated repeat is, and the locks that its open transaction holds."""

    now_s: float = 0.0
    open: list[tuple[int, Held, float]] = field(default_factory=list)


def play(id: str, steps: Sequence[Step], repeat: int = 0) -> MigrationRun:
    """Run the planned statements on a simulated clock; locks are held to the end of their transaction."""
    clock, factor, failed = _Clock(), JITTER[repeat], False
    statements: list[StatementRun] = []
    locks: dict[int, list[Lock]] = {}
    for index, step in enumerate(steps):
        start_s = clock.now_s
        if not failed:
            clock.now_s += step.duration_s * factor
            clock.open += [(index, held, start_s) for held in step.locks]
        statements.append(_executed(index, step, factor, start_s, skipped=failed))
        failed = failed or step.error is not None
        if failed or step.transaction != "file" or step.kind == "COMMIT":
            for taken_by, held, granted_s in clock.open:
                sampled = steps[taken_by].transaction == "none"
                locks.setdefault(taken_by, []).append(_released(held, granted_s, clock.now_s, sampled))
            clock.open = []
    done = [replace(each, locks=tuple(locks.get(each.index, ()))) for each in statements]
    return a_migration(done, id)


def _executed(index: int, step: Step, factor: float, start_s: float, *, skipped: bool) -> StatementRun:
    outcome = "skipped" if skipped else "failed" if step.error else "applied"
    counters = Counters(
        wal_bytes=step.wal_bytes,
        wal_records=None if step.wal_bytes is None else step.wal_bytes // 120,
        wal_fpi=None if step.wal_bytes is None else step.wal_bytes // 16384,
        blocks_hit=step.validations[0].rows // 40 + 31 if step.validations else 31,
        blocks_read=round(12 * factor),
        blocks_dirtied=None if step.wal_bytes is None else step.wal_bytes // 8192,
        temp_bytes=step.temp_bytes,
        size_delta_bytes=step.size_delta_bytes,
    )
    return StatementRun(
        index=index, line=step.line, text=step.text, kind=step.kind, transaction=step.transaction,
        outcome=outcome, duration_s=None if skipped else step.duration_s * factor,  # type: ignore[arg-type]
        calibration_s=None if skipped else 0.0021 * factor, rows=None if skipped else step.rows,
        counters=counters if outcome == "applied" else Counters(), rewrites=() if skipped else step.rewrites,
        validations=() if skipped else step.validations, hanging=step.hanging,
        nested=() if skipped else step.nested,
        error=None if skipped else step.error, started_at_s=None if skipped else start_s,
        commit_s=0.0008 if step.transaction == "own" and outcome == "applied" else None,
        observed_s=None if skipped or step.transaction == "none" else 0.0004,
    )  # fmt: skip


def _released(held: Held, granted_s: float, released_s: float, sampled: bool) -> Lock:
    longest = released_s - granted_s
    shortest = max(0.0, longest - 0.01)
    return a_lock(
        held.relation, held.mode, (shortest + longest) / 2, target=held.target, new=held.new,
        source="sampled" if sampled else "exact", table=held.table, bounds=(shortest, longest),
        granted_at_s=granted_s,
    )  # fmt: skip


def rich_run(repeats: int = 3) -> Run:
    """A whole report's worth: 4 migrations, 30 statements, locks, a rewrite, online index builds, queries."""
    from crm_steps import CRM_STEPS, QUERIES  # beside this file

    played = [[play(id, steps, repeat) for id, steps in CRM_STEPS.items()] for repeat in range(repeats)]
    notes = (
        Note("extension uuid-ossp", "not on this server; a stand-in built on gen_random_uuid() was used"),
        Note(
            "locks",
            "statements that refuse a transaction were sampled every 10 ms: shorter locks may be missed",
        ),
    )
    return replace(a_run(*played, queries=QUERIES, notes=notes), dataset=a_dataset())


def failed_run() -> Run:
    """The second migration dies on dirty data, in its one repeat; the last two are skipped."""
    from crm_steps import CRM_STEPS, DUPLICATE_NAME

    migrations: list[MigrationRun] = []
    for position, (id, steps) in enumerate(CRM_STEPS.items()):
        if position == 1:
            broken = [replace(s, error=DUPLICATE_NAME) if s.kind == "INSERT" else s for s in steps]
            migrations.append(play(id, broken))
        elif position == 0:
            migrations.append(play(id, steps))
        else:
            migrations.append(MigrationRun(id, "skipped", None, None, ()))
    return replace(a_run(migrations), dataset=a_dataset())


def empty_run() -> Run:
    """A suite without data, queries or repeats: cut off before its first statement."""
    run = a_run([], notes=[Note("run", "cut off before the first repeat ended")])
    first = MigrationFile("001_first", "001_first.sql", "ab" * 32, None)
    return replace(run, suite=replace(run.suite, migrations=(first,)), passes=(), finished_at=None)


def an_error(sqlstate: str | None = "23505", line: int | None = None) -> StatementError:
    """A unique violation."""
    return StatementError(
        sqlstate, 'could not create unique index "companies_name_key"',
        "Key (lower(name))=(acme inc) is duplicated.", line=line,
    )  # fmt: skip


def a_query(before_s: float | None = 0.1, after_s: float | None = 0.05, *, same_plan: bool = True) -> Query:
    """A workload query with a cost on each side for which a time is given."""

    def cost(seconds: float | None, fingerprint: str) -> QueryCost | None:
        if seconds is None:
            return None
        times = (seconds, seconds * 1.05, seconds * 0.97, seconds * 1.01, seconds * 0.99)
        return QueryCost(
            planning_s=0.0006, execution_s=seconds, rows=25, blocks=round(seconds * 40_000),
            fingerprint=fingerprint, plan={"Node Type": "Seq Scan"}, n=5, execution_s_all=times,
        )  # fmt: skip

    return Query(
        name="open deals by owner", kind="workload", text="SELECT * FROM deals WHERE owner_id = %(owner)s",
        before=cost(before_s, "a1"), after=cost(after_s, "a1" if same_plan else "b2"),
    )  # fmt: skip


def a_class(name: str = "deal list", **changes: object) -> ClassLoad:
    """A class of reads of which a few waited 1.2 s for an ALTER TABLE on deals."""
    cause = Cause("001_first", 0, "public.deals", "AccessExclusiveLock", True, "AccessShareLock")
    summary = LatencySummary(p50=0.002, p90=0.006, p99=1.19, p999=1.21, max=1.21)
    plain = ClassLoad(
        name=name, table="public.deals", access="read", sent=400, ok=398, failed=1, unfinished=1,
        latency_s=summary, blocked_s=1.2, worst_blocked_s=1.2, tables=("public.deals", "public.contacts"),
        role="authenticated", weight=20.0, offered_per_s=40.0, achieved_per_s=39.9, delayed=48,
        sent_after=100, rows_before=25.0, rows_after=24.8,
        latency_before_s=LatencySummary(0.002, 0.004, 0.008, 0.01, 0.011),
        errors=(RequestErrors("40001", 1, 0, 0, 1, "could not serialize access", 9.2),),
        blocked=((3.0, 4.2),), blocked_by=(BlockedBy(cause, 40, 1.2, 1.2),),
        heat="30 9:3 27:1;31 9:4", latency_hdr=None,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_workload(*classes: ClassLoad, **changes: object) -> Workload:
    """Ten seconds of traffic with one stall, of 1.2 s from second 3."""
    chosen = classes or (
        a_class(),
        a_class(
            "task completion", table="public.tasks", tables=("public.tasks",), access="write", blocked_s=0.0,
            worst_blocked_s=0.0, delayed=0, errors=(), blocked=(), blocked_by=(),
        ),
    )  # fmt: skip
    cause = Cause("001_first", 0, "public.deals", "AccessExclusiveLock", True, "AccessShareLock")
    plain = Workload(
        offered_per_s=80.0, classes=tuple(chosen),
        timeline=tuple(
            LoadSlot(slot / 10, 8, 8, 0, 3, 0, 2 if 30 <= slot < 42 else 0) for slot in range(100)
        ),
        capacity_per_s=160.0, achieved_per_s=79.8, scheduling_delay_s=SchedulingDelay(0.0004, 0.0021),
        duration_s=10.0, connections=32, seed=1,
        statements=(StatementSpan("001_first", 0, 3.0, 4.2),),
        waits=(Wait(chosen[0].name, 3.0, 1.2, (1.198, 1.202), cause),), wait_count=40, deadlocks=0,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def loaded_run(workload: Workload | None = None) -> Run:
    """A run with one solo and one loaded repeat of the same migration."""
    run = a_run([a_migration([a_statement()])])
    repeat = run.passes[0].repeats[0]
    loaded = Pass("loaded", None, (replace(repeat, workload=workload or a_workload()),))
    return replace(run, passes=(*run.passes, loaded), dataset=a_dataset())


def hazard_run() -> Run:
    """A loaded run, and beside it a long reader: waiting for it without end, and with tries of 2 s."""
    run = loaded_run()
    record = HazardRecord("long-reader", "a SELECT over 3 tables, open for 30 s", 30.0, 30.0, 0.05, True)
    quiet = run.passes[1].repeats[0]
    waiting = replace(quiet, workload=a_stalled_workload(30.0), hazard=record)
    tries = (
        *tuple(
            Try("001_first", n, 0, 0, "lock_timeout", 2.5 * (n - 1), 2.01, 2.0, 0.5) for n in range(1, 15)
        ),
        Try("001_first", 15, 0, None, "applied", 35.0, 0.5, None),
    )
    retried = replace(quiet, workload=a_stalled_workload(2.0), hazard=record, tries=tries)
    beside = (
        Pass("loaded", "long-reader", (waiting,)),
        Pass("loaded", "long-reader", (retried,), lock_timeout_s=2.0, retries=20),
    )
    return replace(run, passes=(*run.passes, *beside))


def a_span(granted: bool, surely_s: tuple[float, float], at_most_s: tuple[float, float]) -> LockSpan:
    """ACCESS EXCLUSIVE on deals, held or waited for."""
    return LockSpan("001_first", "public.deals", "AccessExclusiveLock", granted, surely_s, at_most_s)


def a_stalled_workload(stall_s: float) -> Workload:
    """Traffic in which the deploy waits for so long for ACCESS EXCLUSIVE on deals, with reads behind it."""
    cause = Cause("001_first", 0, "public.deals", "AccessExclusiveLock", False, "AccessShareLock")
    stalled = a_class(
        blocked_s=stall_s, worst_blocked_s=stall_s, errors=(), failed=0,
        blocked=((3.0, 3.0 + stall_s),), blocked_by=(BlockedBy(cause, 1214, stall_s, stall_s),),
        heat="",
    )  # fmt: skip
    last = round(10 * (stall_s + 6))
    return a_workload(
        stalled,
        statements=(StatementSpan("001_first", 0, 3.0, 3.5 + stall_s),),
        timeline=tuple(
            LoadSlot(s / 10, 8, 8, 0, 3, 0, 40 if 30 <= s < 30 + 10 * stall_s else 0) for s in range(last)
        ),
        duration_s=stall_s + 6,
        wait_count=1214,
        waits=(Wait("deal list", 3.0, stall_s, (stall_s - 0.01, stall_s), cause),),
        locks=(
            a_span(False, (3.0, 3.0 + stall_s), (3.0, 3.0 + stall_s)),
            a_span(True, (3.01 + stall_s, 3.4 + stall_s), (3.0 + stall_s, 3.5 + stall_s)),
        ),
    )  # fmt: skip
