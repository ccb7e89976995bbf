"""Options that say what the tables hold before the migrations, and where that comes from."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.options import DataChoice, gather, locale_name, names, several_rows, take
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.migrate.suite import Suite
    from bench.pg.locale import Locale
    from bench.run.template.options import DataOptions


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """Where the state before comes from."""

    like: Path | None = None
    dirt_kinds: tuple[str, ...] | None = None
    fill: bool = False
    columns: Path | None = None
    from_dump: Path | None = None
    from_dsn: str | None = None
    exclude_table_data: Sequence[str] = ()
    size: Sequence[tuple[str, int]] = ()
    role: str | None = None
    locale: Locale | None = None
    no_cache: bool = False


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """``--like``, ``--dirt-kinds``, ``--from-dump``, ``--from-dsn`` and what goes with it, ``--fill``,
    ``--columns``, ``--role``, ``--locale``, ``--no-cache``."""
    parser.add_argument(
        "--like",
        type=Path,
        default=None,
        metavar="FILE",
        help="rows as in production, from the JSON that the script of bench forecast --production-sql "
        "printed there",
    )
    parser.add_argument(
        "--dirt-kinds",
        type=names,
        default=None,
        metavar="KIND,…",
        help="plant only these kinds of dirty rows, such as bad_email,year_9999",
    )
    parser.add_argument(
        "--fill",
        action="store_true",
        help="fill the empty tables of a suite that has no data of its own as their schema demands: 1,000 "
        "rows each, or as --rows says",
    )
    parser.add_argument(
        "--from-dump",
        type=Path,
        default=None,
        metavar="FILE",
        help="schema and data from a file or directory of pg_dump (plain, custom, directory, tar)",
    )
    parser.add_argument(
        "--from-dsn",
        default=None,
        metavar="DSN",
        help="schema and data copied by pg_dump, read-only, from this database; its password best in "
        "PGPASSWORD or PGPASSFILE",
    )
    parser.add_argument(
        "--exclude-table-data",
        action="append",
        default=[],
        metavar="PATTERN",
        help="with --from-dsn, leave out the rows of these tables; may be repeated",
    )
    parser.add_argument(
        "--columns", type=Path, default=None, metavar="FILE", help="TOML for --fill: rows and values"
    )
    _add_own_options(parser)
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="load the data again, and do not keep them (see bench templates)",
    )
    gather(parser, "source", lambda options: take(SourceChoice, options))


def _add_own_options(parser: argparse.ArgumentParser) -> None:
    """``--size``, ``--role``, ``--locale``: of data of one's own."""
    parser.add_argument(
        "--size",
        type=several_rows,
        action="extend",
        default=[],
        metavar="NAME=N[,…]",
        help="psql variables that the base takes its size from (:NAME); a smaller size shows the growth",
    )
    parser.add_argument(
        "--role",
        default=None,
        metavar="NAME",
        help="role as which the migrations run, with its settings; made, without privileges of a superuser, "
        "where the state before has none of that name",
    )
    parser.add_argument(
        "--locale",
        type=locale_name,
        default=None,
        metavar="NAME",
        help="of the data, for example de_DE.UTF-8 or icu:de-DE (default: the dump's, or the server's)",
    )


def data_options(
    suite: Suite, data: DataChoice, source: SourceChoice = SourceChoice(), dump: Path | None = None
) -> DataOptions:
    """The options as the run takes them; UsageError for ones that have no effect on the suite."""
    from bench.run.template.options import DataOptions

    fill, like, dirt_kinds = source.fill, source.like, source.dirt_kinds
    if fill and dump is not None:
        raise UsageError("--fill and a dump exclude each other", hint="choose one of them")
    if fill and suite.data is not None:
        raise UsageError(
            f"{suite.name} has data of its own", hint="--fill is for suites that have none; leave it out"
        )
    if source.columns is not None and not fill:
        raise UsageError("--columns has no effect without --fill", hint="add --fill")
    _require_data(suite, data, fill=fill)
    scale, wanted = data.scale, dict(data.rows)
    if suite.data is not None:
        scale, wanted = _checked(suite.data, scale, wanted, dirt_kinds, like)
    elif dirt_kinds is not None or (like is not None and not fill):
        option = "--like" if dirt_kinds is None else "--dirt-kinds"
        raise UsageError(
            f"{suite.name} has no generated data, so {option} has no effect",
            hint="--like goes with --fill; kinds of dirt are those of the data that datagen knows",
        )
    return DataOptions(
        scale=scale,
        rows=wanted,
        seed=data.seed,
        dirt=data.dirt,
        dirt_kinds=dirt_kinds,
        workers=data.workers,
        fill=fill,
        like=_rows_elsewhere(like) if fill else {},
        columns=source.columns,
        dump=dump,
        role=source.role,
        locale=source.locale,
        variables=require_variables(suite, source.size),
        cache=not source.no_cache,
    )


def require_variables(suite: Suite, size: Sequence[tuple[str, int]]) -> dict[str, int]:
    """The variables of the base; UsageError for one that it does not use."""
    if not size:
        return {}
    text = suite.base.read_text(encoding="utf-8", errors="replace") if suite.base is not None else ""
    for name, _ in size:
        if not re.search(rf":'?{re.escape(name)}\b", text):
            raise UsageError(
                f"--size {name}=… has no effect: {suite.base or 'there is no base that'} "
                f"{'does not use' if suite.base else 'uses'} :{name}",
                f"write for example generate_series(1, :{name}) in the base",
            )
    return dict(size)


def _checked(
    data: str, scale: float, rows: dict[str, int], kinds: tuple[str, ...] | None, like: Path | None
) -> tuple[float, dict[str, int]]:
    """Scale and rows of generated data; UsageError for what the generator does not know."""
    if like is None and kinds is None and not rows:
        return scale, rows
    from datagen import data_set
    from datagen.engine.like import like_production, read_like

    known = data_set(data)

    if like is not None:
        if scale != 1.0:
            raise UsageError("--scale and --like exclude each other", hint="choose one of them")
        scale, like_rows = like_production(known, read_like(like), like)
        rows = like_rows | {known.resolve(name): count for name, count in rows.items()}
    known.plan(scale=scale, rows=rows, dirt_kinds=kinds)
    return scale, rows


def _rows_elsewhere(like: Path | None) -> dict[str, int]:
    if like is None:
        return {}
    from datagen.engine.like import read_like

    return read_like(like)


def _require_data(suite: Suite, data: DataChoice, *, fill: bool) -> None:
    """Raise UsageError for options about generated data where the suite has none."""
    rows = data.rows and not fill
    if suite.data is None and (data.scale != 1.0 or rows or data.dirt is not None):
        raise UsageError(
            f"{suite.name} has no generated data, so --scale, --rows and --dirt have no effect",
            hint="fill the tables in its base file, or with bench run --fill",
        )


@contextmanager
def dumped(source: SourceChoice, *, quiet: bool) -> Iterator[Path | None]:
    """The dump that the options name: a file that is there, one taken now and removed at the end, or None."""
    from_dsn, exclude = source.from_dsn, source.exclude_table_data
    if exclude and from_dsn is None:
        raise UsageError("--exclude-table-data has no effect without --from-dsn", hint="add --from-dsn DSN")
    if from_dsn is None:
        yield source.from_dump
        return
    if source.from_dump is not None:
        raise UsageError("--from-dump and --from-dsn exclude each other", hint="choose one of them")
    from bench.cli.live import live
    from bench.pg.endpoint import parse_dsn
    from bench.pg.lease import leased_directory
    from bench.run.template.dump import take_dump

    production = parse_dsn(from_dsn)
    with leased_directory("dump") as directory:
        with live(quiet=quiet) as progress:
            dump = take_dump(production, directory / "source.dump", exclude, progress)
        yield dump.path
