"""Dangers that the figures of the solo pass prove, each with its evidence and the way out.

Nothing here is a rule about SQL text: a finding needs a lock that was held, a file that was written, rows
that were read or an error that came back. Text only chooses the wording of the fix; two findings alone are
about words, and those are what the file itself says of time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from bench.analyse.accepted import accept
from bench.analyse.dangers.amounts import advisory_locks, lock_table_full, row_locks, truncated
from bench.analyse.dangers.broken import broken_findings
from bench.analyse.dangers.claims import estimates, frozen_timers
from bench.analyse.dangers.compared import compared_findings
from bench.analyse.dangers.copies import copies_miss_writes
from bench.analyse.dangers.disabled import triggers_off
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.failures import (
    extension_missing,
    fails_on_any_row,
    fails_on_data,
    false_success,
    non_transactional,
    refused,
    side_effects,
)
from bench.analyse.dangers.held import fan_out, held_across, long_blocks, no_lock_timeout
from bench.analyse.dangers.losses import invalid_indexes, losses
from bench.analyse.dangers.queues import deadlocks, lock_queues
from bench.analyse.dangers.rowsecurity import hidden_rows
from bench.analyse.dangers.spoken import spoken
from bench.analyse.dangers.stopped import stopped
from bench.analyse.dangers.traffic import traffic_findings
from bench.analyse.dangers.unlogged import unlogged_tables
from bench.analyse.dangers.work import find_work
from bench.analyse.grouping import told_once
from bench.analyse.nested import growth_findings
from bench.analyse.proofs import proof_findings
from bench.analyse.proofs.preflight import preflight, preflight_findings
from bench.analyse.remedies.script import OUTSIDE, OWN
from bench.analyse.summary import MigrationSummary, summarise_migration
from bench.model.finding import Finding, Severity
from bench.model.run import MigrationFile, MigrationRun

_OWN_TRANSACTIONS = re.compile(rf"-- (?:{OUTSIDE}|{OWN})|^COMMIT\b", re.MULTILINE)
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


def find_dangers(rehearsed: Rehearsed) -> tuple[Finding, ...]:
    """The dangers in a run's solo pass, the severest first, then in the order of the files.

    Severity follows what was measured: ``error`` where others wait longer than ``Limits.not_ready_s``,
    ``warning`` above ``Limits.conditional_s`` or where it is not known, else ``info``. Those that the
    suite's authors accept come last, with their reason.
    """
    found = [*losses(rehearsed), *copies_miss_writes(rehearsed)]  # what is lost is told first
    for migration in rehearsed.summary.migrations:
        found += _of_migration(migration, rehearsed)
    found += invalid_indexes(rehearsed)
    found += broken_findings(rehearsed)
    found += compared_findings(rehearsed)
    found += traffic_findings(rehearsed)
    found += lock_queues(rehearsed)
    found += deadlocks(rehearsed)
    found += stopped(rehearsed)
    found += growth_findings(rehearsed)
    found += preflight_findings(rehearsed.run)
    found += proof_findings(rehearsed.run)
    found = list(_beside_tools(found, rehearsed.run.suite.migrations))
    with_reasons = accept(found, rehearsed.run.suite.accepted, rehearsed.summary)
    told = told_once(with_reasons, rehearsed.around.partitions)
    return tuple(
        sorted(
            told,
            key=lambda finding: (finding.accepted is not None, _SEVERITIES.index(finding.severity)),
        )
    )


def _beside_tools(found: Iterable[Finding], files: Iterable[MigrationFile]) -> Iterator[Finding]:
    """Where a migration tool opens a transaction, ways out that need none, or their own, say how."""
    outside = {file.id: file.outside for file in files if file.outside is not None}
    for finding in found:
        said = outside.get(finding.migration or "")
        if said is not None and finding.sql is not None and _OWN_TRANSACTIONS.search(finding.sql):
            yield replace(finding, fix=f"{finding.fix or ''} {said}".strip())
        else:
            yield finding


def trace_findings(runs: Sequence[MigrationRun], extensions: Collection[str]) -> tuple[Finding, ...]:
    """What can be said of scripts that were traced: by their text, and by what the server said meanwhile.

    ``extensions`` are those that the server can install.
    """
    found = list(preflight(runs, extensions))
    for run in runs:
        found += spoken(summarise_migration(MigrationFile(run.id, run.id, "", None), [run]))
    return tuple(sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity)))


def _of_migration(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    explained: list[Finding] = []
    for statement in migration.statements:
        explained += fails_on_data(statement, migration, rehearsed)
        explained += fails_on_any_row(statement, rehearsed)
        explained += refused(statement)
        explained += extension_missing(statement, rehearsed)
        explained += find_work(statement, rehearsed)
        explained += truncated(statement, rehearsed)
        explained += frozen_timers(statement)
    explained += held_across(migration, rehearsed)
    yield from explained
    yield from long_blocks(migration, rehearsed, explained)
    yield from fan_out(migration, rehearsed)
    yield from no_lock_timeout(migration, rehearsed)
    yield from row_locks(migration, rehearsed)
    yield from hidden_rows(migration, rehearsed)
    yield from triggers_off(migration, rehearsed)
    yield from unlogged_tables(migration, rehearsed)
    yield from advisory_locks(migration, rehearsed)
    yield from lock_table_full(migration, rehearsed)
    yield from spoken(migration)
    yield from false_success(migration, rehearsed)
    yield from side_effects(migration, rehearsed)
    yield from estimates(migration, rehearsed)
    yield from non_transactional(migration)
