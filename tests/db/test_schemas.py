"""The deploy over many schemas: time and locks, what a failure leaves, what a second start makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analyse.conclude import Conclusion, conclude
from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.model.schemas import Schemas
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.schemas import SchemaOptions
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions

ONE = "CREATE TABLE orders (id bigint PRIMARY KEY, amount int); CREATE VIEW amounts AS SELECT id FROM orders;"
THREE = "".join(
    f"CREATE SCHEMA tenant_{n}; CREATE TABLE tenant_{n}.orders (id bigint PRIMARY KEY, amount int);\n"
    for n in (1, 2, 3)
)
DIRTY = "INSERT INTO tenant_2.orders VALUES (1, -1);"
CHECKED = "ALTER TABLE orders ADD COLUMN note text;\nALTER TABLE orders ADD CHECK (amount > 0);\n"
MANY = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || n)) FROM generate_series(1, 400) AS n;"
"""As many locks as a hundred new tables take, in less time."""


def over(server: Server, directory: Path, base: str, sql: str, options: SchemaOptions) -> Conclusion:
    (directory / "base.sql").write_text(base)
    (directory / "m").mkdir()
    (directory / "m" / "001_change.sql").write_text(sql)
    suite = find_suite(str(directory / "m"), base=directory / "base.sql")
    chosen = RunOptions(1, explain=False, probe=False, schemas=options, data=DataOptions(cache=False))
    return conclude(rehearse(server, suite, chosen, run_id="r", save=lambda _: None, progress=silent))


def schemas_of(concluded: Conclusion) -> Schemas:
    assert concluded.run.schemas is not None
    return concluded.run.schemas


def codes(concluded: Conclusion) -> dict[str, str]:
    return {finding.code: finding.severity for finding in concluded.findings}


@pytest.mark.parametrize("workers", [1, 3])
def test_every_copy_of_the_bases_schema_gets_the_deploy(server: Server, tmp_path: Path, workers: int) -> None:
    concluded = over(server, tmp_path, ONE, CHECKED, SchemaOptions(copies=12, workers=workers))
    schemas = schemas_of(concluded)
    assert (schemas.applied, schemas.failures, schemas.resumed) == (12, (), None)
    assert schemas.names[0] == "tenant_01"
    assert [passed.schemas for passed in schemas.passed] == [2, 3, 4, 6, 8, 9, 10, 12]
    assert schemas.wal_bytes > 0
    line = next(line for line in concluded.card.lines if line.topic == "schemas")
    how = "one after the other" if workers == 1 else "in 3 sessions"
    assert line.text.startswith(f"Over 12 schemas {how} the deploy takes")
    assert not {"schemas-apart", "schemas-lock-table"} & codes(concluded).keys()


def test_a_schema_that_refuses_is_left_half_way_and_refuses_a_second_start(
    server: Server, tmp_path: Path
) -> None:
    concluded = over(server, tmp_path, THREE + DIRTY, CHECKED, SchemaOptions("tenant_%"))
    schemas = schemas_of(concluded)
    (failure,) = schemas.failures
    assert (failure.schema, failure.number, failure.error.sqlstate) == ("tenant_2", 2, "23514")
    assert (schemas.applied, failure.partial, schemas.resumed) == (1, True, 1)
    (again,) = schemas.resumed_failures
    assert again.error.sqlstate == "42701", "the column is there already"
    assert codes(concluded)["schemas-apart"] == "error"
    assert concluded.verdict.status == "not_ready"


def test_in_a_transaction_of_its_own_it_is_as_it_was(server: Server, tmp_path: Path) -> None:
    options = SchemaOptions("tenant_%")
    concluded = over(server, tmp_path, THREE + DIRTY, f"BEGIN;\n{CHECKED}COMMIT;", options)
    (failure,) = schemas_of(concluded).failures
    assert not failure.partial


def test_cut_off_in_a_transaction_a_second_start_brings_all_to_the_end(
    server: Server, tmp_path: Path
) -> None:
    concluded = over(server, tmp_path, THREE, f"BEGIN;\n{CHECKED}COMMIT;", SchemaOptions("tenant_%", cut=2))
    schemas = schemas_of(concluded)
    (failure,) = schemas.failures
    assert (schemas.applied, failure.number, failure.partial, schemas.resumed) == (1, 2, False, 3)
    assert "schemas-apart" not in codes(concluded)


def test_a_transaction_over_all_schemas_runs_out_of_locks(server: Server, tmp_path: Path) -> None:
    concluded = over(server, tmp_path, ONE, MANY, SchemaOptions(copies=40, one_transaction=True))
    schemas = schemas_of(concluded)
    (failure,) = schemas.failures
    assert failure.error.sqlstate == "53200"
    assert (schemas.applied, failure.partial, schemas.resumed) == (0, False, 0)
    assert schemas.locks[0].locks >= 400
    assert codes(concluded)["schemas-lock-table"] == "error"
    line = next(line for line in concluded.card.lines if line.topic == "schemas")
    assert f"it fails in the {failure.number}" in line.text
    assert "all are as they were" in line.text
    assert "schemas-apart" not in codes(concluded), "all of them are as they were"


def test_each_in_its_own_transaction_it_does_not(server: Server, tmp_path: Path) -> None:
    concluded = over(server, tmp_path, ONE, MANY, SchemaOptions(copies=40))
    assert schemas_of(concluded).applied == 40
    assert not {"schemas-apart", "schemas-lock-table"} & codes(concluded).keys()


def test_a_pattern_that_no_schema_has_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no schema of the state before is called like that"):
        over(server, tmp_path, THREE, CHECKED, SchemaOptions("customer_%"))


def test_a_base_that_cannot_be_applied_twice_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the base cannot be applied again, base.sql:1: schema"):
        over(server, tmp_path, f"CREATE SCHEMA app;{ONE}", CHECKED, SchemaOptions(copies=2))
