"""The proofs of one suite, each saved as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

from bench.migrate.suite import Suite
from bench.migrate.transactions import read_migrations
from bench.model.proof import ExtensionNeed
from bench.model.run import Note, Proofs, Run
from bench.pg.database import fsync, temporary_database
from bench.pg.server import Server
from bench.run.clones import own_roles
from bench.run.draft import RunDraft, Save
from bench.run.execute import psql_variables
from bench.run.guard import check_file
from bench.run.progress import Progress, Said, Step
from bench.run.prove.access import access_matrix
from bench.run.prove.chain import Link, Script, chain, read_both_ways
from bench.run.prove.crash import crash_points, cut_before_commit
from bench.run.prove.dirt import prove_dirt, shrink_refused
from bench.run.prove.drafts import draft_rollback
from bench.run.prove.functions import swallowed_in, try_functions
from bench.run.prove.play import play
from bench.run.prove.rollback import prove_all, prove_alone, prove_swapped, prove_twice
from bench.run.prove.states import created_objects
from bench.run.prove.values import try_values
from bench.run.prove.writes import prove_after_writes, schemas_of
from bench.run.session import RunOptions, rehearse
from bench.run.template.keep import Template
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

CRASH_SCALE = 0.01
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """What to prove."""

    budget_s: float = 180.0
    """For crash points; those that it leaves untried are counted in a note."""
    drafts: Path | None = None
    """Draft the rollbacks that are missing into this directory, and prove the drafts."""
    allow_roles: bool = False
    """Let migrations make, change and drop roles of a server that is not ours."""
    dirty: bool = True
    """Apply a suite with generated data to each kind of dirt."""


def prove(
    server: Server,
    suite: Suite,
    options: ProofOptions,
    data: DataOptions,
    *,
    run_id: str,
    save: Save,
    progress: Progress,
) -> Run:
    """Rehearse a suite once and prove it; ``save`` gets every state. Raises what a rehearsal raises."""
    server = replace(server, deploys_as=data.role, allow_roles=options.allow_roles)

    def then(prepared: Template, draft: RunDraft) -> None:
        _Proving(server, suite, options, data, draft, progress).run(prepared)

    for script in read_both_ways(server, suite):
        if script.backward is not None and (backward := script.migration.backward) is not None:
            check_file(server, backward.path, script.backward)
    once = RunOptions(repeats=1, explain=False, probe=False, data=data)
    return rehearse(server, suite, once, run_id=run_id, save=save, progress=progress, then=then)


OWN_ROWS = Note(
    "dirty data",
    "No dirty rows were planted: their kinds are known for generated data alone. Rows of one's own, as of "
    "--from-dump, are tried with whatever is in them.",
)


@dataclass(frozen=True, slots=True)
class _Proving:
    """What every proof of one suite needs."""

    server: Server
    suite: Suite
    options: ProofOptions
    data: DataOptions
    draft: RunDraft
    progress: Progress

    def run(self, prepared: Template) -> None:
        """Prove everything on copies of a prepared database."""
        scripts = read_both_ways(self.server, self.suite)
        with own_roles(self.server), fsync(self.server, on=False):
            self._rollbacks(prepared, scripts)
            if self.options.dirty and self.suite.data is None:
                self.draft.note(OWN_ROWS)
            elif self.options.dirty:
                seed = self.data.seed
                proofs = prove_dirt(self.server, self.suite, scripts, seed=seed, progress=self.progress)
                self._put(dirt=proofs)
            with self._fewer_rows(prepared) as few:
                self.progress(Step("extensions that migrations take for granted"))
                self._put(extensions=tuple(self._needs(few, scripts)))
                self._crash_of_all(few, scripts)
                self._crashes(few, scripts)

    def _rollbacks(self, prepared: Template, scripts: Sequence[Script]) -> None:
        links: list[Link] = []
        with chain(self.server, prepared.dbname, scripts) as states:
            for link in states:
                links.append(link)
                self.progress(Step(f"rollback of {link.id}"))
                self._put(rollback=(prove_alone(self.server, link, self.progress),))
                if link.after is not None:
                    self._put(created=(created_objects(link.id, link.before, link.after),))
                self._draft_if_missing(link)
                self._put(swallowed=tuple(swallowed_in(self.server, link)))
                schemas = schemas_of(links[0].before)
                if (after := prove_after_writes(self.server, link, schemas)) is not None:
                    self._put(rollback=(after,))
                if (twice := prove_twice(self.server, link)) is not None:
                    self._put(idempotence=(twice,))
                if len(links) > 1 and (swapped := prove_swapped(self.server, links[-2], link)) is not None:
                    self._put(idempotence=(swapped,))
            # Generated data are tried in all their kinds of dirt, on fewer rows.
            if links and links[-1].after is None and self.suite.data is None:
                rows = prepared.dataset.rows
                if (refused := shrink_refused(self.server, links[-1], rows, self.progress)) is not None:
                    self._put(dirt=(refused,))
            if links:
                self.progress(Step("all rollbacks in reverse order"))
                self._put(rollback=(prove_all(self.server, links),))
            if links and (last := links[-1].after) is not None:
                self.progress(Step("who may read and write what"))
                cells, costs = access_matrix(self.server, links[0].before.dbname, last.dbname)
                self._put(access=cells, policy_costs=costs)
                tried = try_functions(self.server, links[0].before, last)
                self._put(
                    access=tried.cells,
                    owner_rights=tried.rights,
                    swallowed=tried.hidden,
                    failing_functions=tried.failing,
                )
                self.progress(Step("what constraints accept"))
                self._put(values=try_values(self.server, links[0].before, last, self.progress))

    def _needs(self, few: Template, scripts: Sequence[Script]) -> Iterator[ExtensionNeed]:
        # A template takes no connections.
        with temporary_database(self.server, "extensions", few.dbname) as before:
            yield from extension_needs(self.server, before, scripts)

    def _draft_if_missing(self, link: Link) -> None:
        if self.options.drafts is None or link.script.backward is not None or link.after is None:
            return
        statements = draft_rollback(self.server, link, self.options.drafts)
        proof = prove_alone(self.server, link, self.progress, backward=statements, draft=True)
        self._put(rollback=(proof,))
        self.progress(
            Said(f"draft of a rollback: {self.options.drafts / link.id}.draft.sql: {proof.outcome}")
        )

    def _crash_of_all(self, few: Template, scripts: Sequence[Script]) -> None:
        """Where all files are one transaction: nothing of it is there before the COMMIT that ends it."""
        if len(scripts) < 2 or any(script.migration.forward.transaction != "all" for script in scripts):
            return
        self.progress(Step("all files, cut off before their COMMIT"))
        migrations = read_migrations(self.suite.migrations, psql_variables(self.server.info))
        statements = [statement for _, group in migrations for statement in group]
        left = cut_before_commit(self.server, few.dbname, statements)
        if left is None:
            return
        what = ", ".join(f"{difference.thing} {difference.object}" for difference in left[:MOST_NAMED])
        said = f"this was left: {what}" if left else "nothing of them was there (every object, every row)"
        self.draft.note(
            Note(
                "crash points",
                "The migration tool has all pending files in one transaction. Cut off before its COMMIT, "
                f"{said}. Each file is also tried as the only one that is pending.",
            )
        )

    def _crashes(self, few: Template, scripts: Sequence[Script]) -> None:
        left_s = self.options.budget_s
        with chain(self.server, few.dbname, scripts) as states:
            for position, link in enumerate(states):
                self.progress(Step(f"crash points of {link.id}"))
                began = time.monotonic()
                share_s = max(left_s, 0.0) / (len(scripts) - position)  # what one leaves, others have
                points, untried = crash_points(self.server, link, share_s, self.progress)
                left_s -= time.monotonic() - began
                self._put(crash_points=points)
                if untried:
                    self.draft.note(
                        Note(f"crash points of {link.id}", f"{untried} were not tried: the budget was spent.")
                    )

    @contextmanager
    def _fewer_rows(self, prepared: Template) -> Iterator[Template]:
        """What a crash leaves depends on the statements, hardly on how many rows there are."""
        scale = prepared.dataset.scale
        if self.suite.data is None or scale is None or scale <= CRASH_SCALE:
            yield prepared
            return
        less = replace(self.data, scale=CRASH_SCALE, rows={})
        with template(self.server, self.suite, less, self.progress) as few:
            rows = few.dataset.rows
            self.draft.note(Note("crash points", f"Tried at scale {CRASH_SCALE:g}: {rows:,} rows."))
            yield few

    def _put(self, **more: tuple[object, ...]) -> None:
        """Add proofs to those that the run has, and save it."""
        proofs: Proofs = self.draft.run.proofs
        grown = {name: (*getattr(proofs, name), *added) for name, added in more.items()}
        self.draft.update(proofs=replace(proofs, **grown))


_MISSING = ("42883", "42704", "42P01")
"""SQLSTATE: undefined function, undefined object, undefined table."""


def extension_needs(server: Server, before: str, scripts: Sequence[Script]) -> Iterator[ExtensionNeed]:
    """Those of a database whose absence a migration does not survive.

    One that objects of the state before depend on is taken for granted by that state, and left.
    """
    with server.connect(before) as conn:
        rows = conn.execute("SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1")
        names = [name for (name,) in rows.fetchall()]
    for name in names:
        with temporary_database(server, "without", before) as dbname:
            try:
                with server.connect(dbname) as conn:
                    conn.execute(sql.SQL("DROP EXTENSION {}").format(sql.Identifier(name)))
            except psycopg.Error:
                continue
            need = _failing(server, dbname, name, scripts)
        if need is not None:
            yield need


def _failing(server: Server, dbname: str, name: str, scripts: Sequence[Script]) -> ExtensionNeed | None:
    for script in scripts:
        error = play(server, dbname, script.forward).error
        if error is not None:
            return ExtensionNeed(name, script.migration.id, error) if error.sqlstate in _MISSING else None
    return None
