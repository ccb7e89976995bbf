"""Rows and columns to a DataFrame. pandas is imported here, where it is used: nothing else needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(rows: Iterable[Mapping[str, object]], columns: dict[str, str]) -> DataFrame:
    """A frame with all its columns, of the types given, also where there are no rows."""
    import pandas

    return pandas.DataFrame(list(rows), columns=list(columns)).astype(columns)
