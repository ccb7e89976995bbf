"""A trace on the terminal: statement by statement, what it locks and who waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from bench.analyse.locks import is_toast
from bench.analyse.summary import TRANSACTION_CONTROL
from bench.model.finding import Finding
from bench.model.lock import Lock, LockMode
from bench.model.run import MigrationRun
from bench.model.statement import AdvisoryLock, Block, StatementRun
from bench.report.format import count, excerpt
from bench.report.render.terminal import style_of
from bench.report.sections.answer import SEVERITIES
from bench.report.sections.migrations import notice_lines

_INDENT = 10
_EXCERPT = 100
"""Characters of a statement that are shown."""
_Line = tuple[str, str]
"""Text and style."""
_STYLES = {"reads": "red", "writes": "yellow", "": "dim"}


def print_trace(runs: Sequence[MigrationRun], console: Console, findings: Sequence[Finding] = ()) -> None:
    """Print what each statement locked, wrote anew, read in full and blocked; new relations are left out.

    The findings come last, each with its way out.
    """
    for run in runs:
        console.print(Text(run.id, style="bold underline"), soft_wrap=True)
        for text, style in _told(run):
            console.print(Text(text, style=style), soft_wrap=True)
        if run.error is not None and all(statement.error is None for statement in run.statements):
            console.print(Text(f"{run.id}: {run.error.message}", style="bold red"), soft_wrap=True)
    for finding in findings:
        style = style_of(SEVERITIES[finding.severity])
        console.print(Text(f"{finding.code}: {finding.sentence}", style=style), soft_wrap=True)
        if finding.fix:
            console.print(Text(f"{' ' * _INDENT}{finding.fix}", style="dim"), soft_wrap=True)


def _told(run: MigrationRun) -> Iterator[_Line]:
    """Statements with something to tell, each with its lines below; of the others, how many there were."""
    silent = 0
    waiting: Sequence[Block] = ()
    tried = any(statement.blocks is not None for statement in run.statements)
    advisory: Sequence[AdvisoryLock] = ()
    for statement in run.statements:
        lines = [
            *_lines(statement, advisory),
            *_waits(statement.blocks or (), waiting),
            *_untried(statement, tried),
        ]
        waiting, advisory = statement.blocks or (), statement.advisory
        if not lines:
            silent += statement.kind not in TRANSACTION_CONTROL
            continue
        place = f"{statement.file}:{statement.line}" if statement.file else f"line {statement.line}"
        yield f"{place:<9} {excerpt(statement.text, _EXCERPT)}", "bold"
        yield from ((f"{' ' * _INDENT}{text}", style) for text, style in lines)
    if silent:
        what = "1 statement locks" if silent == 1 else f"{silent} statements lock"
        more = " more" if any(not lock.new for other in run.statements for lock in other.locks) else ""
        yield f"{what} nothing{more} that was there before", "dim"


def _lines(statement: StatementRun, known: Sequence[AdvisoryLock]) -> Iterator[_Line]:
    if statement.outcome == "skipped":
        yield "not reached", "dim"
        return
    if statement.error is not None:
        yield f"fails: {statement.error.message} ({statement.error.sqlstate})", "bold red"
    for line in notice_lines(statement):
        yield line, "yellow"
    locks = [lock for lock in statement.locks if not lock.new]
    for lock in locks:
        if not _goes_with_its_table(lock, locks):
            yield _lock(lock, locks), _STYLES[_felt(lock.mode)]
    for rewrite in statement.rewrites:
        if rewrite.table is None and not is_toast(rewrite.relation):
            yield f"writes {rewrite.relation} anew", "red"
    indexes = [
        rewrite.relation for rewrite in statement.rewrites if rewrite.table and not is_toast(rewrite.relation)
    ]
    if indexes:
        yield f"builds again {', '.join(indexes)}", "yellow"
    for name in statement.truncated:
        yield f"empties {name}", "red"
    for scan in statement.validations:
        passes = "" if scan.passes in (None, 1.0) else f" in {scan.passes:g} passes"
        yield f"reads {scan.relation} in full: {_rows(scan.rows)}{passes}", "yellow"
    for change in statement.row_changes:
        if locked := change.rows_locked:
            yield f"keeps {_rows(locked)} of {change.relation} locked until it commits", "yellow"
    for taken in statement.advisory:
        if taken not in known:
            yield f"holds the advisory lock {taken.key} ({taken.mode})", "yellow"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{count(number)} rows"


def _lock(lock: Lock, locks: Sequence[Lock]) -> str:
    beside = sum(
        other.table == lock.relation and other.mode == lock.mode and not is_toast(other.relation)
        for other in locks
    )
    indexes = f" and {beside} of its indexes" if beside else ""
    source = "" if lock.source == "exact" else f" ({lock.source})"
    return f"{lock.mode.sql_name:<24} {lock.relation}{indexes}{source}"


def _goes_with_its_table(lock: Lock, locks: Sequence[Lock]) -> bool:
    """Whether an index's lock is told by the same lock on its table; those of TOAST tables are left out."""
    same = any(other.relation == lock.table and other.mode == lock.mode for other in locks)
    return is_toast(lock.relation) or same


def _felt(mode: LockMode) -> str:
    return "reads" if mode.blocks_reads else "writes" if mode.blocks_writes else ""


def _waits(blocks: Sequence[Block], before: Sequence[Block]) -> Iterator[_Line]:
    """One line for each relation and cause; one in all where it is as after the statement before."""
    if blocks and blocks == before:
        yield "the same commands would wait as before", "dim"
        return
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for block in blocks:
        grouped.setdefault((block.relation, block.waits_on, block.wait_kind), []).append(block.op)
    for (relation, waits_on, kind), ops in grouped.items():
        because = "" if waits_on == relation else f", because of {waits_on}"
        row = "" if kind == "relation" else f" ({_KINDS.get(kind, kind)})"
        style = "red" if "SELECT" in ops else "yellow"
        yield f"{', '.join(ops)} on {relation} would wait{because}{row}", style


def _untried(statement: StatementRun, tried: bool) -> Iterator[_Line]:
    """What is not known of who would wait, where that was asked for."""
    if tried and statement.blocks is None and statement.outcome == "applied":
        yield "who would wait is not known", "dim"
    if relations := statement.untried:
        named = ", ".join(relations[:3]) + (", …" if len(relations) > 3 else "")
        yield f"not tried, as there are too many tables: {count(len(relations))}, {named}", "dim"


_KINDS = {"transactionid": "for a row", "tuple": "for a row", "advisory": "for an advisory lock"}
