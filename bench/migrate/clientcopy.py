"""psql's ``\\copy``, which is COPY with the rows of a file of the client (``src/bin/psql/copy.c``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:(?P<mark>[.,();])|(?P<text>(?:"[^"]*+"|'(?:[^'\\]|\\.|'')*'|[^ \t\n\r.,();"'])+))"""
)
_FILE = re.compile(r"[ \t\n\r]*+('(?:[^']|'')*'|[^ \t\n\r;]+)")
_STANDARD = frozenset({"stdin", "stdout"})


@dataclass(frozen=True, slots=True)
class ClientCopy:
    """A ``\\copy … from``."""

    sql: str
    """The COPY that psql sends."""
    file: str | None
    """Whose rows follow it; None: those below it in the script."""


def read_copy(arguments: str) -> ClientCopy:
    """Read what follows ``\\copy`` on its line; variables are not replaced there.

    ValueError, with a hint: it writes a file, runs a program, or is not understood.
    """
    position = 0
    depth = 0
    while token := _TOKEN.match(arguments, position):
        word = (token["text"] or "").lower()
        depth += {"(": 1, ")": -1}.get(token["mark"] or "", 0)
        if depth == 0 and word in ("from", "to"):
            break
        position = token.end()
    if not token or not arguments[:position].strip():
        raise ValueError("write \\copy table [(columns)] from 'file' [options]")
    if word == "to":
        raise ValueError("it writes a file on the client; take it out of the migration")
    source = _FILE.match(arguments, token.end())
    if not source:
        raise ValueError("write \\copy table [(columns)] from 'file' [options]")
    return _from(arguments[:position].strip(), source[1], arguments[source.end() :].strip())


def _from(target: str, source: str, options: str) -> ClientCopy:
    if source.lower() == "program":
        raise ValueError("a rehearsal runs no programs; write their output into a file")
    if source.lower() == "pstdin":
        raise ValueError("a rehearsal has no standard input; name a file")
    sql = f"COPY {target} FROM STDIN {options.rstrip(';')}".rstrip()
    if source.lower() in _STANDARD:
        return ClientCopy(sql, None)
    return ClientCopy(sql, source[1:-1].replace("''", "'") if source.startswith("'") else source)
