"""What a run comes to: the worst that was measured, told once, and an exit code that says what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import bench
from factories import a_migration, a_run, a_statement, an_error

from bench.analyse.conclude import conclude
from bench.cli import FAULT, Ending
from bench.cli.run import exit_code
from bench.errors import Interrupted, ServerError, UsageError
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.run.loaded import LoadOptions
from bench.run.progress import Event, Step
from bench.run.session import RunOptions, rehearse

QUICK = LoadOptions(rate_per_s=30, connections=4, warm_s=0.3, after_s=0.3)


def test_faults_20_exit_codes(
    rehearse_case: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = Ending(debug=False)
    with crash:
        [].pop()
    assert crash.code == FAULT == 70
    assert "this is a fault of pgrehearse: IndexError: pop from empty list" in capsys.readouterr().err
    done = bench("run", "nosuch", "--debug", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    concluded = conclude(rehearse_case("faults/20-exit-codes", "traffic", load=QUICK))
    assert concluded.verdict.status == "not_ready"
    assert exit_code(concluded, "never") == 4
    assert exit_code(conclude(interrupted_run()), "never") == 0


@pytest.mark.parametrize(
    ("raised", "code"),
    [(UsageError("x"), 2), (ServerError("x"), 5), (KeyboardInterrupt(), 130), (ValueError("x"), 70)],
)
@pytest.mark.parametrize("debug", [False, True])
def test_every_error_has_its_code_with_a_traceback_or_without(
    raised: BaseException, code: int, debug: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = Ending(debug)
    with ending:
        raise raised
    assert ending.code == code
    assert ("Traceback" in capsys.readouterr().err) is debug


def interrupted_run() -> Run:
    """A run that was ended while its first repeat was under way."""
    error = replace(an_error(None), message="interrupted", interrupted=True)
    run = a_run([a_migration([a_statement(outcome="failed", error=error)])])
    return replace(run, finished_at=None)


def test_newcomer_07_interrupted_run_is_ready(server: Server, tmp_path: Path) -> None:
    (tmp_path / "base.sql").write_text(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 50) g;"
    )
    (tmp_path / "001_add.sql").write_text("ALTER TABLE t ADD COLUMN w text;")
    stored: list[Run] = []

    def interrupt(event: Event) -> None:
        under_traffic = any(found.kind == "solo" for run in stored[-1:] for found in run.passes)
        if isinstance(event, Step) and "requests/s" in event.text and under_traffic:
            raise KeyboardInterrupt

    options = RunOptions(repeats=1, explain=False, probe=False, load=QUICK)
    with pytest.raises(Interrupted):
        rehearse(
            server, find_suite(str(tmp_path)), options, run_id="cut", save=stored.append, progress=interrupt
        )
    concluded = conclude(stored[-1])
    assert concluded.verdict.status == "incomplete"
    assert "ended before its time" in concluded.verdict.sentence
    for text in (render_markdown(concluded), render_html(concluded, ())):
        assert "Incomplete" in text
        assert "the run was ended before its time" in text
    assert exit_code(concluded, "never") == 0
    assert exit_code(concluded, "error") == 6
