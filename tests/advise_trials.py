"""Twelve deploys that wait behind a reader, each in a way of its own, on the shop of :mod:`load_trials`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from load_trials import ONE, SHOP, SHOPPING

from bench.migrate.suite import Suite, find_suite
from bench.pg.server import Server
from bench.run.advise import Outcome, Trial, advise_suite
from bench.run.progress import silent
from bench.run.session import RunOptions, Then, rehearse
from bench.run.template.options import DataOptions
from bench.run.traffic.onepass import TrafficOptions
from bench.workload.spec import RequestClass, TrafficMix

SLOW = "behind slow requests"
PLANTED: dict[str, str] = {
    "a column": "ALTER TABLE parents ADD COLUMN title text;",
    "in a transaction": "BEGIN;\nALTER TABLE parents ADD COLUMN title text;\nCOMMIT;",
    "two tables": "BEGIN;\nALTER TABLE others ADD a int;\nALTER TABLE parents ADD b int;\nCOMMIT;",
    "a rewrite": "ALTER TABLE parents ALTER COLUMN id TYPE bigint;",
    "work under a lock": "BEGIN;\nALTER TABLE others ADD a int;\nSELECT pg_sleep(0.2);\n"
    "ALTER TABLE parents ADD b int;\nCOMMIT;",
    "its own timeout": "SET lock_timeout = '5s';\nALTER TABLE parents ADD COLUMN title text;",
    "an index first": "CREATE INDEX parents_name ON parents (name);\nALTER TABLE parents ADD b int;",
    "an index online": "CREATE INDEX CONCURRENTLY parents_name ON parents (name);\n"
    "ALTER TABLE parents ADD b int;",
    "a check validated later": "ALTER TABLE parents ADD CONSTRAINT named CHECK (name <> '') NOT VALID;\n"
    "ALTER TABLE parents VALIDATE CONSTRAINT named;",
    "a backfill": "ALTER TABLE others ADD a int;\nUPDATE others SET a = 1;\n"
    "ALTER TABLE others ALTER a SET DEFAULT 1;",
    "a column that goes": "ALTER TABLE children DROP COLUMN parent;",
    SLOW: "ALTER TABLE parents ADD COLUMN title text;",
}
READER_S = 1.5
LOAD = TrafficOptions(SHOPPING, rate_per_s=60.0, connections=20, warm_s=0.4, after_s=0.3, drain_s=3.0)
OTHERS = RequestClass(
    "read others", ("SELECT name FROM others WHERE id = %(n)s",), ("public.others",), "read", weight=3.0,
    generate=ONE,
)  # fmt: skip
REPORT = RequestClass(
    "slow read", ("SELECT pg_sleep(0.15), name FROM parents WHERE id = %(n)s",), ("public.parents",), "read",
    generate=ONE,
)  # fmt: skip


def planted(directory: Path, name: str) -> tuple[Suite, RunOptions]:
    """One of the deploys, and how it is rehearsed."""
    (directory / "base.sql").write_text(SHOP)
    (directory / "001_change.sql").write_text(PLANTED[name])
    kept = tuple(
        one for one in SHOPPING.classes if name != "a column that goes" or one.tables[0] != "public.children"
    )
    more = (OTHERS, REPORT) if name == SLOW else (OTHERS,)
    mix = TrafficMix((*kept, *more), SHOPPING.source)
    load = replace(LOAD, mix=mix, warm_s=1.5 if name == SLOW else LOAD.warm_s)
    options = RunOptions(1, explain=False, probe=False, load=load, data=DataOptions(cache=False))
    return find_suite(str(directory)), options


def advised(server: Server, suite: Suite, options: RunOptions, repeats: int = 1) -> Outcome:
    """The advice on it, run behind a short reader."""
    return advise_suite(
        server, suite, options, Trial(READER_S, repeats), run_id="r", save=lambda _: None, progress=silent
    )


def rehearsed_then(server: Server, suite: Suite, options: RunOptions, then: Then) -> None:
    """Rehearse it, and do something with the template while it stands."""
    rehearse(server, suite, options, run_id="r", save=lambda _: None, progress=silent, then=then)
