"""Synthetic production data at the speed of COPY; the data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from datagen.errors import UsageError

if TYPE_CHECKING:
    from datagen.engine.plan import DataSet

GENERATOR_VERSION = "1"
"""Changes whenever the same seed and rows would give other bytes."""

DEFAULT_DATA = "crm"
DATA_SETS: Mapping[str, str] = {"crm": "datagen.crm"}
"""The package of each data set, by name; it has a ``DATA_SET``."""


def data_set(name: str = DEFAULT_DATA) -> DataSet:
    """A data set by its name; UsageError where there is none of that name."""
    if name not in DATA_SETS:
        known = ", ".join(DATA_SETS)
        raise UsageError(f"there is no data set {name!r}", f"those that datagen knows: {known}")
    data: DataSet = import_module(DATA_SETS[name]).DATA_SET
    return data
