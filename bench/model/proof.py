"""What was proved on clones: rollbacks, crash points, second runs, who may read and write what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.model.lock import LockMode
from bench.model.statement import StatementError

Change = Literal["added", "removed", "changed"]
RollbackOutcome = Literal["exact", "differs", "failed", "missing", "not-reached"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One object, or the rows of one table, in which a database is not what it is compared with."""

    thing: str
    """``schema``, ``rows`` or ``sequence``."""
    object: str
    """Identity of the object, for example ``index public.deals_name``; of rows, their table."""
    change: Change
    """What became of it, seen from the state that is compared with."""
    before: str | None = None
    """Definition lines that it has there and here not, or a sequence's position; None of rows."""
    after: str | None = None
    rows: int | None = None
    """How many rows differ in this way; of a table or column that is gone, how many it held or filled."""
    keys: tuple[str, ...] = ()
    """Primary keys of the first of them; contents where there is no key."""
    columns: tuple[str, ...] = ()
    """The columns whose values changed."""


@dataclass(frozen=True, slots=True)
class RollbackLock:
    """The strongest lock that a rollback took on an existing relation."""

    relation: str
    mode: LockMode
    held_s: float | None


@dataclass(frozen=True, slots=True)
class UserWrite:
    """A row that was written between the deploy and its rollback, and what became of it."""

    relation: str
    op: Literal["INSERT", "UPDATE"]
    column: str
    """A column that the write gave a value of its own."""
    key: str
    outcome: Literal["survived", "lost"]
    named: bool = False
    """Whether the rollback said, in a notice or warning, that it loses rows of the table or of the column."""


@dataclass(frozen=True, slots=True)
class RollbackProof:
    """Forward, then back in a session of its own, compared with the state before."""

    scope: Literal["alone", "all", "after-writes"]
    """One migration; the whole suite in reverse; one migration with an application's writes in between."""
    migrations: tuple[str, ...]
    """Ids, in the order in which they were taken back."""
    outcome: RollbackOutcome
    """``not-reached``: the way forward failed. For ``after-writes``, ``differs`` where a write was lost."""
    draft: bool = False
    """The rollback was drafted from the catalog's difference; nobody wrote it."""
    differences: tuple[Difference, ...] = ()
    error: StatementError | None = None
    duration_s: float | None = None
    """Of the rollback's statements; None where it was not timed."""
    locks: tuple[RollbackLock, ...] = ()
    writes: tuple[UserWrite, ...] = ()
    said: tuple[str, ...] = ()
    """Warnings and notices of the rollback."""


StateAfterCrash = Literal["before", "after", "partial"]
Rerun = Literal["completes", "fails", "damages"]


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A migration cut off at one point, the state that this left, and what a second run made of it."""

    migration: str
    statement: int
    """Index of the statement that was the last to end, or that was cut off; -1 before the first."""
    line: int
    inside: bool
    """Whether the statement itself was cut off."""
    method: Literal["terminate", "kill -9"]
    """The session's backend was terminated; or it was killed, and the server recovered as from a crash."""
    state: StateAfterCrash
    rerun: Rerun | None
    """To the state that an undisturbed run reaches; ``damages``: to another one, without an error. None where
    an equal state had been tried already, see ``same_as``."""
    covers: int = 1
    """Statement boundaries with this committed state: the transaction counter had not moved between them."""
    same_as: int | None = None
    """Position in the list of the point whose state is equal."""
    differences: tuple[Difference, ...] = ()
    """Of a partial state, from the state before."""
    error: StatementError | None = None
    """Of the second run."""
    end_differences: tuple[Difference, ...] = ()
    """Of the second run's end, from the end of an undisturbed run."""


@dataclass(frozen=True, slots=True)
class IdempotenceProof:
    """A migration run when it should not be: a second time, or before the one that it follows."""

    scope: Literal["twice", "out-of-order"]
    migrations: tuple[str, ...]
    """Ids in the order in which they ran."""
    outcome: Literal["same", "refuses", "changes", "breaks"]
    """``same``: ends where it should; ``refuses``: an error that leaves the state as it was; ``changes``:
    no error and another state; ``breaks``: an error and another state."""
    error: StatementError | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one actor came with one command."""

    rows: int | None
    """Rows seen or changed; None where the command was refused."""
    sqlstate: str | None = None
    """Why it was refused."""


@dataclass(frozen=True, slots=True)
class AccessCell:
    """One actor, one command, one relation, before the suite and after it; tried, and rolled back."""

    actor: str
    """``anon``, ``owner``, ``other user``, ``admin`` or ``service_role``."""
    relation: str
    op: str
    """``SELECT``, ``INSERT``, ``UPDATE`` or ``DELETE``; of a function ``EXECUTE``."""
    whose: Literal["owner's", "strangers'", "all"]
    """Rows of the user whom ``owner`` stands for, or of users who are none of the actors;
    ``all`` where rows have no owner."""
    of: int
    """So many such rows there are after the suite; of a function, calls."""
    before: Reach | None
    """None where the relation did not exist, or had no such row."""
    after: Reach | None
    opened: str | None = None
    """Why it counts as opened: what was not reached before, or what policies hide elsewhere."""


@dataclass(frozen=True, slots=True)
class PolicyCost:
    """A full count of a table under its policies, and without them; medians, warm."""

    relation: str
    actor: str
    n: int
    with_s: float
    without_s: float
    with_cost: float | None = None
    """The planner's total cost, by EXPLAIN."""
    without_cost: float | None = None


@dataclass(frozen=True, slots=True)
class OwnerRights:
    """A view or function that the suite brought, and that works with the rights of its owner."""

    kind: Literal["view", "function"]
    name: str
    fixed_path: bool | None
    """Whether the function sets its own search_path; None of views."""
    reached_by: tuple[str, ...]
    """Roles that may read or call it."""


@dataclass(frozen=True, slots=True)
class SwallowedError:
    """An error that EXCEPTION WHEN OTHERS hid: the same body, made to raise it, did."""

    where: str
    """The function, or ``file's id:line`` of a DO block."""
    migration: str | None
    """Of a DO block."""
    statement: int | None
    calls: int
    raised: int
    """So many of the calls hid an error."""
    sqlstate: str | None
    message: str
    returned: str | None
    """What the first of these calls gave back instead."""


@dataclass(frozen=True, slots=True)
class ValueTrial:
    """A value that a column was given, or a row that was deleted, for real; and rolled back."""

    relation: str
    subject: str
    """The constraint that the trial is about, or the column where it is about its type or default."""
    kind: Literal["check", "type", "not null", "default", "unique", "foreign key", "delete"]
    columns: tuple[str, ...]
    tried: str
    """The value as text, ``NULL``, ``DEFAULT``, or what was done in words."""
    expected: bool | None
    """Whether the constraint's own words say that it is accepted; None where they do not tell."""
    accepted: bool | None
    """None where there was no row to try it on, or not enough time."""
    stored: str | None = None
    """What was read back: the value after rounding; of a deletion, what became of the row that referred."""
    sqlstate: str | None = None
    constraint: str | None = None
    """The constraint that refused it, where the server names one."""
    message: str | None = None
    """Why it was refused."""
    refused_before: bool | None = None
    """Of a deletion that is refused: whether the state before the suite refused it for the same reason; None
    where that was not tried."""


@dataclass(frozen=True, slots=True)
class OffendingRow:
    """A row without which the migration would not fail as it does."""

    relation: str
    key: str
    values: str
    """The row as JSON, its first characters."""


@dataclass(frozen=True, slots=True)
class DirtProof:
    """The suite on data of which every row that can be dirty is, in one way or in all."""

    kinds: tuple[str, ...]
    """The kinds of dirt planted, as the generator names them; none for the suite's own rows."""
    rows: int
    """Dirty rows; of a suite's own data, all rows."""
    outcome: Literal["applied", "failed"]
    migration: str | None = None
    """The one that failed."""
    error: StatementError | None = None
    offending: tuple[OffendingRow, ...] = ()
    """What is left when rows are taken away as long as the failure stays, without rows that others need."""
    trials: int = 0
    """Copies on which fewer rows were tried."""
    smallest: bool = False
    """Whether no single row can be taken away from what is left; False where time ran out before."""


@dataclass(frozen=True, slots=True)
class CreatedObjects:
    """What a migration left in the catalog that was not there before, whoever created it: DO blocks, too."""

    migration: str
    counts: dict[str, int]
    """By kind: ``table``, ``index``, ``view``, ``function`` …"""
    key_indexes: int = 0
    """Indexes of primary keys, unique and exclusion constraints, which are none of the indexes above."""


@dataclass(frozen=True, slots=True)
class FailingFunction:
    """A function that the suite brought, and that failed at every call that was tried."""

    function: str
    calls: int
    sqlstate: str | None
    message: str


@dataclass(frozen=True, slots=True)
class ExtensionNeed:
    """An extension of the state before without which a migration fails, tried on a copy that lacks it."""

    extension: str
    migration: str
    error: StatementError
