"""The proofs of one suite, each saved as soon as it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.migrate.suite import Suite
from bench.model.run import Proofs, Run
from bench.pg.durability import fsync
from bench.pg.server import Server
from bench.run.clones import own_roles
from bench.run.draft import RunDraft, Save
from bench.run.keep import Template
from bench.run.prepare import DataOptions
from bench.run.progress import Progress, Step
from bench.run.prove.chain import Link, chain, read_scripts
from bench.run.prove.rollback import prove_all, prove_alone
from bench.run.prove.writes import prove_after_writes, schemas_of
from bench.run.session import RunOptions, rehearse


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """What to prove."""

    draft_rollback: bool = False
    """Draft the rollbacks that are missing, and prove the drafts."""


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

    def then(prepared: Template, draft: RunDraft) -> None:
        _Proving(server, suite, options, draft, progress).run(prepared.dbname)

    once = RunOptions(repeats=1, explain=False, probe=False, data=data)
    return rehearse(server, suite, once, run_id=run_id, save=save, progress=progress, then=then)


@dataclass(frozen=True, slots=True)
class _Proving:
    """What every proof of one suite needs."""

    server: Server
    suite: Suite
    options: ProofOptions
    draft: RunDraft
    progress: Progress

    def run(self, prepared: str) -> None:
        """Prove everything on copies of a prepared database."""
        scripts = read_scripts(self.server, self.suite)
        links: list[Link] = []
        schemas: frozenset[str] = frozenset()
        with (
            own_roles(self.server),
            fsync(self.server, on=False),
            chain(self.server, prepared, scripts) as states,
        ):
            for link in states:
                links.append(link)
                schemas = schemas or schemas_of(link.before)
                self._rollback(link, schemas)
            if links:
                self.progress(Step("all rollbacks in reverse order"))
                self._put(rollback=(prove_all(self.server, links),))

    def _rollback(self, link: Link, schemas: frozenset[str]) -> None:
        self.progress(Step(f"rollback of {link.id}"))
        self._put(rollback=(prove_alone(self.server, link, self.progress),))
        if (after := prove_after_writes(self.server, link, schemas)) is not None:
            self._put(rollback=(after,))

    def _put(self, **more: tuple[object, ...]) -> None:
        """Add proofs to those that the run has, and save it."""
        proofs: Proofs = self.draft.run.proofs
        grown = {name: (*getattr(proofs, name), *added) for name, added in more.items()}
        self.draft.update(proofs=replace(proofs, **grown))
