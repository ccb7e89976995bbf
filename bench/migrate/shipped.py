"""The suites that come with the program: in its checkout, or as data files of what pip installed.

Data files: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_INSTALLED = "share/pgrehearse/migrations"
"""Below the prefix that pip installs into, see ``data-files`` in pyproject.toml."""
_CHECKOUT = Path(__file__).parents[2] / "migrations"


def shipped_suites() -> Path:
    """The directory of the suites that come with the program; it may not be there."""
    if _CHECKOUT.is_dir():
        return _CHECKOUT
    try:
        files = distribution("pgrehearse").files or []
    except PackageNotFoundError:
        return _CHECKOUT
    for file in files:
        if file.as_posix().endswith(f"{_INSTALLED}/crm/base.sql"):
            return Path(str(file.locate())).resolve().parents[1]
    return _CHECKOUT
