"""What a user, a terminal and a CI see of the command line, whatever the input."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Running, bench, command
from factories import failed_run, rich_run
from field import folder

from bench.analyse.conclude import conclude
from bench.cli import main
from bench.errors import ServerError, UsageError
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.lease import lease_directory, read_leases, this_process, write_lease
from bench.report.messages import FORMATS
from bench.report.runformats import told
from bench.store.codec import encode
from bench.store.history import read


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The directory of a stored run."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(encode(conclude(rich_run()).run))
    return tmp_path / "run"


def test_faults_10_failed_migration_missing_in_sarif_gitlab_annotations(
    rehearse_case: Callable[..., Run],
) -> None:
    run = conclude(rehearse_case("faults/10-failed-migration-missing-in-sarif-gitlab-annotations", "m"))
    (command_line,) = (line for line in FORMATS["annotations"](told(run)).splitlines() if "nope" in line)
    assert command_line.startswith("::error file=")
    assert "m/001_x.sql,line=1::" in command_line
    assert "(42P01)" in command_line
    (result,) = (
        found
        for found in json.loads(FORMATS["sarif"](told(run)))["runs"][0]["results"]
        if "nope" in str(found)
    )
    assert (result["ruleId"], result["level"]) == ("BENCH-FAILED", "error")
    assert [found for found in json.loads(FORMATS["gitlab"](told(run))) if "nope" in found["description"]]
    assert "nope" in FORMATS["junit"](told(run))


def test_a_file_with_blanks_has_a_uri_in_sarif() -> None:
    run = failed_run()
    run = replace(run, suite=replace(run.suite, path="my suite<1>%"))
    results = json.loads(FORMATS["sarif"](told(conclude(run))))["runs"][0]["results"]
    uris = {place["physicalLocation"]["artifactLocation"]["uri"] for r in results for place in r["locations"]}
    assert all(uri.startswith("my%20suite%3C1%3E%25/") for uri in uris)


def test_faults_12_history_lost_after_a_cut_line(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = rich_run().suite.name
    accept = ["baseline", "accept", str(stored), "--because", "right"]
    assert main(accept) == 0
    history = tmp_path / "results" / "baselines" / f"{suite}.history.jsonl"
    history.write_bytes(history.read_bytes() + history.read_bytes()[:40])
    assert main(accept) == 0
    assert main(accept) == 0
    assert len(read(suite, [history]).entries) == 3
    capsys.readouterr()
    assert main(["history", suite]) == 0
    assert f"{suite}.history.jsonl:2: " in capsys.readouterr().err


def test_faults_14_terminal_and_workflow_command_injection(tmp_path: Path) -> None:
    case = folder("faults/14-terminal-and-workflow-command-injection")
    done = bench(
        *("run", str(case / "m"), "--repeats", "1", "--no-load", "--no-explain", "--no-probe"),
        *("--server", "embedded", "--out", "out"),
        cwd=tmp_path,
    )
    assert done.returncode == 4
    for text in (done.stdout, done.stderr, (tmp_path / "out" / "report.md").read_text(encoding="utf-8")):
        assert "PWN" in text
        assert not [character for character in text if ord(character) < 32 and character not in "\n\t"]
    for line in (done.stdout + done.stderr).splitlines():
        assert not line.lstrip().startswith(("::", "##["))


def test_faults_21_json_to_a_full_disk_or_protected_file(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "x.json"
    target.write_text('{"old": true}')
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
    ignoring = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    calling = (
        f"import sys; from bench.cli.options import write_json; write_json({str(target)!r}, b'x' * 50000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited + ignoring + calling], capture_output=True, text=True, check=False
    )
    assert "50,000 bytes are needed" in done.stderr
    assert json.loads(target.read_text()) == {"old": True}
    assert list(tmp_path.glob(".*")) == [], "nothing half-written stays"
    monkeypatch.setattr(os, "access", lambda path, mode: not (mode & os.W_OK and Path(path) == target))
    assert main(["report", str(stored), "--out", str(tmp_path / "o"), "--json", str(target)]) == 2
    assert "protected" in capsys.readouterr().err


@pytest.mark.parametrize("redirected", ["> /dev/full", ">&-"])
def test_a_document_that_cannot_be_written_is_said(redirected: str, stored: Path) -> None:
    line = f'"{sys.executable}" -m bench report {stored} --format markdown {redirected}'
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, "standard output" in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "crm", "--server", "postgresql://u:S3cr3t/x@127.0.0.1:1/db"),
        ("run", "crm", "--server", "postgresql://u:xS3@cr3t@127.0.0.1:1/db"),
        ("run", "crm", "--server", "postgresql:/u:S3cr3t@127.0.0.1/db"),
        ("run", "crm", "--server", "u:S3cr3t@127.0.0.1"),
        ("run", "postgresql://u:S3cr3t@h/db"),
        ("compare", "postgresql://u:S3cr3t@h/db", "latest"),
        ("trace", "postgresql://u:S3cr3t@h/db"),
        ("run", "crm", "--sevrer", "x", "postgresql://u:S3cr3t@h/db"),
        ("run", "crm", "--repeats", "u:S3cr3t@h"),
        ("report", "postgresql://u:S3cr3t@h/db"),
        ("history", "postgresql://u:S3cr3t@h/db"),
        ("u:S3cr3t@h",),
    ],
)
def test_faults_22_parts_of_passwords_in_messages(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = bench(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr
    assert "3cr3t" not in done.stdout + done.stderr
    assert "xS3" not in done.stdout + done.stderr


def test_faults_23_nohup_does_not_help(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "001.sql").write_text("SELECT pg_sleep(1);\n")
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does; a new program inherits it
    try:
        running = Running(
            ["run", "m", "--repeats", "1", "--no-load", "--no-probe", "--no-explain", "--server", "embedded"],
            tmp_path,
        )
    finally:
        signal.signal(signal.SIGHUP, former)
    try:
        running.wait_for("solo pass")
        assert running.end(signal.SIGHUP) == 0, running.said
    finally:
        running.kill()


def test_commands_and_options_are_written_in_full_and_near_misses_are_told(tmp_path: Path) -> None:
    for arguments, wanted in (
        (("rnu",), 'did you mean "run"?'),
        (("run", "--reapeats", "3"), 'did you mean "--repeats"?'),
        (("run", "--rep", "3"), "--rep is not one of its options"),
        (("explain", "--no-lod"), 'did you mean "--no-load"?'),
    ):
        done = bench(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert wanted in done.stderr


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ({"started_at": "yesterday"}, "started_at"),
        ({"passes.0.repeats.0.migrations.0.statements.0.duration_s": 1e308}, "duration_s"),
        ({"dataset.tables.0.rows": 10**400}, "rows"),
    ],
)
def test_a_run_file_that_was_edited_is_refused_with_the_place(
    damage: dict[str, object], place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(encode(conclude(rich_run()).run))
    for path, value in damage.items():
        *above, last = path.split(".")
        part = document
        for step in above:
            part = part[int(step)] if step.isdecimal() else part[step]
        part[last] = value
    (tmp_path / "run.json").write_text(json.dumps(document))
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert place in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["latin1", "ascii"])
def test_a_terminal_of_any_encoding_shows_the_summary(encoding: str, stored: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command("report", str(stored), "--out", str(tmp_path / "o")),
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"Verdict" in done.stdout) == (0, True), done.stderr


def test_real_suite_18_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.sql").write_text("CREATE TABLE t (id int PRIMARY KEY, a text);\n")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "001.sql").write_text("ALTER TABLE t ALTER a TYPE int USING a::int;\n")
    typed = [
        "run",
        "m",
        "--base",
        "b.sql",
        "--fill",
        "--rows",
        "t=50",
        "--no-load",
        "--no-explain",
        "--no-probe",
    ]
    typed += ["--repeats", "1", "--server", "embedded", "--no-cache"]
    assert main([*typed, "--out", "o"]) == 4
    again = f"bench {' '.join(typed)}"
    assert f"correct the file, then: {again}\n" in capsys.readouterr().out
    assert main(["report", "o"]) == 4
    assert f"correct the file, then: {again}\n" in capsys.readouterr().out
    (tmp_path / "m" / "001.sql").write_text("TRUNCATE t;\n")
    assert main([*typed, "--out", "p"]) == 0
    assert re.search(f"Next +see the report's way out of [a-z-]+, then: {again}\n", capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["broken link", "circular link", "directory", "pipe"])
def test_faults_11_dangling_symlink_migration_left_out_silently(kind: str, tmp_path: Path) -> None:
    (tmp_path / "001.sql").write_text("SELECT 1;\n")
    second = tmp_path / "002.sql"
    match kind:
        case "broken link":
            second.symlink_to("../shared/002.sql")
        case "circular link":
            second.symlink_to("002.sql")
        case "directory":
            second.mkdir()
        case _:
            os.mkfifo(second)
    with pytest.raises(UsageError, match=r"002\.sql: (cannot be read|is a directory|is no regular file)"):
        find_suite(str(tmp_path))


def test_faults_25_other_tracebacks(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Names, directories and files that cannot be used; others of the kind are below and beside."""
    suite = tmp_path / "a"
    suite.mkdir()
    Path(os.fsdecode(os.fsencode(suite) + b"/001_\xff.sql")).write_text("SELECT 1;\n")
    assert main(["run", str(suite)]) == 2
    assert r"001_\udcff.sql: its name is not UTF-8" in capsys.readouterr().err
    closed = Path(tempfile.mkdtemp(dir="/tmp"))  # the others' parents may be closed to others
    request.addfinalizer(lambda: shutil.rmtree(closed))
    closed.chmod(0o755)
    (closed / "rollback").mkdir(mode=0o700)
    (closed / "001.sql").write_text("SELECT 1;\n")
    with another_user(), pytest.raises(UsageError, match=r"rollback.*: cannot be read: Permission"):
        find_suite(str(closed))
    monkeypatch.setenv("BENCH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    leases = lease_directory()
    (leases / "cluster-x.json").mkdir()
    owner = {"pid": 1, "started": 0.0, "machine": this_process().machine}
    for name, body in {
        "cluster-y.json": {"kind": "cluster", "owner": owner, "details": {}},
        "cluster-z.json": {"kind": "cluster", "owner": {**owner, "pid": "one"}, "details": {"root": "/x"}},
    }.items():
        (leases / name).write_text(json.dumps(body))
    assert read_leases() == ()
    (tmp_path / "t.sql").write_text("SELECT 1;\n")
    assert main(["trace", "t.sql", "--server", "embedded", "--no-probe"]) == 0


@contextmanager
def another_user() -> Iterator[None]:
    """Act as a user to whom nothing here belongs, where we are root."""
    if os.geteuid() != 0:
        pytest.fail("the tests of permissions need root, or a user other than the owner")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_state_directory_on_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_STATE_DIR", str(tmp_path))
    lease_directory()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ServerError, match="cannot be written: File too large"):
            write_lease("cluster", {"root": "x", "socket": "y"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, former)
    assert [path.name for path in lease_directory().iterdir()] == []


def test_a_catalog_that_a_migration_hides_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "001.sql").write_text(
        "CREATE VIEW public.pg_class AS SELECT 1 AS oid;\n"
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path=public,pg_catalog',"
        " current_database()); END $$;\n"
    )
    options = ["--repeats", "1", "--no-load", "--server", "embedded", "--quiet", "--out", "o"]
    assert main(["run", "d", *options]) == 0, capsys.readouterr().err


def test_datagen_ends_with_the_codes_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    write = [sys.executable, "-m", "datagen", "write", str(tmp_path / "file" / "x"), "--scale", "0.001"]
    assert subprocess.run(write, capture_output=True, check=False).returncode == 2
    write[4:] = [str(tmp_path / "out"), "--scale", "50"]
    with subprocess.Popen(write, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline(), "it has begun"
        running.terminate()
        assert "interrupted" in running.stderr.read()
        assert running.wait(timeout=60) == 130


def test_a_source_that_is_not_there_is_trouble_with_a_server(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "001.sql").write_text("SELECT 1;\n")
    nobody = bench("run", "m", "--from-dsn", "postgresql://u@127.0.0.1:1/x", cwd=tmp_path)
    assert nobody.returncode == 5, nobody.stderr
    malformed = bench("run", "m", "--from-dsn", "postgresql://u@[::/x", cwd=tmp_path)
    assert malformed.returncode == 2
    assert "--server" not in malformed.stderr
