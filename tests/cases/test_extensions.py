"""A missing extension is told before anything runs, with what has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.binaries import choose_installation, extensions_of
from bench.pg.embedded import embedded_installation
from bench.pg.server import Server
from bench.run.scripts import read_scripts
from bench.run.template.extensions import who_has
from bench.run.template.options import DataOptions
from bench.run.template.prepare import apply_file

Rehearse = Callable[..., Run]
SUITE = Path(__file__).parent / "inputs" / "directories" / "34-extension-known-missing-late" / "migrations"


def without(server: Server, *names: str) -> Server:
    left = tuple(name for name in server.info.extensions if name not in names)
    return replace(server, info=replace(server.info, extensions=left))


def test_directories_34_a_missing_extension_before_anything_runs(server: Server) -> None:
    with pytest.raises(UsageError) as error:
        read_scripts(without(server, "pgcrypto"), find_suite(str(SUITE)), DataOptions())
    assert "003_crypto.sql:1 creates extension pgcrypto" in error.value.message
    assert server.info.version in error.value.message
    assert "--server container" in str(error.value.hint)


def test_what_has_it_here() -> None:
    here = {
        "--server cluster": extensions_of(choose_installation(None)),
        "--server embedded": extensions_of(embedded_installation()),
    }
    assert all("plpgsql" in names for names in here.values())
    for name in sorted(set.union(*map(set, here.values()))):
        for option, names in here.items():
            assert (f"{option} has it here" in who_has([name])) == (name in names), name


def test_an_extension_that_the_base_needs(server: Server, database: str, tmp_path: Path) -> None:
    (tmp_path / "base.sql").write_text("CREATE EXTENSION postgis;\n")
    with pytest.raises(UsageError) as error:
        apply_file(server, database, tmp_path / "base.sql")
    assert "--image postgis/postgis" in str(error.value.hint)
