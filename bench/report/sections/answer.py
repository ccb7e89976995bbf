"""The answer in words: states of verdicts, findings and migrations, and how long reads or writes wait."""

from __future__ import annotations

from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary, without_block
from bench.analyse.summary import MigrationSummary, RunSummary
from bench.analyse.waits import describe_wait, is_same
from bench.model.finding import Severity, VerdictStatus
from bench.model.load import Access
from bench.model.run import LongestWait
from bench.report.document import Facts, Mark, Words, code, status
from bench.report.format import UNKNOWN, seconds, spread_seconds, spread_size

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


def anchor(summary: RunSummary, migration: str | None, statement: int | None = None) -> str:
    """Where the page tells of a migration or of a statement of it; empty where it does not."""
    ids = [other.id for other in summary.migrations]
    if migration not in ids:
        return ""
    at = ids.index(migration)
    known = {other.index for other in summary.migrations[at].statements}
    return f"#m{at + 1}-s{statement}" if statement in known else f"#m{at + 1}"


def answer(conclusion: Conclusion) -> Facts:
    """The figures of a run, one for each question."""
    summary = conclusion.summary
    applied = sum(migration.outcome == "applied" for migration in summary.migrations)
    of = f" {'migration' if len(summary.migrations) == 1 else 'migrations'} applied, "
    counted = f"{_many(len(summary.statements), 'statement')}, {_many(summary.n, 'repeat')}"
    scope = (f"{applied} of {len(summary.migrations)}", f"{of}{counted}")
    rows: tuple[tuple[str, Words], ...] = (
        ("Scope", scope),
        ("Longest block of reads", longest_text(conclusion, "read")),
        ("Longest block of writes", longest_text(conclusion, "write")),
        ("Duration of all migrations", _first_apart(spread_seconds(summary.duration_s))),
        ("WAL written", _first_apart(spread_size(summary.wal_bytes))),
        ("Growth on disk", _first_apart(spread_size(summary.size_delta_bytes))),
    )
    return Facts(rows, head=("What", "Measured"), shape="tiles")


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _first_apart(spread: str) -> Words:
    """A figure, and apart from it its number of repeats and its extremes."""
    figure, bracket, rest = spread.partition(" (")
    return figure, f"{bracket}{rest}"


def longest_text(conclusion: Conclusion, access: Access) -> Words:
    """The longest wait of a run: seconds, what is waited for, and where that is; or what is known instead."""
    wait, summary = conclusion.longest(access), conclusion.summary
    if wait is not None:
        return seconds(wait.seconds), ": ", where_from(wait, summary)
    if any(blocks(lock, access) for lock in summary.locks):
        return UNKNOWN, ": blocking locks were taken, but their holds are not known"
    outcomes = {migration.outcome for migration in summary.migrations}
    if not outcomes & {"applied", "failed"}:
        return UNKNOWN, ": nothing ran"
    held = without_block(summary.locks, reads=access == "read")
    scope = "" if outcomes == {"applied"} else "in what ran, "
    if held == "no lock":
        return held, f" on an existing table blocks {access}s{' in what ran' if scope else ''}"
    rows = "; writers of the same rows wait" if held == "rows only" else ""
    return held, f": {scope}no lock on an existing table blocks {access}s{rows}"


def wait_from_text(conclusion: Conclusion, migration: MigrationSummary, access: Access) -> Words:
    """The longest wait for one migration, with what is waited for."""
    wait = conclusion.longest(access, migration.id)
    if wait is None:
        return nobody_text(migration, access)
    return f"{seconds(wait.seconds)}: {where_from(wait, conclusion.summary)}"


def nobody_text(migration: MigrationSummary, access: Access) -> str:
    """What to say of a migration for which no wait is known."""
    if migration.outcome != "applied" or any(blocks(lock, access) for lock in migration.locks):
        return UNKNOWN
    return without_block(migration.locks, reads=access == "read")


def where_from(wait: LongestWait, summary: RunSummary) -> Words:
    """What is waited for, with the statement's place where it is one's."""
    href = anchor(summary, wait.migration, wait.statement)
    at = (", taken in ", code(wait.place, href)) if wait.source in ("table lock", "locked rows") else ""
    if wait.source == "table lock":
        return f"{wait.mode} on ", code(wait.relation), at
    return describe_wait(wait), at


def blocks(lock: LockSummary, access: Access) -> bool:
    """Whether a lock makes reads, or writes, wait."""
    return lock.blocks_reads if access == "read" else lock.blocks_writes


def worst_block(conclusion: Conclusion) -> str:
    """Who waits longest, on what, for how long and for what, on one line."""
    summary, read, write = conclusion.summary, conclusion.longest("read"), conclusion.longest("write")
    worst = max((wait for wait in (write, read) if wait), key=lambda wait: wait.seconds, default=None)
    if worst is None:
        rows = without_block(summary.locks, reads=False) == "rows only"
        return ("nobody but writers of the same rows" if rows else "nobody") if summary.n else UNKNOWN
    both = read is not None and write is not None and is_same(read, write)
    at = f", {worst.place}" if worst.source in ("table lock", "locked rows") else ""
    what = worst.mode if worst.source == "table lock" else describe_wait(worst)
    who = "reads and writes" if both else f"{worst.access}s"
    return f"{who} on {worst.relation}, {seconds(worst.seconds)} at most ({what}{at})"
