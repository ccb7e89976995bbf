"""Dumps made for tests, by the program that fits the server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.pg.clients import find_clients, for_dumping
from bench.pg.server import Server


def dumped(server: Server, dbname: str, form: str, target: Path) -> Path:
    """Dump a database in one of pg_dump's formats."""
    program = for_dumping(find_clients("pg_dump"), server=server.info.version_num // 10000)
    assert program is not None
    environment = {**server.environ(dbname), "LC_ALL": "C"}
    subprocess.run([program.path, f"--format={form}", "--file", target], env=environment, check=True)
    return target
