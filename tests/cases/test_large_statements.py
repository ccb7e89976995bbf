"""Statements of megabytes: kept once in the run file, cut where they are shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from bench.analyse.conclude import conclude
from bench.model.run import Run
from bench.model.texts import SHOWN
from bench.report.write import write_report
from bench.store.codec import decode, encode

ROWS = ",\n".join(f"({number}, 'word {number}')" for number in range(12_000))
SEED = f"INSERT INTO seeds VALUES\n{ROWS}"
"""A quarter of a megabyte, as the case's own make.py writes it."""


def test_directories_38_large_statement_in_report(rehearse_files: Callable[..., Run], tmp_path: Path) -> None:
    run = rehearse_files(
        {"001_seed.sql": f"{SEED};\n", "002_fails.sql": f"{SEED.replace('seeds', 'nowhere')};\n"},
        base="CREATE TABLE seeds (id int, word text);",
        repeats=1,
    )
    data = encode(run)
    assert data.count(b"'word 11999'") == 2, "each of the two statements once"
    assert decode(data) == run
    (first, *_) = json.loads(data)["passes"][0]["repeats"][0]["migrations"][0]["statements"]
    checksum = hashlib.sha256(SEED.encode()).hexdigest()
    assert first["text"].endswith(f"({len(SEED):,} characters in all, SHA-256 {checksum})")
    assert len(first["text"]) < SHOWN + 200

    paths = write_report(conclude(run), tmp_path, figures=False)
    for path in (paths.html, paths.markdown):
        assert path.stat().st_size < 600_000
        assert b"'word 11999'" not in path.read_bytes()
    assert checksum in paths.html.read_text(encoding="utf-8")
    assert len(encode(run)) < 2.5 * len(SEED) + 500_000


def test_several_repeats_share_one_text(rehearse_files: Callable[..., Run]) -> None:
    run = rehearse_files({"001_seed.sql": SEED}, base="CREATE TABLE seeds (id int, word text);", repeats=2)
    assert encode(run).count(b"'word 11999'") == 1
    assert decode(encode(run)) == run
