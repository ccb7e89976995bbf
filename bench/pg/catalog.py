"""The SQL that we send to the catalog: one file per query in ``queries``, newer servers by a suffix."""

from __future__ import annotations

import functools
import re
from importlib import resources

QUERIES = resources.files("bench.pg") / "queries"


@functools.cache
def load_query(name: str, version_num: int) -> str:
    """Return ``queries/<name>.sql``, or the highest ``<name>.pgNN.sql`` that the server's version reaches.

    ``version_num`` is the server's ``server_version_num``. LookupError if no variant fits.
    """
    variants: dict[int, str] = {}
    for file in QUERIES.iterdir():
        found = re.fullmatch(rf"{re.escape(name)}(?:\.pg(\d+))?\.sql", file.name)
        if found:
            variants[int(found.group(1) or 0)] = file.name
    fitting = [major for major in variants if major <= version_num // 10000]
    if not fitting:
        raise LookupError(f"no query {name} for server version {version_num}")
    return (QUERIES / variants[max(fitting)]).read_text(encoding="utf-8")
