"""What a file must not do to a server that is not ours, nor to the role that runs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.migrate.transactions import read_migrations
from bench.model.statement import Statement
from bench.pg.server import Server
from bench.run.execute import psql_variables
from bench.run.template.dump import outline, require_dump
from bench.run.template.options import DataOptions
from bench.sql.bodies import MYSELF
from bench.sql.reach import Reach, for_database, reaches, reaches_of
from bench.workload.spec import TrafficMix

_OWN_SERVER = "rehearse it on a server of its own: --server embedded, container or cluster"
_ALLOW = "; or let it change this server's roles: --allow-roles"


def refuse_server_wide(
    path: Path, statements: Iterable[Statement], *, allow_roles: bool | None = None, new_roles: bool = False
) -> None:
    """Raise UsageError for the first statement that reaches beyond its own database.

    ``allow_roles``: let those on roles pass; None where the command has no option for that. ``new_roles``:
    let it make roles, as the state before a deploy may.
    """
    for statement in statements:
        for reach in reaches(statement):
            if not _passes(reach, allow_roles=allow_roles, new_roles=new_roles):
                raise _refusal(f"{statement.path(path)}:{statement.line}", reach, allow_roles=allow_roles)


def _passes(reach: Reach, *, allow_roles: bool | None, new_roles: bool) -> bool:
    return (bool(allow_roles) and reach.kind != "server") or (new_roles and reach.kind == "new role")


def _refusal(place: str, reach: Reach, *, allow_roles: bool | None) -> UsageError:
    what = f"{reach.what} in a body" if reach.inside else reach.what
    may_be_allowed = reach.kind != "server" and allow_roles is not None
    return UsageError(
        f"{place}: {what} acts on the whole server, which is not ours: {reach.why}",
        hint=_OWN_SERVER + (_ALLOW if may_be_allowed else ""),
    )


def refuse_own_role(path: Path, statements: Iterable[Statement], role: str) -> None:
    """Raise UsageError for a statement that alters or drops the role of this run."""
    for statement in statements:
        for reach in reaches(statement):
            if MYSELF in reach.roles or role in reach.roles:
                raise UsageError(
                    f"{statement.path(path)}:{statement.line}: {reach.what} {role}, which this run has: "
                    "it acts on the whole server at once, and nothing could be measured after it",
                    hint="take it out of the migration; roles are not part of a database",
                )


def check_file(server: Server, path: Path, statements: Iterable[Statement], *, before: bool = False) -> None:
    """Raise UsageError where a file may not run on this server, see :func:`refuse_server_wide`.

    ``before``: it belongs to the state before the deploy, which may make roles that are missing.
    """
    if not server.managed:
        refuse_server_wide(path, statements, allow_roles=server.allow_roles, new_roles=before)


def check_files(server: Server, paths: Iterable[Path], *, before: bool = False) -> None:
    """As :func:`check_file`, for files that are still to be read; nothing on a server of ours."""
    if server.managed:
        return
    for path in paths:
        check_file(server, path, read_statements(path, psql_variables(server.info)), before=before)


def check_state_before(server: Server, suite: Suite, options: DataOptions) -> None:
    """Raise UsageError where a base, a plain dump or a deployed migration may not run on this server."""
    check_files(server, [suite.base] if suite.base is not None else [], before=True)
    if server.managed:
        return
    for migration, statements in read_migrations(suite.deployed, psql_variables(server.info)):
        check_file(server, migration.path, statements)
    if options.dump is None:
        return
    dump = require_dump(options.dump)
    if not dump.archive:
        check_files(server, [dump.path])
        return
    for text in outline(dump):
        if for_database(text, "") is not None:  # what it says of its database is said of ours
            continue
        for reach in reaches_of(text):
            if reach.inside or not reach.what.endswith(" DATABASE"):  # which is not restored
                raise _refusal(str(dump.path), reach, allow_roles=None)


_PARAMETER = re.compile(r"%\(\w+\)s|(?<![:\w]):\w+")


def check_mix(server: Server, mix: TrafficMix | None) -> None:
    """Raise UsageError where a request of the application may not be sent to this server."""
    for request in mix.classes if mix is not None else ():
        texts = (*request.statements, request.draw or "")
        check_queries(server, ((request.name, text) for text in texts))


def check_queries(server: Server, queries: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError where a query, given with its name, may not run on this server."""
    for name, text in queries if not server.managed else ():
        for reach in reaches_of(_PARAMETER.sub("NULL", text)):
            raise _refusal(f"query {name}", reach, allow_roles=None)
