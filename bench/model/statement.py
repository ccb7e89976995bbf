"""A statement of a migration file, and what happened when it ran."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.model.lock import Lock
from bench.model.plan import AtSize, GrowthOf, NestedPlan

StatementOutcome = Literal["applied", "failed", "skipped"]
TransactionMode = Literal["file", "own", "none"]


PAUSE = "SELECT pg_sleep({:.3f}) /* the command was away */"
"""Stands in a recorded migration for the time that the command was away with its transaction open."""
IS_PAUSE = re.compile(r"SELECT pg_sleep\([0-9.]+\) /\* the command was away \*/\Z")
CURRENT_DATABASE = '"pgrehearse:current database"'
"""Stands in a statement for the quoted name of the database that it is sent to: each pass has its own."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a statement's text, and where it stands in the file."""

    text: str
    line: int
    """Line of its first character, from 1; of the reference or command that it took the place of."""
    column: int
    verbatim: bool
    """Whether it stands there as it is; False for the value of a variable of psql."""

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of the character at ``offset``, from 0."""
        if not self.verbatim:
            return self.line, self.column
        lines = self.text.count("\n", 0, offset)
        last = self.text.rfind("\n", 0, offset)
        return self.line + lines, offset - last if lines else self.column + offset


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, as psql would send it."""

    index: int
    """Position in the file, from 0."""
    line: int
    """Line of the first character that is neither white space nor comment, from 1."""
    text: str
    """What is sent: the source text, comments before it included, outer white space and final semicolon
    excluded, and psql's variables replaced."""
    kind: str
    """Command in words, for example ``ALTER TABLE`` or ``CREATE INDEX CONCURRENTLY``."""
    copy_data: str | None = None
    """The rows after ``COPY … FROM stdin``, up to but without the line ``\\.``."""
    first_line: int | None = None
    """Line of the first character of ``text``, which may be a comment; None: the same as ``line``."""
    first_column: int = 1
    """Column of that character, from 1."""
    file: str | None = None
    """The file that it stands in, where another one included it (``\\i``), as a path from the directory of
    the migration's file; None: the migration's own."""
    copy_file: str | None = None
    """The file whose bytes are the rows of ``COPY … FROM stdin`` (``\\copy``)."""
    stretches: tuple[Stretch, ...] = ()
    """The parts of ``text``, where it is not the file's own text; the last one may be longer than that."""
    stops: bool = False
    """Whether the file has set ON_ERROR_STOP by then: psql then stops where the statement fails."""
    echoes: tuple[tuple[int, str], ...] = ()
    """What ``\\echo`` prints between this statement and the next, each with its line."""
    by_tool: bool = False
    """Sent by the migration tool around the file, and not written in it: its BEGIN and COMMIT."""
    outside: str | None = None
    """Where its migration tool puts it in a transaction, how to have it run without; a whole sentence."""

    def locate(self, position: int) -> tuple[int, int]:
        """Line and column in the file of the character at ``position`` of the text, all from 1."""
        offset = position - 1
        for stretch in self.stretches:
            if offset < len(stretch.text) or stretch is self.stretches[-1]:
                return stretch.locate(offset)
            offset -= len(stretch.text)
        own = Stretch(self.text, self.first_line or self.line, self.first_column, verbatim=True)
        return own.locate(offset)

    def path(self, migration: Path) -> Path:
        """The file that it stands in, given the migration's."""
        return migration if self.file is None else Path(os.path.normpath(migration.parent / self.file))


@dataclass(frozen=True, slots=True)
class StatementError:
    """The server's refusal of a statement."""

    sqlstate: str | None
    message: str
    detail: str | None = None
    hint: str | None = None
    line: int | None = None
    """Line of the file, from 1: where the server points, else where the statement starts."""
    column: int | None = None
    """Column in that line, from 1, where the server points."""
    context: str | None = None
    constraint: str | None = None
    """That refused a row, as the server names it apart from the message."""
    interrupted: bool = False
    """Somebody ended the run meanwhile: no failure of the statement."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the server said while a statement ran, without refusing it.

    https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-SEVERITY-LEVELS
    """

    severity: str
    """``NOTICE``, ``WARNING`` or ``INFO``; others where the migration set client_min_messages so."""
    sqlstate: str | None
    message: str
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    line: int | None = None
    """Line of the file, from 1, of the code in a DO block that it comes from; None: of the statement."""

    @property
    def raised(self) -> bool:
        """Whether a RAISE of somebody's PL/pgSQL said it, not the server of its own accord."""
        innermost = (self.context or "").partition("\n")[0]
        return innermost.startswith("PL/pgSQL function ") and innermost.endswith(" at RAISE")


@dataclass(frozen=True, slots=True)
class Skip:
    """What IF NOT EXISTS found in the place of what a statement was to make."""

    kind: str
    """``table``, ``index``, ``column``, ``sequence``, …"""
    name: str
    same: bool | None
    """Whether it is what the statement would have made; None: not compared."""
    differences: tuple[str, ...] = ()
    """What is there and what was wanted, part by part."""
    invalid: bool = False
    """An index that is not valid: no query uses it."""
    line: int | None = None
    """Line of the file, where the statement was one of a DO block."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A relation that existed before and got a new file written."""

    relation: str
    target: str
    table: str | None
    bytes: int | None
    """Size of the new file."""


@dataclass(frozen=True, slots=True)
class Validation:
    """A table that the statement read in full."""

    relation: str
    rows: int
    passes: float | None


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Rows of an existing table that a statement changed, and keeps locked until its transaction ends."""

    relation: str
    inserted: int
    updated: int
    deleted: int
    locked: int | None = None
    """Rows that it keeps locked, each counted once; None: one that was changed twice counts twice."""

    @property
    def rows_locked(self) -> int:
        """Rows that it keeps locked; an upper bound where they were not counted apart."""
        return self.updated + self.deleted if self.locked is None else self.locked


@dataclass(frozen=True, slots=True)
class AdvisoryLock:
    """An advisory lock that was held when the statement had ended.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """

    key: str
    """``12345`` for one 64-bit key, ``1, 2`` for two of 32 bits."""
    mode: str
    """``ExclusiveLock`` or ``ShareLock``."""


@dataclass(frozen=True, slots=True)
class Block:
    """A command of another session that was tried while the statement's transaction was open, and waited."""

    relation: str
    """The relation that the command names, as it was called before the migration."""
    op: str
    """``SELECT``, ``SELECT FOR UPDATE``, ``INSERT``, ``UPDATE`` or ``DELETE``."""
    waits_on: str
    """The relation whose lock it waited for: by a foreign key, a view or an index another than its own."""
    wait_kind: str
    """``pg_locks.locktype``: relation, transactionid or tuple (a row), advisory, …"""
    wanted: str
    """The mode that it asked for."""


@dataclass(frozen=True, slots=True)
class Onward:
    """A statement after the one that failed, as psql without ON_ERROR_STOP goes on and sends it.

    https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-VARIABLES-ON-ERROR-STOP
    """

    index: int
    line: int
    kind: str
    sqlstate: str | None
    """Of its own failure; None: it succeeded."""
    committed: bool
    """Whether what it did was committed in the end."""
    row_changes: tuple[RowChanges, ...] = ()
    """Rows of tables that were there when the migration failed."""
    prints: tuple[str, ...] = ()
    """What psql prints for it: the first row of a result, messages of RAISE, ``\\echo`` after it; cut."""


@dataclass(frozen=True, slots=True)
class Hanging:
    """Something of a column whose type a statement changed, as the catalog has it after the statement."""

    column: str
    kind: str
    """not null, default, identity, sequence, index, constraint, referring constraint, statistics, comment,
    grant or setting; ``obstacle``: a reason for which no other column can take its place unseen."""
    name: str | None
    """As SQL writes it, indexes and sequences with their schema; a grant's role."""
    definition: str
    """As the server writes it, every name with its schema."""
    table: str | None = None
    """The constraint's, as SQL writes it."""
    comment: str | None = None
    identity: str | None = None
    """As ``pg_identify_object`` has it."""


@dataclass(frozen=True, slots=True)
class StatementRun:
    """One execution of one statement."""

    index: int
    line: int
    text: str
    kind: str
    transaction: TransactionMode
    """``file``: inside the file's own BEGIN; ``own``: wrapped alone, so that its locks could be read
    before its commit; ``none``: refuses a transaction and ran plain."""
    outcome: StatementOutcome
    duration_s: float | None
    """Execution, and for ``own`` its commit; None where it did not run."""
    calibration_s: float | None
    """The calibration query's time nearest to the statement."""
    rows: int | None
    counters: Counters
    locks: tuple[Lock, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    validations: tuple[Validation, ...] = ()
    nested: tuple[NestedPlan, ...] = ()
    """The costliest statements inside it, and its own plan, longest first; in the last repeat alone."""
    error: StatementError | None = None
    started_at_s: float | None = None
    """Seconds after the start of the migration's first statement."""
    commit_s: float | None = None
    """The part of ``duration_s`` that was the commit, for ``own``."""
    observed_s: float | None = None
    """Time between end of execution and commit that the harness took to read the locks: the extra hold."""
    truncated: tuple[str, ...] = ()
    """Existing tables that it emptied by giving them new files."""
    row_changes: tuple[RowChanges, ...] = ()
    advisory: tuple[AdvisoryLock, ...] = ()
    blocks: tuple[Block, ...] | None = None
    """What waited when it was tried; None where it was not tried, or where trying broke off."""
    untried: tuple[str, ...] = ()
    """Relations whose users might meet its locks, but that were not tried: there were too many tables."""
    lock_timeout_s: float | None = None
    """lock_timeout in force while it ran; 0.0: it would have waited without end; None: not read."""
    lock_timeout_source: str | None = None
    """Where that value came from, as ``pg_settings.source`` has it."""
    lock_count: int | None = None
    """Entries of the shared lock table that the session held when the statement had ended."""
    file: str | None = None
    """The file that the statement stands in, where the migration's file included another one; as a path
    from the migration's own directory."""
    explained_s: float | None = None
    """Its duration in the pass that looked inside: what shares of ``nested`` refer to."""
    nested_left_out: int = 0
    """Texts that ran inside it, too, and are not in ``nested``, as they cost least."""
    notices: tuple[Notice, ...] = ()
    """What the server said while it ran, in order: the first ones, long ones cut."""
    notices_left_out: int = 0
    """How many more there were."""
    skips: tuple[Skip, ...] = ()
    """What its IF NOT EXISTS found there already; in the last repeat alone."""
    growth: float | None = None
    """As :attr:`NestedPlan.growth`, of the whole statement."""
    sizes: tuple[AtSize, ...] = ()
    """The sizes that ``growth`` compares, the smaller one first."""
    growth_of: GrowthOf | None = None
    hanging: tuple[Hanging, ...] | None = None
    """What hangs on the columns whose type it changed; None: it changed none, or it was not read."""
    by_tool: bool = False
    """Sent by the migration tool around the file, and not written in it: its BEGIN and COMMIT."""

    def file_beside(self, migration: str) -> str:
        """The file that it stands in, given the migration's as the run file names it."""
        if self.file is None:
            return migration
        return posixpath.normpath(posixpath.join(posixpath.dirname(migration), self.file))


@dataclass(frozen=True, slots=True)
class Counters:
    """What a statement cost besides time; each is None where the server could not say.

    Blocks are 8 KiB pages. All but ``size_delta_bytes`` come from pg_stat_statements.
    """

    wal_bytes: int | None = None
    wal_records: int | None = None
    wal_fpi: int | None = None
    """Full-page images written to WAL."""
    blocks_hit: int | None = None
    blocks_read: int | None = None
    blocks_dirtied: int | None = None
    temp_bytes: int | None = None
    """Bytes written to temporary files: more than 0 means a sort or hash did not fit work_mem."""
    size_delta_bytes: int | None = None
    """Growth of the database on disk."""
