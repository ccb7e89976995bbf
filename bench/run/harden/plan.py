"""Which statements are written otherwise, and how: the ways out of a run's findings, put in their places.

Only what was measured to hurt is touched; a scan of forty rows stays as it is. A way out is one that its own
tests have run: it ends where the statement ends, and refuses what the statement refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analyse.conclude import Conclusion
from bench.analyse.remedies.indexes import without_invalid
from bench.analyse.remedies.script import LOCK_TIMEOUT, OUTSIDE, OWN
from bench.analyse.summary import StatementSummary
from bench.migrate.division import read_pieces
from bench.migrate.migration import Migration
from bench.model.finding import Finding
from bench.model.statement import Statement
from bench.sql.kinds import classify
from bench.sql.lexer import skip_space

REWRITTEN = (
    "rewrite",
    "index-built-under-lock",
    "scan-under-lock",
    "row-locks",
    "blocks-reads",
    "blocks-writes",
)
"""Codes of findings whose way out takes the statement's place, the one that tells most first."""
WAITS = "no-lock-timeout"
LONG_S = 0.1
"""A statement that takes longer is not run while others' locks are held."""
_HELD = ("held-across", "blocks-reads", "blocks-writes", "row-locks")
_LONG = frozenset({"UPDATE", "DELETE", "INSERT", "MERGE", "COPY", "DO", "CALL", "SELECT", "REFRESH"})
"""Kinds that a lock_timeout meant for a table's lock would end because of a row's."""
_WHOLE = (
    (re.compile(r"\ACREATE\s+(?:LOCAL\s+)?TEMP", re.IGNORECASE), "it makes a temporary table"),
    (
        re.compile(r"\A(?:LOCK|SAVEPOINT|DECLARE)\b", re.IGNORECASE),
        "it locks tables, or has savepoints or cursors",
    ),
    (
        re.compile(r"\ASET\s+(?:LOCAL\s+(?!lock_timeout)|CONSTRAINTS)", re.IGNORECASE),
        "it has SET LOCAL or deferred constraints",
    ),
    (
        re.compile(r"\ASELECT\b.*\bpg_(?:try_)?advisory_xact_lock", re.IGNORECASE | re.DOTALL),
        "it holds an advisory lock",
    ),
)
"""What ties a transaction together, and in words."""
SET_TIMEOUT = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
_RETRIES = re.compile(r"\ADO \$retry\$")
_SETS_TIMEOUT = re.compile(r"\bSET\s+(?:LOCAL\s+|SESSION\s+)?lock_timeout\b", re.IGNORECASE)
_COMMITS_INSIDE = re.compile(r"\ADO\s+\$(\w*)\$.*\bCOMMIT\b", re.IGNORECASE | re.DOTALL)
_VALIDATES = re.compile(r"\bALTER\s+TABLE\b.*\bVALIDATE\s+CONSTRAINT\b", re.IGNORECASE | re.DOTALL)
"""That of a domain makes writes wait, and is limited as others are."""
_INDEX = re.compile(
    r"\ACREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?P<name>(?:\"(?:[^\"]|\"\")+\"|\w+))\s+ON\s+"
    r"(?:ONLY\s+)?(?:(?P<schema>\"(?:[^\"]|\"\")+\"|\w+)\.)?",
    re.IGNORECASE,
)

Script = tuple[Migration, Sequence[Statement]]


@dataclass(frozen=True, slots=True)
class Unit:
    """What one file of the safe version sends: one transaction, or what refuses one."""

    texts: tuple[str, ...]
    """Statements without their final semicolons, comments above them."""
    transaction: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One statement that is written otherwise, and why."""

    place: str
    """``file:line`` in the original."""
    code: str
    why: str
    """With the figure that called for it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One statement that hurts and stays as it is, and why nothing better can be written."""

    place: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Hardened:
    """One migration and what becomes of it."""

    migration: Migration
    units: tuple[Unit, ...]
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.changes)


def harden(conclusion: Conclusion, scripts: Sequence[Script]) -> tuple[Hardened, ...]:
    """The safe version of each migration of a run, in order; without changes its statements stay."""
    return tuple(_harden(conclusion, migration, statements) for migration, statements in scripts)


def _harden(conclusion: Conclusion, migration: Migration, statements: Sequence[Statement]) -> Hardened:
    measured = next(item for item in conclusion.summary.migrations if item.id == migration.id)
    findings = tuple(
        finding
        for finding in conclusion.findings
        if finding.migration == migration.id and finding.accepted is None and finding.severity != "info"
    )
    return written_anew(migration, statements, findings, measured.statements)


def written_anew(
    migration: Migration,
    statements: Sequence[Statement],
    findings: Sequence[Finding],
    measured: Sequence[StatementSummary],
) -> Hardened:
    """One migration with the ways out of these findings of its own in their statements' places."""
    if (reason := _untouchable(statements)) is not None:
        hurts = next((finding for finding in findings if finding.code in REWRITTEN), None)
        refusals = (
            (Refusal(str(hurts.place), hurts.code, f"The file stays as it is: {reason}."),) if hurts else ()
        )
        return Hardened(migration, (_verbatim(statements),), (), refusals)
    writing = _Writing(migration, findings, {item.index: item for item in measured})
    whole = writing.must_stay_whole(statements)
    for statement in statements:
        writing.take(statement, whole=whole)
    writing.flush()
    return Hardened(migration, tuple(writing.units), tuple(writing.changes), tuple(writing.refusals))


def _untouchable(statements: Sequence[Statement]) -> str | None:
    """Why a file cannot be taken apart at all; None where it can."""
    controls = {classify(statement.text).transaction_control for statement in statements} - {
        None,
        "begin",
        "commit",
    }
    if controls:
        return "it rolls back, or has savepoints or chained transactions"
    if any(statement.copy_data is not None or statement.copy_file is not None for statement in statements):
        return "it copies rows in"
    return None


def _verbatim(statements: Sequence[Statement]) -> Unit:
    """All of a file as it is sent; rows follow their COPY."""
    texts = (
        statement.text if statement.copy_data is None else f"{statement.text};\n{statement.copy_data}\\."
        for statement in statements
    )
    return Unit(tuple(texts), transaction=False)


class _Writing:
    """One migration, statement by statement."""

    def __init__(
        self, migration: Migration, findings: Sequence[Finding], measured: Mapping[int, StatementSummary]
    ) -> None:
        self._migration = migration
        self._findings = findings
        self._measured = measured
        self._waits = next((finding for finding in findings if finding.code == WAITS), None)
        self._group: list[str] = []
        self._inside = migration.forward.transaction != "none"
        self._given: bool = False
        """The file says itself how long it waits for locks."""
        self._limited = False
        """The group has said so here."""
        self.units: list[Unit] = []
        self.changes: list[Change] = []
        self.refusals: list[Refusal] = []

    def must_stay_whole(self, statements: Sequence[Statement]) -> bool:
        """Whether the file's transaction cannot be divided; where something of it hurts, that is said."""
        codes = [_code(statement) for statement in statements]
        reason = next((said for pattern, said in _WHOLE if any(map(pattern.search, codes))), None)
        hurts = [finding for finding in self._findings if finding.code in (*REWRITTEN, "held-across")]
        if reason is None or not hurts:
            return False
        in_transaction = self._inside or any(
            classify(statement.text).transaction_control == "begin" for statement in statements
        )
        if in_transaction:
            place = str(hurts[0].place or self._migration.file)
            self.refusals.append(Refusal(place, hurts[0].code, f"Its transaction stays whole: {reason}."))
        return in_transaction

    def take(self, statement: Statement, *, whole: bool) -> None:
        """Put the next statement in its place; ``whole``: the transaction is not divided."""
        facts = classify(statement.text)
        if facts.transaction_control == "begin":
            self.flush()
            self._inside = True
        elif facts.transaction_control in ("commit", "rollback"):
            self.flush()
            self._inside = statement.by_tool and self._migration.forward.transaction != "none"
        elif not whole and (chosen := self._chosen(statement)) is not None:
            finding, sql = chosen
            self.flush()
            self.changes.append(Change(self._place(statement), finding.code, _reason(finding)))
            above = statement.text[: skip_space(statement.text, 0)].strip()
            said = f"-- {self._place(statement)} was: {_short(statement)} -- {_reason(finding)}"
            self.units += _units(sql, "\n".join(filter(None, [above, said])))
        elif facts.refuses_transaction:
            self.flush()
            self.units.append(Unit((statement.text,), transaction=False))
        else:
            apart = not whole and self._is_apart(statement)
            if apart:
                self.flush()
            self._keep(statement)
            if apart:
                self.flush()

    def flush(self) -> None:
        """End the group of statements that stay as they are."""
        if self._limited and not self._inside:
            self._group.append("RESET lock_timeout")
        if self._group:
            self.units.append(Unit(tuple(self._group), transaction=self._inside))
        self._group, self._limited = [], False

    def _keep(self, statement: Statement) -> None:
        """With a lock_timeout while it is one that waits for a lock of a table, and without it else."""
        self._given = self._given or bool(_SETS_TIMEOUT.search(statement.text))
        if self._waits is not None and not self._given:
            wanted = self._waits_for_table(statement)
            if wanted and not self._limited:
                if not any(change.code == WAITS for change in self.changes):
                    self.changes.append(Change(self._place(statement), WAITS, _reason(self._waits)))
                self._group.append(SET_TIMEOUT if self._inside else SET_TIMEOUT.replace("LOCAL ", ""))
                self._limited = True
            elif self._limited and not wanted and statement.kind.split()[0] in _LONG:
                self._group.append(
                    "SET LOCAL lock_timeout TO DEFAULT" if self._inside else "RESET lock_timeout"
                )
                self._limited = False
        self._group.append(statement.text)

    def _waits_for_table(self, statement: Statement) -> bool:
        measured = self._measured.get(statement.index)
        return measured is not None and any(not lock.new and lock.blocks for lock in measured.locks)

    def _is_apart(self, statement: Statement) -> bool:
        """Whether the transaction around a statement is ended before it and after it, as it takes long."""
        measured = self._measured.get(statement.index)
        long = (
            measured is not None and measured.duration_s is not None and measured.duration_s.median >= LONG_S
        )
        if not (long and self._inside):
            return False
        if (held := next((finding for finding in self._findings if finding.code in _HELD), None)) is None:
            return False
        if not any(change.code == held.code for change in self.changes):
            self.changes.append(Change(self._place(statement), held.code, _reason(held)))
        return True

    def _chosen(self, statement: Statement) -> tuple[Finding, str] | None:
        """The finding whose way out takes the statement's place, and that; None where it stays."""
        mine = [finding for finding in self._findings if finding.statement == statement.index]
        for code in REWRITTEN:
            for finding in mine:
                if finding.code != code:
                    continue
                if finding.sql is not None and not _RETRIES.match(finding.sql):
                    return finding, finding.sql
                if finding.sql is None:
                    self._refuse(statement, finding)
        return None

    def _refuse(self, statement: Statement, finding: Finding) -> None:
        refusal = Refusal(self._place(statement), finding.code, finding.fix or "there is no other form")
        if refusal not in self.refusals:
            self.refusals.append(refusal)

    def _place(self, statement: Statement) -> str:
        return f"{statement.file or self._migration.file}:{statement.line}"


def _code(statement: Statement) -> str:
    return statement.text[skip_space(statement.text, 0) :]


def _units(sql: str, said: str) -> Iterator[Unit]:
    """A way out as units: what says that it runs outside, or by itself, does; ``said`` is on the first."""
    group: list[str] = []
    inside = False
    for text in _statements(sql):
        code = text[skip_space(text, 0) :]
        facts = classify(code)
        text = f"{said}\n{text}" if said else text
        said = ""
        if facts.transaction_control == "begin":
            yield from _of(group)
            group, inside = [], True
        elif facts.transaction_control == "commit":
            yield from _of(group)
            group, inside = [], False
        elif facts.refuses_transaction or _COMMITS_INSIDE.match(code):
            yield from _of(group)
            group = []
            yield _outside(text, code)
        else:
            if f"-- {OWN}" in text and not inside:
                yield from _of(group)
                group = []
            group.append(text)
    yield from _of(group)


def _of(group: Sequence[str]) -> Iterator[Unit]:
    """One transaction; where it waits for a lock that others queue behind, not for long."""
    if not group:
        return
    waits = any(not _VALIDATES.search(text) for text in group) and not any(map(_SETS_TIMEOUT.search, group))
    yield Unit((SET_TIMEOUT, *group) if waits else tuple(group))


def _outside(text: str, code: str) -> Unit:
    """With an INVALID index that an earlier try has left taken away before; a valid one is not touched."""
    match = _INDEX.match(code)
    if match is None:
        return Unit((text,), transaction=False)
    schema = f"{match['schema']}." if match["schema"] else ""
    block, why = without_invalid(f"{schema}{match['name']}")
    above = text[: len(text) - len(code)]
    return Unit((f"{above}-- {why}\n{block}", code), transaction=False)


def _statements(sql: str) -> Iterator[str]:
    for statement in read_pieces(Path("the way out"), sql, "semicolons"):
        yield _without_marks(statement.text)


def _without_marks(text: str) -> str:
    """Without the words that are said of the place of a statement, but for those that decide it."""
    return re.sub(rf"^-- {OUTSIDE}[^\n]*\n", "", text, flags=re.MULTILINE)


def _reason(finding: Finding) -> str:
    return " ".join(finding.message.split())


def _short(statement: Statement) -> str:
    code = statement.text[skip_space(statement.text, 0) :]
    words = " ".join(code.split())
    return words if len(words) <= 100 else f"{words[:99]}…"


def without_own_marks(unit: Unit) -> Unit:
    """The unit as it is written down: a transaction of its own is what the file is."""
    return replace(
        unit, texts=tuple(re.sub(rf"^-- {OWN}\n", "", text, flags=re.MULTILINE) for text in unit.texts)
    )
