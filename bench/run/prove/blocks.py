"""DO blocks whose EXCEPTION WHEN OTHERS hides an error: run once more with a handler that raises again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.model.proof import SwallowedError
from bench.pg.server import Server
from bench.run.prove.chain import Link, copy_of
from bench.run.prove.functions import without_handler
from bench.run.prove.play import play


def swallowed_in(server: Server, link: Link) -> Iterator[SwallowedError]:
    """The first hidden error of a migration that applies; it is only run where a block has such a handler."""
    changed = [
        (replace(each, text=body) if (body := without_handler(each.text)) and each.kind == "DO" else each)
        for each in link.script.forward
    ]
    if link.after is None or changed == list(link.script.forward):
        return
    with copy_of(server, link.before.dbname, "swallowed") as dbname:
        played = play(server, dbname, changed)
    error, failed = played.error, played.failed
    if error is not None and failed is not None and failed not in link.script.forward:
        yield SwallowedError(
            f"{link.id}:{failed.line}", link.id, failed.index, 1, 1, error.sqlstate, error.message, None
        )
