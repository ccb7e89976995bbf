"""``bench run`` from the command line: what a user gets, and what a user is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import bench
from fix_tcp import PASSWORD, TcpServer

from bench.pg.server import Server
from bench.store.codec import decode

FILES = {
    "schema.sql": "CREATE TABLE accounts (id int PRIMARY KEY, owner text);",
    "migrations/001_add.sql": "ALTER TABLE accounts ADD COLUMN email text;\n",
    "migrations/002_index.sql": "CREATE INDEX CONCURRENTLY accounts_email ON accounts (email);\n",
    "migrations/002_index.down.sql": "DROP INDEX accounts_email;\n",
    "migrations/rollback/001_add.sql": "ALTER TABLE accounts DROP COLUMN email;\n",
}
BRIEF = ("--repeats", "1", "--no-probe", "--no-explain", "--no-load")
"""Where what is left out is not the subject."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory of somebody's migrations."""
    return write(tmp_path, FILES)


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def test_any_directory_of_migrations_can_be_rehearsed(project: Path) -> None:
    done = bench(
        *("run", "migrations", "--base", "schema.sql", "--server", "embedded", "--repeats", "2"),
        cwd=project,
        env={"BENCH_NO_PICTURES": ""},
    )
    assert done.returncode == 0, done.stderr
    (directory,) = (project / "results" / "runs").iterdir()
    run = decode((directory / "run.json").read_bytes())
    assert [m.file for m in run.suite.migrations] == ["001_add.sql", "002_index.sql"]
    assert [m.rollback_file for m in run.suite.migrations] == ["rollback/001_add.sql", "002_index.down.sql"]
    assert run.finished_at is not None
    assert run.verdict is not None
    assert run.dataset is not None
    assert [(table.name, table.rows) for table in run.dataset.tables] == [("public.accounts", 0)]
    assert len(run.passes[0].repeats) == 2
    assert run.verdict.sentence.split()[0] in done.stdout
    assert str((directory / "report.html").relative_to(project)) in done.stdout
    for name in ("report.html", "report.md", "figures/durations.png", "figures/durations.svg"):
        assert (directory / name).stat().st_size > 500, name
    assert "email" in (directory / "report.html").read_text(encoding="utf-8")


def test_the_report_can_be_drawn_again_from_the_stored_run(project: Path) -> None:
    bench("run", "migrations", "--base", "schema.sql", "--server", "embedded", *BRIEF, cwd=project)
    (directory,) = (project / "results" / "runs").iterdir()
    first = (directory / "report.html").read_bytes()
    (directory / "report.html").unlink()
    again = bench("report", cwd=project)
    assert again.returncode == 0, again.stderr
    assert (directory / "report.html").read_bytes() == first


def test_json_goes_to_standard_output_alone(project: Path) -> None:
    done = bench(
        *("run", "migrations", "--base", "schema.sql", "--server", "embedded", *BRIEF),
        *("--json", "-", "--quiet", "--out", "out"),
        cwd=project,
    )
    assert json.loads(done.stdout)["suite"]["name"] == "migrations"
    assert (project / "out" / "run.json").read_text(encoding="utf-8") == done.stdout


def test_a_failing_migration_exits_4_with_place_and_reason(project: Path) -> None:
    write(project, {"migrations/003_bad.sql": "SELECT 1;\nALTER TABLE acounts ADD COLUMN x int;\n"})
    done = bench("run", "migrations", "--base", "schema.sql", "--server", "embedded", *BRIEF, cwd=project)
    assert done.returncode == 4
    assert "003_bad.sql:2" in done.stdout
    assert "42P01" in done.stdout
    (directory,) = (project / "results" / "runs").iterdir()
    run = decode((directory / "run.json").read_bytes())
    assert run.verdict is not None
    assert run.verdict.status == "not_ready"
    assert len(run.passes[0].repeats[0].migrations[0].statements) == 1, "what was measured before is kept"
    assert (directory / "report.html").exists()


BAD_INPUT = {
    "missing directory": (["run", "no/such/dir"], 2, 'no directory "no/such/dir"'),
    "empty directory": (["run", "empty"], 2, "empty holds no migration"),
    "unknown suite": (["run", "migratoins"], 2, "did you mean"),
    "not UTF-8": (["run", "latin"], 2, "001_a.sql: not UTF-8 at byte 8 (0xe9)"),
    "unknown key": (["run", "unknown_key"], 2, "desciption"),
    "unknown server": (["run", "good", "--server", "embeded"], 2, "did you mean embedded?"),
    "no such option": (["run", "--sclae", "1"], 2, 'did you mean "--scale"?'),
    "scale of nothing": (["run", "--scale", "0"], 2, "bench run: --scale: 0 is not a number above 0"),
    "no such choice": (["run", "--fail-on", "errors"], 2, "invalid choice: 'errors' (choose from"),
    "no command": ([], 2, "bench needs a command"),
    "no such schema": (["trace", "broken.sql", "--base", "nope.sql"], 2, "there is no file nope.sql"),
    "no repository": (["run", "good", "--against", "HEAD"], 2, "is in no git repository"),
    "base that fails": (
        ["run", "good", "--base", "broken.sql", "--server", "embedded"],
        2,
        'broken.sql:1: relation "x" does not exist (42P01)',
    ),
    "unreachable server": (
        ["run", "good", "--server", "postgresql://me:hidden-secret@127.0.0.1:1/db"],
        5,
        "127.0.0.1",
    ),
    "scale without generated data": (["run", "good", "--scale", "5"], 2, "no generated data"),
    "json into nowhere": (["run", "good", "--json", "/nope/x.json"], 2, "--json /nope/x.json"),
    "no such run": (["report", "nothing"], 2, "nothing"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_told_with_what_which_value_and_what_to_try(case: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "migrations/good/001_a.sql": "SELECT 1;",
            "migrations/migrations/001_a.sql": "SELECT 1;",
            "migrations/unknown_key/001_a.sql": "SELECT 1;",
            "migrations/unknown_key/suite.toml": 'desciption = "x"\n',
            "broken.sql": "SELECT * FROM x;",
        },
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "migrations/latin").mkdir()
    (tmp_path / "migrations/latin/001_a.sql").write_bytes(b"SELECT '\xe9';")
    arguments, code, message = BAD_INPUT[case]
    done = bench(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "try:" in done.stderr
    assert "usage:" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden-secret" not in done.stdout + done.stderr
    assert case == "base that fails" or not list(tmp_path.glob("results/runs/*"))
    if case == "unknown key":
        assert "description" in done.stderr
        assert "data" in done.stderr


def test_help_names_every_command_with_examples(tmp_path: Path) -> None:
    done = bench("--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("run", "report", "doctor", "examples:", "exit codes:"):
        assert word in done.stdout


def test_a_server_of_somebody_else_keeps_no_trace(project: Path, server: Server) -> None:
    """Over the test session's own server, as one that is reached by a connection string."""
    settings = server.environ()
    dsn = f"postgresql://{settings['PGUSER']}@/postgres?host={settings['PGHOST']}&port={settings['PGPORT']}"
    with server.connect() as conn:
        query = "SELECT datname, oid FROM pg_database ORDER BY datname"
        before = conn.execute(query).fetchall()
        done = bench(
            *("run", "migrations", "--base", "schema.sql", "--server", dsn, "--repeats", "1"), cwd=project
        )
        assert done.returncode == 0, done.stderr
        assert conn.execute(query).fetchall() == before


def test_what_acts_on_a_whole_server_is_refused_where_it_is_not_ours(project: Path, tcp: TcpServer) -> None:
    write(project, {"migrations/003_role.sql": "SELECT 1;\nALTER SYSTEM SET work_mem = '9MB';\n"})
    done = bench("run", "migrations", "--base", "schema.sql", "--server", tcp.dsn("postgres"), cwd=project)
    assert done.returncode == 2, done.stderr
    assert "003_role.sql:2: ALTER SYSTEM acts on the whole server" in done.stderr


def test_without_superuser_the_run_goes_on_and_says_what_it_could_not_measure(
    project: Path, tcp: TcpServer
) -> None:
    tcp.create_role("tenant", "CREATEDB")
    done = bench(
        *("run", "migrations", "--base", "schema.sql", *BRIEF, "--server", tcp.dsn("tenant")),
        cwd=project,
    )
    assert done.returncode == 0, done.stderr
    (directory,) = (project / "results" / "runs").iterdir()
    run = decode((directory / "run.json").read_bytes())
    added = run.passes[0].repeats[0].migrations[0].statements[0]
    assert added.counters.wal_bytes is None
    assert added.counters.blocks_hit is None
    assert added.counters.size_delta_bytes is not None
    assert [lock.mode for lock in added.locks if lock.relation == "public.accounts"] == [
        "AccessExclusiveLock"
    ]
    assert {"pg_stat_statements", "CHECKPOINT"} <= {note.subject for note in run.notes}
    written = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    assert not any(
        PASSWORD.encode() in text for text in [*written, done.stdout.encode(), done.stderr.encode()]
    )


def test_a_suite_without_data_is_filled_on_request(project: Path) -> None:
    done = bench(
        *("run", "migrations", "--base", "schema.sql", "--server", "embedded", *BRIEF),
        *("--fill", "--rows", "accounts=2k", "--quiet", "--json", "-"),
        cwd=project,
    )
    assert done.returncode == 0, done.stderr
    dataset = json.loads(done.stdout)["dataset"]
    (table,) = dataset["tables"]
    assert (table["name"], table["rows"]) == ("public.accounts", 2000)
    assert dataset["generator_version"] is not None
