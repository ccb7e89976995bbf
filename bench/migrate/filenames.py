"""What a migration file's name says: its version, and whether it takes a migration back."""

from __future__ import annotations

import re
from pathlib import PurePath

Version = tuple[int, ...]

ROLLBACK_DIRECTORIES = frozenset({"rollback", "rollbacks", "down", "undo"})

# `V1__x`, `V1_2__x`, `V1.2__x`, and `U…` for the undo migration of the same version.
_FLYWAY = re.compile(r"[VU](\d+(?:[._]\d+)*)__")
# A date with separators is one number: `2025-08-31_x`, `2025_08_31_120000_x`.
_DATE = re.compile(r"(\d{4})([-_])(\d\d)\2(\d\d)(?:[-_T](\d{4,6}))?(?![0-9])")
_PLAIN = re.compile(r"[vV]?(\d+(?:\.\d+)*)")
_ROLLBACK_PREFIX = re.compile(r"(?:rollback|undo|down)[-_. ]+", re.IGNORECASE)
_ROLLBACK_WORD = re.compile(r"(?:^|[-_. 0-9])(?i:rollback)|ROLLBACK|[-_.](?i:down|undo)$")
_FLYWAY_UNDO = re.compile(r"U\d+(?:[._]\d+)*__")
_FLYWAY_REPEATABLE = re.compile(r"R__")
_WAY_BACK = re.compile(r".*[.](?:down|undo)$", re.IGNORECASE)
# A day, with hours, minutes and seconds after it or not; of years that are no beginning of a Unix time.
_DAY = re.compile(r"(?:19[89]\d|20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIMESTAMP_DIGITS = 14


def version_of(file_name: str, *, days: bool = True) -> Version | None:
    """Version in a file's name, its numbers compared one by one; None where the name starts with none.

    Final zeros do not count: ``1`` and ``1.0`` are one version, as in Flyway. A date counts as the beginning
    of its day, so that days and times of 14 digits stand in one order, unless ``days`` is False.
    """
    stem = _ROLLBACK_PREFIX.sub("", stem_of(file_name), count=1)
    if match := _FLYWAY.match(stem):
        numbers = [int(number) for number in re.split("[._]", match[1])]
    elif match := _DATE.match(stem):
        numbers = [int(match[1] + match[3] + match[4] + (match[5] or ""))]
    elif match := _PLAIN.match(stem):
        numbers = [int(number) for number in match[1].split(".")]
    else:
        return None
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    if days and _DAY.match(text := str(numbers[0])):
        numbers[0] = int(text.ljust(_TIMESTAMP_DIGITS, "0"))
    return tuple(numbers)


def is_day(file_name: str) -> bool:
    """Whether the version in a file's name is a date without a time of day."""
    version = version_of(file_name, days=False)
    return version is not None and bool(_DAY.fullmatch(str(version[0])))


def stem_of(file_name: str) -> str:
    """The file's name without ``.sql``."""
    name = PurePath(file_name).name
    return name[:-4] if name.lower().endswith(".sql") else name


def is_rollback(path: PurePath) -> bool:
    """Whether the file takes a migration back, by its directory or its name.

    ``rollback/x.sql``, ``down/x.sql``, ``001_x_rollback.sql``, ``001_ROLLBACK_x.sql``, ``001_x.down.sql``,
    ``U1__x.sql``. ``path`` is relative to the suite's directory.
    """
    if any(part.lower() in ROLLBACK_DIRECTORIES for part in path.parts[:-1]):
        return True
    stem = stem_of(path.name)
    return bool(_ROLLBACK_WORD.search(stem) or _FLYWAY_UNDO.match(stem))


def names_way_back(path: PurePath) -> bool:
    """Whether its directory or the end of its name leaves no doubt: ``rollback/x``, ``x.down``."""
    stem = stem_of(path.name)
    in_directory = any(part.lower() in ROLLBACK_DIRECTORIES for part in path.parts[:-1])
    return in_directory or bool(_WAY_BACK.match(stem))


def is_repeatable(file_name: str) -> bool:
    """Whether it is one of Flyway's repeatable migrations, which run after all others."""
    return bool(_FLYWAY_REPEATABLE.match(file_name))
