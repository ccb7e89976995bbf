"""Every command and example of the READMEs is run, in their order, in a copy of the checkout.

They run small here. Parts that need nothing of each other are divided among workers, each with a checkout.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import bench

from bench.migrate.tools.table import TOOLS
from bench.pg.binaries import find_installations
from bench.pg.embedded import embedded_installation
from bench.pg.server import Server

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(ROOT / part / "README.md" for part in ("migrations", "datagen", "bench", "results")),
]
README = PAGES[0].read_text(encoding="utf-8")
IN_CI = "## In CI"
DIVIDED_AT = ("## While requests come in", "## Does the way back work?", IN_CI, "## Larger than this machine")
"""Headings of the README from which on no command needs what an earlier one has left."""


def parts() -> dict[str, str]:
    """The READMEs by what a worker takes: the first one in stretches, the others whole."""
    stretches = re.split(f"^(?={'|'.join(map(re.escape, DIVIDED_AT))})", README, flags=re.MULTILINE)
    divided = {stretch.splitlines()[0]: stretch for stretch in stretches}
    return divided | {page.parent.name: page.read_text(encoding="utf-8") for page in PAGES[1:]}


PARTS = parts()
PART_OF = {
    line: part
    for part, text in reversed(PARTS.items())
    for block in reversed(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for line in reversed(block.splitlines())
}
"""Each command once, and the part that has it first."""
COMMANDS = list(reversed(PART_OF))
RECIPES = {"make test", "make lint", "make type"}
"""Of these the recipe is read alone: they would run this test again, or ran before it."""
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """The checkout with somebody's migrations in it; results go into the copy."""
    copy = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name not in {"results", ".git"}:
            (copy / path.name).symlink_to(path)
    bin_directory = ROOT / ".venv" / "bin"
    if not bin_directory.exists():
        (copy / ".venv").mkdir()
        (copy / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    migrations = copy / "db" / "migrations"
    migrations.mkdir(parents=True)
    (copy / "schema.sql").write_text("CREATE TABLE accounts (id int PRIMARY KEY);\n")
    (migrations / "001_email.sql").write_text("ALTER TABLE accounts ADD COLUMN email text;\n")
    return copy


def as_run_here(command: str) -> str:
    if command.startswith("make bench"):
        # A machine without PostgreSQL's programs has those of the wheel.
        bindir = "" if find_installations() else f" --pg-bindir {embedded_installation().bindir}"
        return f"{command} SCALE=0.01 ARGS='--repeats 1 --quiet --no-load --no-explain --no-probe{bindir}'"
    if command in RECIPES:
        return command.replace("make", "make -n", 1)
    command = command.replace("--tenants 1000", "--tenants 10")
    return re.sub(r"--scale \S+", "--scale 0.01", command) + quicker(command)


def quicker(command: str) -> str:
    """Options that leave out what the command is not about."""
    options = ""
    if "bench run" in command:
        options += " --repeats 1 --no-probe"
        options += "" if "--rate" in command or "--hazard" in command else " --no-load"
        options += "" if "--json" in command else " --no-explain"
        options += " --hazard-length 1" if "--hazard" in command else ""
    if "bench advise" in command:
        return " --reader-s 1 --rate 50 --no-pictures"
    if "bench explain" in command:
        options += " --no-cold --no-load --no-indexes"
    if "bench forecast" in command:
        options += " --scales 0.0017,0.0034,0.0068 --repeats 1"
    return options + (" --within 5 --no-dirt" if "bench prove" in command else "")


def dsn(server: Server) -> str:
    settings = server.environ()
    return f"postgresql://{settings['PGUSER']}@/postgres?host={settings['PGHOST']}&port={settings['PGPORT']}"


def test_the_readme_has_commands_and_examples() -> None:
    assert set(DIVIDED_AT) < set(PARTS)
    assert "make bench" in COMMANDS
    assert "make test" in COMMANDS
    assert EXAMPLES


def in_shell(command: str, checkout: Path, server: Server) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=checkout,
        env={**os.environ, "DSN": dsn(server)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [pytest.param(command, id=f"{command} part={PART_OF[command]}") for command in COMMANDS],
)
def test_a_command_of_the_readme_works(command: str, checkout: Path, server: Server) -> None:
    program, *arguments = in_shell(r"printf '%s\0' " + as_run_here(command), checkout, server).stdout.split(
        "\0"
    )
    assert program
    if program == ".venv/bin/bench" and not set(command) & set("|>&;"):
        assert (checkout / program).exists()
        done = bench(*arguments[:-1], cwd=checkout)
    else:
        done = in_shell(as_run_here(command), checkout, server)
    if done.returncode == 1 and "--rate" in command:
        # Budgets are about time, of which there may be little here.
        assert "over its budget of" in " ".join(done.stdout.split()), done.stdout
        return
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize(
    "example", [pytest.param(example, id=f"{number} part={IN_CI}") for number, example in enumerate(EXAMPLES)]
)
def test_an_example_of_the_readme_works(example: str, checkout: Path) -> None:
    """After the commands, one of which writes the file that the example reads."""
    assert (checkout / "run.json").exists()
    if "def test_" in example:
        run_as_test(example, checkout)
        return
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def run_as_test(example: str, checkout: Path) -> None:
    (checkout / "test_example.py").write_text(example)
    plugin = ["-p", "bench.plugin", "-p", "no:cacheprovider", "--rehearsal-server=embedded"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, *plugin, "test_example.py"],
        cwd=checkout, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_readme_names_exists(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_table_of_tools_names_every_tool() -> None:
    titles = {tool.title for tool in TOOLS if tool.name not in ("plain", "recorded")}
    said = README.replace("Supabase", "the Supabase CLI").replace("MyBatis", "MyBatis Migrations")
    assert [title for title in titles if title not in said] == []
