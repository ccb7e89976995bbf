"""A run reduced to what a comparison needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from bench.analyse.conclude import conclude
from bench.model.lock import LockMode
from bench.model.plan import Query
from bench.model.record import (
    RECORD_VERSION,
    AccessRecord,
    MigrationRecord,
    QueryRecord,
    Record,
    StatementRecord,
)
from bench.model.run import Proofs, Repeat, Run
from bench.model.statement import Counters, StatementRun

PAGE_BYTES = 8192
TEXT_LENGTH = 200
COUNTER_NAMES = ("blocks", "blocks_dirtied", "wal_records", "wal_fpi", "wal_bytes", "temp_bytes")

# Quoted things are kept as they are: what looks like a comment in them is none.
_TOKEN = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
    r"""|(?:--[^\n]*|/\*.*?\*/|\s+)+""",
    re.DOTALL,
)


def record(run: Run) -> Record:
    """What a comparison needs of a run: its solo pass, its queries after the suite, its proofs."""
    repeats = run.solo
    return Record(
        record_version=RECORD_VERSION,
        run_id=run.run_id,
        started_at=run.started_at,
        suite=run.suite.name,
        path=run.suite.path,
        key=comparability_key(run),
        machine=_machine(run),
        pages={size.name: size.bytes // PAGE_BYTES for size in (run.dataset.tables if run.dataset else ())},
        migrations=tuple(
            _migration(file.id, file.file, file.sha256, repeats) for file in run.suite.migrations
        ),
        queries=tuple(_query(query) for query in run.queries if query.after is not None),
        proofs=_proofs(run.proofs),
        access={
            f"{cell.actor} {cell.op} {cell.whose} rows of {cell.relation}": AccessRecord(
                cell.after.rows, cell.opened
            )
            for cell in run.proofs.access
            if cell.after is not None
        },
        budgets=run.budgets if run.verdict is not None else conclude(run).checks,
    )


def comparability_key(run: Run) -> dict[str, str]:
    """Everything that must be the same for two runs to be compared: key → value.

    The text of the migrations is no part of it, as their change is what a comparison judges.
    """
    server, data = run.environment.server, run.dataset
    key = {
        "run schema version": str(run.schema_version),
        "suite": run.suite.name,
        "base sha256": str(run.suite.base_sha256),
        "PostgreSQL version": server.version,
        "architecture": _architecture(run.environment.host.os),
        "extensions": _digest(sorted(server.extensions)),
    }
    key |= {f"setting {name}": value for name, value in sorted(server.settings.items())}
    if run.suite.deployed:
        key["deployed migrations"] = _digest(file.sha256 for file in run.suite.deployed)
    if data is not None:
        key |= {
            "generator version": str(data.generator_version),
            "seed": str(data.seed),
            "scale": str(data.scale),
            "pools sha256": str(data.pools_sha256),
        }
        key |= {f"dirty rows {kind}": str(count) for kind, count in sorted(data.dirt.items())}
        key |= {f"rows of {table.name}": str(table.rows) for table in data.tables}
    return key


def _machine(run: Run) -> dict[str, str]:
    host = run.environment.host
    return {
        "processor": host.cpu,
        "cores": str(host.cores),
        "memory": str(host.memory_bytes),
        "operating system": host.os,
        "kind of server": run.environment.server.kind,
    }


def _proofs(proofs: Proofs) -> dict[str, bool]:
    """What was proved or refuted; what was not reached or stands on a draft is neither."""
    found = {
        f"rollback {proof.scope} of {', '.join(proof.migrations)}": proof.outcome == "exact"
        for proof in proofs.rollback
        if proof.outcome not in ("missing", "not-reached") and not proof.draft
    }
    for point in proofs.crash_points:
        where = "inside" if point.inside else "after"
        name = f"crash {where} statement {point.statement + 1} of {point.migration} ({point.method})"
        if point.rerun is not None:
            found[name] = point.rerun == "completes"
    return found


def _architecture(platform: str) -> str:
    match = re.search(r"x86_64|amd64|aarch64|arm64|i[3-6]86|ppc64le|s390x|riscv64", platform, re.IGNORECASE)
    alias = {"amd64": "x86_64", "arm64": "aarch64"}
    name = match[0].lower() if match else platform
    return alias.get(name, name)


def _migration(id: str, file: str, sha256: str, repeats: Sequence[Repeat]) -> MigrationRecord:
    runs = [other for repeat in repeats for other in repeat.migrations if other.id == id]
    outcomes = {run.outcome for run in runs}
    outcome = next((word for word in ("failed", "skipped", "applied") if word in outcomes), "skipped")
    indexes = sorted({statement.index for migration in runs for statement in migration.statements})
    by_index = {
        index: [
            statement for migration in runs for statement in migration.statements if statement.index == index
        ]
        for index in indexes
    }
    return MigrationRecord(id, file, sha256, outcome, tuple(_statement(by_index[at]) for at in indexes))


def _statement(runs: Sequence[StatementRun]) -> StatementRecord:
    first, text = runs[0], normalised(runs[0].text)
    applied = [statement for statement in runs if statement.outcome == "applied"]
    exact = [_modes(statement, sure=True) for statement in applied]
    return StatementRecord(
        line=first.line,
        kind=first.kind,
        text=text[:TEXT_LENGTH],
        sha256=hashlib.sha256(text.encode()).hexdigest()[:16],
        durations_s=tuple(_micro(statement.duration_s) for statement in applied),
        calibrations_s=tuple(_micro(statement.calibration_s) for statement in applied),
        rows=tuple(statement.rows for statement in applied),
        counters={
            name: tuple(counter(statement.counters, name) for statement in applied) for name in COUNTER_NAMES
        },
        locks=_in_all(exact),
        sampled=_in_any([_modes(statement, sure=False) for statement in applied]),
        rewrites=tuple(sorted(_always([{w.relation for w in statement.rewrites} for statement in applied]))),
    )


def counter(counters: Counters, name: str) -> int | None:
    """One counter by the name that records have; ``blocks`` are those hit and those read."""
    if name == "blocks":
        hit, read = counters.blocks_hit, counters.blocks_read
        return None if hit is None or read is None else hit + read
    value: int | None = getattr(counters, name)
    return value


def _modes(run: StatementRun, *, sure: bool) -> dict[str, LockMode]:
    """Strongest mode on each existing relation that keeps its name between two servers."""
    found: dict[str, LockMode] = {}
    for lock in run.locks:
        if lock.new or lock.target == "toast" or lock.relation.startswith("pg_toast."):
            continue
        if sure and lock.source == "sampled":
            continue
        known = found.get(lock.relation)
        if known is None or lock.mode.strength > known.strength:
            found[lock.relation] = lock.mode
    return found


def _in_all(repeats: Sequence[Mapping[str, LockMode]]) -> dict[str, str]:
    names = _always([set(repeat) for repeat in repeats])
    return {
        name: min((repeat[name] for repeat in repeats), key=lambda mode: mode.strength).value
        for name in sorted(names)
    }


def _in_any(repeats: Sequence[Mapping[str, LockMode]]) -> dict[str, str]:
    names = sorted({name for repeat in repeats for name in repeat})
    return {
        name: max(
            (repeat[name] for repeat in repeats if name in repeat), key=lambda mode: mode.strength
        ).value
        for name in names
    }


def _always(repeats: Sequence[set[str]]) -> set[str]:
    return set.intersection(*repeats) if repeats else set()


def _query(query: Query) -> QueryRecord:
    cost = query.after
    assert cost is not None
    return QueryRecord(
        query.name, cost.fingerprint, cost.blocks, cost.temp_bytes, cost.rows, cost.error,
        tuple(round(value, 6) for value in cost.execution_s_all),
    )  # fmt: skip


def normalised(text: str) -> str:
    """A statement's text without comments, its white space outside of quotes as single blanks."""
    return _TOKEN.sub(lambda match: match["kept"] or " ", text).strip()


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _micro(value_s: float | None) -> float | None:
    return None if value_s is None else round(value_s, 6)
