"""The answer in words: states of verdicts, findings and migrations, and how long reads or writes wait."""

from __future__ import annotations

from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary, without_block
from bench.analyse.summary import MigrationSummary
from bench.analyse.waits import describe_wait
from bench.model.finding import Severity, VerdictStatus
from bench.model.load import Access
from bench.model.run import LongestWait
from bench.report.document import Mark, Words, code, status
from bench.report.format import UNKNOWN, seconds

VERDICTS: dict[VerdictStatus, Mark] = {
    "ready": status("Ready", "good", strong=True),
    "conditional": status("Ready on conditions", "warn", strong=True),
    "incomplete": status("Incomplete", "unknown", strong=True),
    "not_ready": status("Not ready", "bad", strong=True),
}
SEVERITIES: dict[Severity, Mark] = {
    "error": status("error", "bad"),
    "warning": status("warning", "warn"),
    "info": status("note", ""),
}
OUTCOMES: dict[str | None, Mark] = {
    "applied": status("applied", "good"),
    "failed": status("failed", "bad"),
    "skipped": status("not reached", "unreached"),
    None: status("did not run", "unreached"),
}
INTERRUPTED = status("interrupted", "stopped")


def outcome(migration: MigrationSummary) -> Mark:
    """What became of a migration."""
    return INTERRUPTED if migration.interrupted else OUTCOMES[migration.outcome]


def longest_text(conclusion: Conclusion, access: Access) -> Words:
    """The longest wait of a run: seconds, what is waited for, and where that is."""
    wait = conclusion.longest(access)
    if wait is not None:
        return f"{seconds(wait.seconds)}: ", where_from(wait)
    summary = conclusion.summary
    if any(blocks(lock, access) for lock in summary.locks):
        return UNKNOWN
    return without_block(summary.locks, reads=access == "read") if summary.n else UNKNOWN


def migration_text(conclusion: Conclusion, migration: MigrationSummary, access: Access) -> str:
    """The longest wait for one migration: seconds, or what stands in nobody's way."""
    wait = conclusion.longest(access, migration.id)
    return seconds(wait.seconds) if wait is not None else nobody_text(migration, access)


def wait_from_text(conclusion: Conclusion, migration: MigrationSummary, access: Access) -> Words:
    """The longest wait for one migration, with what is waited for."""
    wait = conclusion.longest(access, migration.id)
    if wait is None:
        return nobody_text(migration, access)
    return f"{seconds(wait.seconds)}: {where_from(wait)}"


def nobody_text(migration: MigrationSummary, access: Access) -> str:
    """What to say of a migration for which no wait is known."""
    if migration.outcome != "applied" or any(blocks(lock, access) for lock in migration.locks):
        return UNKNOWN
    return without_block(migration.locks, reads=access == "read")


def where_from(wait: LongestWait) -> Words:
    """What is waited for, with the statement's place where it is one's."""
    at = (", taken in ", code(wait.place)) if wait.source in ("table lock", "locked rows") else ""
    if wait.source == "table lock":
        return f"{wait.mode} on ", code(wait.relation), at
    return describe_wait(wait), at


def blocks(lock: LockSummary, access: Access) -> bool:
    """Whether a lock makes reads, or writes, wait."""
    return lock.blocks_reads if access == "read" else lock.blocks_writes
