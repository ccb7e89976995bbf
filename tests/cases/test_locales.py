"""Databases in the locale and encoding of production, or a note that they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dumping import dumped

from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.locale import Locale, locale_of, parse_locale
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template


@pytest.fixture(scope="module")
def installed() -> Iterator[Server]:
    with open_server(ServerSpec("cluster", durable=False)) as opened:
        yield opened


def made(server: Server, locale: Locale | None, tmp_path: Path, dump: Path | None = None) -> tuple[str, str]:
    """Encoding and locale of the state before, and what its notes say of them."""
    (tmp_path / "m").mkdir(exist_ok=True)
    (tmp_path / "m" / "001_a.sql").write_text("SELECT 1;\n")
    data = DataOptions(locale=locale, dump=dump)
    with (
        template(server, find_suite(str(tmp_path / "m")), data, silent) as prepared,
        server.connect() as conn,
    ):
        row = conn.execute(
            "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate)"
            " FROM pg_database WHERE datname = %s",
            [prepared.dbname],
        ).fetchone()
        assert row is not None
        return row[0], " ".join(note.text for note in prepared.notes if note.subject == "locale")


def test_real_suite_26_the_locale_that_is_asked_for(installed: Server, tmp_path: Path) -> None:
    found, said = made(installed, parse_locale("C.UTF-8"), tmp_path)
    assert found == "UTF8 C.UTF-8"
    assert said == ""
    with pytest.raises(Exception, match="cannot be created"):
        made(installed, parse_locale("xx_XX.UTF-8"), tmp_path)


def test_real_suite_26_a_note_where_nothing_says_which(installed: Server, tmp_path: Path) -> None:
    found, said = made(installed, None, tmp_path)
    assert f"compared and sorted as in {found.split()[1]}" in said
    assert "--locale" in said


@pytest.mark.parametrize("name", ["C.UTF-8", "C"])
def test_real_suite_26_the_locale_of_the_dump(
    installed: Server, server: Server, tmp_path: Path, name: str
) -> None:
    source = new_name("source")
    encoding = "UTF8" if name == "C.UTF-8" else "LATIN1"
    create_database(installed, source, Locale(name, name, encoding))
    try:
        dump = dumped(installed, source, "custom", tmp_path / "x.dump")
    finally:
        drop_database(installed, source)
    for target in (installed, server):
        found, said = made(target, None, tmp_path, dump)
        assert found == f"{encoding} {name}"
        assert said == ""


def test_what_dumps_say_of_their_locale() -> None:
    libc = "CREATE DATABASE q WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C'"
    assert locale_of(libc) == Locale("C", "C", "UTF8")
    old = (
        "CREATE DATABASE q WITH TEMPLATE = template0 ENCODING = 'LATIN1' LC_COLLATE = 'de_DE' LC_CTYPE = 'C'"
    )
    assert locale_of(old) == Locale("de_DE", "C", "LATIN1")
    icu = libc.replace("libc LOCALE = 'C'", "icu LOCALE = 'en_US.UTF-8' ICU_LOCALE = 'de-DE'")
    assert locale_of(icu) == Locale("en_US.UTF-8", "en_US.UTF-8", "UTF8", "icu", "de-DE")
    builtin = libc.replace("libc LOCALE = 'C'", "builtin LOCALE = 'C' BUILTIN_LOCALE = 'C.UTF-8'")
    assert locale_of(builtin) == Locale("C", "C", "UTF8", "builtin", "C.UTF-8")
    assert locale_of("CREATE TABLE t (ENCODING int)") is None
    assert parse_locale("icu:de-DE").describe() == "de-DE (icu), UTF8"
    with pytest.raises(UsageError, match="icu"):
        parse_locale("icu:de-DE").clause(140000)
