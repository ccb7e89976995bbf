"""All dangers, and what they find in a rehearsal.

Nothing here is a rule about SQL text: a finding needs a lock that was held, a file that was written, rows
that were read or an error that came back. Text only chooses the wording of the fix; a few findings alone are
about words, and those are what the file itself says. A new danger is a function with a page in its docstring
(:mod:`bench.analyse.dangers.danger`) and a line of ``DANGERS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bench.analyse.accepted import accept, complaints
from bench.analyse.dangers import (
    access,
    amounts,
    blocks,
    changes,
    claims,
    copies,
    crash,
    failures,
    growth,
    guards,
    losses,
    outcome,
    queues,
    requests,
    rollback,
    schemas,
    spoken,
    values,
    work,
)
from bench.analyse.dangers.danger import Danger, danger
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.grouping import told_once
from bench.analyse.remedies.script import OUTSIDE, OWN
from bench.model.finding import Finding, Place, Severity
from bench.model.run import (
    SCHEMA_VERSION,
    Dataset,
    Environment,
    HostInfo,
    MigrationFile,
    MigrationRun,
    Pass,
    Repeat,
    Run,
    ServerInfo,
    SuiteInfo,
)

_OWN_TRANSACTIONS = re.compile(rf"-- (?:{OUTSIDE}|{OWN})|^COMMIT\b", re.MULTILINE)
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@danger("suppression", "An acceptance that means nothing", None, is_condition=False)
def suppression(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A comment accepts a finding, and its words are wrong or nothing of the kind was found.

    Why: what accepts nothing today hides the next finding of its kind. A note, as it is about words alone;
    it cannot be accepted itself.
    Way out: correct the words, or remove them where the finding did not show on more data either.
    Example:
        -- bench: accept rewrite because the table is small
        ALTER TABLE deals ADD COLUMN region text;
    Instead:
        ALTER TABLE deals ADD COLUMN region text;
    Source: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-COMMENTS
    """
    told = [
        finding for other in DANGERS if other is not suppression for finding in rehearsed.found(other.find)
    ]
    yield from complaints(told, rehearsed.run.suite.accepted, rehearsed.summary, BY_CODE)


DANGERS: tuple[Danger, ...] = (
    losses.rows_gone,
    losses.columns_gone,
    losses.truncated,
    losses.cascade,
    changes.values_changed,
    changes.made_again,
    changes.name_gone,
    changes.rows_leave,
    changes.narrower_rule,
    changes.foreign_key_unindexed,
    copies.copy_misses_writes,
    failures.fails_on_data,
    failures.refused,
    failures.extension_missing,
    failures.plpgsql_syntax,
    failures.verify_fails,
    work.rewrite,
    work.index_built_under_lock,
    work.scan_under_lock,
    blocks.held_across,
    blocks.blocks_reads,
    blocks.blocks_writes,
    blocks.fan_out,
    blocks.no_lock_timeout,
    amounts.row_locks,
    guards.row_security,
    guards.trigger_off,
    guards.unlogged,
    amounts.advisory_lock,
    amounts.lock_table_full,
    spoken.did_nothing,
    spoken.name_cut,
    spoken.temporary_view,
    spoken.set_local_outside_transaction,
    spoken.server_warning,
    outcome.false_success,
    outcome.side_effect_on_failure,
    outcome.transaction_claim,
    outcome.non_transactional,
    claims.timer_frozen,
    claims.estimate_wrong,
    losses.invalid_index,
    requests.broken_query,
    requests.cached_plan,
    requests.fewer_rows,
    requests.more_rows,
    requests.slower_query,
    queues.lock_queue,
    queues.deadlock_order,
    queues.fails_under_traffic,
    schemas.schemas_lock_table,
    schemas.schemas_apart,
    growth.growth,
    rollback.rollback_incomplete,
    crash.partial_failure,
    crash.not_idempotent,
    access.access_opened,
    access.definer_search_path,
    access.function_fails,
    access.error_swallowed,
    access.policy_cost,
    values.constraint_contradiction,
    values.constraint_unenforced,
    suppression,
)
"""In the order in which the findings of one file are told: what is lost comes first."""
BY_CODE: Mapping[str, Danger] = {danger.code: danger for danger in DANGERS}
TRACED = (
    failures.extension_missing,
    failures.plpgsql_syntax,
    spoken.did_nothing,
    spoken.name_cut,
    spoken.temporary_view,
    spoken.set_local_outside_transaction,
    spoken.server_warning,
    outcome.transaction_claim,
)
"""What can be said of a script by its text, and by what the server said meanwhile."""


FORMS: tuple[Danger, ...] = (
    work.rewrite,
    work.index_built_under_lock,
    work.scan_under_lock,
    blocks.no_lock_timeout,
)
"""Those that are told by what a statement does, and not by how long it took."""


def find_dangers(rehearsed: Rehearsed) -> tuple[Finding, ...]:
    """The dangers in a rehearsal, the severest first, then in the order of the files and of ``DANGERS``.

    Severity follows what was measured: ``error`` where others wait longer than ``Limits.not_ready_s``,
    ``warning`` above ``Limits.conditional_s`` or where it is not known, else ``info``. Those that the
    suite's authors accept come last, with their reason.
    """
    suite = rehearsed.run.suite
    findings = _beside_tools(_found(DANGERS, rehearsed), suite.migrations)
    told = told_once(accept(findings, suite.accepted, rehearsed.summary), rehearsed.around.partitions)
    files = {file.id: position for position, file in enumerate(suite.migrations)}
    kinds = {code: position for position, code in enumerate(BY_CODE)}
    return tuple(
        sorted(
            told,
            key=lambda finding: (
                finding.accepted is not None,
                _SEVERITIES.index(finding.severity),
                files.get(finding.migration or "", len(files)),
                kinds[finding.code],
            ),
        )
    )


def traced(runs: Sequence[MigrationRun], server: ServerInfo) -> Rehearsed:
    """Scripts that were traced, as a rehearsal without data."""
    files = tuple(MigrationFile(run.id, run.id, "", None) for run in runs)
    run = Run(
        SCHEMA_VERSION, "", "", "", None,
        environment=Environment(server, HostInfo("", "", 0, 0)),
        suite=SuiteInfo("", "", None, files),
        dataset=None,
        passes=(Pass("solo", None, (Repeat(0, None, tuple(runs)),)),),
    )  # fmt: skip
    return Rehearsed(run)


def traced_forms(rehearsed: Rehearsed) -> tuple[Finding, ...]:
    """What scripts that were traced have of forms that hurt on many rows, whatever they cost on these."""
    no_rows = Dataset(None, None, None, None, from_template=False, tables=())
    return tuple(_found(FORMS, Rehearsed(replace(rehearsed.run, dataset=no_rows))))


def trace_findings(rehearsed: Rehearsed) -> tuple[Finding, ...]:
    """What can be said of scripts that were traced, the severest first."""
    findings = _found(TRACED, rehearsed)
    return tuple(sorted(findings, key=lambda finding: _SEVERITIES.index(finding.severity)))


def with_places(findings: Iterable[Finding], rehearsed: Rehearsed) -> Iterator[Finding]:
    """The findings, each with the place of its statement or file.

    Run files of before have none: there the messages begin with the place.
    """
    places = {
        (statement.migration, statement.index): statement.place for statement in rehearsed.summary.statements
    }
    files = {file.id: Place(file.file) for file in rehearsed.run.suite.migrations}
    for finding in findings:
        at = (finding.migration or "", -1 if finding.statement is None else finding.statement)
        place = finding.place or places.get(at) or files.get(finding.migration or "")
        yield replace(finding, place=place, message=finding.message.removeprefix(f"{place}: "))


def _found(dangers: Iterable[Danger], rehearsed: Rehearsed) -> Iterator[Finding]:
    findings = (finding for danger in dangers for finding in rehearsed.found(danger.find))
    return with_places(findings, rehearsed)


def _beside_tools(findings: Iterable[Finding], files: Iterable[MigrationFile]) -> Iterator[Finding]:
    """Where a migration tool opens a transaction, ways out that need none, or their own, say how."""
    outside = {file.id: file.outside for file in files if file.outside is not None}
    for finding in findings:
        said = outside.get(finding.migration or "")
        if said is not None and finding.sql is not None and _OWN_TRANSACTIONS.search(finding.sql):
            yield replace(finding, fix=f"{finding.fix or ''} {said}".strip())
        else:
            yield finding
