"""``bench doctor``: what this machine can do, or how a directory of migrations is read."""

from __future__ import annotations

import argparse
import json as json_format
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import __version__
from bench.cli.options import add_tool_options, require_writable, write_json
from bench.cli.terminal import terminal, write_document
from bench.migrate.suite import Suite, find_suite
from bench.migrate.transactions import read_migrations
from bench.model.printable import visible
from bench.pg.account import server_account
from bench.pg.binaries import find_installations
from bench.pg.choice import DECISION_S, Choice, choose
from bench.pg.cluster import data_root
from bench.pg.embedded import wheel_version
from bench.pg.lease import Lease, orphans
from bench.pg.spec import DEFAULT_IMAGE
from bench.run.draft import read_host

if TYPE_CHECKING:
    from rich.table import Table

    from bench.migrate.migration import Transaction

EPILOG = """\
With a directory: whose migrations these are and by what that is told, in which order they are applied, in
which transactions, what goes back, and what cannot be rehearsed.

A missing image is pulled, as far as the ten seconds of the choice go.

examples:
  bench doctor                          what this machine can do
  bench doctor db/migrations            how these files are read
  bench doctor db/migrations --tool goose --json - | jq '.migrations[].file'

exit codes: 0 a server can run here, 2 the directory cannot be read as any tool's, 5 no server can run
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "doctor",
        description="Tell what this machine can do: Docker, PostgreSQL's programs, processor, memory, disk.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "directory", nargs="?", default=None, metavar="DIR", help="of migrations: tell how they are read"
    )
    add_tool_options(parser)
    parser.add_argument("--image", default=DEFAULT_IMAGE, help=f"container image (default: {DEFAULT_IMAGE})")
    parser.add_argument("--pg-bindir", type=Path, metavar="DIR", help="directory of initdb and postgres")
    parser.add_argument("--json", metavar="FILE|-", help="write the answer as JSON to a file, or to stdout")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    parser.set_defaults(command=run)


def run(
    *,
    directory: str | None = None,
    tool: str | None = None,
    transaction: Transaction | None = None,
    image: str,
    pg_bindir: Path | None,
    json: str | None,
) -> int:
    """Tell what this machine can do, or how a directory is read; returns 0, or 5 if no server can run."""
    require_writable(json)
    if directory is not None:
        _tell_directory(find_suite(directory, tool=tool, transaction=transaction), json)
        return 0
    choice = choose(image, pg_bindir)
    facts = collect(choice)
    text = json_format.dumps(facts, indent=2)
    if json == "-":
        write_document(text + "\n")
    else:
        _show(facts, choice)
        if json is not None:
            write_json(json, f"{text}\n".encode())
    return 0 if choice.kind else 5


def _tell_directory(suite: Suite, json: str | None) -> None:
    """Print how a suite's directory is read."""
    migrations: list[dict[str, Any]] = [
        {
            "id": migration.id,
            "file": migration.file,
            "transaction": migration.forward.transaction,
            "statements": sum(not statement.by_tool for statement in statements),
            "back": str(migration.rollback) if migration.rollback else None,
        }
        for migration, statements in read_migrations(suite.migrations)
    ]
    facts = {
        "tool": suite.runner.tool,
        "remarks": list(suite.remarks),
        "migrations": migrations,
        "unpaired_rollbacks": [str(path) for path in suite.unpaired_rollbacks],
    }
    text = json_format.dumps(facts, indent=2) + "\n"
    if json == "-":
        write_document(text)
        return
    if json is not None:
        write_json(json, text.encode())
    console = terminal(highlight=False)
    plain = ("Plain SQL, as psql runs it.",) if suite.runner.tool == "plain" else ()
    for remark in (*plain, *suite.remarks):
        console.print(remark, markup=False, soft_wrap=True)
    rows = [("#", "file", "transaction", "statements", "goes back")]
    for number, migration in enumerate(migrations, start=1):
        back = "yes" if migration["back"] else "no"
        rows.append(
            (str(number), migration["file"], migration["transaction"], str(migration["statements"]), back)
        )
    console.print(_columns(rows))


def collect(choice: Choice) -> dict[str, Any]:
    """Return what is known about the machine, ready for JSON."""
    account = server_account()
    directory = data_root(account)
    return {
        "tool_version": __version__,
        "python": sys.version.split()[0],
        "host": asdict(read_host()),
        "data": {
            "directory": str(directory),
            "free_bytes": shutil.disk_usage(directory).free,
            "account": account.name,
        },
        "docker": {"engine": choice.engine.engine, "images": list(choice.engine.images)},
        "embedded": {"wheel": wheel_version()},
        "installations": [
            {"bindir": str(installation.bindir), "version": installation.version}
            for installation in find_installations()
        ],
        "servers": [asdict(prospect) for prospect in choice.prospects],
        "orphans": [_describe_orphan(lease) for lease in orphans()],
        "auto": {"kind": choice.kind, "reason": choice.reason},
    }


def _describe_orphan(lease: Lease) -> dict[str, str]:
    details = lease.details
    what = details.get("root") or details.get("image") or details.get("name") or ""
    return {"kind": lease.kind, "what": what, "owner": lease.owner.described}


def _columns(rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table

    head, *rest = rows
    table = Table(box=None, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rest:
        table.add_row(*map(visible, row))
    return table


def _show(facts: dict[str, Any], choice: Choice) -> None:
    from rich.table import Table

    host, data = facts["host"], facts["data"]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(
        "machine", f"{host['cpu']}, {host['cores']} cores, {_gigabytes(host['memory_bytes'])} memory"
    )
    table.add_row("system", f"{host['os']}, Python {facts['python']}")
    table.add_row(
        "data",
        f"{data['directory']}, {_gigabytes(data['free_bytes'])} free, servers run as {data['account']}",
    )
    table.add_row("images", ", ".join(facts["docker"]["images"]) or "none of PostgreSQL")
    for installation in facts["installations"]:
        table.add_row("programs", f"PostgreSQL {installation['version']} in {installation['bindir']}")
    for orphan in facts["orphans"]:
        left = f"{orphan['kind']} {orphan['what']} of {orphan['owner']}; the next run removes it"
        table.add_row("left behind", left)
    for prospect in choice.prospects:
        table.add_row(prospect.kind, f"{'yes' if prospect.usable else 'no'}: {prospect.reason}")
    table.add_row("auto", choice.kind or f"nothing can run here (decided within {DECISION_S:.0f} s)")
    terminal(highlight=False).print(table)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.0f} GB"
