"""The suite on dirty data: each kind alone, and all of them together; on failure the rows that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench.migrate.suite import Suite
from bench.model.proof import DirtProof
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.progress import Progress, Step
from bench.run.prove.chain import Link, Script
from bench.run.prove.crash import streams
from bench.run.prove.play import Played, play
from bench.run.prove.shrink import Shrinking
from bench.run.template.prepare import apply_file
from bench.run.template.roles import take_role

SCALE = 0.002
"""Of the CRM: 200 deals. What a kind of dirt breaks, it breaks in few rows."""
SHRINK_S = 60.0
"""For all failures of a suite together."""
DATA_ERRORS = ("21", "22", "23", "27", "44", "P0")
"""SQLSTATE classes that rows cause: cardinality violation, data exception, integrity constraint violation,
triggered data change violation, WITH CHECK OPTION violation, an exception raised.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""


def prove_dirt(
    server: Server, suite: Suite, scripts: Sequence[Script], *, seed: int, progress: Progress
) -> tuple[DirtProof, ...]:
    """Apply the suite to data of which all rows are dirty; nothing for a suite without generated data."""
    if suite.data is None or suite.base is None:
        return ()
    from datagen import data_set

    kinds = data_set(suite.data).kinds
    wanted = [*((kind,) for kind in kinds), kinds]
    with _base(server, suite) as base:
        trials = _Trials(server, base, suite.data, scripts, seed)
        progress(Step(f"each of {len(kinds)} kinds of dirt, and all together"))
        statements = [statement for script in scripts for statement in script.forward]
        with ThreadPoolExecutor(streams(server, statements)) as pool:
            proofs = list(pool.map(trials.apply, wanted))
        until = time.monotonic() + SHRINK_S
        return tuple(_with_rows(trials, proofs, until, progress))


def shrink_refused(server: Server, link: Link, rows: int, progress: Progress) -> DirtProof | None:
    """The suite's own rows that a migration refuses; None where its error is not about rows."""
    error = link.played.error
    if error is None or not (error.sqlstate or "").startswith(DATA_ERRORS[:-1]):
        return None
    progress(Step(f"the rows that {link.id} refuses"))
    with temporary_database(server, "refused", link.before.dbname) as dbname:
        shrinking = Shrinking(server, dbname, link.script.forward, link.played, time.monotonic() + SHRINK_S)
        offending = shrinking.run()
    return DirtProof((), rows, "failed", link.id, error, offending, shrinking.trials, shrinking.finished)


def _with_rows(
    trials: _Trials, proofs: Sequence[DirtProof], until: float, progress: Progress
) -> Iterator[DirtProof]:
    """Each failure with the rows that it takes; of all kinds together only where none failed so alone."""
    known: set[tuple[str | None, str | None, int | None]] = set()
    for proof in proofs:
        error = proof.error
        about = (proof.migration, error.sqlstate, error.line) if error else None
        if error is None or about is None or about in known:
            yield proof
            continue
        if not (error.sqlstate or "").startswith(DATA_ERRORS):
            yield proof
            continue
        known.add(about)
        progress(Step(f"the rows that fail of {', '.join(proof.kinds[:3])}"))
        yield trials.shrink(proof, until)


@dataclass(frozen=True, slots=True)
class _Trials:
    """What every kind of dirt is tried with."""

    server: Server
    base: str
    data: str
    scripts: Sequence[Script]
    seed: int

    def apply(self, kinds: tuple[str, ...]) -> DirtProof:
        with self._loaded(kinds) as (dbname, rows):
            for script in self.scripts:
                played = play(self.server, dbname, script.forward)
                if played.error is not None:
                    return DirtProof(kinds, rows, "failed", script.migration.id, played.error)
        return DirtProof(kinds, rows, "applied")

    def shrink(self, proof: DirtProof, until: float) -> DirtProof:
        with self._loaded(proof.kinds) as (dbname, _):
            failing = next(script for script in self.scripts if script.migration.id == proof.migration)
            for script in self.scripts[: self.scripts.index(failing)]:
                play(self.server, dbname, script.forward)
            with temporary_database(self.server, "failing", dbname) as again:
                played: Played = play(self.server, again, failing.forward)
            shrinking = Shrinking(self.server, dbname, failing.forward, played, until)
            offending = shrinking.run()
        return replace(proof, offending=offending, trials=shrinking.trials, smallest=shrinking.finished)

    @contextmanager
    def _loaded(self, kinds: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """A database with the base and dirty rows of these kinds; how many those are."""
        from datagen import data_set
        from datagen.engine.load import load

        plan = data_set(self.data).plan(scale=SCALE, seed=self.seed, dirt=1.0, dirt_kinds=kinds)
        with temporary_database(self.server, "dirt", self.base) as dbname:
            loaded = load(self.server.conninfo(dbname), plan, workers=1)
            yield dbname, sum(loaded.dirt.values())


@contextmanager
def _base(server: Server, suite: Suite) -> Iterator[str]:
    assert suite.base is not None
    with temporary_database(server, "base") as dbname:
        apply_file(server, dbname, suite.base)
        if server.deploys_as is not None:
            list(take_role(server, dbname, server.deploys_as))
        yield dbname
