"""The exit code of a run: what failed comes first, then budgets and rollbacks, then the verdict if asked."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from factories import a_migration, a_run, a_statement, an_error, failed_run, hazard_run

from bench.analyse.conclude import conclude
from bench.cli.run import exit_code
from bench.model.budget import BudgetCheck
from bench.model.finding import Verdict, VerdictStatus
from bench.model.proof import RollbackProof
from bench.model.run import Proofs, Run

GOOD = a_run([a_migration([a_statement()])])


def code_of(run: Run, fail_on: str, status: VerdictStatus = "ready") -> int:
    return exit_code(replace(conclude(run), verdict=Verdict(status, "so")), fail_on)


@pytest.mark.parametrize(
    ("status", "codes"),
    [("ready", (0, 0, 0)), ("conditional", (0, 0, 1)), ("incomplete", (0, 6, 6)), ("not_ready", (0, 1, 1))],
)
def test_the_verdict_counts_where_it_is_asked_for(status: VerdictStatus, codes: tuple[int, int, int]) -> None:
    assert tuple(code_of(GOOD, fail_on, status) for fail_on in ("never", "error", "warning")) == codes


@pytest.mark.parametrize("fail_on", ["never", "error", "warning"])
def test_what_fails_needs_no_asking(fail_on: str) -> None:
    back = RollbackProof("alone", ("001_first",), "failed")
    broken = BudgetCheck("deploy_s", 1.0, "bench.toml:1", 2.0, broken=True)
    assert code_of(failed_run(), fail_on) == 4
    assert code_of(replace(GOOD, proofs=Proofs(rollback=(back,))), fail_on) == 1
    assert code_of(replace(GOOD, proofs=Proofs(rollback=(replace(back, draft=True),))), fail_on) == 0
    concluded = replace(conclude(GOOD), checks=(broken,), verdict=Verdict("ready", "so"))
    assert exit_code(concluded, fail_on) == 1


def test_a_deploy_that_fails_beside_a_hazard_alone_is_no_failed_migration() -> None:
    failed = a_migration([a_statement(outcome="failed", error=an_error())])
    passes = hazard_run().passes
    assert {found.hazard for found in passes if found.kind == "loaded"} > {None}, "one alone, others beside"
    for position, found in enumerate(passes):
        if found.kind == "loaded" and found.lock_timeout_s is None:
            stopped = replace(found, repeats=(replace(found.repeats[0], migrations=(failed,)),))
            run = replace(hazard_run(), passes=(*passes[:position], stopped, *passes[position + 1 :]))
            assert code_of(run, "never") == (4 if found.hazard is None else 0)


LOST = """
import ctypes, os, signal, sys, time
import bench.cli, bench.cli.doctor

def callback():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0)  # here the handler raises, and nobody hears of it

def waits(**options):
    ctypes.CFUNCTYPE(None)(callback)()
    time.sleep(30)
    return 0

bench.cli.doctor.run = waits
sys.exit(bench.cli.main(["doctor"]))
"""


def test_ctrl_c_in_a_callback_from_c_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=25, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (130, "bench: interrupted")
