"""``bench tenants``: one deploy over many schemas, as applications with a schema for each customer do it."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.cli.options import positive_count, write_json
from bench.cli.rehearsing import Given, add_given_options, choose
from bench.cli.terminal import terminal

if TYPE_CHECKING:
    from bench.report.document import Block
    from bench.run.tenants import Tenancy, Tenant, TenantOptions

EPILOG = """\
Each schema gets the migrations by itself, in a session of its own, with search_path set to it and public.
With --tenants the suite's base makes the schemas; with --schemas the state before has them, from a base or a
dump. The first schema that fails ends the deploy.

examples:
  bench tenants db/migrations --base tenant.sql --tenants 100
  bench tenants db/migrations --from-dump shop.dump --schemas 'tenant_%'
  bench tenants db/migrations --base tenant.sql --tenants 100 --parallel 4
  bench tenants db/migrations --base tenant.sql --tenants 1000 --together
                                                  all in one transaction: are there enough locks?
  bench tenants db/migrations --base tenant.sql --tenants 100 --stop-at 50
                                                  cut off in the middle of the 50th, and deployed again

exit codes: 0 every schema is through, 1 schemas differ that should not, 4 a migration failed
"""
MOST_NAMED = 5


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "tenants",
        description="Apply the same migrations to many schemas, and measure time, locks and WAL, and what a "
        "failure leaves.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
    which = parser.add_argument_group("schemas")
    one = which.add_mutually_exclusive_group(required=True)
    one.add_argument("--tenants", type=positive_count, metavar="N", help="make so many, each by the base")
    one.add_argument("--schemas", metavar="LIKE", help="those of the state before, for example 'tenant_%%'")
    how = which.add_mutually_exclusive_group()
    how.add_argument(
        "--parallel", type=positive_count, default=1, metavar="N", help="sessions at once (default: 1)"
    )
    how.add_argument("--together", action="store_true", help="all schemas in one transaction")
    which.add_argument(
        "--stop-at",
        type=positive_count,
        metavar="N",
        help="cut the session off in the middle of the Nth schema, and deploy again",
    )
    parser.set_defaults(command=tenants)


def tenants(
    *,
    given: Given,
    tenants: int | None,
    schemas: str | None,
    parallel: int,
    together: bool,
    stop_at: int | None,
) -> int:
    """Deploy to every schema; returns the exit code."""
    import msgspec

    from bench.cli.live import live
    from bench.pg.opening import open_server
    from bench.report.render.terminal import print_blocks
    from bench.run.progress import Said
    from bench.run.tenants import TenantOptions, deploy_tenants

    options = TenantOptions(tenants, schemas, parallel, together, stop_at)
    with (
        choose(given) as chosen,
        live(quiet=chosen.output.quiet) as progress,
        open_server(chosen.spec, lambda text: progress(Said(text))) as server,
    ):
        tenancy = deploy_tenants(server, chosen.suite, chosen.data, options, progress)
    json = chosen.output.json
    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(tenancy), indent=2))
    print_blocks(blocks(tenancy), terminal(stderr=json == "-", highlight=False))
    if tenancy.of("failed"):
        return 4
    return 1 if tenancy.odd else 0


def blocks(tenancy: Tenancy) -> Iterator[Block]:
    """What became of the schemas, as a document."""
    from bench.report.document import Failure, Paragraph, Section, Table, columns

    applied, every = tenancy.of("applied"), len(tenancy.tenants)
    if len(applied) == every:
        yield Paragraph(f"Each of the {every} schemas is through, {_way(tenancy.options)}.")
    for tenant in tenancy.of("failed"):
        yield Failure(_failure(tenant))
    if len(applied) < every:
        yield Paragraph(_rest(tenancy))
    if tenancy.resumed is not None:
        yield Section("Cut off, and deployed again", (Paragraph(_resumed(tenancy)),))
    rows = tuple(_figures(tenancy))
    yield Table(columns("Figure", ">Value"), rows, "The deploy")
    if tenancy.odd:
        yield Failure(
            f"After the deploy these have other tables, columns, indexes or constraints than most: "
            f"{_named(tenancy.odd)}."
        )
    yield from _lock_table(tenancy)


def _way(options: TenantOptions) -> str:
    if options.together:
        return "all in one transaction"
    return "one after the other" if options.parallel == 1 else f"{options.parallel} at once"


def _failure(tenant: Tenant) -> str:
    assert tenant.error is not None
    error = tenant.error
    detail = f" ({error.detail})" if error.detail else ""
    left = f" {tenant.stays} of its statements are committed and stay." if tenant.stays else ""
    where = f"{tenant.schema} fails at {tenant.file}:{error.line}"
    return f"{where}: {error.message}{detail} ({error.sqlstate}).{left}"


def _rest(tenancy: Tenancy) -> str:
    applied, begun = len(tenancy.of("applied")), len(tenancy.of("not begun"))
    if tenancy.options.together:
        return "All schemas are one transaction, so each is as it was before."
    return (
        f"{applied} of {len(tenancy.tenants)} schemas are through, and {begun} are as they were before. The "
        "application meets both until the rest is through; a second deploy begins at the one that failed."
    )


def _resumed(tenancy: Tenancy) -> str:
    assert tenancy.resumed is not None
    cut = next((tenant.schema for tenant in tenancy.tenants if tenant.outcome == "cut off"), "a schema")
    if tenancy.of("failed"):
        return (
            f"The session broke off in the middle of {cut}. The second deploy does not get through: what the "
            "first one left is in its way."
        )
    return (
        f"The session broke off in the middle of {cut}. The second deploy took up that schema and the "
        f"{len(tenancy.resumed) - 1} after it, and every schema is through."
    )


def _figures(tenancy: Tenancy) -> Iterator[tuple[str, str]]:
    from bench.analyse.quantity import count, ratio, seconds, size

    times = [
        tenant.duration_s
        for tenant in tenancy.tenants
        if tenant.outcome == "applied" and tenant.duration_s is not None
    ]
    yield "All schemas", seconds(tenancy.duration_s)
    if times:
        yield "One schema, the middle", seconds(statistics.median(times))
        yield "The slowest", seconds(max(times))
    if (growth := _growth(times)) is not None:
        yield "The last tenth, to the first", ratio(growth)
    yield "WAL", size(tenancy.wal_bytes)
    written = [tenant.wal_bytes for tenant in tenancy.tenants if tenant.wal_bytes is not None]
    if written:
        yield "WAL of one schema, the middle", size(statistics.median(written))
    if tenancy.locks is not None:
        yield "Locks at once, at most", count(tenancy.locks)
        yield "Locks that fit for all sessions, at least", count(tenancy.lock_table)


def _growth(times: Sequence[float]) -> float | None:
    """How many times as long the last tenth of the schemas takes as the first; None for less than twenty."""
    tenth = len(times) // 10
    if tenth < 2:
        return None
    return statistics.median(times[-tenth:]) / statistics.median(times[:tenth])


def _lock_table(tenancy: Tenancy) -> Iterator[Block]:
    """What to do where one more of such transactions would leave no lock for anybody."""
    from bench.model.budget import DEFAULT_LIMITS
    from bench.report.document import Paragraph

    most = DEFAULT_LIMITS.lock_table_full * tenancy.lock_table
    if any(tenant.error is not None and tenant.error.sqlstate == "53200" for tenant in tenancy.tenants):
        yield Paragraph(
            "No lock was left for any session of the server. Take one transaction for each schema, or raise "
            "max_locks_per_transaction, which needs a restart."
        )
    elif tenancy.locks is not None and tenancy.locks > most:
        share = tenancy.locks / tenancy.lock_table
        yield Paragraph(
            f"The deploy holds {share:.0%} of the locks that all sessions share. Take one transaction for "
            "each schema, or fewer sessions at once."
        )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
