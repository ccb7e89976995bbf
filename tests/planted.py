"""Where each danger is planted: the example of its page, on this base and rehearsed in this way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from load_trials import ONE
from proving import PLATFORM, USERS, proved

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.finding import Finding
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.prove.session import ProofOptions
from bench.run.schemas import SchemaOptions
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions
from bench.run.traffic.onepass import TrafficOptions
from bench.run.traffic.passes import HazardOptions
from bench.workload.spec import RequestClass, TrafficMix

SHOP = """
CREATE TABLE contacts (id bigint PRIMARY KEY, email text, phone text);
INSERT INTO contacts SELECT n, 'c' || n || '@example.org', '555-' || n % 10 FROM generate_series(1, {rows}) n;
CREATE TABLE deals (
    id bigint PRIMARY KEY, contact_id bigint REFERENCES contacts, title text NOT NULL,
    stage text DEFAULT 'new', quantity int NOT NULL DEFAULT 1, amount numeric NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO deals (id, contact_id, title, created_at)
SELECT n, n, 'deal ' || n, timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, {rows}) n;
CREATE INDEX deals_created ON deals (created_at);
CREATE VIEW titles AS SELECT id, title FROM deals;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER deals_touched BEFORE UPDATE ON deals FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TABLE notes (id bigint PRIMARY KEY, body text);
INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 500) n;
"""
FORCED = "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;"
HALF_BUILT = """
CREATE INDEX deals_amount ON deals (amount);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'deals_amount'::regclass;
"""
PARTITIONED = """
CREATE TABLE visits (id bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO visits SELECT n, date '2025-01-01' + n FROM generate_series(1, 600) n;
"""
OWNED = """
DROP TABLE notes;
CREATE TABLE notes (id bigint PRIMARY KEY, owner_id uuid NOT NULL REFERENCES auth.users, body text);
INSERT INTO notes SELECT n, md5((1 + n % 4)::text)::uuid, 'note ' || n FROM generate_series(1, 400) n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner_id = (SELECT auth.uid()));
GRANT USAGE ON SCHEMA public, auth TO anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO authenticated;
"""
APPLICATION = f"{PLATFORM}\nGRANT SELECT ON deals TO authenticated;"
TRAFFIC = TrafficMix(
    (
        RequestClass(
            "read deal", ("SELECT * FROM deals WHERE id = %(n)s",), ("public.deals",), "read", generate=ONE
        ),
        RequestClass(
            "stage of deal", ("SELECT stage FROM deals WHERE id = %(n)s",), ("public.deals",), "read",
            role="authenticated", generate=ONE,
        ),
        RequestClass(
            "deals of contact", ("SELECT id FROM deals WHERE title = 'deal ' || %(n)s",), ("public.deals",),
            "read", generate=ONE,
        ),
        RequestClass(
            "deals of minute",
            ("SELECT title FROM deals "
             "WHERE created_at = timestamptz '2026-01-01' + %(n)s * interval '1 minute'",),
            ("public.deals",), "read", generate=ONE,
        ),
        RequestClass(
            "move deal", ("UPDATE deals SET contact_id = %(n)s + 1 WHERE id = %(n)s",),
            ("public.deals", "public.contacts"), "write", generate=ONE,
        ),
    ),
    "workload.toml",
)  # fmt: skip
LOAD = TrafficOptions(TRAFFIC, rate_per_s=50.0, connections=10, warm_s=0.3, after_s=0.3, drain_s=3.0)


@dataclass(frozen=True)
class Planted:
    """How a danger is made to show."""

    more: str = ""
    """SQL of the base beside the shop's."""
    rows: int | str = 2000
    """Contacts, and deals; or a variable of psql's."""
    run: RunOptions = field(default_factory=lambda: RunOptions(1, explain=False, probe=False))
    files: Mapping[str, str] = field(default_factory=dict)
    """What the suite has beside the files of the example."""
    proof: ProofOptions | None = None
    """It is proved, and not rehearsed."""


TENANTS = """
CREATE SCHEMA tenant_1; CREATE TABLE tenant_1.accounts (email text);
CREATE SCHEMA tenant_2; CREATE TABLE tenant_2.accounts (email text);
CREATE SCHEMA tenant_3; CREATE TABLE tenant_3.accounts (email text);
INSERT INTO tenant_2.accounts VALUES ('twice@example.org'), ('twice@example.org');
"""
OVER_SCHEMAS = RunOptions(1, explain=False, probe=False, schemas=SchemaOptions("tenant_%"))
OVER_COPIES = RunOptions(
    1, explain=False, probe=False, schemas=SchemaOptions(copies=250, one_transaction=True)
)
INSIDE = RunOptions(1, probe=False, data=DataOptions(variables={"rows": 3000}))
LARGE = Planted(rows=60_000)
LOADED = Planted(APPLICATION, run=RunOptions(1, explain=False, probe=False, load=LOAD))
BESIDE_A_READER = Planted(
    APPLICATION,
    run=RunOptions(1, explain=False, probe=False, load=LOAD, hazards=HazardOptions(("long-reader",), 1.6)),
)
PROVED = Planted(rows=20, proof=ProofOptions())
UNCRASHED = Planted(f"{PLATFORM}{USERS}{OWNED}", rows=20, proof=ProofOptions(budget_s=0.0))
PLANTED: Mapping[str, Planted] = {
    "access-opened": UNCRASHED,
    "advisory-lock": Planted(),
    "blocks-reads": Planted(),
    "blocks-writes": Planted(),
    "broken-query": LOADED,
    "cached-plan": LOADED,
    "cascade": Planted(),
    "columns-gone": Planted(),
    "constraint-contradiction": UNCRASHED,
    "constraint-unenforced": UNCRASHED,
    "copy-misses-writes": Planted(),
    "deadlock-order": LOADED,
    "definer-search-path": UNCRASHED,
    "did-nothing": Planted(),
    "error-swallowed": UNCRASHED,
    "estimate-wrong": Planted(),
    "extension-missing": Planted(),
    "fails-on-data": Planted(),
    "fails-under-traffic": BESIDE_A_READER,
    "false-success": Planted(),
    "foreign-key-unindexed": Planted("CREATE INDEX deals_contact ON deals (contact_id);", rows=10),
    "fan-out": Planted(rows=10, run=RunOptions(1, explain=False)),
    "fewer-rows": LOADED,
    "function-fails": UNCRASHED,
    "growth": Planted(
        rows=":rows", run=RunOptions(1, probe=False, data=DataOptions(variables={"rows": 3000}))
    ),
    "held-across": LARGE,
    "index-built-under-lock": Planted(),
    "invalid-index": Planted(HALF_BUILT),
    "lock-queue": BESIDE_A_READER,
    "lock-table-full": Planted(rows=10),
    "made-again": Planted("GRANT SELECT ON notes TO PUBLIC;"),
    "more-rows": LOADED,
    "name-cut": Planted(),
    "name-gone": Planted(),
    "narrower-rule": Planted("CREATE TYPE mood AS ENUM ('sad', 'happy');"),
    "no-lock-timeout": Planted(),
    "non-transactional": Planted(),
    "not-idempotent": PROVED,
    "partial-failure": PROVED,
    "plpgsql-syntax": Planted(),
    "policy-cost": UNCRASHED,
    "refused": Planted("CREATE TYPE priority AS ENUM ('low', 'high');"),
    "rewrite": Planted(),
    "rollback-incomplete": PROVED,
    "row-locks": Planted(),
    "row-security": Planted(FORCED),
    "rows-gone": Planted(),
    "rows-leave": Planted(PARTITIONED),
    "scan-under-lock": Planted(),
    "schemas-apart": Planted(TENANTS, rows=10, run=OVER_SCHEMAS),
    "schemas-lock-table": Planted(rows=10, run=OVER_COPIES),
    "server-warning": Planted(),
    "set-local-outside-transaction": Planted(),
    "side-effect-on-failure": Planted(),
    "slower-query": Planted(APPLICATION, rows=60_000, run=LOADED.run),
    "suppression": Planted(),
    "temporary-view": Planted(),
    "timer-frozen": Planted(),
    "transaction-claim": Planted(),
    "trigger-off": Planted(),
    "truncated": Planted(),
    "unlogged": Planted(),
    "values-changed": Planted(),
    "verify-fails": Planted(
        files={"sqitch.plan": "%project=shop\n\nitems 2026-01-01T00:00:00Z Ada <ada@example.org> # items\n"}
    ),
}
"""Of every danger; ``tests/cases/test_planted.py`` sees each of them found, and gone by the way out."""
_FILE = re.compile(r"^-- (\S+\.sql)\n", re.MULTILINE)
_ROLLBACK = re.compile(r"^-- in the rollback: (.*)$", re.MULTILINE)


def told(server: Server, directory: Path, planted: Planted, sql: str) -> tuple[Finding, ...]:
    """What is told of a migration of this SQL; comments say what is of its rollback, or of other files."""
    base = directory / "base.sql"
    base.write_text(SHOP.format(rows=planted.rows) + planted.more, encoding="utf-8")
    suite = directory / "suite"
    for name, text in (_files(sql) | planted.files).items():
        (suite / name).parent.mkdir(parents=True, exist_ok=True)
        (suite / name).write_text(f"{text.rstrip()}\n", encoding="utf-8")
    found = find_suite(str(suite), base=base)
    if planted.proof is not None:
        return proved(server, found, planted.proof).findings
    run = rehearse(server, found, planted.run, run_id="planted", save=lambda _: None, progress=silent)
    return conclude(run).findings


def _files(sql: str) -> dict[str, str]:
    """The files of an example: those that its comments name, else one migration, and its rollback if any."""
    _, *named = _FILE.split(sql)
    if named:
        return dict(zip(named[::2], named[1::2], strict=True))
    back = _ROLLBACK.search(sql)
    return {"001_change.sql": sql} | ({"rollback/001_change.sql": back[1]} if back else {})
