"""Scripts to trace, as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.migrate.selection import read_given
from bench.model.statement import Statement


def read_plain(paths: Sequence[Path]) -> list[tuple[Path, Sequence[Statement]]]:
    """Read the scripts as psql does; UsageError for one that cannot be used."""
    return list(read_given(paths, tool="plain").scripts)
