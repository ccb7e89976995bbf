"""What a template is made of, as a key: runs that want the same one share it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datagen
from bench.errors import UsageError
from bench.migrate.migration import Migration, digest
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.run.template.dump import require_dump

if TYPE_CHECKING:
    from bench.run.template.options import DataOptions

FORMAT = 2
"""Raised when templates are made otherwise than before from the same parts."""
NO_VARIABLES: Mapping[str, str] = {}
_READS_FILES = re.compile(rb"\\(?:i|ir|include|include_relative|copy)\b")


def template_key(suite: Suite, options: DataOptions) -> str | None:
    """Return the key of everything that a template's content depends on, without the server.

    The base and the migrations deployed before, with the files that they read; the generator's version, its
    own source and Faker's version; scale, rows, seed, dirt and its kinds. None where one of those files
    cannot be read beforehand.
    """
    parts: dict[str, Any] = {"format": FORMAT}
    try:
        parts["base"] = _base_sha256(suite.base, options.psql_variables)
        if suite.deployed:
            parts["deployed"] = [_deployed_sha256(each) for each in suite.deployed]
            parts["runner"] = repr(suite.runner)
    except UsageError:
        return None
    if options.locale is not None:
        parts["locale"] = options.locale.describe()
    if options.role is not None:
        parts["role"] = options.role
    if options.dump is not None:
        parts["dump"] = require_dump(options.dump).sha256
    elif options.fill:
        columns = options.columns.read_bytes().hex() if options.columns is not None else None
        parts["fill"] = [_source_sha256(), metadata.version("faker"), columns]
        parts["options"] = [
            sorted(options.rows.items()),
            options.seed,
            sorted(options.like.items()),
            options.share,
        ]
    elif suite.data is not None:
        parts |= {
            "data": suite.data,
            "generator": [datagen.GENERATOR_VERSION, _source_sha256(), metadata.version("faker")],
            "options": [
                options.scale,
                sorted(options.rows.items()),
                options.seed,
                options.dirt,
                *([sorted(options.dirt_kinds)] if options.dirt_kinds is not None else []),
            ],
        }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _deployed_sha256(migration: Migration) -> list[str | None]:
    part = migration.forward
    sent = None if part.text is None else digest(part.text.encode())
    return [_base_sha256(migration.path), part.transaction, part.cutting, sent]


def _base_sha256(base: Path | None, variables: Mapping[str, str] = NO_VARIABLES) -> str | None:
    if base is None:
        return None
    content = base.read_bytes()
    digest = hashlib.sha256(content)
    if variables:
        digest.update(json.dumps(dict(variables), sort_keys=True).encode())
    if _READS_FILES.search(content):
        for statement in read_statements(base, {"SERVER_VERSION_NUM": "170000", **variables}):
            digest.update(f"{statement.text}\0{statement.copy_data}\0".encode())
            if statement.copy_file is not None:
                with Path(statement.copy_file).open("rb") as rows:
                    digest.update(hashlib.file_digest(rows, "sha256").digest())
    return digest.hexdigest()


def _source_sha256() -> str:
    """Of the generator's source: a change of it may change the rows before the version tells."""
    digest = hashlib.sha256()
    root = Path(datagen.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
