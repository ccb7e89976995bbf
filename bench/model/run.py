"""The run: everything that one rehearsal measured. Its field names are the run file's, an interface.

SI base units stand in the names (``_s``, ``_bytes``, ``_per_s``). None means not known, and a
:class:`Note` says why; it is never written as 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bench.model.budget import Budget, BudgetCheck
from bench.model.deploy import HazardRecord, Try
from bench.model.finding import Acceptance, Finding, Verdict
from bench.model.forecast import ForecastDocument
from bench.model.index import IndexAudit
from bench.model.load import Access, ComparedRequest, Workload
from bench.model.loss import Changed, Gone, InvalidIndex
from bench.model.plan import Query, TableIndex, UserFunction
from bench.model.proof import (
    AccessCell,
    CrashPoint,
    CreatedObjects,
    DirtProof,
    ExtensionNeed,
    FailingFunction,
    IdempotenceProof,
    OwnerRights,
    PolicyCost,
    RollbackProof,
    SwallowedError,
    ValueTrial,
)
from bench.model.schemas import Schemas
from bench.model.statement import Onward, StatementError, StatementRun

SCHEMA_VERSION = 1

MigrationOutcome = Literal["applied", "failed", "skipped"]


MIGRATIONS = "migrations"
"""Subject of notes on which files are the migrations, in which order and by which tool."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader must know to read the figures: a missing privilege, a substitution."""

    subject: str
    text: str
    incomplete: bool = False
    """It tells of something that was asked for and was not measured, so that the run is incomplete."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The server that the run used."""

    kind: Literal["container", "embedded", "cluster", "dsn"]
    version: str
    version_num: int
    settings: dict[str, str]
    extensions: tuple[str, ...]
    """Names of the extensions that the server can install."""


@dataclass(frozen=True, slots=True)
class HostInfo:
    """The machine that the harness ran on."""

    os: str
    cpu: str
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Environment:
    server: ServerInfo
    host: HostInfo
    superuser: bool | None = None
    """Whether the migrations ran as a superuser, and not as a role that was asked for."""


@dataclass(frozen=True, slots=True)
class MigrationFile:
    id: str
    """Version and slug: the file's name without ``.sql``."""
    file: str
    """Path below the suite's directory."""
    sha256: str
    rollback_file: str | None
    transaction: str = "none"
    """What its runner puts in one transaction: ``none`` (each statement commits), ``file``, ``query`` (the
    whole file in an implicit one), ``all`` pending files, or ``where it can`` (Flyway)."""
    outside: str | None = None
    """A sentence that says how to have statements run outside that transaction; None where there is none."""


@dataclass(frozen=True, slots=True)
class SuiteInfo:
    name: str
    path: str
    base_sha256: str | None
    migrations: tuple[MigrationFile, ...]
    unpaired_rollbacks: tuple[str, ...] = ()
    """Rollback files that belong to no migration."""
    accepted: tuple[Acceptance, ...] = ()
    """The findings that the suite's authors accept."""
    budgets: tuple[Budget, ...] = ()
    """What its team allows the deploy."""
    deployed: tuple[MigrationFile, ...] = ()
    """Migrations that are part of the state before, and were applied unwatched."""
    tool: str = "plain"
    """The migration tool whose files these are, as ``--tool`` calls it."""


@dataclass(frozen=True, slots=True)
class TableSize:
    name: str
    rows: int
    bytes: int
    """Table with indexes and TOAST, as ``pg_total_relation_size`` has it."""


@dataclass(frozen=True, slots=True)
class TableKey:
    """By which columns a table's rows are found and parted."""

    name: str
    columns: tuple[str, ...]
    """Of the primary key, in its order; none where it has none."""
    partitioned_by: str | None = None
    """``pg_get_partkeydef``, for example ``RANGE (created_at)``."""
    partitions: tuple[str, ...] = ()
    """With their schemas; those of partitions not counted in."""
    default_partition: str | None = None
    effects: tuple[str, ...] = ()
    """What an UPDATE of all rows would set off beside its own work, in words."""
    forced: bool = False
    """Row security is on, and forced on the table's owner."""
    by_statement: tuple[str, ...] = ()
    """Triggers that fire once for each UPDATE or DELETE, whatever the number of rows."""
    populated: bool = True
    """False for a materialized view that nobody can read yet; others are not among the keys."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the tables held before the migrations; where the base filled them, no generator is named."""

    seed: int | None
    scale: float | None
    generator_version: str | None
    load_s: float | None
    """Time to generate and load it; where ``from_template``, the time that the first load took."""
    from_template: bool
    tables: tuple[TableSize, ...]
    dirt: dict[str, int] = field(default_factory=dict)
    """Planted dirty rows by kind."""
    pools_sha256: str | None = None
    faker_version: str | None = None
    keys: tuple[TableKey, ...] = ()
    """Of the tables before the migrations."""

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(table.rows for table in self.tables)

    @property
    def size_bytes(self) -> int:
        """Of all tables together."""
        return sum(table.bytes for table in self.tables)


@dataclass(frozen=True, slots=True)
class SamplerInfo:
    """How finely the lock sampler saw one repeat."""

    period_s: float
    """Median of the periods that were asked for: the sampler backs off while nothing changes."""
    samples: int
    gap_p50_s: float | None
    gap_p99_s: float | None
    read_p50_s: float | None
    """What one read of pg_locks took."""
    gap_ratio_p99: float | None = None
    """Each gap in periods: in the one that was in force at the time."""
    read_share: float | None = None
    """Part of the time in which a read was under way: more than its price in one processor's time."""
    lost_s: float = 0.0
    """For so long nobody looked, as the sampling session was lost and had to be opened again."""


@dataclass(frozen=True, slots=True)
class MigrationRun:
    id: str
    outcome: MigrationOutcome
    duration_s: float | None
    """Sum of its statements' durations: what the deploy needs, without the harness's own reads."""
    error: StatementError | None
    statements: tuple[StatementRun, ...]
    wall_s: float | None = None
    """First statement's start to last statement's end, the harness's reads between statements included."""
    onward: tuple[Onward, ...] = ()
    """Where it failed and the file has not set ON_ERROR_STOP: what psql without it would go on to do."""


@dataclass(frozen=True, slots=True)
class Repeat:
    index: int
    calibration_s: float | None
    """Median of the calibration query over the repeat."""
    migrations: tuple[MigrationRun, ...]
    workload: Workload | None = None
    """The application's traffic, in a loaded pass."""
    sampler: SamplerInfo | None = None
    hazard: HazardRecord | None = None
    """What was in the way of the migrations, in a pass with a hazard."""
    tries: tuple[Try, ...] = ()
    """Of every migration, where lock timeouts were tried again."""

    @property
    def deploy_s(self) -> float | None:
        """From the first statement's begin to the last one's end, as the traffic's clock has it."""
        spans = self.workload.statements if self.workload else ()
        if not spans:
            return None
        return max(span.end_s for span in spans) - min(span.begin_s for span in spans)


@dataclass(frozen=True, slots=True)
class Pass:
    kind: Literal["solo", "loaded"]
    hazard: str | None
    repeats: tuple[Repeat, ...]
    lock_timeout_s: float | None = None
    """Of the deploy's sessions, which tried again after a lock timeout; None: they waited without end, where
    a migration sets none itself."""
    retries: int | None = None

    @property
    def quiet(self) -> bool:
        """Whether there is traffic, and neither a hazard nor a lock timeout of ours in the deploy's way."""
        return self.kind == "loaded" and self.hazard is None and self.lock_timeout_s is None

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The traffic of its repeats."""
        return tuple(repeat.workload for repeat in self.repeats if repeat.workload is not None)


@dataclass(frozen=True, slots=True)
class Proofs:
    rollback: tuple[RollbackProof, ...] = ()
    crash_points: tuple[CrashPoint, ...] = ()
    idempotence: tuple[IdempotenceProof, ...] = ()
    access: tuple[AccessCell, ...] = ()
    policy_costs: tuple[PolicyCost, ...] = ()
    values: tuple[ValueTrial, ...] = ()
    dirt: tuple[DirtProof, ...] = ()
    owner_rights: tuple[OwnerRights, ...] = ()
    swallowed: tuple[SwallowedError, ...] = ()
    extensions: tuple[ExtensionNeed, ...] = ()
    created: tuple[CreatedObjects, ...] = ()
    failing_functions: tuple[FailingFunction, ...] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """One verify script of a migration tool, run once all migrations were applied."""

    migration: str
    file: str
    """Path from the suite's directory."""
    error: StatementError | None
    """The first statement that failed; None where all is as it should be."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rehearsal. Raw repeats are kept; every statistic is computed again from them."""

    schema_version: int
    tool_version: str
    run_id: str
    started_at: str
    """ISO 8601 with time zone."""
    finished_at: str | None
    """None while the run goes on, or where it was cut off."""
    environment: Environment
    suite: SuiteInfo
    dataset: Dataset | None
    passes: tuple[Pass, ...] = ()
    queries: tuple[Query, ...] = ()
    functions: tuple[UserFunction, ...] = ()
    """After the suite, where queries were explained."""
    table_indexes: tuple[TableIndex, ...] = ()
    """As the functions."""
    indexes: tuple[IndexAudit, ...] = ()
    """After the suite, where they were audited."""
    proofs: Proofs = field(default_factory=Proofs)
    gone: tuple[Gone, ...] = ()
    """What the first repeat of the solo pass took away of the state before."""
    changed: tuple[Changed, ...] = ()
    """What the same repeat left in another shape."""
    invalid_indexes: tuple[InvalidIndex, ...] = ()
    """Before or after the first repeat of the solo pass."""
    forecast: ForecastDocument | None = None
    findings: tuple[Finding, ...] = ()
    budgets: tuple[BudgetCheck, ...] = ()
    """What became of the suite's budgets."""
    verdict: Verdict | None = None
    notes: tuple[Note, ...] = ()
    longest_waits: tuple[LongestWait, ...] = ()
    """The longest wait of reads and that of writes, over all that was measured; none where nobody waits."""
    uncovered: tuple[UncoveredTable, ...] | None = None
    """What the traffic says nothing about, the longest hold first; None where there was no traffic."""
    texts: dict[str, str] = field(default_factory=dict)
    """In a run file, the full texts of long statements by their SHA-256, which stand cut in their places."""
    command: str | None = None
    """The command that made it, as it can be typed again; addresses of servers are left out."""
    verified: tuple[Verified, ...] = ()
    """What the migration tool's own verify scripts said after the last repeat of the solo pass."""
    requests: tuple[ComparedRequest, ...] = ()
    """The application's requests before and after the migrations, with nothing beside."""
    schemas: Schemas | None = None
    """The deploy over many schemas, where that was asked for."""

    @property
    def solo(self) -> tuple[Repeat, ...]:
        """The repeats with nothing beside them, in order."""
        return tuple(repeat for part in self.passes if part.kind == "solo" for repeat in part.repeats)

    @property
    def loaded(self) -> tuple[Pass, ...]:
        """The passes under traffic, in order."""
        return tuple(part for part in self.passes if part.kind == "loaded")

    @property
    def quiet(self) -> Pass | None:
        """The pass under traffic with nothing in the deploy's way."""
        return next((part for part in self.passes if part.quiet), None)

    def beside(self, hazard: str) -> tuple[Pass, ...]:
        """The passes beside a hazard: waiting as the files say, then with a lock timeout."""
        return tuple(part for part in self.loaded if part.hazard == hazard)

    def file_of(self, migration: str) -> str:
        """The file of a migration; its own name where the suite does not have it."""
        return next((file.file for file in self.suite.migrations if file.id == migration), migration)


WaitSource = Literal["table lock", "locked rows", "traffic", "hazard"]
"""``table lock`` and ``locked rows``: held so long by the deploy alone, so that others would have waited;
``traffic`` and ``hazard``: requests that did, with nothing in the deploy's way and beside a hazard."""


@dataclass(frozen=True, slots=True)
class UncoveredTable:
    """A table with rows that the deploy locks so that others wait, and that no request touches."""

    relation: str
    mode: str
    """Of the longest hold, as SQL names it."""
    held_s: float
    """The longest hold that agrees with what was seen."""
    place: str
    """``file:line`` of the statement that took the lock."""


@dataclass(frozen=True, slots=True)
class LongestWait:
    """For how long reads, or writes, wait at most, and where that was measured."""

    access: Access
    seconds: float
    source: WaitSource
    relation: str
    """What is waited for, or what the request is about, with its schema."""
    migration: str | None
    """Whose lock it is; None where a request's wait is not known to be for one."""
    statement: int | None
    place: str
    """``file:line``; of requests the name of their class."""
    mode: str | None = None
    """Of the table lock, as SQL names it."""
    rows: int | None = None
    """That are locked at once; None where they are changed in several transactions."""
    hazard: str | None = None
    lock_timeout_s: float | None = None
    """Of the pass beside a hazard, where it tried again."""
    away_s: float = 0.0
    """Seconds of it in which a recorded command was away, with its transaction open."""
