"""Flyway: ``V1.2__x.sql`` by version, ``R__x.sql`` after them, ``U…`` back; baselines, callbacks.

Source: https://documentation.red-gate.com/flyway, ``MigrationVersion.java``, ``PostgreSQLParser.java``.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.filenames import Version
from bench.migrate.migration import Migration, Part, Transaction
from bench.migrate.tools.bookkeeping import Applied, Bookkeeping, Row, by_row, where
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.sections import fill_in, left_out, list_names
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.model.statement import CURRENT_DATABASE

_VERSIONED = re.compile(r"([VUB])(\d+(?:[._]\d+)*)__(.*)\.sql$")
_REPEATABLE = re.compile(r"R__(.*)\.sql$")
_CALLBACK = re.compile(r"((?:before|after)[A-Z]\w*?|createSchema)(?:__.*)?\.sql$")
_CODE = re.compile(r"[VRUB][\d._]*__.*\.(?:java|kt|groovy|py|sh|ps1|bat|cmd)$")
_PLACEHOLDER = re.compile(r"\$\{([^{}$]+)\}")
_SETTING = re.compile(r"^\s*flyway\.([\w.]+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_CONFIGURED = ("flyway.toml", "flyway.conf", "conf/flyway.conf")
_BUILT_IN = {
    "flyway:defaultSchema": "public",
    "flyway:database": CURRENT_DATABASE,
    "flyway:user": "CURRENT_USER",
    "flyway:table": "flyway_schema_history",
}


def _recognise(folder: Folder) -> Evidence | None:
    named = [file for file in folder.every_file if _VERSIONED.match(file.path.name)]
    if not named or not folder.mostly(named):
        return None
    if folder.around(*_CONFIGURED):
        return Evidence("V… names, and Flyway's configuration", 3)
    return Evidence(f"names such as {named[-1].name}", 2)


def _read(folder: Folder) -> Plan:
    files = {file.name: file for file in folder.every_file}
    versioned, baselines, undos = (_versioned(folder, letter) for letter in "VBU")
    repeatable = [file for file in files.values() if _REPEATABLE.match(file.path.name)]
    callbacks = [file for file in files.values() if _CALLBACK.match(file.path.name)]
    order, remarks = _from_baseline(folder, versioned, baselines)
    settings = _settings(folder)

    def migration(file: File, back: File | None = None) -> Migration:
        return FLYWAY.migration(
            file,
            forward=_part(folder, file, settings),
            back=_part(folder, back, settings) if back else None,
        )

    before = [file for file in callbacks if _callback(file) == "beforeMigrate"]
    after = [file for file in callbacks if _callback(file) == "afterMigrate"]
    done = {
        *order.values(),
        *repeatable,
        *before,
        *after,
        *undos.values(),
        *baselines.values(),
        *versioned.values(),
    }
    passed = [file for file in files.values() if file not in done]
    sorted_repeatable = sorted(repeatable, key=lambda file: file.path.name)
    return Plan(
        (
            *map(migration, before),
            *(migration(file, undos.get(version)) for version, file in sorted(order.items())),
            *map(migration, sorted_repeatable),
            *map(migration, after),
        ),
        tuple(undos.values()),
        (
            *remarks,
            *_about_callbacks(before, after),
            *left_out("Flyway", _names(passed), "callbacks of other events, or no name of a migration"),
        ),
        tuple(sorted(path.name for path in folder.path.rglob("*") if _CODE.match(path.name))),
    )


def _names(files: list[File]) -> list[str]:
    return [file.name for file in files]


def _callback(file: File) -> str:
    match = _CALLBACK.match(file.path.name)
    return match[1] if match else ""


def _about_callbacks(before: list[File], after: list[File]) -> Iterator[str]:
    for files, when in ((before, "before the first migration"), (after, "after the last")):
        if files:
            yield f"{list_names(files)} runs {when}, as a callback of Flyway."


def _versioned(folder: Folder, letter: str) -> dict[Version, File]:
    versioned: dict[Version, File] = {}
    for file in folder.every_file:
        named = _VERSIONED.match(file.path.name)
        if named is None or named[1] != letter:
            continue
        version = _version(named[2])
        if version in versioned:
            spelled = ".".join(str(number) for number in version)
            raise UsageError(
                f"{folder.path}: {versioned[version].name} and {file.name} have one version, {spelled}",
                hint="give each migration its own version, as Flyway demands",
            )
        versioned[version] = file
    return versioned


def _version(text: str) -> Version:
    """Its parts as numbers; final zeros do not count."""
    numbers = [int(part) for part in re.split(r"[._]", text)]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _from_baseline(
    folder: Folder, versioned: dict[Version, File], baselines: dict[Version, File]
) -> tuple[dict[Version, File], list[str]]:
    """On an empty schema the newest baseline takes the place of what is not above it."""
    if not baselines:
        return versioned, []
    newest = max(baselines)
    if not folder.starts_empty:
        names = list_names(list(baselines.values()))
        return versioned, [f"Left out, as Flyway does where the schema is not empty: {names}, a baseline."]
    above = {version: file for version, file in versioned.items() if version > newest}
    covered = [file for version, file in versioned.items() if version <= newest]
    said = f", which takes the place of {list_names(covered)}" if covered else ""
    return {newest: baselines[newest], **above}, [
        f"On an empty schema Flyway begins with {baselines[newest].name}{said}."
    ]


def _settings(folder: Folder) -> dict[str, str]:
    """What Flyway's configuration says, by names without ``flyway.``."""
    path = folder.around(*_CONFIGURED)
    if path is None:
        return {}
    if path.suffix == ".toml":
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("flyway", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not valid TOML: {error}", hint="see https://toml.io") from error
        return dict(_flat(table))
    return dict(_SETTING.findall(path.read_text(encoding="utf-8", errors="replace")))


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value).lower() if isinstance(value, bool) else str(value)


def _part(folder: Folder, file: File, settings: Mapping[str, str]) -> Part:
    text = file.text
    own = _own_settings(file.path)
    if own.get("placeholderReplacement", settings.get("placeholderReplacement", "true")) != "false":
        given = {
            key.removeprefix("placeholders."): value
            for key, value in settings.items()
            if key.startswith("placeholders.")
        }
        values = {**_BUILT_IN, "flyway:filename": file.path.name, **given, **folder.placeholders}
        text = fill_in(
            file, text, _PLACEHOLDER, values, tool="Flyway", where=", or in flyway.conf or flyway.toml"
        )
    return FLYWAY.part(file, text, transaction=_mode({**settings, **own}))


def _own_settings(path: Path) -> dict[str, str]:
    """Of ``V1__x.sql.conf`` beside a migration."""
    beside = path.with_name(path.name + ".conf")
    if not beside.is_file():
        return {}
    lines = (
        line.partition("=") for line in beside.read_text(encoding="utf-8", errors="replace").splitlines()
    )
    return {key.strip(): value.strip() for key, equals, value in lines if equals}


def _mode(settings: Mapping[str, str]) -> Transaction | None:
    if settings.get("executeInTransaction") == "false":
        return "none"
    return "all" if settings.get("group") == "true" else None


def _applied(migrations: Sequence[Migration], rows: Sequence[Row]) -> Applied:
    """By script; an undo takes its version back, and a repeatable one is pending where it is otherwise."""
    noted: list[Row] = []
    for row in rows:
        if (row.get("type") or "").startswith("UNDO"):
            noted = [other for other in noted if other.get("version") != row.get("version")]
        else:
            noted.append(row)
    applied = by_row(where("script", "success"), _script, checksum=_checksum)(migrations, noted)
    again = {name for name in applied.edited if _REPEATABLE.match(f"{name}.sql")}
    return replace(applied, ids=applied.ids - again, edited=applied.edited - again)


def _script(migration: Migration) -> str:
    return migration.file


def _checksum(migration: Migration) -> str:
    """CRC-32 of the lines without their ends, as a signed number (Flyway's ``ChecksumCalculator``)."""
    lines = migration.path.read_text(encoding="utf-8-sig").splitlines()
    value = zlib.crc32("".join(lines).encode())
    return str(value - 2**32 if value >= 2**31 else value)


FLYWAY = Tool(
    "flyway",
    "Flyway",
    _recognise,
    _read,
    transaction="where it can",
    keeps_session=False,
    switch="give the statement a file of its own, or write executeInTransaction=false into a file of its "
    "name and .conf",
    bookkeeping=Bookkeeping(
        "flyway_schema_history",
        ("installed_rank", "version", "script", "type", "success", "checksum"),
        _applied,
    ),
)
