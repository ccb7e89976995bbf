"""What is read of a migration's session besides its time: locks, files, scans, rows, and who waits for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, class_row

from bench.analyse.remedies.alter import retyped_columns
from bench.model.lock import LockMode
from bench.model.statement import AdvisoryLock, Block, Hanging, Statement, Validation
from bench.observe.counters import LockTimeoutReader
from bench.observe.holds import Hold, HoldTracker, LockKey, Span
from bench.observe.inside import InsideReader
from bench.observe.intervals import HeldLocks
from bench.observe.probe import Tried
from bench.observe.relations import RelationCatalog
from bench.pg.catalog import load_query
from bench.run.execute import execute
from bench.run.solo.execution import Execution
from bench.run.solo.watch import Watch

TELL_NOTHING = frozenset(
    {
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SET",
        "SET TRANSACTION",
        "SET CONSTRAINTS",
        "RESET",
        "SAVEPOINT",
        "RELEASE",
    }
)
"""Kinds that neither rewrite nor scan, and after which SET TRANSACTION may still come."""

_MAKE_ROUTINES = frozenset({"CREATE FUNCTION", "CREATE PROCEDURE", "CREATE TRIGGER"})


_RUN_ROUTINES = frozenset({"CALL", "DO"})

_CHANGE_ROWS_ONCE = frozenset({"UPDATE", "DELETE", "MERGE", "INSERT", "COPY"})
"""Kinds that come to no row twice."""

_RENAME_MORE = ("ALTER SCHEMA", "ALTER TYPE", "ALTER DOMAIN")
"""Kinds that change what tables are called, or what their columns take, without a lock on them."""

_NOBODY = Tried(())
_CANNOT_SEE = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
"""What ends a query of the prober's that waits behind the migration."""

_LOOKS = 2
"""How often a statement that failed is run again without gates, which might end it elsewhere."""


class Inspection:
    """Looks at the session ``conn`` between its statements, and into those that outlast their locks."""

    def __init__(
        self,
        conn: psycopg.Connection[TupleRow],
        watch: Watch,
        catalog: RelationCatalog,
        statements: Sequence[Statement],
    ) -> None:
        self._conn = conn
        self._likely = catalog.named_in(statement.text for statement in statements)
        self._watch = watch
        self._catalog = catalog
        self._tracker = HoldTracker()
        self._inside = InsideReader(conn, catalog)
        self._lock_timeout = LockTimeoutReader(conn)
        self._frozen: list[Hold] = []
        self._held: frozenset[LockKey] = frozenset()
        self._advisory: tuple[AdvisoryLock, ...] = ()
        self._own: set[int] = set()
        """Relations that the open transaction has made: nobody else sees them."""
        self._rows_locked = False
        """The open transaction has changed rows that were there before."""
        self._probed: HeldLocks | None = None
        self._tried: Tried | None = _NOBODY
        """What the last probe of the open transaction found; None where it could not be had."""
        self._unnamed: set[int] = set()
        self._ready = False
        """The prober knows what is committed."""
        if watch.stepper is not None:
            watch.stepper.learn(conn)
        watch.locks_of(conn.info.backend_pid)  # what the query needs of the catalogs must not be asked later

    @property
    def holds(self) -> list[Hold]:
        """The locks so far, each from when to when; what a look inside saw only where no snapshot has it."""
        exact = {(hold.oid, hold.mode, hold.statement) for hold in self._tracker.holds}
        frozen = (hold for hold in self._frozen if (hold.oid, hold.mode, hold.statement) not in exact)
        return [*self._tracker.holds, *frozen]

    def before(self, statement: Statement, *, in_transaction: bool) -> None:
        """Get ready for a statement that runs as the file has it."""
        if statement.kind in TELL_NOTHING:
            return
        if not in_transaction:
            self._inside.mark()
        elif self._guards(statement):
            self._conn.execute("SAVEPOINT pgrehearse")

    def hold_open(self, *, begin: bool = False) -> None:
        """No timeout may end the transaction while we look at it; psql would have gone on at once.

        ``begin``: begin one, in the same message.
        """
        texts = ["BEGIN"] if begin else []
        texts.append("SET LOCAL idle_in_transaction_session_timeout = 0")
        if self._watch.prober is not None and self._conn.info.server_version >= 170000:
            texts.append("SET LOCAL transaction_timeout = 0")
        self._conn.execute("; ".join(texts).encode())

    def after(self, statement: Statement, position: int, measured: Execution) -> None:
        """Look at the transaction that the statement has left open."""
        if measured.outcome == "applied" and (statement.kind in TELL_NOTHING or self._watch.prober):
            self.hold_open()
        held = self._watch.locks_of(self._conn.info.backend_pid)
        self._snapshot(statement.kind, held, position, measured)
        if measured.outcome != "applied" or statement.kind in TELL_NOTHING:
            self.nobody_more(statement, measured)
            return
        existing = held.only(self._catalog.existing_oids)
        shared = held.without(self._own)
        if self._watch.stepper is not None and statement.kind in _MAKE_ROUTINES:
            self._watch.stepper.learn(self._conn)
        if statement.kind == "ROLLBACK TO":
            self._inside.go_back(held.oids)
        elif existing.relations or statement.kind in _RUN_ROUTINES:
            # What a subtransaction scanned is not locked any more once it was rolled back.
            hides = statement.kind in _RUN_ROUTINES
            scanned = held.oids | self._catalog.existing_oids if hides else held.oids
            measured.inside = self._inside.read(statement.kind, scanned)
            if statement.kind not in _CHANGE_ROWS_ONCE and measured.inside.row_changes:
                measured.inside = self._inside.count_locked(measured.inside)
            measured.lock_timeout = self._lock_timeout.read()
            measured.hanging = read_hanging(self._conn, statement.text)
        self._adopt(measured, position)
        self._rows_locked |= any(change.updated or change.deleted for change in measured.inside.row_changes)
        self._probe(shared, measured)
        if measured.transaction == "file" and self._guards(statement):
            self._conn.execute("RELEASE SAVEPOINT pgrehearse")

    def after_transactions(self, statement: Statement, position: int, measured: Execution) -> None:
        """Look at what a statement did that ran outside a transaction of the file's or ours."""
        if statement.kind not in TELL_NOTHING and not self._conn.closed:
            measured.inside = self._inside.read_marked(statement.kind)
            self._see_advisory(measured)
            self._adopt(measured, position)
            self._may_have_changed(None)
            if measured.outcome == "applied":
                self._probe_again(position, measured)

    def released(self, during: Span) -> None:
        """The transaction ended ``during`` its COMMIT or ROLLBACK, or by an error."""
        self._tracker.release_all(during)
        self._held = frozenset()
        self._own.clear()
        self._rows_locked = False
        self._probed = None
        self._tried = _NOBODY

    def rolled_back(self) -> None:
        """It ended by a ROLLBACK."""
        self._inside.roll_back()

    def between(self, sampled: Collection[int]) -> None:
        """No transaction is open: get ready for the next. ``sampled``: relations that samples have shown."""
        self._inside.flush()
        self._catalog.learn(self._watch.observer, self._unnamed.union(sampled))
        self._unnamed.clear()

    def ready_prober(self, *, in_transaction: bool) -> None:
        """Before a statement: let the prober clean up, and see what was committed since it looked last."""
        prober = self._watch.prober
        if prober is None or (self._probed is not None and self._probed.hides_catalogs):
            return
        with suppress(*_CANNOT_SEE):
            prober.clean()
            if not in_transaction and not (self._ready and prober.changed == set()):
                self._ready = False
                prober.learn(self._catalog, likely=self._likely)
                self._ready = True

    @contextmanager
    def stepping(self, statement: Statement, position: int, *, may_commit: bool = False) -> Iterator[None]:
        """Make a statement wait half-way, again and again, if its locks may be gone at its end."""
        stepper = self._watch.stepper
        hides = may_commit or statement.kind in _RUN_ROUTINES
        if stepper is None or not (hides or stepper.may_hide(statement.text)):
            yield
            return
        clock = self._watch.source
        begin = clock()
        with stepper.stepping(self._conn, self._catalog, statement.text) as seen:
            yield
        self._keep_frozen(seen, position, (begin, clock()))

    def dressed(self, statement: Statement) -> Statement:
        """The statement as it is sent where an error must not take its locks away unseen."""
        if self._watch.stepper is None or statement.copy_data is not None or statement.copy_file is not None:
            return statement
        return replace(statement, text=statement.text + self._watch.stepper.padding)

    def look_again(self, statement: Statement, position: int, measured: Execution) -> None:
        """Run a statement that failed again: its error has taken the locks with it."""
        stepper = self._watch.stepper
        if stepper is None or self._conn.closed or measured.transaction == "none":
            return
        in_file = self._conn.info.transaction_status == TransactionStatus.INERROR
        if in_file and not self._guards(statement):
            return
        if not in_file:
            self._inside.flush()
            self._conn.execute("BEGIN")
            self._conn.execute("SAVEPOINT pgrehearse")
        seen: set[LockKey] = set()
        for looking in (
            *(stepper.watching(self._conn) for _ in range(_LOOKS)),
            stepper.stepping(self._conn, self._catalog, statement.text),
        ):
            if not self._conn.closed:
                self._conn.execute("ROLLBACK TO SAVEPOINT pgrehearse")
                with looking as after, suppress(psycopg.Error):
                    execute(self._conn, self.dressed(statement))
                seen |= after
        if self._conn.closed:
            return
        self._conn.execute("ROLLBACK TO SAVEPOINT pgrehearse")
        scans = self._scans(statement, _LOOKS + 1 + in_file)
        self._conn.execute("ROLLBACK")
        measured.inside = replace(measured.inside, validations=scans)
        self._keep_frozen(seen, position, measured.span)

    def _scans(self, statement: Statement, times: int) -> tuple[Validation, ...]:
        """What a statement has scanned that ran so often since the last reading, and failed each time."""
        scans = self._inside.read(statement.kind, self._catalog.existing_oids).validations
        return tuple(
            replace(scan, rows=scan.rows // times, passes=scan.passes and scan.passes / times)
            for scan in scans
        )

    def _adopt(self, measured: Execution, position: int) -> None:
        for oid, relation in measured.inside.moved:
            self._catalog.adopt(oid, relation, position)

    def _guards(self, statement: Statement) -> bool:
        """Whether a savepoint comes before a statement in the file's transaction, to look at a failure."""
        return self._watch.stepper is not None and statement.kind not in (*TELL_NOTHING, "ROLLBACK TO")

    def nobody_more(self, statement: Statement, measured: Execution) -> None:
        """A statement that takes no lock itself, as BEGIN, COMMIT and SET, makes nobody wait for a table."""
        if self._advisory and statement.kind in TELL_NOTHING and not self._conn.closed:
            self._see_advisory(measured)
        if statement.kind in TELL_NOTHING and measured.outcome == "applied" and self._watch.prober:
            measured.blocks = ()

    def _see_advisory(self, measured: Execution) -> None:
        """Those of the session outlast its transactions."""
        self._advisory = self._watch.locks_of(self._conn.info.backend_pid).advisory
        measured.advisory = self._advisory

    def _probe(self, shared: HeldLocks, measured: Execution) -> None:
        """Find who waits, if that can have changed since the last time; ``shared``: what others can see."""
        prober = self._watch.prober
        if prober is None:
            return
        if shared.hides_catalogs:
            self._tried = None
        elif shared.blocks_nobody(rows=self._rows_locked):
            self._tried = _NOBODY
        elif not self._ready:
            self._tried = None
        elif shared != self._probed or measured.inside.row_changes or shared.may_lock_rows:
            self._tried = None
            with suppress(*_CANNOT_SEE):
                self._tried = prober.probe(self._conn.info.backend_pid, shared.met_on)
        self._probed = shared
        self._put(self._tried, measured)

    @staticmethod
    def _put(tried: Tried | None, measured: Execution) -> None:
        measured.blocks = tried.blocks if tried is not None else None
        measured.untried = tried.untried if tried is not None else ()

    def _probe_again(self, position: int, measured: Execution) -> None:
        """Find who waits for locks that a statement took and gave back, with a session in its place."""
        prober, stand_in = self._watch.prober, self._watch.stand_in
        if prober is None or stand_in is None:
            return
        keys = [(hold.oid, hold.mode) for hold in self._frozen if hold.statement == position]
        self.ready_prober(in_transaction=False)
        if not self._ready:
            return
        blocks: dict[Block, None] = {}
        untried: dict[str, None] = {}
        for pid, locked in stand_in.holding(keys, self._catalog):
            tried = prober.probe(pid, locked)
            blocks.update(dict.fromkeys(tried.blocks))
            untried.update(dict.fromkeys(tried.untried))
        self._put(Tried(tuple(blocks), tuple(untried)), measured)

    def _snapshot(self, kind: str, held: HeldLocks, position: int, measured: Execution) -> None:
        """Note the locks."""
        self._tracker.snapshot(position, held.relations, measured.span)
        self._held = frozenset(held.relations)
        self._name_own(held)
        unforeseen = kind in _RUN_ROUTINES or kind.startswith(_RENAME_MORE)
        strong = (
            oid
            for oid, mode in held.only(self._catalog.existing_oids).relations
            if LockMode(mode).strength >= LockMode.SHARE_UPDATE_EXCLUSIVE.strength
        )
        self._may_have_changed(None if unforeseen else {self._catalog.owner(oid) for oid in strong})
        measured.lock_count = held.shared_entries
        measured.advisory = self._advisory = held.advisory

    def _may_have_changed(self, relations: Set[int] | None) -> None:
        """Let the prober look at relations again; None: at all."""
        if (prober := self._watch.prober) is not None:
            known = prober.changed
            prober.changed = None if known is None or relations is None else known | relations

    def _name_own(self, held: HeldLocks) -> None:
        """What the transaction has made is named while it is there, which only its own session can see."""
        made = held.oids - self._catalog.known_oids
        self._own |= made
        if made and self._conn.info.transaction_status == TransactionStatus.INTRANS:
            self._catalog.learn(self._conn, made)

    def _keep_frozen(self, seen: Collection[LockKey], position: int, during: Span) -> None:
        self._unnamed.update(oid for oid, _ in seen)
        new = sorted(set(seen) - self._held)
        self._frozen += [Hold(*key, position, during, during, "frozen") for key in new]


def read_hanging(conn: psycopg.Connection[TupleRow], text: str) -> tuple[Hanging, ...] | None:
    """After an ALTER TABLE … TYPE in its own open transaction; None where the text is no such statement."""
    retyped = retyped_columns(text)
    if retyped is None:
        return None
    table, columns = retyped
    with (
        suppress(psycopg.errors.QueryCanceled),  # by a timeout of the migration's own: it is then not known
        conn.transaction(force_rollback=True),
        conn.cursor(row_factory=class_row(Hanging)) as cursor,
    ):
        row = conn.execute("SELECT to_regclass(%s)::oid", [table]).fetchone()
        if row is None or row[0] is None:
            return None
        conn.execute("SET LOCAL search_path = ''")  # so that every name is written with its schema
        query = load_query("hanging_on_columns", conn.info.server_version)
        parameters = {"table": row[0], "columns": list(columns)}
        return tuple(cursor.execute(query, parameters).fetchall())
    return None
