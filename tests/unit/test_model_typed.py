"""The command as it can be typed again."""

from __future__ import annotations

import pytest

from bench.model.typed import retyped


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["run", "crm"], "bench run crm"),
        (
            ["run", "m", "--base", "my base.sql", "--fill", "--rows", "a=5k", "--rows", "b=1"],
            "bench run m --base 'my base.sql' --fill --rows a=5k --rows b=1",
        ),
        (
            ["run", "m", "--out", "x", "--json", "-", "--quiet", "--since", "main"],
            "bench run m --since main",
        ),
        (["run", "m", "--out=x", "--json=y", "--debug", "--repeats=5"], "bench run m --repeats=5"),
        (["run", "m", "--server", "postgresql://me:secret@host/db"], 'bench run m --server "$DSN"'),
        (["run", "m", "--server=postgres://me:secret@host/db"], 'bench run m --server="$DSN"'),
        (
            ["run", "--command", "mig -user=me -password=secret {dbname}"],
            "bench run --command 'mig -user=me -password=*** {dbname}'",
        ),
        (
            ["run", "--command=mig -d postgres://me:secret@h/db"],
            "bench run '--command=mig -d postgresql://…'",
        ),
        (
            ["run", "m", "--pending-of", "postgres://me:secret@host/db"],
            'bench run m --pending-of "$PENDING_DSN"',
        ),
        (["run", "m", "--from-dsn", "host=db password=secret"], 'bench run m --from-dsn "$SOURCE_DSN"'),
    ],
)
def test_every_option_that_matters_is_kept_and_no_address(words: list[str], again: str) -> None:
    assert retyped(words) == again
