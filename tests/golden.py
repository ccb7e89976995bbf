"""Comparing a text with its golden file; a test never rewrites the golden file itself."""

from __future__ import annotations

import difflib
from pathlib import Path

GOLDEN = Path(__file__).parent / "data" / "golden"


def assert_golden(name: str, text: str) -> None:
    """Fail with a unified diff, and leave the text beside as ``<name>.got``, unless it is the golden one.

    To accept a change after reading it: ``mv tests/data/golden/<name>.got tests/data/golden/<name>``.
    """
    golden, got = GOLDEN / name, GOLDEN / f"{name}.got"
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    if text == expected:
        got.unlink(missing_ok=True)
        return
    got.write_text(text, encoding="utf-8")
    difference = "".join(
        difflib.unified_diff(
            expected.splitlines(keepends=True), text.splitlines(keepends=True), str(golden), str(got)
        )
    )
    raise AssertionError(f"{golden.name} differs; to accept: mv {got} {golden}\n{difference}")
