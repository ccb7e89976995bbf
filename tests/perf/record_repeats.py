"""Records real repeats for the tests of the gate, alone or beside CPU hogs.

    python tests/perf/record_repeats.py same tests/data/repeats --repeats 30
    python tests/perf/record_repeats.py planted tests/data/repeats

``same`` is one suite again and again, alone and beside hogs; ``planted`` the suite of tests/gate_suite.py in
turn with each of its regressions, as ``bench run --against`` measures them. The files hold the runs reduced
to what a comparison needs, every repeat raw. A hog is an endless loop in a process of its own; it ends with
this script.
"""

from __future__ import annotations

import argparse
import gzip
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from gate_suite import BASE, MIGRATION, REGRESSIONS, planted

from bench.analyse.compare.learn import count, drawn
from bench.analyse.compare.record import record
from bench.store.baseline import encode_record
from bench.store.results import load

HOG = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """So many endless loops beside the block; they end with it, or with this process."""
    running = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def bench_run(suite: str, out: Path, *options: str, cwd: Path | None = None) -> None:
    """``bench run`` of the solo pass; a regression that it finds is no error here."""
    command = [sys.executable, "-m", "bench", "run", suite, "--out", str(out), "--no-probe", "--no-load"]
    done = subprocess.run(
        [*command, "--server", "embedded", "--quiet", *options],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode not in (0, 1, 130):
        raise SystemExit(f"bench run ended with {done.returncode}")


def keep(run: Path, file: Path) -> None:
    """The run's record, compressed."""
    found = record(load(str(run)))
    whole = drawn(found, range(count(found)))
    file.write_bytes(gzip.compress(encode_record(whole), mtime=0))


def same(out: Path, suite: str, scale: str, repeats: int, busy: int, scratch: Path) -> None:
    """One suite, so many repeats alone, then as many beside hogs.

    Told to end (SIGTERM), it keeps the whole repeats that were measured until then.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    options = ("--scale", scale, "--no-explain", "--repeats", str(repeats))
    bench_run(suite, scratch / "alone", *options)
    keep(scratch / "alone", out / f"{suite}.json.gz")
    with hogs(busy):
        bench_run(suite, scratch / "beside", *options)
    keep(scratch / "beside", out / f"{suite}-beside-hogs.json.gz")


def every_regression(out: Path, only: list[str], repeats: int, busy: int, scratch: Path) -> None:
    """Each regression in turn with the suite without it, and that one with itself."""
    migrations = scratch / "migrations" / "orders"
    migrations.mkdir(parents=True)
    (migrations / "base.sql").write_text(BASE)
    (migrations / "001_status.sql").write_text(MIGRATION)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "orders"]):
        subprocess.run([*git, *arguments], cwd=scratch, check=True)
    with hogs(busy):
        for at, name in enumerate([None, *REGRESSIONS]):
            if only and (name or "nothing") not in only:
                continue
            (migrations / "001_status.sql").write_text(planted(name) if name else MIGRATION)
            run = scratch / f"run{at}"
            bench_run("orders", run, "--against", "HEAD", "--repeats", str(repeats), cwd=scratch)
            stem = name.replace(" ", "-").replace("%", "percent") if name else "nothing"
            keep(run / "base", out / f"{stem}.base.json.gz")
            keep(run, out / f"{stem}.json.gz")
            print(stem, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("same", "planted"))
    parser.add_argument("out", type=Path, help="directory")
    parser.add_argument("--suite", default="crm")
    parser.add_argument("--scale", default="0.1")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--only", action="append", default=[], help="one regression; may be repeated")
    parser.add_argument("--hogs", type=int, default=os.cpu_count() or 1, help="default: one for each core")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    with tempfile.TemporaryDirectory() as scratch:
        if given.what == "same":
            same(given.out, given.suite, given.scale, given.repeats, given.hogs, Path(scratch))
        else:
            every_regression(given.out, given.only, given.repeats, given.hogs, Path(scratch))


if __name__ == "__main__":
    main()
