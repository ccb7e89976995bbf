"""psql's meta-commands in a migration file: which act, which change nothing, and which are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NAME = re.compile(r"\\([^ \t\n\r\f\v\\]*)")
# Up to the end of the line or the next backslash outside quotes, as psqlscanslash.l reads arguments.
_ARGUMENTS = re.compile(r"""(?:'(?:[^'\\\n]|\\[^\n])*'|"[^"\n]*+"|`[^`\n]*+`|[^\\\n'"`]++|['"`][^\n]*+)*""")
_PIPE = re.compile(r"[ \t\r\f\v]*+\|")
_LINE = re.compile(r"[^\n]*+")

INCLUDES = frozenset({"i", "include", "ir", "include_relative"})
RELATIVE_INCLUDES = frozenset({"ir", "include_relative"})
CONDITIONALS = frozenset({"if", "elif", "else", "endif"})
SENDS = frozenset({"g", "gx"})
"""They end a statement, as a semicolon does."""

_WHOLE_LINE = frozenset({"copy", "!"})
_MAY_PIPE = frozenset({"g", "gx", "o", "out", "w", "write"})

_PRINTS = frozenset({"echo", "qecho", "warn"})
_DISPLAY = frozenset(
    {"timing", "pset", "x", "a", "t", "f", "C", "H", "T", "errverbose", "conninfo"}
    | {"restrict", "unrestrict"}
    | {"d", "d+", "df", "df+", "di", "di+", "dn", "dp", "ds", "dt", "dt+", "du", "dv", "dv+", "dx", "l", "z"}
)
"""They change psql's output alone; ``\\restrict`` and ``\\unrestrict`` frame the files of pg_dump."""

_SHELL = "a rehearsal runs no shell commands"
_ONE_DATABASE = "a migration is rehearsed in one database, on one connection"
_IN_SQL = "work with the value in SQL, for example in a DO block"
_NO_PARAMETERS = "write the values into the statement, and end it with a semicolon"
_HINTS = {
    "gexec": "write the statements out, or run them by EXECUTE in a DO block",
    "gset": _IN_SQL,
    "gdesc": "remove it: it describes a statement without running it",
    "crosstabview": "end the statement with a semicolon",
    "watch": "end the statement with a semicolon",
    "bind": _NO_PARAMETERS,
    "bind_named": _NO_PARAMETERS,
    "parse": _NO_PARAMETERS,
    "getenv": "\\set the variable to its value",
    "prompt": "\\set the variable to its value",
    "cd": "write the directory into the names of the files",
    "c": _ONE_DATABASE,
    "connect": _ONE_DATABASE,
    "!": _SHELL,
    ";": "end the statement with a plain semicolon",
    "q": "remove it, and what stands after it",
    "quit": "remove it, and what stands after it",
    "r": "remove it, and the statement before it",
    "reset": "remove it, and the statement before it",
}


def reference() -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    """What is done with each meta-command, by kind: a heading, and rows of commands and words."""
    yield (
        "It acts",
        (
            (_listed(INCLUDES), "reads the file"),
            (_listed(CONDITIONALS), "chooses what is run"),
            (_listed(SENDS), "ends a statement, as a semicolon does"),
            ("\\set, \\unset", "sets a variable, which :name, :'name' and :\"name\" write into a statement"),
            ("\\copy … FROM", "copies the rows of a file"),
        ),
    )
    yield (
        "It changes what psql prints alone, and is passed over",
        (("prints", _listed(_PRINTS)), ("display", _listed(_DISPLAY))),
    )
    yield "It is refused with file and line", [(f"\\{name}", hint) for name, hint in _HINTS.items()]


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"\\{name}" for name in sorted(names))


def command_end(text: str, position: int) -> int:
    """Offset after the meta-command whose backslash is at ``position``.

    It ends before the end of its line, before the next meta-command, or after ``\\\\``.
    """
    if text.startswith("\\;", position):
        return position + 2
    name = _NAME.match(text, position)
    arguments = name.end() if name else position + 1
    if name and (name[1] in _WHOLE_LINE or (name[1] in _MAY_PIPE and _PIPE.match(text, arguments))):
        return _end(_LINE, text, arguments)
    end = _end(_ARGUMENTS, text, arguments)
    return end + 2 if text.startswith("\\\\", end) else end


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def command_name(command: str) -> str:
    """Name without the backslash; ``\\!ls`` and ``\\;`` need no space after it."""
    if command[1:2] in ("!", ";"):
        return command[1]
    name = _NAME.match(command)
    return name[1] if name else ""


def command_arguments(command: str) -> str:
    """What follows the name, without the ``\\\\`` that ends it."""
    rest = command[1 + len(command_name(command)) :]
    return rest if command_name(command) in _WHOLE_LINE else rest.removesuffix("\\\\")


def refusal(command: str) -> str | None:
    """What to try instead of a command that does not act here, or None where it changes nothing."""
    name = command_name(command)
    arguments = command_arguments(command).split()
    if name in _PRINTS:
        return None
    if "`" in command:
        return _SHELL
    if name == "encoding":
        utf8 = [word.strip("'").lower().replace("-", "") for word in arguments] in (["utf8"], ["unicode"])
        return None if utf8 else "migration files are read as UTF-8"
    if name == "o" and not "".join(arguments).startswith(("|", "'|")):
        return None
    if name in _DISPLAY:
        return None
    return _HINTS.get(name, "remove it: only SQL is rehearsed")
