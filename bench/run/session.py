"""The rehearsal: a template, the solo pass on clones of it, verify scripts, the costs of queries."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import psycopg

from bench.errors import Interrupted, ServerError, Unreachable
from bench.migrate.migration import Part
from bench.migrate.suite import Suite
from bench.migrate.transactions import read_alone
from bench.model.run import MigrationRun, Note, Repeat, Run, Verified
from bench.model.statement import StatementError
from bench.observe.sampler import SamplerTrace, describe_sampling
from bench.pg.globals import changes_since
from bench.pg.server import Server
from bench.pg.sessions import describe_loss
from bench.run.clones import clone, own_roles, without_data
from bench.run.costs import cost_queries
from bench.run.draft import RunDraft, Save, new_run
from bench.run.execute import describe_error, first_failure, psql_variables
from bench.run.guard import check_mix
from bench.run.progress import Progress, Step
from bench.run.record.folder import note_on_end, read_end, read_recording
from bench.run.schemas import SchemaOptions, over_schemas, schemas_like, within
from bench.run.scripts import Scripts, divide, name_of, read_scripts, sessions, together
from bench.run.solo.apply import MigrationApplier
from bench.run.solo.changes import changed_between, is_measured, measure_after, measure_before
from bench.run.solo.drift import compare_skips, put_skips, skipping
from bench.run.solo.execution import not_reached
from bench.run.solo.inside import (
    ONE_SIZE,
    PLANS,
    HiddenPass,
    LookingInside,
    growth_note,
    put_growth,
    put_inside,
    reached_in,
    smaller,
)
from bench.run.solo.losses import (
    Objects,
    count_after,
    count_before,
    gone_between,
    invalid_between,
    is_counted,
    read_objects,
)
from bench.run.solo.onward import go_on
from bench.run.solo.waits import WAITS, fell_short, missed, put_blocks
from bench.run.solo.watch import Watch, counters_database, watch
from bench.run.template.keep import Template, template_key
from bench.run.template.options import DataOptions
from bench.run.template.prepare import fill_added_columns, template
from bench.run.trace import trace_in
from bench.run.traffic.onepass import TrafficOptions
from bench.run.traffic.passes import (
    HazardOptions,
    LoadedPasses,
    blocked_tables,
    compared_requests,
    fitting,
    refuse_hazards,
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to rehearse, and how often."""

    repeats: int = 3
    explain: bool = True
    probe: bool = True
    load: TrafficOptions | None = None
    """None: no loaded pass."""
    hazards: HazardOptions = field(default_factory=HazardOptions)
    """What the loaded pass is repeated beside."""
    schemas: SchemaOptions | None = None
    """The deploy over many schemas, too."""
    data: DataOptions = field(default_factory=DataOptions)


CACHED = Note(
    "template",
    "The data before the migrations come from the cache of templates, where an earlier run put them: the "
    "time to load them is that of the first load.",
)

UNSAMPLED_S = 0.1
"""A lock that was held for less is not worth a reader's time."""

Then = Callable[[Template, RunDraft], None]
"""What else to do with the template while it stands, and where to put what comes of it."""


def rehearse(
    server: Server,
    suite: Suite,
    options: RunOptions,
    *,
    run_id: str,
    save: Save,
    progress: Progress,
    then: Then | None = None,
) -> Run:
    """Rehearse a suite on a server and return the run; ``save`` gets every state of it.

    Raises UsageError for a file that cannot be used, ServerError where the server goes away, Interrupted on
    Ctrl-C; what was measured until then has been saved. A migration that fails is no error here: the run
    holds it.
    """
    server = replace(server, deploys_as=options.data.role)
    scripts = read_scripts(server, suite, options.data)
    refuse_hazards(server, options.hazards)
    check_mix(server, options.load.mix if options.load is not None else None)
    load, notes = fitting(server, options.load)
    draft = RunDraft(new_run(run_id, server, suite), save)
    draft.update()
    draft.note(*notes)
    with ending_in_words(server), noting_changes(server, draft):
        Rehearsal(server, suite, scripts, replace(options, load=load), draft, progress, then).run()
    return draft.finish()


@contextmanager
def ending_in_words(server: Server) -> Iterator[None]:
    """Ctrl-C as Interrupted, a session that ended and a query of ours that was refused as ServerError."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; what was measured until then is kept", hint="bench report, to see how far it came"
        ) from None
    except (psycopg.OperationalError, Unreachable) as error:
        raise describe_loss(server.endpoint, error) from error


@contextmanager
def noting_changes(server: Server, *drafts: RunDraft) -> Iterator[None]:
    """Note in the runs what changed meanwhile on a server that is not ours."""
    try:
        yield
    finally:
        if (changes := changes_since(server)) is not None:
            for draft in drafts:
                draft.note(Note("server", changes))


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What every step of one rehearsal needs."""

    server: Server
    suite: Suite
    scripts: Scripts
    options: RunOptions
    draft: RunDraft
    progress: Progress
    then: Then | None = None

    def run(self) -> None:
        with (
            counters_database(self.server) as counters,
            template(self.server, self.suite, self.options.data, self.progress) as prepared,
        ):
            self.draft.update(dataset=prepared.dataset)
            self.draft.note(*prepared.notes, *((CACHED,) if prepared.dataset.from_template else ()))
            self._in_first_schema(prepared)._steps(prepared, counters)

    def _in_first_schema(self, prepared: Template) -> Rehearsal:
        """The same rehearsal, whose sessions look into the first of the schemas that the base has."""
        wanted = self.options.schemas
        if wanted is None or wanted.like is None:
            return self
        with clone(self.server, prepared.dbname, "schemas") as dbname:
            first, *_ = schemas_like(self.server, dbname, wanted.like)
        return replace(self, server=within(self.server, first))

    def _steps(self, prepared: Template, counters: str | None) -> None:
        """Everything that is done with the template, in its order."""
        repeats = self.options.repeats
        for index in range(repeats):
            self.progress(Step(f"solo pass, repeat {index + 1} of {repeats}"))
            self.solo_repeat(index, prepared.dbname, counters, last=index == repeats - 1)
            if self.draft.failed is not None:
                break
        if (load := self.options.load) is not None:
            LoadedPasses(
                self.server,
                self.suite,
                self.scripts,
                load,
                self.options.hazards,
                self.draft,
                self.progress,
            ).run(prepared.dbname)
        self._over_schemas(prepared)
        self._compare_skips(prepared)
        if self.options.probe:
            self._try_application(prepared)
        if self.options.explain:
            self._look_inside(prepared, counters)
        if self.then is not None:
            self.then(prepared, self.draft)

    def _over_schemas(self, prepared: Template) -> None:
        """Apply the suite to many schemas, where it is wanted and works on one."""
        if self.options.schemas is not None and self.draft.failed is None:
            measured = over_schemas(
                self.server, self.suite, self.scripts, prepared, self.options.schemas, self.progress
            )
            self.draft.update(schemas=measured)

    def solo_repeat(self, index: int, prepared: str, counters: str | None, *, last: bool) -> None:
        """Apply everything on a fresh clone; cost the queries on the last one."""
        with (
            own_roles(self.server),
            clone(self.server, prepared, "solo") as dbname,
        ):
            self._repeat(index, dbname, counters)
            self._hold_against_command(dbname)
            if index == 0:
                self._count_gone(prepared)
            if last and self.draft.failed is None:
                self._note_stand_ins(dbname)
                self._compare(prepared, dbname)
                self.draft.update(verified=tuple(verify(self.server, dbname, self.suite)))

    def _hold_against_command(self, dbname: str) -> None:
        """Where the suite is a recorded command, see that its statements leave what the command left."""
        recording = read_recording(self.suite.path)
        if recording is None or self.draft.failed is not None:
            return
        with self.server.connect(dbname, application_name="pgrehearse compare") as conn:
            end = read_end(conn)
        self.draft.note(note_on_end(recording, end, template_key(self.suite, self.options.data)))

    def _repeat(self, index: int, dbname: str, counters: str | None) -> None:
        """Apply the migrations in order; after one that failed the others are not reached."""
        done: list[MigrationRun] = []
        named = [(migration.id, statements) for migration, statements in self.scripts]
        connect = partial(self.server.connect, dbname, application_name="pgrehearse migration", kind="deploy")
        with (
            watch(self.server, dbname, counters) as watching,
            sessions(connect, kept=self.suite.runner.keeps_session) as session,
            ExitStack() as ending,
        ):
            before = read_objects(watching.observer) if index == 0 else {}
            keep = partial(self._keep, index, done, watching)
            ending.callback(keep)
            for group in together(named):
                statements = [statement for _, script in group for statement in script]
                with session() as conn:
                    applier = MigrationApplier(
                        name_of(group), statements, conn, watching, repeat=index, progress=self.progress
                    )
                    try:
                        applier.run()
                    finally:
                        result = applier.result()
                        if result.outcome == "failed":
                            self._take_stock(before, watching)
                            result = go_on(conn, statements, result, watching)
                        done += divide(result, group)
                        if self.draft.is_due(index * len(named) + len(done)):
                            keep()
                if done[-1].outcome != "applied":
                    return
            self._take_stock(before, watching)

    def _keep(self, index: int, done: Sequence[MigrationRun], watching: Watch) -> None:
        """Save the repeat as far as it came, where that is not saved yet."""
        last = self.draft.last_repeat
        saved = last is not None and last.index == index and last.migrations[: len(done)] == tuple(done)
        if saved or not done:
            return
        named = [(migration.id, statements) for migration, statements in self.scripts]
        rest = [not_reached(*unreached) for unreached in named[len(done) :]]
        self.draft.put_repeat(_repeat_of(index, [*done, *rest], watching))
        self.draft.note(*_lost_sight(watching.traces))

    def _take_stock(self, before: Objects, watching: Watch) -> None:
        """Note what the migrations took away or changed, and the indexes that are not valid."""
        if not before or watching.observer.closed:
            return
        after = read_objects(watching.observer)
        gone = tuple(count_after(watching.observer, gone_between(before, after)))
        changed = tuple(measure_after(watching.observer, changed_between(before, after)))
        self.draft.update(gone=gone, changed=changed, invalid_indexes=invalid_between(before, after))

    def _count_gone(self, prepared: str) -> None:
        """Count the rows of what is gone, and the values of what has changed, in the state before."""
        gone, changed = self.draft.run.gone, self.draft.run.changed
        if any(map(is_counted, gone)) or any(map(is_measured, changed)):
            with (
                clone(self.server, prepared, "gone") as dbname,
                self.server.connect(dbname, application_name="pgrehearse count") as conn,
            ):
                self.draft.update(
                    gone=tuple(count_before(conn, gone)), changed=tuple(measure_before(conn, changed))
                )

    def _compare(self, prepared: str, after: str) -> None:
        """Put the migrated clone beside the state before: the application's requests, then the queries."""
        load, explain = self.options.load, self.options.explain
        if load is None and not explain:
            return
        with clone(self.server, prepared, "before") as before:
            self._analyze(after)
            if load is not None:
                self.progress(Step("requests before and after"))
                repeat = self.draft.last_repeat
                touched = blocked_tables(repeat) if repeat is not None else ()
                requests = compared_requests(self.server, before, after, load.mix, load.seed, touched=touched)
                self.draft.update(requests=requests)
            if explain:
                self._explain(before, after)

    def _explain(self, before: str, after: str) -> None:
        """Cost the queries on the state before and on the migrated clone, with fresh statistics on both."""
        self.progress(Step("views, functions and queries, before and after"))
        if self.suite.data is not None or self.options.data.fill:
            self.draft.note(*fill_added_columns(self.server, before, after, self.options.data.seed))
            self._analyze(after)
        queries = cost_queries(self.server, before, after, self.suite.queries, self.progress)
        self.draft.update(queries=queries)
        self.draft.note(
            Note(
                "queries",
                "Costed warm, after VACUUM (ANALYZE) of the migrated database, as the migrating role: "
                "row-level security does not apply to a superuser or to the tables' owner.",
            )
        )

    def _analyze(self, dbname: str) -> None:
        with self.server.connect(dbname, application_name="pgrehearse analyze") as conn:
            conn.execute("VACUUM (ANALYZE)")

    def _compare_skips(self, prepared: Template) -> None:
        """Find whether IF NOT EXISTS found what it would have made."""
        repeat = self.draft.last_repeat
        wanted = skipping(repeat) if repeat is not None else {}
        if repeat is None or not wanted:
            return
        self.progress(Step("what IF NOT EXISTS found"))
        with (
            own_roles(self.server),
            without_data(self.server, self.suite, prepared) as dbname,
        ):
            invalid = {index.name for index in self.draft.run.invalid_indexes}
            skips = compare_skips(self.server, dbname, self.scripts, wanted, invalid)
        self.draft.put_repeat(put_skips(repeat, skips))

    def _try_application(self, prepared: Template) -> None:
        """Find who would wait for the statements of the last repeat."""
        repeat = self.draft.last_repeat
        if repeat is None:
            return
        self.progress(Step("who would wait"))
        with self.server_that_stays() as lost:
            tried = self._tried_on(without_data(self.server, self.suite, prepared))
            if fell_short(repeat, tried):  # it needs rows to be applied
                tried = self._tried_on(clone(self.server, prepared.dbname, "schema"))
            repeat = put_blocks(repeat, tried)
            self.draft.put_repeat(repeat)
            self.draft.note(WAITS, *missed(repeat, tried, None))
        if lost:
            self.draft.note(*missed(repeat, (), lost[0]))

    def _tried_on(self, database: AbstractContextManager[str]) -> tuple[MigrationRun, ...]:
        """The migrations with who would wait for them, in a database with the schema before."""
        scripts = [(migration.id, statements) for migration, statements in self.scripts]
        with own_roles(self.server), database as dbname:
            kept = self.suite.runner.keeps_session
            return trace_in(self.server, dbname, scripts, probe=True, step=False, kept=kept)

    @contextmanager
    def server_that_stays(self) -> Iterator[list[str]]:
        """A pass that cannot be had leaves the others standing, as long as the server answers.

        Yields a list that has the reason afterwards, if it broke off.
        """
        lost: list[str] = []
        try:
            yield lost
        except (psycopg.OperationalError, ServerError) as error:
            if not self.server.endpoint.answers():
                raise
            words = (
                describe_loss(self.server.endpoint, error)
                if isinstance(error, psycopg.Error | Unreachable)
                else error
            )
            lost.append(words.message)

    def _look_inside(self, prepared: Template, counters: str | None) -> None:
        """Find what ran inside the statements of the last repeat, and on less data, how that grows."""
        if self.draft.last_repeat is None:
            return
        with self.server_that_stays() as lost:
            self._look_twice(self.draft.last_repeat, prepared, counters)
        if lost:
            self.draft.note(
                Note("plans inside statements", f"Not known, or not all: {lost[0]}.", incomplete=True)
            )

    def _look_twice(self, repeat: Repeat, prepared: Template, counters: str | None) -> None:
        seen = self._hidden(prepared.dbname, counters, "plans inside statements")
        repeat = put_inside(repeat, seen.found)
        self.draft.put_repeat(repeat)
        self.draft.note(*seen.notes, *((PLANS,) if seen.found else ()))
        if not seen.found:
            return
        if self.suite.data is None and not self.options.data.own_sizes:
            self.draft.note(ONE_SIZE)
            return
        with template(self.server, self.suite, smaller(self.options.data), self.progress) as less:
            small = self._hidden(less.dbname, counters, "the same on a quarter of the data", seen)
            rows = less.dataset.rows, prepared.dataset.rows
        self.draft.put_repeat(put_growth(repeat, small.found, rows=rows))
        self.draft.note(growth_note(rows), *small.notes)

    def _hidden(
        self, prepared: str, counters: str | None, title: str, fuller: HiddenPass | None = None
    ) -> HiddenPass:
        repeat = self.draft.last_repeat
        assert repeat is not None
        with (
            own_roles(self.server),
            clone(self.server, prepared, "plans") as dbname,
        ):
            return LookingInside(
                self.server,
                self.scripts,
                dbname,
                counters,
                reached_in(repeat),
                self.progress,
                title,
                fuller.found if fuller is not None else None,
                kept=self.suite.runner.keeps_session,
            ).run()

    def _note_stand_ins(self, dbname: str) -> None:
        """Say which extensions of this database are ours, in place of ones that the server lacks."""
        with self.server.connect(dbname) as conn:
            used = conn.execute(
                "SELECT extname FROM pg_extension WHERE extname = ANY(%s)", (list(self.server.stand_ins),)
            )
            for (name,) in used.fetchall():
                self.draft.note(
                    Note(
                        f"extension {name}",
                        "The server's installation lacks it, so a small stand-in of ours took its place.",
                    )
                )


def _lost_sight(traces: Sequence[SamplerTrace]) -> Iterator[Note]:
    """Say it where nobody sampled for so long that a lock worth telling may have come and gone."""
    lost_s = sum(trace.lost_s for trace in traces)
    if lost_s > UNSAMPLED_S:
        error = next((trace.error for trace in traces if trace.error), "")
        yield Note(
            "locks",
            f"Nobody sampled locks for {lost_s:.1f} s, as the session that does was lost: locks that "
            f"statements take outside a transaction may be missing. {error}",
            incomplete=True,
        )


def _repeat_of(index: int, migrations: list[MigrationRun], watching: Watch) -> Repeat:
    readings = watching.calibrator.readings if watching.calibrator else []
    return Repeat(
        index=index,
        calibration_s=statistics.median(readings) if readings else None,
        migrations=tuple(migrations),
        sampler=describe_sampling(watching.traces),
    )


def verify(server: Server, dbname: str, suite: Suite) -> Iterator[Verified]:
    """Run each migration's verify script as psql does, up to its first error, in their order."""
    for migration in suite.migrations:
        if migration.verify is not None:
            file = os.path.relpath(migration.verify.path, suite.path)
            yield Verified(migration.id, file, _first_error(server, dbname, migration.verify))


def _first_error(server: Server, dbname: str, part: Part) -> StatementError | None:
    statements = read_alone(part, psql_variables(server.info))
    with server.connect(dbname, application_name="pgrehearse verify", kind="deploy") as conn:
        failure = first_failure(conn, statements)
    return None if failure is None else describe_error(failure[1], failure[0])
