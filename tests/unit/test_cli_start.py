"""What a command loads before it begins: counted in modules, as times depend on the machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.cli import COMMANDS

OWN = ("bench", "datagen")
FOR_HELP = 14
"""Modules of our own, packages counted too, that say what the commands are."""
HEAVY = {
    "matplotlib",
    "pandas",
    "numpy",
    "scipy",
    "jinja2",
    "numba",
    "faker",
    "pyarrow",
    "docker",
    "testcontainers",
}
"""What only data, figures and statistics have a use for."""


def loaded(script: str) -> set[str]:
    """Modules that are loaded once a script has run."""
    program = f"import sys\n{script}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def asking(*arguments: str) -> str:
    return f"from bench.cli import main\ntry: main({list(arguments)})\nexcept SystemExit: pass"


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_what_is_said_of_all_commands_loads_none_of_them(argument: str) -> None:
    modules = loaded(asking(argument))
    own = sorted(name for name in modules if name.split(".")[0] in OWN)
    assert len(own) <= FOR_HELP, own
    assert not modules & {f"bench.cli.{name}" for name in COMMANDS}
    assert not modules & {*HEAVY, "psycopg", "msgspec", "rich", "postgast"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself_without_arrays_tables_or_pictures(command: str) -> None:
    assert not loaded(asking(command, "--help")) & HEAVY


def test_a_trace_needs_no_arrays_tables_or_pictures() -> None:
    modules = loaded("import bench.cli.trace, bench.run.trace, bench.pg.opening, bench.report.tracetext")
    assert "bench.run.trace" in modules
    assert not modules & HEAVY
