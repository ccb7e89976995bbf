"""What a migration must not do to a server that is not ours, nor to the role that runs it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.errors import UsageError
from bench.model.statement import Statement

SERVER_WIDE = ("ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SYSTEM")
"""Objects of CREATE, ALTER and DROP that all databases of a server share."""


ROLES = ("ROLE", "USER", "GROUP")


def refuse_server_wide(path: Path, statements: Iterable[Statement], *, allow_roles: bool = False) -> None:
    """Raise UsageError for the first statement that would change more than its own database.

    In a DO block or a function only commands on roles that stand there as words are seen. ``allow_roles``:
    let those on roles pass.
    """
    for statement in statements:
        verb, _, thing = statement.kind.partition(" ")
        wide = verb in ("CREATE", "ALTER", "DROP") and thing.startswith(SERVER_WIDE)
        inside = _body(statement) and _ANY_ROLE.search(_COMMENT.sub("", statement.text))
        if (
            "MAPPING" in thing
            or not (wide or inside)
            or (allow_roles and (inside or thing.startswith(ROLES)))
        ):
            continue
        what = f"{inside[0]} in a body" if inside else statement.kind
        hint = "rehearse it on a server of its own: --server embedded, container or cluster"
        if inside or thing.startswith(ROLES):
            hint += "; or let it change this server's roles: --allow-roles"
        place = f"{statement.path(path)}:{statement.line}"
        raise UsageError(f"{place}: {what} acts on the whole server, which is not ours", hint=hint)


_ANY_ROLE = re.compile(r"\b(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER|GROUP)\b(?!\s+MAPPING\b)", re.IGNORECASE)


def _body(statement: Statement) -> bool:
    return statement.kind == "DO" or statement.kind.endswith(("FUNCTION", "PROCEDURE"))


_ROLE_COMMAND = re.compile(
    r"\b(?P<verb>ALTER|DROP)\s+(?:ROLE|USER|GROUP)\s+(?!MAPPING\b)(?:IF\s+EXISTS\s+)?"
    r"(?P<name>\"[^\"]+\"|%[Is]|\w+)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MYSELF = re.compile(r"\b(?:current_user|session_user|current_role|user)\b", re.IGNORECASE)


def role_commands(statement: Statement) -> Iterator[tuple[str, str]]:
    """ALTER and DROP of roles that a statement, a DO block or a function's body names: (verb, role).

    ``current_user`` stands for the role that runs it, also where a body puts it into a format.
    """
    verb, _, thing = statement.kind.partition(" ")
    if not _body(statement) and not (verb in ("ALTER", "DROP") and thing.startswith(ROLES)):
        return
    text = _COMMENT.sub("", statement.text)
    for found in _ROLE_COMMAND.finditer(text):
        name = found["name"]
        if _MYSELF.fullmatch(name) or (name.startswith("%") and _MYSELF.search(text)):
            name = "current_user"
        elif name.startswith('"'):
            name = name[1:-1]
        else:
            name = name.lower()
        yield found["verb"].upper(), name


def refuse_own_role(path: Path, statements: Iterable[Statement], role: str) -> None:
    """Raise UsageError for a statement that alters or drops the role of this run."""
    for statement in statements:
        for verb, name in role_commands(statement):
            if name in ("current_user", role):
                raise UsageError(
                    f"{statement.path(path)}:{statement.line}: {verb} ROLE {role}, which this run has: "
                    "it acts on the whole server at once, and nothing could be measured after it",
                    hint="take it out of the migration; roles are not part of a database",
                )
