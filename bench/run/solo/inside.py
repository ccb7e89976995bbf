"""The pass that looks inside statements: plans and times of the SQL hidden in them, on a clone of its own.

It runs what the solo pass ran, plainly, as psql would: no observers, no transactions of ours. Looking costs
time, so none of its durations is a statement's; they are compared with each other alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.migrate.suite import Migration
from bench.model.plan import AtSize, GrowthOf, NestedPlan
from bench.model.run import Note, Repeat
from bench.model.statement import Statement, StatementRun
from bench.observe.counters import CountReader
from bench.observe.explain import fingerprint
from bench.observe.nested import CannotLookInsideError, NestedReader, NestedWork, text_key
from bench.pg.server import Server
from bench.run.execute import describe_error, execute
from bench.run.progress import Progress, Step
from bench.run.scripts import Scripts, StatementKey, sessions
from bench.run.solo.watch import connect_counters
from bench.run.template.options import DataOptions

SMALLER = 4
"""The second size is a quarter of the first: a quadratic statement takes a sixteenth of the time there."""
UNKNOWN_SHARE = 0.1
"""A statement's work counts as known where what left no plan took no more than this share of it."""

PLANS = Note(
    "statements inside",
    "Plans and times of what ran inside statements (DO blocks, functions, triggers, foreign-key checks) come "
    "from a pass of their own, on a fresh clone; no duration of a statement holds the cost of looking, and "
    "what the plans' messages cost is taken off the times inside. Nodes are not timed, as that would distort "
    "large joins: rows show where the work is. In a statement of more than 2 s a plan is kept only for what "
    "took a ten-thousandth of it.",
)


@dataclass(frozen=True, slots=True)
class HiddenPass:
    """What was found, by statement, and why it ended early if it did."""

    found: Mapping[StatementKey, NestedWork]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class LookingInside:
    """Runs the suite on one clone and reads what its statements run inside."""

    server: Server
    scripts: Scripts
    clone: str
    counters: str | None
    """Database with pg_stat_statements, None where the server cannot have it."""
    reached: Mapping[StatementKey, StatementRun]
    """What the solo pass reached: nothing else is run."""
    progress: Progress
    title: str
    fuller: Mapping[StatementKey, NestedWork] | None = None
    """What the same pass found on SMALLER times the data; None: this is all that the solo pass had."""
    kept: bool = False
    """All files in one session."""

    def run(self) -> HiddenPass:
        """Apply file after file, up to the first statement that fails.

        Raises psycopg.Error where the connection breaks.
        """
        works: dict[StatementKey, NestedWork] = {}
        with ExitStack() as stack:
            counts = None
            if self.counters is not None:
                conn = stack.enter_context(connect_counters(self.server, self.counters))
                counts = CountReader(conn, self.clone)
            connect = partial(
                self.server.as_itself().connect,
                self.clone,
                application_name="pgrehearse plans",
                kind="deploy",
            )
            session = stack.enter_context(sessions(connect, kept=self.kept))
            readers: dict[int, NestedReader] = {}
            for migration, statements in self.scripts:
                try:
                    with session() as conn:
                        reader = readers.get(id(conn)) or self._reader(conn)
                        readers = {id(conn): reader}
                        note = self._migration(migration, statements, reader, counts, works)
                except CannotLookInsideError as error:
                    return HiddenPass({}, (_cannot(error),))
                if note is not None:
                    return HiddenPass(works, note)
        return HiddenPass(works)

    def _migration(
        self,
        migration: Migration,
        statements: Sequence[Statement],
        reader: NestedReader,
        counts: CountReader | None,
        works: dict[StatementKey, NestedWork],
    ) -> tuple[Note, ...] | None:
        """Apply one file; a tuple says that the pass ends here."""
        self.progress(Step(f"{self.title}, {migration.id}"))
        for statement in statements:
            place = (migration.id, statement.index)
            solo = self.reached.get(place)
            if solo is None:
                return ()
            works[place], error = self._look(place, statement, reader, counts)
            if error is not None:
                return () if solo.outcome == "failed" else (_ended(migration, statement, error),)
        ends = reader.conn.info.transaction_status == TransactionStatus.IDLE or self.kept
        return None if ends else ()

    def _reader(self, conn: psycopg.Connection[TupleRow]) -> NestedReader:
        """What looks into a session, which becomes the deployer's: he may not load auto_explain himself."""
        reader = NestedReader(conn)
        self.server.become_deployer(conn)
        return reader

    def _look(
        self, place: StatementKey, statement: Statement, reader: NestedReader, counts: CountReader | None
    ) -> tuple[NestedWork, psycopg.Error | None]:
        """Execute one statement and return what was seen of it, its end by an error included."""
        solo_s = self.reached[place].duration_s or 0.0
        expected_s = solo_s if self.fuller is None else solo_s / SMALLER
        fuller = self.fuller.get(place) if self.fuller is not None else None
        reader.begin(statement.text, expected_s, counters=counts is not None)
        if counts is not None:
            counts.reset()
        failure: psycopg.Error | None = None
        begin = time.perf_counter()
        try:
            execute(reader.conn, statement)
        except psycopg.Error as error:
            if reader.conn.closed:
                raise
            failure = error
        duration_s = time.perf_counter() - begin
        counted = counts.read() if counts is not None else []
        price_s = None if fuller is None else fuller.price_s
        return reader.result(duration_s, counted, failure=failure, price_s=price_s), failure


def reached_in(repeat: Repeat) -> dict[StatementKey, StatementRun]:
    """The statements that ran in a repeat of the solo pass."""
    return {
        (migration.id, statement.index): statement
        for migration in repeat.migrations
        for statement in migration.statements
        if statement.outcome != "skipped"
    }


def put_inside(repeat: Repeat, works: Mapping[StatementKey, NestedWork]) -> Repeat:
    """The repeat with what was found inside its statements."""

    def filled(migration_id: str, statement: StatementRun) -> StatementRun:
        inside = works.get((migration_id, statement.index))
        if inside is None:
            return statement
        return replace(
            statement,
            nested=inside.nested,
            nested_left_out=inside.left_out,
            explained_s=inside.duration_s,
        )

    return replace(
        repeat,
        migrations=tuple(
            replace(
                migration,
                statements=tuple(filled(migration.id, statement) for statement in migration.statements),
            )
            for migration in repeat.migrations
        ),
    )


def put_growth(
    repeat: Repeat, smaller: Mapping[StatementKey, NestedWork], *, rows: tuple[int, int]
) -> Repeat:
    """The repeat with the growth of its statements and of what ran inside them.

    ``smaller`` is what the same pass found on less data; ``rows`` are those of all tables, there and here.
    """

    def compared(migration_id: str, statement: StatementRun) -> StatementRun:
        small = smaller.get((migration_id, statement.index))
        if small is None or statement.outcome != "applied" or statement.explained_s is None:
            return statement
        sizes = (
            AtSize(rows[0], small.duration_s, 1, _whole_work(small.nested)),
            AtSize(rows[1], statement.explained_s, 1, _whole_work(statement.nested)),
        )
        by_text = {(plan.level == 0, text_key(plan.text)): plan for plan in small.nested}
        nested = tuple(
            _grown(plan, by_text.get((plan.level == 0, text_key(plan.text))), rows)
            for plan in statement.nested
        )
        exponent, growth_of = (None, None) if _otherwise_planned(nested) else growth(sizes)
        return replace(statement, nested=nested, sizes=sizes, growth=exponent, growth_of=growth_of)

    return replace(
        repeat,
        migrations=tuple(
            replace(
                migration,
                statements=tuple(compared(migration.id, statement) for statement in migration.statements),
            )
            for migration in repeat.migrations
        ),
    )


def _grown(full: NestedPlan, small: NestedPlan | None, rows: tuple[int, int]) -> NestedPlan:
    if small is None:
        return full
    sizes = (
        AtSize(rows[0], small.duration_s, small.calls, small.work, _shape(small)),
        AtSize(rows[1], full.duration_s, full.calls, full.work, _shape(full)),
    )
    exponent, growth_of = growth(sizes)
    return replace(full, sizes=sizes, growth=exponent, growth_of=growth_of)


def _otherwise_planned(nested: Sequence[NestedPlan]) -> bool:
    """Whether a good part of the work, or else of the time, was planned otherwise at the smaller size."""
    changed = [
        plan for plan in nested if len({size.shape for size in plan.sizes if size.shape is not None}) > 1
    ]
    whole, whole_s = _whole_work(nested), max((plan.duration_s for plan in nested), default=0.0)
    if whole is not None:
        return sum(plan.work or 0.0 for plan in changed) > UNKNOWN_SHARE * whole
    return any(plan.duration_s > UNKNOWN_SHARE * whole_s for plan in changed)


def _shape(nested: NestedPlan) -> str | None:
    return None if nested.plan is None else fingerprint(nested.plan)


def _whole_work(nested: Sequence[NestedPlan]) -> float | None:
    """The work of all plans together: each has its own nodes, however deep it ran."""
    unknown_s = sum(plan.duration_s for plan in nested if plan.work is None)
    if not nested or unknown_s > UNKNOWN_SHARE * max(plan.duration_s for plan in nested):
        return None
    return sum(plan.work for plan in nested if plan.work is not None)


def smaller(options: DataOptions) -> DataOptions:
    """The data of the second size: scale and rows of single tables divided, one row at least left."""
    if options.own_sizes:
        return replace(options, share=options.share / SMALLER)
    rows = {table: max(rows // SMALLER, 1) for table, rows in options.rows.items()}
    return replace(options, scale=options.scale / SMALLER, rows=rows)


ONE_SIZE = Note(
    "growth",
    "How statements grow with the data is not known, as there is one size of them. A second one is measured "
    "with --fill, or with --size NAME=N where the base makes :NAME rows.",
)


def growth_note(rows: tuple[int, int]) -> Note:
    """Say what growth was measured on."""
    return Note(
        "growth",
        f"Growth compares two sizes, {rows[0]:,} and {rows[1]:,} rows in all tables: the exponent of the "
        "rows that plans handle, or of the time where no plan counts them (1 linear, 2 quadratic).",
    )


def _cannot(error: CannotLookInsideError) -> Note:
    return Note(
        "statements inside",
        f"What ran inside statements is not known: auto_explain cannot be used on this server ({error}).",
    )


def _ended(migration: Migration, statement: Statement, error: psycopg.Error) -> Note:
    said = describe_error(error, statement)
    file = statement.file or migration.path.name
    where = f"{file}:{said.line or statement.line}"
    return Note(
        "statements inside",
        f"The pass that looks inside statements ended at {where}: {said.message}.",
        incomplete=True,
    )


LEAST_S, LEAST_SMALL_S = 0.05, 0.002
"""Shorter durations, at the full and at the smaller size, say nothing about growth."""
LEAST_WORK = 1000
"""Rows at the full size; of fewer, as in ``SELECT f()``, the exponent means nothing."""
LEAST_RATIO = 1.5
"""Sizes that differ by less give no exponent."""


def growth(sizes: Sequence[AtSize]) -> tuple[float | None, GrowthOf | None]:
    """The exponent, and of what it is: of the work where both sizes have it, else of the time."""
    if len(sizes) < 2:
        return None, None
    small, full = sizes[0], sizes[-1]
    if None not in (small.shape, full.shape) and small.shape != full.shape:
        return None, None
    if small.data_rows <= 0 or full.data_rows < LEAST_RATIO * small.data_rows:
        return None, None
    scale = math.log(full.data_rows / small.data_rows)
    if small.work and full.work and full.work >= LEAST_WORK:
        return math.log(full.work / small.work) / scale, "work"
    if small.duration_s >= LEAST_SMALL_S and full.duration_s >= LEAST_S:
        return math.log(full.duration_s / small.duration_s) / scale, "time"
    return None, None
