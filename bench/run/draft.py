"""The run while it grows, on which machine: every change is saved at once."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench import __version__
from bench.migrate.suite import Suite
from bench.model.run import (
    MIGRATIONS,
    SCHEMA_VERSION,
    Environment,
    HostInfo,
    MigrationRun,
    Note,
    Pass,
    Repeat,
    Run,
)
from bench.model.typed import TYPED
from bench.pg.server import Server

Save = Callable[[Run], object]


GROWN = 8
"""A repeat at work is saved where its files have come to be an eighth more: of many files few are written
again, so that saving grows with the files and not with their square. Up to eight each is saved."""
UNSAVED_S = 30.0
"""And where the last time was so long ago."""


class RunDraft:
    """Holds the newest state of a run and hands each to ``save``."""

    def __init__(self, run: Run, save: Save, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self._save = save
        self._clock = clock
        self._saved_at = clock()
        self._saved_files = 0

    def update(self, **changes: Any) -> None:
        """Replace fields of the run, and save it."""
        self.run = replace(self.run, **changes)
        self._save(self.run)
        self._saved_at = self._clock()

    def is_due(self, files: int) -> bool:
        """Whether to save a repeat at work after so many ``files``, those of earlier repeats among them.

        Who is told yes saves it.
        """
        grown = (files - self._saved_files) * GROWN >= files
        if grown or self._clock() - self._saved_at >= UNSAVED_S:
            self._saved_files = files
            return True
        return False

    def keep_to_itself(self) -> None:
        """Save no further state: another draft is saved in its place."""
        self._save = _drop

    def note(self, *notes: Note) -> None:
        """Add notes that are not there yet, and save the run."""
        fresh = tuple(note for note in notes if note not in self.run.notes)
        if fresh:
            self.update(notes=self.run.notes + fresh)

    def put_repeat(self, repeat: Repeat) -> None:
        """Add a repeat to the solo pass, or replace the one with its index, and save the run."""
        solo = next((p for p in self.run.passes if p.kind == "solo"), Pass("solo", None, ()))
        others = tuple(p for p in self.run.passes if p.kind != "solo")
        repeats = tuple(r for r in solo.repeats if r.index != repeat.index)
        ordered = tuple(sorted((*repeats, repeat), key=lambda r: r.index))
        self.update(passes=(replace(solo, repeats=ordered), *others))

    def put_loaded(
        self,
        repeat: Repeat,
        hazard: str | None = None,
        lock_timeout_s: float | None = None,
        retries: int | None = None,
    ) -> None:
        """Add a repeat to the loaded pass of this kind, or replace the one with its index; save."""
        kind = ("loaded", hazard, lock_timeout_s)
        earlier = next((p for p in self.run.passes if (p.kind, p.hazard, p.lock_timeout_s) == kind), None)
        repeats = tuple(r for r in earlier.repeats if r.index != repeat.index) if earlier else ()
        changed = Pass("loaded", hazard, (*repeats, repeat), lock_timeout_s, retries)
        if earlier is None:
            self.update(passes=(*self.run.passes, changed))
        else:
            self.update(passes=tuple(changed if p is earlier else p for p in self.run.passes))

    @property
    def last_repeat(self) -> Repeat | None:
        """The last repeat of the solo pass, None before the first."""
        solo = [
            repeat
            for deploy_pass in self.run.passes
            if deploy_pass.kind == "solo"
            for repeat in deploy_pass.repeats
        ]
        return solo[-1] if solo else None

    def finish(self) -> Run:
        """The run as it stands, with the time of its end; saved."""
        self.update(finished_at=now())
        return self.run

    @property
    def failed(self) -> MigrationRun | None:
        """The first migration that failed with nothing in its way, if one did."""
        return next(
            (
                migration
                for deploy_pass in self.run.passes
                if deploy_pass.kind == "solo"
                for repeat in deploy_pass.repeats
                for migration in repeat.migrations
                if migration.outcome == "failed"
            ),
            None,
        )


def _drop(_: Run) -> None:
    """In place of saving."""


def now() -> str:
    """The present time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


_CLONES = Note(
    "clones",
    "Each repeat starts from a fresh file copy of one template, after a checkpoint if the role may: shared "
    "buffers are cold, the operating system's cache is warm.",
)


def new_run(run_id: str, server: Server, suite: Suite) -> Run:
    """A run with nothing measured yet."""
    return Run(
        schema_version=SCHEMA_VERSION,
        tool_version=__version__,
        run_id=run_id,
        started_at=now(),
        finished_at=None,
        environment=Environment(server.info, read_host(), server.superuser and server.deploys_as is None),
        suite=suite.info,
        dataset=None,
        command=TYPED.get(),
        notes=(
            _CLONES,
            *server.notes,
            *_unpaired(suite),
            *(Note(MIGRATIONS, remark) for remark in suite.remarks),
        ),
    )


def _unpaired(suite: Suite) -> tuple[Note, ...]:
    if not suite.unpaired_rollbacks:
        return ()
    names = ", ".join(path.name for path in suite.unpaired_rollbacks)
    return (
        Note(
            "rollbacks", f"Not applied, as their names say rollback, and paired with no migration: {names}."
        ),
    )


def read_host() -> HostInfo:
    """Operating system, processor, cores that this process may use, memory."""
    affinity = getattr(os, "sched_getaffinity", None)
    return HostInfo(
        os=platform.platform(),
        cpu=_cpu_model() or platform.processor() or platform.machine(),
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
    )


def _cpu_model() -> str | None:
    """The model's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
