"""The command line: ``datagen load``, ``datagen write``, ``datagen plan``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from datagen import DATA_SETS, DEFAULT_DATA, data_set
from datagen.engine.plan import DEFAULT_DIRT, DataSet, Plan
from datagen.errors import BenchError, UsageError

_EXAMPLES = """\
examples:
  datagen load postgresql://localhost/crm --scale 1
  datagen load postgresql://localhost/crm --rows deals=5M --rows contacts=1M --dirt 0
  datagen load postgresql://db/crm --scale 100 --dask tcp://scheduler:8786
  datagen load postgresql://localhost/ --schema-of shop --rows orders=100k --columns shop.toml
  datagen load postgresql://localhost/crm --like probe.json
  datagen write out --scale 0.1 --format parquet
  datagen plan --scale 100

Scale 1 is 100,000 deals and about 0.8 million rows in all. The same seed gives the same bytes,
whatever the number of workers. A load that was killed goes on where it broke off when it is started again
with the same options. exit codes: 0 done, 2 unusable option, file or database,
5 server trouble, 130 interrupted
"""
_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors that a user can meet go to stderr in one sentence and a hint."""
    args = _parser().parse_args(argv)
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _end)
    try:
        if args.command == "load" and args.schema_of is not None:
            return _fill(args)
        data = data_set(args.data)
        scale, rows = _size(args, data)
        plan = data.plan(
            scale=scale,
            rows=rows,
            seed=args.seed,
            dirt=args.dirt,
            dirt_kinds=parse_kinds(args.dirt_kinds),
        )
        return _run(args, plan)
    except BenchError as error:
        print(f"datagen: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("datagen: interrupted", file=sys.stderr)
        return 130


class _Ended(KeyboardInterrupt):
    """A signal asked for the end. A class of its own, as Python ends by the signal itself where a bare
    KeyboardInterrupt is raised inside ``exec``, however well it was handled."""


def _end(number: int, frame: FrameType | None) -> None:
    """End as on Ctrl-C: what was started on the way is stopped."""
    raise _Ended


def _size(args: argparse.Namespace, data: DataSet) -> tuple[float, dict[str, int]]:
    """Scale and rows by table, as production has them and as the options say."""
    given = {data.resolve(name): count for name, count in parse_rows(args.rows).items()}
    if args.like is None:
        return 1.0 if args.scale is None else args.scale, given
    if args.scale is not None:
        raise UsageError("--scale and --like exclude each other", "choose one of them")
    from datagen.engine.like import like_production, read_like

    scale, rows = like_production(data, read_like(args.like), args.like)
    return scale, rows | given


def _run(args: argparse.Namespace, plan: Plan) -> int:
    from datagen import commands

    match args.command:
        case "load":
            return commands.load_command(
                args.dsn,
                plan,
                workers=args.workers,
                dask=args.dask,
                processes=args.processes,
                json_to=args.json,
                quiet=args.quiet,
            )
        case "write":
            return commands.write_command(
                args.directory, plan, form=args.format, json_to=args.json, quiet=args.quiet
            )
        case _:
            return commands.plan_command(plan, dsn=args.dsn, workers=args.workers, json_to=args.json)


def _fill(args: argparse.Namespace) -> int:
    from datagen import commands

    columns = Path(args.columns) if args.columns is not None else None
    return commands.fill_command(
        args.dsn,
        args.schema_of,
        parse_rows(args.rows),
        columns,
        like=args.like,
        seed=args.seed,
        json_to=args.json,
        quiet=args.quiet,
    )


def parse_rows(texts: Sequence[str]) -> dict[str, int]:
    """``["deals=5M,contacts=200k"]`` → rows by table; UsageError for anything else."""
    rows = {}
    for item in (item for text in texts for item in text.split(",") if item.strip()):
        table, _, count = (part.strip() for part in item.partition("="))
        factor = _SUFFIXES.get(count[-1:].lower() if not count[-1:].isdigit() else "")
        number = count if count[-1:].isdigit() else count[:-1]
        if not table or factor is None or not (number.isascii() and number.isdigit()):
            raise UsageError(
                f"--rows {item.strip()!r} cannot be read",
                "give table=number, such as deals=5M or contacts=200k",
            )
        rows[table] = int(number) * factor
    return rows


def parse_kinds(text: str | None) -> list[str] | None:
    """``"bad_email,year_9999"`` → names; None where nothing is given."""
    return None if text is None else [kind.strip() for kind in text.split(",") if kind.strip()]


def _workers(text: str) -> int:
    if not (text.isdigit() and 1 <= int(text) <= 256):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 256")
    return int(text)


def _shared() -> argparse.ArgumentParser:
    """Options that say what is generated."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data", default=DEFAULT_DATA, metavar="NAME",
        help=f"which data set: {', '.join(DATA_SETS)} (default {DEFAULT_DATA})",
    )  # fmt: skip
    shared.add_argument("--scale", type=float, metavar="N", help="1 = 100 k deals (default 1)")
    shared.add_argument(
        "--like",
        type=Path,
        metavar="FILE",
        help="rows as in production: JSON that bench forecast --production-sql made",
    )
    shared.add_argument(
        "--rows",
        action="append",
        default=[],
        metavar="TABLE=N",
        help="rows of one table instead, such as deals=5M",
    )
    shared.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another seed, other data (default 1)"
    )
    shared.add_argument(
        "--dirt", type=float, default=DEFAULT_DIRT, metavar="SHARE",
        help=f"share of dirty companies, contacts and deals, 0 to 1 (default {DEFAULT_DIRT})",
    )  # fmt: skip
    shared.add_argument(
        "--dirt-kinds", metavar="KIND,…", help="only these kinds of dirt, such as bad_email,year_9999"
    )
    shared.add_argument(
        "--json", metavar="FILE", help="write the result as JSON to FILE, or to stdout with -"
    )
    shared.add_argument("--quiet", action="store_true", help="no progress, no summary")
    return shared


def _parser() -> argparse.ArgumentParser:
    shared = _shared()
    parser = argparse.ArgumentParser(
        prog="datagen",
        description="Fill a database with production-sized, production-shaped data at the speed of COPY.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="load|write|plan")
    load = commands.add_parser("load", parents=[shared], help="load into a database that has the schema")
    load.add_argument("dsn", metavar="DSN", help="postgresql://… or a libpq connection string")
    load.add_argument("--workers", type=_workers, metavar="N", help="connections (default: one per core)")
    where = load.add_mutually_exclusive_group()
    where.add_argument(
        "--processes", action="store_true", help="generate in a process per worker, not in a thread"
    )
    where.add_argument(
        "--dask", metavar="ADDRESS", help="generate on a Dask cluster that runs, such as tcp://host:8786"
    )
    load.add_argument(
        "--schema-of", metavar="DATABASE",
        help="fill the empty tables of this database on the server, whatever its schema: 1,000 rows "
        "each, or as --rows says",
    )  # fmt: skip
    load.add_argument("--columns", metavar="FILE", help="TOML: rows by table, values by column")
    write = commands.add_parser(
        "write", parents=[shared], help="write files and a psql script that loads them"
    )
    write.add_argument("directory", metavar="DIR", help="new or empty directory")
    write.add_argument("--format", choices=("csv", "binary", "parquet"), default="csv", help="default csv")
    plan = commands.add_parser("plan", parents=[shared], help="show rows, bytes and time, from a trial")
    plan.add_argument(
        "dsn", metavar="DSN", nargs="?", help="try the server too, in a database that has the schema"
    )
    plan.add_argument("--workers", type=_workers, metavar="N", help="connections (default: one per core)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
