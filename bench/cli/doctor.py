"""``bench doctor``: what this machine can do, and which server ``auto`` takes."""

from __future__ import annotations

import argparse
import json as json_format
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import __version__
from bench.cli.options import require_writable, write_json
from bench.cli.terminal import terminal, write_document
from bench.pg.account import server_account
from bench.pg.binaries import find_installations
from bench.pg.choice import DECISION_S, Choice, choose
from bench.pg.cluster import data_root
from bench.pg.embedded import wheel_version
from bench.pg.lease import Lease, orphans
from bench.pg.server import DEFAULT_IMAGE
from bench.run.host import read_host

EPILOG = """\
A missing image is pulled, as far as the ten seconds of the choice go.

exit codes: 0 a server can run here, 5 none can
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine can do, and which server auto takes",
        description="Tell what this machine can do: Docker, PostgreSQL's programs, processor, memory, disk.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--image", default=DEFAULT_IMAGE, help=f"container image (default: {DEFAULT_IMAGE})")
    parser.add_argument("--pg-bindir", type=Path, metavar="DIR", help="directory of initdb and postgres")
    parser.add_argument("--json", metavar="FILE|-", help="write the answer as JSON to a file, or to stdout")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    parser.set_defaults(command=run)


def run(*, image: str, pg_bindir: Path | None, json: str | None) -> int:
    """Tell what this machine can do; returns 0 if some server can run, else 5."""
    require_writable(json)
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
            {"bindir": str(found.bindir), "version": found.version} for found in find_installations()
        ],
        "servers": [asdict(prospect) for prospect in choice.prospects],
        "orphans": [_describe_orphan(lease) for lease in orphans()],
        "auto": {"kind": choice.kind, "reason": choice.reason},
    }


def _describe_orphan(lease: Lease) -> dict[str, str]:
    details = lease.details
    what = details.get("root") or details.get("image") or details.get("name") or ""
    return {"kind": lease.kind, "what": what, "owner": lease.owner.described}


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
    for found in facts["installations"]:
        table.add_row("programs", f"PostgreSQL {found['version']} in {found['bindir']}")
    for orphan in facts["orphans"]:
        left = f"{orphan['kind']} {orphan['what']} of {orphan['owner']}; the next run removes it"
        table.add_row("left behind", left)
    for prospect in choice.prospects:
        table.add_row(prospect.kind, f"{'yes' if prospect.usable else 'no'}: {prospect.reason}")
    table.add_row("auto", choice.kind or f"nothing can run here (decided within {DECISION_S:.0f} s)")
    terminal(highlight=False).print(table)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.0f} GB"
