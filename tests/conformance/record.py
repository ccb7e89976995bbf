"""Write the truth into the case files: ``cd tests; python -m conformance.record [NAME …] [--all]``.

By hand, as root, with gdb: every case runs statement by statement on a copy of its base, with a debugger in
the migration's backend. Without names the cases that have no facts are recorded; ``--all`` takes all. What
comes out must be read against https://www.postgresql.org/docs/15/explicit-locking.html and the page of the
command before it is committed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
from conformance.application import RELATIONS, Application, Relations, relations
from conformance.casefile import (
    KIND_WORDS,
    KINDS,
    Case,
    Step,
    all_cases,
    base_file,
    write_cases,
)
from conformance.debugger import Debugger, OidMode, Seen, attached
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.rows import TupleRow

from bench.pg.database import clone_database, create_database, drop_database, new_name, seal_template
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import parse_server

MODE_ORDER = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
REFUSES_TRANSACTION = ("25001", "2D000")
CONTROL = ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "SET", "RESET")

HELD = """
SELECT relation, mode FROM pg_locks
 WHERE pid = %s AND locktype = 'relation' AND relation >= 16384 AND granted AND mode <> 'SIReadLock'
"""
SCANS_INSIDE = "SELECT relid, seq_scan, seq_tup_read FROM pg_stat_xact_all_tables WHERE relid >= 16384"
SCANS_OUTSIDE = "SELECT relid, seq_scan, seq_tup_read FROM pg_stat_all_tables WHERE relid >= 16384"

Scans = dict[int, tuple[int, int]]


def scan_counts(conn: psycopg.Connection[TupleRow], sql: str) -> Scans:
    return {oid: (scans, tuples) for oid, scans, tuples in conn.execute(sql).fetchall()}


class Recorder:
    """One case on one server."""

    def __init__(self, case: Case, server: Server, dbname: str, stack: ExitStack, *, tries: bool) -> None:
        self._case = case
        self._tries = tries
        self._conn = stack.enter_context(server.connect(dbname, application_name="migration"))
        self._observer = stack.enter_context(server.connect(dbname, application_name="observer"))
        application = stack.enter_context(server.connect(dbname, application_name="application"))
        self._application = Application(case.base, application, self._observer)
        self._before = relations(self._observer)
        for query in (RELATIONS, SCANS_INSIDE, "SELECT pg_stat_force_next_flush()"):
            self._conn.execute(query)  # fills the session's caches
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._debugger: Debugger = stack.enter_context(attached(self._conn, directory))
        self._held: set[OidMode] = set()
        """Locks of the open transaction, as of the last statement."""

    def record(self, step: Step) -> tuple[str, ...]:
        """Run a statement, and return what it did."""
        if not step.sql.strip():
            return ()
        if step.sql.split()[0].upper() in CONTROL:
            return self._control(step)
        if self._status() == TransactionStatus.INTRANS:
            return self._inside(step)
        if step.sql.upper().startswith("LOCK"):  # fails where no transaction is open
            return self._plain(step)
        self._flush()
        self._conn.execute("BEGIN")
        facts = self._inside(step)
        if self._status() == TransactionStatus.INTRANS:
            late = self._execute("COMMIT")
            self._held.clear()
            return (*facts, f"error {late}") if late else facts
        elif any(f"error {sqlstate}" in facts for sqlstate in REFUSES_TRANSACTION):
            return ("plain", *self._plain(step))
        return facts

    def _control(self, step: Step) -> tuple[str, ...]:
        self._flush()
        error = self._execute(step.sql)
        self._debugger.skip()
        if self._status() == TransactionStatus.IDLE:
            self._held.clear()
        return (f"error {error}",) if error else ()

    def _inside(self, step: Step) -> tuple[str, ...]:
        present = relations(self._conn)
        counts = scan_counts(self._conn, SCANS_INSIDE)
        shared = scan_counts(self._observer, SCANS_OUTSIDE)
        self._debugger.skip()
        error = self._execute(step.sql)
        seen = self._debugger.read()
        if error:
            self._conn.execute("ROLLBACK")
            self._flush()
            whole = difference(scan_counts(self._observer, SCANS_OUTSIDE), shared)
            scans = difference(whole, counts)  # less what the transaction had scanned before
            return (*self._facts(seen, present, present, scans, dominated=True), f"error {error}")
        self._check_held(seen)
        after, scans = relations(self._conn), difference(scan_counts(self._conn, SCANS_INSIDE), counts)
        waits = self._application.blocks() if self._tries else ()
        return (*self._facts(seen, present, after, scans), *waits)

    def _plain(self, step: Step) -> tuple[str, ...]:
        self._flush()
        present, counts = relations(self._observer), scan_counts(self._observer, SCANS_OUTSIDE)
        self._debugger.skip()
        error = self._execute(step.sql)
        seen = self._debugger.read()
        self._flush()
        scans = difference(scan_counts(self._observer, SCANS_OUTSIDE), counts)
        facts = self._facts(seen, present, relations(self._observer), scans, dominated=True)
        return (*facts, f"error {error}") if error else facts

    def _execute(self, sql: str) -> str | None:
        """The SQLSTATE of the error, if any; sent as psql would, by the simple protocol."""
        result = self._conn.pgconn.exec_(sql.encode())
        if result.status == ExecStatus.FATAL_ERROR:
            return (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        return None

    def _status(self) -> TransactionStatus:
        return self._conn.info.transaction_status

    def _flush(self) -> None:
        if self._status() == TransactionStatus.IDLE:
            self._conn.execute("SELECT pg_stat_force_next_flush()")
        self._debugger.skip()

    def _check_held(self, seen: Seen) -> None:
        """The lock table must agree with the debugger.

        A signal that comes while gdb steps over a breakpoint makes it tell a lock twice, so that its release
        leaves one: for what is still held, the lock table decides.
        """
        held = {(oid, mode) for oid, mode in self._observer.execute(HELD, [self._conn.info.backend_pid])}
        seen.brief |= seen.kept - held
        seen.kept &= held
        assert not (seen.brief | seen.undone) & held, (self._case.name, "in pg_locks", seen.brief & held)
        known = seen.kept | self._held
        assert held <= known, (self._case.name, "not seen by the debugger", held - known)
        self._held = held

    def _facts(
        self, seen: Seen, present: Relations, after: Relations, scans: Scans, *, dominated: bool = False
    ) -> tuple[str, ...]:
        truncated = {
            oid
            for oid, relation in present.items()
            if relation.relkind in "rm"
            and oid in after
            and after[oid].filenode != relation.filenode
            and oid not in seen.swaps
        }
        known = {**after, **present, **self._before}
        names = {relation.name for relation in present.values() if relation.relkind == "i"}
        strongest: dict[int, int] = {}
        for oid, mode in seen.kept:
            strongest[oid] = max(strongest.get(oid, 0), MODE_ORDER.index(mode))
        brief = {
            lock for lock in seen.brief if dominated or MODE_ORDER.index(lock[1]) > strongest.get(lock[0], -1)
        }
        facts = [
            *self._locks("lock", seen.kept, known),
            *self._locks("undone", seen.undone, known),
            *self._locks("brief", brief, known),
            *sorted(f"rewrite {self._before[oid].name}" for oid in seen.swaps & self._before.keys()),
            *sorted(
                f"rebuild {known[oid].name}"
                for oid, heap in seen.builds.items()
                if oid in known and known[oid].name in names and heap not in truncated
            ),
            *sorted(f"truncate {self._before[oid].name}" for oid in truncated & self._before.keys()),
        ]
        for oid in sorted(seen.scans.keys() | scans.keys()):
            counted, rows = scans.get(oid, (0, 0))
            if oid not in self._before or self._before[oid].relkind not in "rm":
                continue
            if counted != seen.scans.get(oid, 0):
                print(f"  {self._case.name}: scans of {known[oid].name}: "
                      f"{seen.scans.get(oid, 0)} begun, {counted} counted")  # fmt: skip
            if rows:
                begun = seen.scans.get(oid, 0)
                facts.append(f"scan {self._before[oid].name} rows={rows} passes={min(begun, counted)}")
        return tuple(facts)

    def _locks(self, kind: str, locks: set[OidMode], known: Relations) -> Iterator[str]:
        named = [
            (known[oid].name, MODE_ORDER.index(mode), oid) for oid, mode in locks if oid in known
        ]  # not TOAST, nor what was made and dropped inside the statement
        for name, mode, oid in sorted(named):
            new = "" if oid in self._before else " new"
            yield f"{kind} {name} {MODE_ORDER[mode]}{new}{KIND_WORDS.get(known[oid].relkind, '')}"


def difference(after: Scans, before: Scans) -> Scans:
    changed = {
        oid: (scans - before.get(oid, (0, 0))[0], tuples - before.get(oid, (0, 0))[1])
        for oid, (scans, tuples) in after.items()
    }
    return {oid: value for oid, value in changed.items() if value != (0, 0)}


@contextmanager
def templates(server: Server, bases: set[str]) -> Iterator[dict[str, str]]:
    """A sealed database for each base."""
    names = {base: new_name(f"base {base}") for base in sorted(bases)}
    for base, name in names.items():
        create_database(server, name)
        with server.connect(name) as conn:
            conn.execute(base_file(base).read_bytes())
        seal_template(server, name)
    yield names


def record(case: Case, server: Server, template: str, version: int) -> None:
    """Put the facts into the case's steps.

    What the application tries leaves dead rows, which a later step's index build would read: so the steps of
    a longer case run once more, and from that run comes what waits.
    """
    facts = run(case, server, template, tries=len(case.steps) == 1)
    if len(case.steps) > 1:
        tried = run(case, server, template, tries=True)
        for position, found in enumerate(tried):
            facts[position] += tuple(fact for fact in found if fact.startswith("block"))
    for position, step in enumerate(case.steps):
        case.steps[position] = replace(step, facts={**step.facts, version: facts[position]})


def run(case: Case, server: Server, template: str, *, tries: bool) -> list[tuple[str, ...]]:
    """Run the steps on a new clone up to the first that fails, as psql with ON_ERROR_STOP."""
    name = new_name(case.name)
    clone_database(server, template, name)
    facts: list[tuple[str, ...]] = [()] * len(case.steps)
    with ExitStack() as stack:
        stack.callback(drop_database, server, name)
        recorder = Recorder(case, server, name, stack, tries=tries)
        for position, step in enumerate(case.steps):
            facts[position] = recorder.record(step)
            if any(fact.startswith("error") for fact in facts[position]):
                break
    return facts


def attempt(case: Case, server: Server, template: str, version: int) -> None:
    """Record a case; one that does not work is said, and hinders no other."""
    began = time.monotonic()
    try:
        record(case, server, template, version)
    except (AssertionError, psycopg.Error, KeyError) as error:
        print(f"FAILED {case.name}: {error!r}", flush=True)
    print(f"{version} {case.name} {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--versions", default="15,18")
    parser.add_argument("--jobs", type=int, default=3)
    options = parser.parse_args()
    cases = all_cases()
    wanted = [
        case
        for case in cases
        if options.all or case.name in options.names or (not options.names and not any(case.facts(15)))
    ]
    for version in map(int, options.versions.split(",")):
        spec = replace(parse_server(KINDS[version]), durable=False)
        with open_server(spec, print) as server, templates(server, {case.base for case in wanted}) as names:
            with ThreadPoolExecutor(options.jobs) as pool:
                results = [pool.submit(attempt, case, server, names[case.base], version) for case in wanted]
            for result in results:
                result.result()
    for path in {case.file for case in wanted}:
        write_cases(path, [case for case in cases if case.file == path])


if __name__ == "__main__":
    main()
