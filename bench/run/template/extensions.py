"""Extensions that a suite creates, known to be missing before anything runs, and which server has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from postgast import PgQueryError, parse

from bench.errors import BenchError, UsageError
from bench.migrate.suite import Migration
from bench.model.statement import Statement
from bench.pg.binaries import Installation, choose_installation, extensions_of
from bench.pg.embedded import embedded_installation
from bench.pg.server import Server
from bench.pg.spec import DEFAULT_IMAGE

_CONTRIB = """
amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance file_fdw
fuzzystrmatch hstore insert_username intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache
pg_freespacemap pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility pg_walinspect pgcrypto
pgrowlocks pgstattuple plpgsql postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows
tsm_system_time unaccent uuid-ossp xml2
"""
IN_THE_IMAGE = frozenset(_CONTRIB.split())
"""Of PostgreSQL itself, in every image of it: https://www.postgresql.org/docs/current/contrib.html"""
IMAGES = {
    "vector": "pgvector/pgvector:pg17",
    "postgis": "postgis/postgis:17-3.5",
    "timescaledb": "timescale/timescaledb:latest-pg17",
}


def require_extensions(server: Server, scripts: Sequence[tuple[Migration, tuple[Statement, ...]]]) -> None:
    """Raise UsageError where a migration creates an extension that the server lacks, with what has it.

    Those whose names a body puts together are seen when they are created.
    """
    missing: dict[str, str] = {}
    for migration, statements in scripts:
        for statement in statements:
            name = _created(statement)
            if name is not None and name not in server.info.extensions:
                missing.setdefault(name, f"{statement.path(migration.path)}:{statement.line}")
    if missing:
        listed = "; ".join(f"{place} creates extension {name}" for name, place in missing.items())
        raise UsageError(
            f"{listed}, which this server ({server.kind}, PostgreSQL {server.info.version}) does not have",
            hint=who_has(missing),
        )


def _created(statement: Statement) -> str | None:
    if statement.kind != "CREATE EXTENSION":
        return None
    try:
        parsed = parse(statement.text)
    except PgQueryError:
        return None
    return parsed.stmts[0].stmt.create_extension_stmt.extname or None


def who_has(names: Iterable[str]) -> str:
    """Which server to choose for extensions, of those that this machine can start."""
    wanted = set(names)
    offers = [f"{option} has {_all(wanted)} here" for option in _local(wanted)]
    if wanted <= IN_THE_IMAGE:
        offers.append(f"--server container, of {DEFAULT_IMAGE}, has {_all(wanted)}")
    offers += [
        f"--server container --image {image} has {name}" for name, image in IMAGES.items() if name in wanted
    ]
    return "; ".join(offers) or "give a server that has it: --image, or --server postgresql://…"


def _all(names: set[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _local(wanted: set[str]) -> Iterator[str]:
    def installed() -> Installation:
        return choose_installation(None)

    for option, find in (("--server cluster", installed), ("--server embedded", embedded_installation)):
        try:
            if wanted <= extensions_of(find()):
                yield option
        except BenchError:
            continue


def hint_for(path: Path, message: str) -> str | None:
    """What to say where a file that makes the state before needs an extension that is not there."""
    _, quoted, rest = message.partition('extension "')
    name = rest.partition('"')[0]
    if not quoted or "not available" not in message:
        return None
    return (
        f"{path.name} needs {name}: {who_has([name])}; a copy of your own database (--from-dump, --from-dsn) "
        "needs it as well. Where no migration touches what it brings, leave it out of the state before"
    )
