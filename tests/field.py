"""The small inputs from the field, by case."""

from __future__ import annotations

from pathlib import Path

INPUTS = Path(__file__).parent / "cases" / "inputs"


def folder(case: str) -> Path:
    """The input of a case, e.g. ``reports/95-drop-and-delete-of-all-rows``."""
    path = INPUTS / case
    assert path.is_dir(), path
    return path
