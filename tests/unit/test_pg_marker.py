"""The marker ``pg(">= 17")``, which selects tests by the server's version."""

from __future__ import annotations

import pytest
from fix_db import version_fits


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        (17, ">= 17", True),
        (16, ">= 17", False),
        (14, "< 15", True),
        (15, "<15", False),
        (18, "== 18", True),
        (18, "> 18", False),
        (13, "<= 13", True),
    ],
)
def test_versions(version: int, wanted: str, fits: bool) -> None:
    assert version_fits(version, wanted) is fits


@pytest.mark.parametrize("wanted", ["17", "~= 17", ">= 17.1", ""])
def test_anything_else_is_a_mistake_in_the_test(wanted: str) -> None:
    with pytest.raises(ValueError, match="write a comparison"):
        version_fits(17, wanted)
