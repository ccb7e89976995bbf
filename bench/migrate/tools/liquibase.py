"""Liquibase's formatted SQL: changesets in the order of the files, each in a transaction of its own.

Source: https://github.com/liquibase/liquibase, ``AbstractFormattedChangeLogParser.java``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from bench.migrate.filenames import version_of
from bench.migrate.migration import Migration, digest
from bench.migrate.tools.bookkeeping import Bookkeeping, Row, by_row, own_id
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import others
from bench.migrate.tools.sections import end_of, fill_in, left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_HEAD = re.compile(r"^\s*--\s*liquibase\s+formatted\s+sql", re.IGNORECASE)
_CHANGESET = re.compile(r"\s*--\s*changeset\s+(.+)", re.IGNORECASE)
_ROLLBACK = re.compile(r"\s*--\s*rollback\s+(.*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'(\w+):(?:"([^"]*)"|(\S+))')
_PLACEHOLDER = re.compile(r"\$\{([\w.]+)\}")
_INCLUDED = re.compile(r"""(?:\bfile\s*[:=]\s*["']?)([^"'\s>]+\.sql)""")
_HERE = frozenset({"postgresql", "postgres", "all"})
_UNSAFE = re.compile(r"[^\w.-]+")


def _recognise(folder: Folder) -> Evidence | None:
    marked = _files(folder)
    if not folder.mostly(marked):
        return None
    return Evidence(f'"--liquibase formatted sql" in {len(marked)} of its files', 3) if marked else None


def _files(folder: Folder) -> list[File]:
    return [file for file in folder.every_file if _HEAD.match(file.skimmed.removeprefix("\ufeff"))]


def _read(folder: Folder) -> Plan:
    files = _ordered(folder, _files(folder))
    migrations: list[Migration] = []
    remarks: list[str] = []
    for file in files:
        changesets = list(_changesets(folder, file))
        migrations += [migration for migration, _ in changesets if migration is not None]
        remarks += [said for _, said in changesets if said]
    remarks += left_out("Liquibase", others(folder.every_file, files), "no --liquibase formatted sql in them")
    return Plan(tuple(migrations), remarks=tuple(remarks))


def _ordered(folder: Folder, files: list[File]) -> list[File]:
    """As the master changelog includes them; without one by version and name, as ``includeAll`` does."""
    by_name = sorted(files, key=lambda file: (version_of(file.path.name) or (), file.name))
    for name in folder.others(".xml", ".yaml", ".yml"):
        text = (folder.path / name).read_text(encoding="utf-8", errors="replace")
        listed = [line[1] for line in _INCLUDED.finditer(text)]
        included = [file for entry in listed for file in files if entry.endswith(file.name)]
        if included:
            return list(dict.fromkeys(included))
    return by_name


def _changesets(folder: Folder, file: File) -> Iterator[tuple[Migration | None, str | None]]:
    """The changesets for this database, and in words those that are not."""
    heads: dict[str, str] = {}

    def begins(line: str) -> str | None:
        if not (match := _CHANGESET.match(line)):
            return None
        heads[label := str(len(heads) + 1)] = match[1].strip()
        return label

    parts = sections(file.text, begins)
    for label, head in heads.items():
        name = head.split()[0]
        attributes = {
            key.lower(): quoted or plain for key, quoted, plain in _ATTRIBUTE.findall(head[len(name) :])
        }
        if (reason := _not_here(attributes)) is not None:
            yield None, f"Left out, as Liquibase does: changeset {name} of {file.name} is for {reason}."
            continue
        mode = "none" if attributes.get("runintransaction", "true").lower() == "false" else None
        text = fill_in(
            file, parts[label], _PLACEHOLDER, folder.placeholders, tool="Liquibase", where="",
        ) if folder.placeholders else parts[label]  # fmt: skip
        back = _backward(text)
        migration = LIQUIBASE.migration(
            file,
            id=_id(file.stem, name),
            forward=LIQUIBASE.part(file, text, transaction="none" if mode else None),
            back=LIQUIBASE.part(file, back, transaction="none" if mode else None) if back else None,
        )
        own = digest(parts[label].strip().encode())
        yield (
            Migration(
                migration.id,
                migration.path,
                migration.file,
                own,
                migration.rollback,
                migration.forward,
                migration.backward,
            ),
            None,
        )


def _not_here(attributes: dict[str, str]) -> str | None:
    """Whom a changeset is for, if that is not PostgreSQL."""
    wanted = [name.strip().lower() for name in attributes.get("dbms", "").split(",") if name.strip()]
    if not wanted or _HERE & set(wanted):
        return None
    if all(name.startswith("!") for name in wanted) and not {"!postgresql", "!postgres"} & set(wanted):
        return None
    return attributes["dbms"]


def _backward(text: str) -> str | None:
    """The SQL of the ``--rollback`` lines, each where it stands; None where there is none."""
    lines = []
    for line in text.splitlines(keepends=True):
        match = _ROLLBACK.match(line)
        sql = match[1].strip() if match else ""
        words = sql.lower().split()
        is_sql = words and words[0] not in ("empty", "not", "changesetid:")
        lines.append(
            " " * (match.start(1) if match and is_sql else 0) + (sql if is_sql else "") + end_of(line)
        )
    return "".join(lines) if any(line.strip() for line in lines) else None


def _id(stem: str, name: str) -> str:
    return _UNSAFE.sub("-", f"{stem}-{name}").strip("-")


def _noted(row: Row) -> str | None:
    """The file's name without its directories, as these depend on how Liquibase was called."""
    stem = PurePath(row.get("filename") or "").name.removesuffix(".sql")
    return _id(stem, f"{row.get('author')}:{row.get('id')}")


LIQUIBASE = Tool(
    "liquibase",
    "Liquibase",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write runInTransaction:false on the changeset's line",
    unit="changeset",
    bookkeeping=Bookkeeping(
        "databasechangelog",
        ("orderexecuted", "id", "author", "filename"),
        by_row(_noted, own_id),
        checksum_unread=True,
    ),
)
