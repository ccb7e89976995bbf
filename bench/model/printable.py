"""Text of others (SQL, names, messages of a server) made harmless to print.

A terminal obeys control characters (ECMA-48); the runner of GitHub obeys lines of a job's log that begin
with ``::`` or ``##[``, blanks before them or not:
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

CONTINUED = "│"
"""What stands before a line that a runner would take for a command."""
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of what follows."""
_WITH_PASSWORD = re.compile(r"""(?:\w+:/+)?[^\s:@/"'«]+:(?!//)[^\s"']*@[^\s"']*""")
"""``user:password@host``, with or without a scheme before it."""
_COMMAND = re.compile(r"\s*(?:::|##\[)")


def visible(text: str) -> str:
    """The text with its control characters spelled, as in ``\\x1b``; newlines and tabs stay."""
    return _STEERING.sub(lambda match: ascii(match[0])[1:-1], text)


def harmless(text: str) -> str:
    """The text for a terminal or a log: nothing in it is obeyed."""
    return "".join(harmless_parts([text]))


def harmless_parts(parts: Iterable[str]) -> Iterator[str]:
    """The same for a text in parts, which begins at the beginning of a line."""
    begun = ""  # blanks, and at most one half of a mark, at the beginning of the line; None: within the line
    within = False
    for part in parts:
        pieces = []
        for piece in visible(part).splitlines(keepends=True):
            if not within and _COMMAND.match(begun + piece):
                pieces.append(CONTINUED)
            within = within or not re.fullmatch(r"\s*(?::|##?)?", (begun + piece).rstrip("\n"))
            begun += piece
            pieces.append(piece)
            if piece.endswith("\n"):
                begun, within = "", False
        yield "".join(pieces)


_PASSWORD_OPTION = re.compile(
    r"""(?P<name>-{0,2}(?:\w*passw(?:or)?d\w*|\bpass\b)(?:\s*=\s*|\s+|:))(?![{$])"""
    r"""(?:"[^"]*"|'[^']*'|[^\s"'&;|]+)""",
    re.IGNORECASE,
)
"""``PGPASSWORD=…``, ``--password …``, ``-password=…``; a variable or ``{password}`` is no secret."""


def without_passwords(command: str) -> str:
    """A command as it may be written down: what may be a password in it is left out."""
    return _PASSWORD_OPTION.sub(r"\g<name>***", concealed(command))


def concealed(text: str) -> str:
    """The text without what may be a connection string with a password in it."""
    return _WITH_PASSWORD.sub("postgresql://…", text)
