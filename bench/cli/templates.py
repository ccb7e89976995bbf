"""``bench templates``: what the cache of templates holds, and the removal of it."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime
from typing import Any

from bench.cli.options import Output, add_output_options, positive_number, require_writable, write_json
from bench.cli.terminal import say, terminal

EPILOG = """\
A run keeps the data that it loaded as a template, and the next one with the same base, scale, rows, seed
and dirt on the same server starts from there. Of a server that a run starts (embedded, cluster) the data
directory is kept, in BENCH_CACHE_DIR or pgrehearse/templates below XDG_CACHE_HOME or ~/.cache; on a server
that runs already the template stays as a database named bench_cached_…; a container's data go with it.
Beyond 20 GiB (BENCH_CACHE_BYTES) those used longest ago go.

examples:
  bench templates list
  bench templates list --server "$DSN"
  bench templates prune --older-than 30
  bench templates prune --keep 5G
  bench templates prune --keep 0                     all of them
"""
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
DAY_S = 86400.0


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "templates",
        description="List or remove the templates that runs keep for later runs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("list", "prune"), help="prune removes")
    parser.add_argument(
        "--keep", type=size_bytes, default=None, metavar="BYTES",
        help="prune those used longest ago until so much is left, for example 5G",
    )  # fmt: skip
    parser.add_argument(
        "--older-than",
        type=positive_number,
        default=None,
        metavar="DAYS",
        help="prune those unused for so long",
    )
    parser.add_argument(
        "--server", default=None, metavar="DSN", help="the templates on this server instead of this machine's"
    )
    add_output_options(parser)
    parser.set_defaults(command=templates)


def size_bytes(text: str) -> int:
    """``5G`` as bytes, in powers of 1024."""
    match = re.fullmatch(r"(\d+)([kmgt]?)(?:i?b)?", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text} is not a size, for example 5G")
    return int(match[1]) * _UNITS[match[2]]


def templates(
    *,
    action: str,
    keep: int | None,
    older_than: float | None,
    server: str | None,
    output: Output,
) -> int:
    """List or prune; returns the exit code."""
    from bench.errors import UsageError

    require_writable(output.json)
    if action == "list" and (keep is not None or older_than is not None):
        raise UsageError("--keep and --older-than are for prune", "bench templates prune --keep 5G")
    if action == "prune" and keep is None and older_than is None:
        raise UsageError("prune needs to know what", "give --keep BYTES, --older-than DAYS or both")
    limit = keep if keep is not None else 2**63
    older_than_s = None if older_than is None else older_than * DAY_S
    if server is not None:
        listed = _on_server(server, action, limit, older_than_s)
    else:
        listed = _on_this_machine(action, limit, older_than_s)
    _deliver(listed, action, output)
    return 0


def _on_this_machine(action: str, keep: int, older_than_s: float | None) -> list[dict[str, Any]]:
    from bench.pg.datacache import entries, prune, sweep_partial

    for sentence in sweep_partial():
        print(sentence, file=sys.stderr)
    chosen = entries() if action == "list" else prune(keep, older_than_s=older_than_s)
    return [_row(entry.key[:12], entry.bytes, entry.used_at, dict(entry.about)) for entry in chosen]


def _on_server(server: str, action: str, keep: int, older_than_s: float | None) -> list[dict[str, Any]]:
    from bench.errors import UsageError
    from bench.pg.opening import open_server
    from bench.pg.spec import parse_server
    from bench.pg.templates import list_kept, prune_kept

    spec = parse_server(server)
    if spec.kind != "dsn":
        raise UsageError(
            f"--server {server} keeps nothing by itself",
            "without --server, the templates of servers that runs start are listed",
        )
    with open_server(spec) as opened:
        if action == "list":
            with opened.connect() as conn:
                chosen = list_kept(conn)
        else:
            chosen = prune_kept(opened, keep, older_than_s=older_than_s)
    return [
        _row(kept.name, kept.bytes, kept.used_at, _about(kept.about.get("suite"), kept.about.get("dataset")))
        for kept in chosen
    ]


def _about(suite: Any, dataset: Any) -> dict[str, str]:
    tables = dataset["tables"] if isinstance(dataset, dict) else []
    return {"suite": str(suite), "rows": str(sum(table["rows"] for table in tables))}


def _row(name: str, size: int, used_at: float, about: dict[str, str]) -> dict[str, Any]:
    used = datetime.fromtimestamp(used_at, UTC).isoformat(timespec="seconds")
    return {"name": name, "bytes": size, "used_at": used, "about": about}


def _deliver(listed: list[dict[str, Any]], action: str, output: Output) -> None:
    import msgspec

    json = output.json

    if json is not None:
        document = {"action": action, "templates": listed}
        write_json(json, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    if json == "-" or output.quiet:
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("template", "suite", "rows", "server", "size", "last used"):
        table.add_column(heading, justify="right" if heading in ("rows", "size") else "left")
    for row in listed:
        about = row["about"]
        rows = f"{int(about['rows']):,}" if about.get("rows") else ""
        size = f"{row['bytes'] / 1024**2:,.0f} MiB"
        table.add_row(row["name"], about.get("suite"), rows, about.get("server"), size, row["used_at"])
    terminal().print(table)
    total = sum(row["bytes"] for row in listed)
    say(f"{len(listed)} {'removed' if action == 'prune' else 'kept'}, {total / 1024**2:,.0f} MiB")
