"""The command line: quick help, plain errors, JSON, files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datagen.__main__ import main
from datagen.crm import DATA_SET as CRM

TABLES = CRM.tables()


def test_help_is_quick_and_has_examples() -> None:
    code = (
        "import sys, datagen.__main__ as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'numba', 'pyarrow', 'faker', 'psycopg', 'pandas', 'rich'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "datagen load postgresql://" in done.stdout
    assert done.stdout.endswith("[]\n"), "--help must not load the heavy libraries"


def test_generating_loads_neither_pandas_nor_arrow() -> None:
    code = (
        "import sys\n"
        "from datagen.engine.warm import warm_up; from datagen.crm import DATA_SET as CRM\n"
        "warm_up(CRM.plan(scale=0.001)); print({'pandas', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    "first",
    [
        "warm_up(CRM.plan(scale=0.001))",
        "with suppress(ServerError): load_shard('host=127.0.0.1 port=1', CRM.plan(), Shard('teams', 0, 1))",
    ],
)
def test_the_first_process_has_its_loops_compiled_by_another_one(first: str, tmp_path: Path) -> None:
    code = (
        "from contextlib import suppress; from bench.errors import ServerError\n"
        "from datagen.engine import compiled; from datagen.engine.blocks import Shard\n"
        "from datagen.engine.send import load_shard\n"
        "from datagen.crm import DATA_SET as CRM; from datagen.engine.warm import warm_up\n"
        "print(compiled.on_disk())\n"
        f"{first}\n"
        "print(compiled.on_disk(), sum(sum(one.stats.cache_misses.values()) for one in compiled._COMPILED))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\nTrue 0\n"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["plan", "--rows", "dealz=5"], 2, "did you mean deals?"),
        (["plan", "--rows", "deals=many"], 2, "give table=number"),
        (["plan", "--scale", "0"], 2, "scale 0 is out of bounds"),
        (["load", "foo bar"], 2, "the DSN cannot be read"),
        (["load", "postgresql://u:secret@127.0.0.1:1/x", "--quiet"], 5, "cannot connect"),
    ],
)
def test_errors_are_one_sentence_and_a_hint(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr().err
    assert text in printed
    assert "hint: " in printed
    assert "secret" not in printed
    assert "Traceback" not in printed


def test_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--scale", "0.01", "--rows", "deals=2k", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    deals = next(table for table in document["tables"] if table["name"] == "public.deals")
    assert deals["rows"] == 2000
    assert deals["bytes"] > 2000 * 100
    assert deals["encode_s"] > 0


@pytest.mark.parametrize("form", ["csv", "binary"])
def test_files_are_the_same_every_time(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--scale", "0.001", "--format", form, "--json", "-"]
    assert main(["write", str(tmp_path / "a"), *arguments]) == 0
    first = json.loads(capsys.readouterr().out)["files"]
    assert main(["write", str(tmp_path / "b"), *arguments]) == 0
    second = json.loads(capsys.readouterr().out)["files"]
    assert [file["sha256"] for file in first] == [file["sha256"] for file in second]
    for file in first:
        data = Path(file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert (tmp_path / "a" / "load.sql").read_text().count("\\copy ") == len(first)


def test_write_refuses_a_directory_with_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert main(["write", str(tmp_path), "--scale", "0.001"]) == 2
    assert "not an empty directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_full_disk_while_writing_is_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    real_open = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *a, **k: real_open(full if path.suffix == ".csv" else path, *a, **k)
    )
    assert main(["write", str(tmp_path / "a"), "--scale", "0.001"]) == 2
    printed = capsys.readouterr().err
    assert "No space left on device" in printed
    assert "--scale" in printed


def test_parquet_holds_the_rows_of_the_csv_files_with_their_types(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--scale", "0.002", "--dirt", "0.3", "--quiet"]
    assert main(["write", str(tmp_path / "csv"), *arguments]) == 0
    assert main(["write", str(tmp_path / "parquet"), "--format", "parquet", *arguments]) == 0
    assert not (tmp_path / "parquet" / "load.sql").exists()
    capsys.readouterr()
    for table in TABLES:
        text = (tmp_path / "csv" / f"{table}.csv").read_text(encoding="utf-8")
        lines = csv.DictReader(io.StringIO(text, newline=""))
        found = pq.read_table(tmp_path / "parquet" / f"{table}.parquet").to_pylist()
        for line, row in zip(lines, found, strict=True):
            assert {name: as_csv(value) for name, value in row.items()} == line, table


def as_csv(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "t" if value else "f"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case _:
            return str(value)
