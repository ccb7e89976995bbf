"""What the template is to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.pg.locale import Locale


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What to fill the base schema with."""

    scale: float = 1.0
    rows: Mapping[str, int] = field(default_factory=dict)
    """Table → rows, over the scale's."""
    seed: int = 1
    dirt: float | None = None
    """Share of dirty rows, 0 to 1; None for the generator's default."""
    dirt_kinds: tuple[str, ...] | None = None
    """Kinds of dirt to plant, in order; None for all."""
    workers: int | None = None
    fill: bool = False
    """Fill the empty tables of a suite that has no generated data, whatever they are."""
    like: Mapping[str, int] = field(default_factory=dict)
    """Rows by table elsewhere, for ``fill``; those of tables that are not there do not count."""
    columns: Path | None = None
    """TOML file with rows by table and values by column, for ``fill``."""
    variables: Mapping[str, int] = field(default_factory=dict)
    """psql's variables that the base takes its size from."""
    share: float = 1.0
    """Of the rows that ``fill`` and ``variables`` ask for, in a smaller copy; one row at least."""
    measures_scales: bool = False
    """``scale`` says how large data of one's own are, beside those of other sizes."""
    dump: Path | None = None
    """File or directory of pg_dump that brings schema and data, after the base if there is one."""
    role: str | None = None
    """Role as which the migrations run; None: the one that the server's address names."""
    locale: Locale | None = None
    """Of the databases; None: the dump's if it says, else the server's."""
    cache: bool = False
    """Take the template from the cache where it is, and keep it there."""

    @property
    def own_sizes(self) -> bool:
        """Whether data of one's own can be made in another size."""
        return self.fill or bool(self.variables)

    def shared(self, rows: int) -> int:
        """So many rows in this copy."""
        return max(round(rows * self.share), 1) if rows else 0

    @property
    def psql_variables(self) -> dict[str, str]:
        """The variables as the base gets them."""
        return {name: str(self.shared(rows)) for name, rows in self.variables.items()}
