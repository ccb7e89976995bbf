"""The work of ``bench explain``: two databases, before the suite and after it, and every query on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from bench.errors import MigrationError, UsageError
from bench.migrate.suite import Suite
from bench.model.plan import Query
from bench.model.run import Note, Run
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.costs import Subject, find_subjects, main_figures, table_indexes, user_functions, with_nested
from bench.run.draft import RunDraft, Save, new_run
from bench.run.execute import describe_error, first_failure
from bench.run.explain.cases import (
    OnState,
    Requests,
    cold_case,
    read_requests,
    warm_cases,
    with_names_of_their_own,
)
from bench.run.explain.cold import Chiller, cold_cache
from bench.run.explain.indexes import audit
from bench.run.explain.traffic import Used, beside_traffic
from bench.run.guard import check_mix
from bench.run.progress import Explaining, Progress, Step
from bench.run.scripts import Scripts, read_scripts
from bench.run.session import ending_in_words, noting_changes
from bench.run.template.options import DataOptions
from bench.run.template.prepare import fill_added_columns, template
from bench.workload.config import mix_for
from bench.workload.spec import TrafficMix

MAIN = Note(
    "queries",
    "Costed warm, after VACUUM (ANALYZE) of the migrated database, and of its state before. Views and "
    "functions as the migrating role, to whom row-level security does not apply, requests as the role that "
    "sends them; the other role, the cold cache and prepared plans stand beside. All ways of a query have "
    "the same parameters, drawn once from the data.",
)


INDEXES = Note(
    "indexes",
    "Builds and writes were tried on a copy of each table with all of its indexes, without triggers, foreign "
    "keys and policies, fillfactor 60, in turn with and without each index; writes were rolled back and hold "
    "no full-page images. Indexes of partitions are left out. Only the queries of this run were seen: an "
    "index that they do not use may serve others.",
)


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What to explain, and in which ways."""

    data: DataOptions = field(default_factory=DataOptions)
    mix: TrafficMix | None = None
    """The application's requests; None: derived from the catalog."""
    only: tuple[str, ...] = ()
    """Patterns of names, with * and ?; none: all."""
    cold: bool = True
    load: bool = True
    """Cost views and functions beside the application's traffic, too."""
    rate_per_s: float | None = None
    """Of that traffic; None: half of what the server can do."""
    indexes: bool = True
    """Audit the indexes."""


@dataclass(frozen=True, slots=True)
class States:
    """The databases with the schema before the suite and after it."""

    before: str
    after: str


def explain_suite(
    server: Server, suite: Suite, options: ExplainOptions, *, run_id: str, save: Save, progress: Progress
) -> Run:
    """Explain a suite's views, functions and requests before and after it; ``save`` gets every state.

    Raises MigrationError where a migration fails, UsageError for what cannot be used or names no query,
    ServerError where the server goes away, Interrupted on Ctrl-C.
    """
    server = replace(server, deploys_as=options.data.role)
    scripts = read_scripts(server, suite, options.data)
    check_mix(server, options.mix)
    draft = RunDraft(new_run(run_id, server, suite), save)
    draft.update()
    with (
        ending_in_words(server),
        noting_changes(server, draft),
        _states(server, suite, scripts, options, draft, progress) as states,
    ):
        _Explaining(server, suite, options, draft, progress, states).run()
    return draft.finish()


@contextmanager
def _states(
    server: Server,
    suite: Suite,
    scripts: Scripts,
    options: ExplainOptions,
    draft: RunDraft,
    progress: Progress,
) -> Iterator[States]:
    """Both databases, vacuumed and analysed. The template is let go: a restart would cut its reservation."""
    with ExitStack() as stack:
        with template(server, suite, options.data, progress) as prepared:
            stack.enter_context(own_roles(server))
            draft.update(dataset=prepared.dataset)
            draft.note(*prepared.notes)
            states = States(
                stack.enter_context(clone(server, prepared.dbname, "before")),
                stack.enter_context(clone(server, prepared.dbname, "after")),
            )
        progress(Step("the migrations, unwatched"))
        _migrate(server, states.after, scripts)
        if suite.data is not None or options.data.fill:
            draft.note(*fill_added_columns(server, states.before, states.after, options.data.seed))
        for dbname in (states.before, states.after):
            with server.connect(dbname, application_name="pgrehearse analyze") as conn:
                conn.execute("VACUUM (ANALYZE)")
        yield states


def _migrate(server: Server, dbname: str, scripts: Scripts) -> None:
    """Raises MigrationError with file:line, message and SQLSTATE of the first statement that fails."""
    for migration, statements in scripts:
        with server.connect(dbname, application_name="pgrehearse migration", kind="deploy") as conn:
            failure = first_failure(conn, statements)
            if failure is None:
                continue
            statement, raised = failure
            if conn.closed:
                raise raised
            error = describe_error(raised, statement)
            where = f"{statement.file or migration.path.name}:{error.line}"
            raise MigrationError(
                f"{where}: {error.message} ({error.sqlstate})",
                "there is no state after the suite to explain; bench run says more of the failure",
            ) from raised


@dataclass(frozen=True, slots=True)
class _Explaining:
    server: Server
    suite: Suite
    options: ExplainOptions
    draft: RunDraft
    progress: Progress
    states: States

    def run(self) -> None:
        self.draft.note(MAIN)
        requests, subjects = self._subjects()
        queries = self._warm(subjects, requests)
        if self.options.cold:
            queries = self._cold(subjects, queries)
        used: Used | None = None
        if self.options.load and requests.wires:
            queries, used = self._loaded(requests, subjects, queries)
        self.draft.update(queries=tuple(queries))
        if self.options.indexes and not self.options.only:  # some queries alone prove no index useless
            audits = audit(
                self.server, self.states.before, self.states.after, subjects, queries, used, self.progress
            )
            self.draft.update(indexes=audits)
            self.draft.note(INDEXES)

    def _loaded(
        self, requests: Requests, subjects: list[Subject], queries: list[Query]
    ) -> tuple[list[Query], Used]:
        with clone(self.server, self.states.after, "loaded") as dbname:
            return beside_traffic(
                self.server,
                dbname,
                requests.wires,
                subjects,
                queries,
                rate_per_s=self.options.rate_per_s,
                seed=self.options.data.seed,
                progress=self.progress,
            )

    def _subjects(self) -> tuple[Requests, list[Subject]]:
        """Raises UsageError where no name fits the patterns."""
        with (
            self.server.connect(self.states.before, kind="application") as old,
            self.server.connect(self.states.after, kind="application") as new,
        ):
            mix = mix_for(old, self.options.mix)
            requests = read_requests(old, mix, self.options.data.seed) if mix is not None else Requests()
            subjects = find_subjects(old, new, self.suite.queries)
            self.draft.update(functions=user_functions(new), table_indexes=table_indexes(new))
        subjects += with_names_of_their_own(requests.subjects, subjects)
        only = self.options.only
        chosen = [s for s in subjects if not only or any(fnmatchcase(s.name, pattern) for pattern in only)]
        if only and not chosen:
            raise UsageError(
                f"no view, function or request is named {' or '.join(only)}",
                f"there are {', '.join(subject.name for subject in subjects) or 'none'}",
            )
        return requests, chosen

    def _warm(self, subjects: list[Subject], requests: Requests) -> list[Query]:
        queries: list[Query] = []
        with (
            self.server.connect(
                self.states.before, application_name="pgrehearse explain", kind="application"
            ) as old,
            self.server.connect(
                self.states.after, application_name="pgrehearse explain", kind="application"
            ) as new,
        ):
            sides = (OnState("before", old), OnState("after", new))
            for position, subject in enumerate(subjects):
                self.progress(Explaining(subject.name, position, len(subjects)))
                query = with_nested(self.server, self.states.after, main_figures(old, new, subject))
                cases = [case for side in sides for case in warm_cases(side, subject, query, requests.asker)]
                queries.append(replace(query, cases=tuple(cases)))
                self.draft.update(queries=tuple(queries))
        return queries

    def _cold(self, subjects: list[Subject], queries: list[Query]) -> list[Query]:
        self.progress(Step("with a cold cache"))
        with cold_cache(self.server) as cold:
            self.draft.note(cold.note)
            if not cold.executions:
                return queries
            for state in ("before", "after"):
                chilled = Chiller(self.server, getattr(self.states, state), cold)
                try:
                    for position, subject in enumerate(subjects):
                        self.progress(Explaining(f"{subject.name}, cold", position, len(subjects)))
                        query = queries[position]
                        case = cold_case(state, chilled, cold, subject, query)
                        if case is not None:
                            queries[position] = replace(query, cases=(*query.cases, case))
                finally:
                    chilled.close()
                self.draft.update(queries=tuple(queries))
        return queries
