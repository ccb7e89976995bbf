"""What every command that rehearses is given, and how it gets its server and its directory."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.data import SourceChoice, add_source_options, data_options, dumped
from bench.cli.options import (
    DataChoice,
    Output,
    Pending,
    ServerChoice,
    SuiteChoice,
    add_data_options,
    add_output_options,
    add_picture_option,
    add_server_options,
    add_suite_options,
    gather,
    require_writable,
    take,
)

if TYPE_CHECKING:
    from bench.migrate.suite import Suite
    from bench.pg.server import Server
    from bench.pg.spec import ServerSpec
    from bench.run.progress import Progress
    from bench.run.template.options import DataOptions
    from bench.store.results import RunDirectory


@dataclass(frozen=True, slots=True)
class Given:
    """The options that say which deploy, on which data and server."""

    which: SuiteChoice
    source: SourceChoice
    data: DataChoice
    server: ServerChoice
    output: Output
    deployed: Pending = field(default_factory=Pending)


def add_given_options(parser: argparse.ArgumentParser) -> None:
    """All of them but what is pending; the command gets them as ``given``."""
    add_suite_options(parser)
    add_source_options(parser)
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    add_picture_option(parser)
    parser.set_defaults(makers={})  # one argument in place of one for each group
    gather(
        parser,
        "given",
        lambda options: Given(
            take(SuiteChoice, options),
            take(SourceChoice, options),
            take(DataChoice, options),
            take(ServerChoice, options),
            take(Output, options),
            take(Pending, options),
        ),
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the options come to."""

    suite: Suite
    data: DataOptions
    spec: ServerSpec
    run_id: str
    out: Path
    """Where the run is stored: a directory, or a run file in one."""
    output: Output

    @property
    def path(self) -> Path:
        """The directory in which the run is stored."""
        from bench.store.results import RunDirectory

        return RunDirectory.of(self.out).path


@contextmanager
def choose(given: Given) -> Iterator[Chosen]:
    """The suite and the data of these options; a dump that is taken for them is there as long as this lasts.

    Raises UsageError for options that do not fit together, before a server starts.
    """
    from bench.cli.pending import chosen_suite
    from bench.run.template.keep import template_key
    from bench.store.results import RUNS, new_run_id

    require_writable(given.output.json)
    with (
        dumped(given.source, quiet=given.output.quiet) as dump,
        chosen_suite(given.which, dump, given.deployed) as suite,
    ):
        data = data_options(suite, given.data, given.source, dump)
        spec = given.server.spec(template_key(suite, data) if data.cache else None)
        run_id = new_run_id(suite.name, datetime.now(UTC))
        yield Chosen(suite, data, spec, run_id, given.which.out or RUNS / run_id, given.output)


@dataclass(frozen=True, slots=True)
class Opened:
    """A server that is open, and where what is measured on it goes."""

    server: Server
    directory: RunDirectory
    progress: Progress


@contextmanager
def opened(spec: ServerSpec, out: Path, *, quiet: bool) -> Iterator[Opened]:
    """Open a server and a directory for a run, which goes again where nothing was saved in it."""
    from bench.cli.live import live
    from bench.pg.opening import open_server
    from bench.run.progress import Said
    from bench.store.results import create_directory

    with live(quiet=quiet) as progress:
        directory = create_directory(out, lambda text: progress(Said(text)))
        try:
            with open_server(spec, lambda text: progress(Said(text))) as server:
                yield Opened(server, directory, progress)
        finally:
            if not directory.run_file.exists():
                with suppress(OSError):  # somebody else's files are in it
                    directory.path.rmdir()
