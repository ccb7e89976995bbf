"""Directories of migration tools: which files, in which order, which way, and in whose transactions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from field import folder

from bench.errors import UsageError
from bench.migrate.selection import read_given
from bench.migrate.suite import Suite, find_suite
from bench.migrate.transactions import read_alone, read_migrations
from bench.model.lock import LockMode
from bench.model.run import MigrationRun, Run
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.prove.chain import chain, read_both_ways
from bench.run.prove.rollback import prove_alone

Rehearse = Callable[..., Run]


def found(case: str, suite: str = "migrations", **options: str) -> Suite:
    base = folder(case) / "base.sql"
    path = folder(case) / suite
    return find_suite(str(path), base=base if base.is_file() else None, **options)  # type: ignore[arg-type]


def sent(suite: Suite) -> dict[str, list[str]]:
    """What reaches the server of each migration: its statements by kind, those of the tool in brackets."""
    return {
        migration.id: [f"[{each.kind}]" if each.by_tool else each.kind for each in statements]
        for migration, statements in read_migrations(suite.migrations)
    }


def back(suite: Suite) -> dict[str, list[str]]:
    """The same of the ways back."""
    return {
        each.id: [f"[{one.kind}]" if one.by_tool else one.kind for one in read_alone(each.backward)]
        for each in suite.migrations
        if each.backward is not None
    }


def outcome(run: Run) -> list[str]:
    return [each.outcome for each in migrations(run)]


def migrations(run: Run) -> tuple[MigrationRun, ...]:
    return run.passes[0].repeats[-1].migrations


def failure(run: Run) -> tuple[str | None, int | None]:
    error = next(each.error for each in migrations(run) if each.error is not None)
    return error.sqlstate, error.line


def test_directories_01_file_is_one_transaction(rehearse_case: Rehearse) -> None:
    run = rehearse_case("directories/01-file-is-one-transaction", "migrations")
    (migration,) = migrations(run)
    added = next(each for each in migration.statements if each.text.endswith("ADD COLUMN grams integer"))
    updated = next(each for each in migration.statements if each.kind == "UPDATE")
    (lock,) = [
        each for each in added.locks if each.mode == LockMode.ACCESS_EXCLUSIVE and each.target == "table"
    ]
    assert lock.held_s is not None
    assert updated.duration_s is not None
    assert lock.held_s > updated.duration_s
    assert {each.transaction for each in migration.statements} == {"file"}
    assert run.suite.tool == "golang-migrate"
    assert run.suite.migrations[0].rollback_file == "001_grams.down.sql"


def test_directories_02_concurrently_beside_another_statement(rehearse_case: Rehearse) -> None:
    run = rehearse_case("directories/02-concurrently-beside-another-statement", "migrations")
    assert failure(run) == ("25001", 2)


def test_directories_02_ways_out_know_the_tool(rehearse_case: Rehearse, tmp_path: Path) -> None:
    """Advice to build an index concurrently says how to have it outside of the tool's transaction."""
    (tmp_path / "1_x.sql").write_text("-- +goose Up\nCREATE INDEX parcels_state ON parcels (state);\n")
    run = rehearse_case("directories/02-concurrently-beside-another-statement", str(tmp_path))
    (fix,) = {each.fix for each in run.findings if each.sql is not None and "CONCURRENTLY" in each.sql}
    assert fix is not None
    assert fix.endswith(
        "goose runs this file in a transaction: write -- +goose NO TRANSACTION into the file."
    )


def test_directories_03_new_enum_value_used_in_its_file(rehearse_case: Rehearse) -> None:
    run = rehearse_case("directories/03-new-enum-value-used-in-its-file", "migrations")
    assert failure(run) == ("55P04", 2)


@pytest.mark.parametrize("suite", ["migrations", "migrations/2024-05-01-120000_add_colour"])
def test_directories_04_diesel_directory(suite: str) -> None:
    diesel = found("directories/04-diesel-directory", suite)
    assert diesel.runner.tool == "diesel"
    assert sent(diesel) == {"2024-05-01-120000_add_colour": ["ALTER TABLE"]}
    assert [each.forward.transaction for each in diesel.migrations] == ["file"]
    assert [path.name for path in diesel.rollbacks] == ["down.sql"]
    assert diesel.info.migrations[0].rollback_file is not None
    assert diesel.info.unpaired_rollbacks == ()


def test_directories_05_diesel_without_transaction(rehearse_case: Rehearse) -> None:
    case = "directories/05-diesel-without-transaction"
    assert sent(found(case)) == {"1_index": ["CREATE INDEX CONCURRENTLY"], "2_two": ["ALTER TABLE"]}
    assert outcome(rehearse_case(case, "migrations")) == ["applied", "applied"]


def test_directories_05_metadata_without_the_key_means_false(tmp_path: Path) -> None:
    copy = tmp_path / "migrations"
    shutil.copytree(folder("directories/05-diesel-without-transaction") / "migrations", copy)
    (copy / "1_index" / "metadata.toml").write_text("")
    (copy / "2_two" / "metadata.toml").write_text("run_in_transaction = true\n")
    modes = [each.forward.transaction for each in find_suite(str(copy)).migrations]
    assert modes == ["query", "file"]


def test_directories_06_prisma_directory() -> None:
    prisma = found("directories/06-prisma-directory")
    assert prisma.runner.tool == "prisma"
    assert sent(prisma) == {
        "20240101000000_colour": ["ALTER TABLE"],
        "20240102000000_index": ["CREATE INDEX"],
    }
    assert {each.forward.transaction for each in prisma.migrations} == {"query"}


@pytest.mark.parametrize("suite", ["migrations", "migrations/default"])
def test_directories_07_hasura_directory(suite: str) -> None:
    hasura = found("directories/07-hasura-directory", suite)
    assert hasura.runner.tool == "hasura"
    assert sent(hasura) == {"9_colour": ["ALTER TABLE"], "10_index": ["CREATE INDEX"]}
    assert back(hasura) == {"9_colour": ["ALTER TABLE"], "10_index": ["DROP INDEX"]}


def test_directories_08_tern_down_is_run(rehearse_case: Rehearse) -> None:
    case = "directories/08-tern-down-is-run"
    tern = found(case)
    assert tern.runner.tool == "tern"
    assert sent(tern) == {"001_colour": ["ALTER TABLE"], "002_index": ["CREATE INDEX CONCURRENTLY"]}
    assert back(tern) == {"001_colour": ["ALTER TABLE"], "002_index": ["DROP INDEX"]}
    assert outcome(rehearse_case(case, "migrations")) == ["applied", "applied"]


def test_directories_09_node_pg_migrate_down_is_run() -> None:
    pg_migrate = found("directories/09-node-pg-migrate-down-is-run")
    assert pg_migrate.runner.tool == "node-pg-migrate"
    assert sent(pg_migrate) == {"1700000000001_colour": ["[BEGIN]", "ALTER TABLE", "[COMMIT]"]}
    ((_, statements),) = read_migrations(pg_migrate.migrations)
    assert (statements[1].line, statements[1].text) == (2, "ALTER TABLE parcels ADD COLUMN colour text")
    assert pg_migrate.migrations[0].backward is not None
    assert [each.line for each in read_alone(pg_migrate.migrations[0].backward)] == [5]


def test_directories_10_play_evolutions(rehearse_case: Rehearse) -> None:
    case = "directories/10-play-evolutions"
    assert sent(found(case, "dashes")) == {"1": ["ALTER TABLE"]}
    hashes = found(case, "hashes")
    ((_, (_, function)),) = read_migrations(hashes.migrations)
    assert "PERFORM 1; RETURN 2; END" in function.text
    assert function.line == 3
    assert back(hashes) == {"1": ["DROP FUNCTION", "ALTER TABLE"]}
    assert outcome(rehearse_case(case, "hashes")) == ["applied"]


def test_directories_11_goose(rehearse_case: Rehearse) -> None:
    case = "directories/11-goose"
    goose = found(case)
    assert sent(goose) == {
        "00001_colour": ["ALTER TABLE"],
        "00002_index": ["CREATE INDEX CONCURRENTLY"],
        "00003_two": ["CREATE FUNCTION"],
    }
    assert [each.forward.transaction for each in goose.migrations] == ["file", "none", "file"]
    assert "goose" in goose.remarks[0]
    assert '"-- +goose" in 3 of its files' in goose.remarks[0]
    assert outcome(rehearse_case(case, "migrations")) == ["applied"] * 3


def test_directories_12_dbmate() -> None:
    dbmate = found("directories/12-dbmate")
    assert sent(dbmate) == {
        "20240101000000_colour": ["ALTER TABLE"],
        "20240102000000_index": ["CREATE INDEX CONCURRENTLY"],
    }
    assert [each.forward.transaction for each in dbmate.migrations] == ["file", "query"]


def test_directories_13_sql_migrate() -> None:
    sql_migrate = found("directories/13-sql-migrate")
    assert list(sent(sql_migrate)) == ["9_table", "39_a_colour", "39_b_index"]
    assert [each.forward.transaction for each in sql_migrate.migrations] == ["file", "file", "none"]


def test_directories_14_liquibase_formatted_sql(rehearse_case: Rehearse) -> None:
    case = "directories/14-liquibase-formatted-sql"
    liquibase = found(case, "changelog")
    assert sent(liquibase) == {"001-me-1": ["ALTER TABLE"], "001-me-3": ["CREATE INDEX CONCURRENTLY"]}
    assert back(liquibase) == {"001-me-1": ["ALTER TABLE"]}
    assert any("changeset me:2" in remark and "mysql" in remark for remark in liquibase.remarks)
    run = rehearse_case(case, "changelog")
    assert outcome(run) == ["applied", "applied"]
    assert [each.statements[0].line for each in migrations(run)] == [4, 11]


@pytest.mark.parametrize("suite", ["project", "project/deploy"])
def test_directories_15_sqitch(suite: str) -> None:
    sqitch = found("directories/15-sqitch", suite)
    assert sent(sqitch) == {
        "zebra": ["BEGIN", "CREATE TABLE", "COMMIT"],
        "apple": ["BEGIN", "ALTER TABLE", "COMMIT"],
    }
    assert back(sqitch) == {"zebra": ["DROP TABLE"], "apple": ["ALTER TABLE"]}
    assert any("old.sql" in remark for remark in sqitch.remarks)
    assert sqitch.info.unpaired_rollbacks == ()


def test_directories_16_drizzle(rehearse_case: Rehearse) -> None:
    case = "directories/16-drizzle"
    drizzle = found(case, "drizzle")
    assert sent(drizzle) == {
        "0001_b": ["[BEGIN]", "ALTER TABLE", "CREATE TABLE"],
        "0001_a": ["CREATE INDEX", "[COMMIT]"],
    }
    assert any("0001_dead.sql" in remark for remark in drizzle.remarks)
    run = rehearse_case(case, "drizzle")
    assert outcome(run) == ["applied", "applied"]
    first, second = migrations(run)
    (lock,) = [
        each
        for each in first.statements[1].locks
        if each.mode == LockMode.ACCESS_EXCLUSIVE and each.target == "table"
    ]
    assert lock.held_s is not None
    assert second.duration_s is not None
    assert lock.held_s > second.duration_s, "held until the COMMIT of the last file"


def test_directories_16_failure_takes_all_files_back(rehearse_case: Rehearse, tmp_path: Path) -> None:
    copy = tmp_path / "drizzle"
    shutil.copytree(folder("directories/16-drizzle") / "drizzle", copy)
    (copy / "0001_a.sql").write_text("CREATE INDEX CONCURRENTLY parcels_colour ON parcels (colour);\n")
    run = rehearse_case("directories/16-drizzle", str(copy))
    assert outcome(run) == ["failed", "failed"]
    first, second = migrations(run)
    assert first.error is not None
    assert "rolled back with 0001_a" in first.error.message
    assert second.error is not None
    assert second.error.sqlstate == "25001"


def test_directories_17_forward_migration_named_rollback() -> None:
    suite = found("directories/17-forward-migration-named-rollback")
    assert list(sent(suite)) == ["0041_colour", "0042_rollback-window"]
    assert "0042_rollback-window.sql" in suite.remarks[0]


def test_directories_18_stray_sql_file() -> None:
    suite = found("directories/18-stray-sql-file")
    assert list(sent(suite)) == ["2024-01-01-000000_colour", "2024-01-02-000000_index"]
    assert any("fill_colour_by_hand.sql" in remark for remark in suite.remarks)


def test_directories_19_postgrator_do_undo() -> None:
    suite = found("directories/19-postgrator-do-undo")
    assert (suite.runner.tool, sent(suite)) == ("postgrator", {"001.do.colour": ["ALTER TABLE"]})
    assert suite.info.migrations[0].rollback_file == "001.undo.colour.sql"


def test_directories_22_yoyo_depends() -> None:
    suite = found("directories/22-yoyo-depends")
    assert list(sent(suite)) == ["0002.base", "0001.more"]
    assert suite.info.migrations[1].rollback_file == "0001.more.rollback.sql"


def test_directories_23_flyway_placeholders(rehearse_case: Rehearse, tmp_path: Path) -> None:
    case = "directories/23-flyway-placeholders"
    with pytest.raises(UsageError) as refused:
        found(case)
    assert "V1__t.sql:1: placeholder ${schema} (Flyway)" in refused.value.message
    assert '"schema" = "…"' in (refused.value.hint or "")
    copy = tmp_path / "migrations"
    shutil.copytree(folder(case) / "migrations", copy)
    (copy / "suite.toml").write_text('[placeholders]\nschema = "app"\n')
    assert outcome(rehearse_case(case, str(copy))) == ["applied"]
    (copy / "suite.toml").unlink()
    (copy / "flyway.conf").write_text("flyway.placeholders.schema=app\n")
    ((_, (statement,)),) = read_migrations(find_suite(str(copy)).migrations)
    assert statement.text == "CREATE TABLE app.t (id int)"


def test_directories_24_flyway_files_besides_V(rehearse_case: Rehearse) -> None:  # its name
    case = "directories/24-flyway-files-besides-V"
    assert list(sent(found(case))) == ["V1__t", "V2__n", "V2.1__m", "afterMigrate"]
    baseline = found(case, "baseline")
    assert list(sent(baseline)) == ["B2__baseline", "V3__n"]
    assert any("takes the place of V1__t.sql" in remark for remark in baseline.remarks)
    assert outcome(rehearse_case(case, "migrations")) == ["applied"] * 4


def test_directories_25_refinery_U() -> None:  # its name
    suite = found("directories/25-refinery-U")
    assert (suite.runner.tool, list(sent(suite))) == ("refinery", ["V1__t", "U2__n"])


def test_directories_26_atlas(rehearse_case: Rehearse) -> None:
    case = "directories/26-atlas"
    atlas = found(case)
    assert sent(atlas) == {
        "20240103000000_checkpoint": ["[BEGIN]", "CREATE TABLE", "CREATE TABLE", "[COMMIT]"],
        "20240104000000_b_n": ["ALTER TABLE", "CREATE INDEX CONCURRENTLY"],
    }
    assert outcome(rehearse_case(case, "migrations")) == ["applied", "applied"]


@pytest.mark.parametrize("suite", ["migrations", "migrations/committed"])
def test_directories_27_graphile_migrate(suite: str) -> None:
    graphile = found("directories/27-graphile-migrate", suite)
    assert sent(graphile) == {
        "000001": ["[BEGIN]", "GRANT", "ALTER TABLE", "[COMMIT]"],
        "000002-index": ["CREATE INDEX CONCURRENTLY"],
        "current": ["ALTER TABLE"],
    }


def test_directories_27_names_of_database_and_owner(rehearse_case: Rehearse) -> None:
    run = rehearse_case("directories/27-graphile-migrate", "migrations")
    assert outcome(run) == ["applied"] * 3


def test_directories_28_session_lives_on(rehearse_case: Rehearse, tmp_path: Path) -> None:
    case = "directories/28-session-lives-on"
    run = rehearse_case(case, "migrations")
    assert outcome(run) == ["applied"] * 3
    assert [each.relation for each in migrations(run)[2].statements[0].locks][:1] == ["app.t"]
    resets = tmp_path / "migrations"
    resets.mkdir()
    for path in (folder(case) / "migrations").iterdir():
        shutil.copy(path, resets / path.name.replace(".up", ""))
    (resets / "001_schema.sql").write_text(
        (resets / "001_schema.sql").read_text() + "---- create above / drop below ----\n"
    )
    run = rehearse_case(case, str(resets))
    assert (run.suite.tool, outcome(run)) == ("tern", ["applied", "applied", "failed"])
    assert failure(run) == ("42P01", 1)


@pytest.mark.parametrize(
    ("suite", "tool", "command"),
    [
        ("django", "Django", "sqlmigrate"),
        ("rails", "Rails", "structure.sql"),
        ("xml", "Liquibase", "liquibase update-sql"),
    ],
)
def test_directories_36_code_migrations(suite: str, tool: str, command: str) -> None:
    with pytest.raises(UsageError) as refused:
        found("directories/36-code-migrations", suite)
    assert tool in refused.value.message
    assert command in (refused.value.hint or "")


def test_reports_61_directories_of_migration_tools(rehearse_case: Rehearse) -> None:
    case = "reports/61-directories-of-migration-tools"
    tools = {
        name: found(case, name).runner.tool for name in ("prisma", "golang", "hasura", "diesel", "dbmate")
    }
    assert tools == {
        "prisma": "prisma",
        "golang": "golang-migrate",
        "hasura": "hasura",
        "diesel": "diesel",
        "dbmate": "dbmate",
    }
    assert [found(case, name).runner.tool for name in ("drizzle", "alembic", "rails")] == [
        "drizzle",
        "plain",
        "plain",
    ]
    with pytest.raises(UsageError, match=r"V1\.1__placeholder\.sql:1: placeholder \$\{admin_email\}"):
        found(case, "flyway")
    assert outcome(rehearse_case(case, "prisma")) == ["applied", "applied"]


@pytest.mark.parametrize("tool", [None, "plain"])
def test_reports_62_runner_that_wraps_files(
    rehearse_case: Rehearse, tmp_path: Path, tool: str | None
) -> None:
    case = "reports/62-runner-that-wraps-files"
    copy = tmp_path / "mig"
    shutil.copytree(folder(case) / "mig", copy)
    if tool is not None:
        (copy / "suite.toml").write_text('tool = "plain"\ntransaction = "file"\n')
    run = rehearse_case(case, str(copy))
    (migration,) = migrations(run)
    added, validated = (each for each in migration.statements if not each.by_tool)
    held = [
        lock.held_s
        for lock in added.locks
        if lock.mode == LockMode.ACCESS_EXCLUSIVE and lock.relation == "public.audit_log"
    ]
    assert validated.duration_s is not None
    assert held
    assert all(seconds is not None and seconds > validated.duration_s for seconds in held)


def test_real_suite_03_version_order(rehearse_case: Rehearse) -> None:
    case = "real-suite/03-version-order"
    suite = found(case, "m")
    assert list(sent(suite)) == ["20250427203955_ledger", "20250515_entries", "20250601000000_notes"]
    assert "20250515_entries.sql" in suite.remarks[0]
    assert outcome(rehearse_case(case, "m")) == ["applied"] * 3


def test_real_suite_27_rollback_beside_migration() -> None:
    suite = found("real-suite/27-rollback-beside-migration", "m")
    assert list(sent(suite)) == ["001_a", "002_b"]
    assert suite.remarks == (
        "001_a_ROLLBACK.sql sorts after 001_a.sql and before 002_b.sql; a runner that applies every .sql "
        "file by its name (a loop over psql, the Supabase CLI) would apply it. It is not applied here.",
    )


def test_directories_37_pre_commit_runs_the_way_back() -> None:
    directory = folder("directories/37-pre-commit-runs-the-way-back") / "migrations/2024-05-01-120000_colour"
    up, down = directory / "up.sql", directory / "down.sql"
    given = read_given([down, up])
    assert [(path, [each.kind for each in statements]) for path, statements in given.scripts] == [
        (up, ["ALTER TABLE"])
    ]
    alone = read_given([down])
    assert alone.scripts == ()
    assert any("down.sql takes 2024-05-01-120000_colour back: left out" in each for each in alone.remarks)


@pytest.mark.parametrize(
    ("case", "names", "forward"),
    [
        ("11-goose/migrations", ["00003_two.sql", "00001_colour.sql"], ["ALTER TABLE", "CREATE FUNCTION"]),
        ("15-sqitch/project/deploy", ["apple.sql", "zebra.sql"], ["CREATE TABLE", "ALTER TABLE"]),
        ("15-sqitch/project/revert", ["zebra.sql"], []),
        ("19-postgrator-do-undo/migrations", ["001.undo.colour.sql"], []),
        ("17-forward-migration-named-rollback/migrations", ["0042_rollback-window.sql"], ["ALTER TABLE"]),
        ("08-tern-down-is-run/migrations", ["001_colour.sql"], ["ALTER TABLE"]),
    ],
)
def test_directories_37_named_files_are_read_as_their_tool_does(
    case: str, names: list[str], forward: list[str]
) -> None:
    given = read_given([folder(f"directories/{case}") / name for name in names])
    kinds = [each.kind for _, statements in given.scripts for each in statements]
    assert [kind for kind in kinds if kind not in ("BEGIN", "COMMIT")] == forward


def test_directories_37_every_file_can_be_read_as_it_stands() -> None:
    down = (
        folder("directories/37-pre-commit-runs-the-way-back") / "migrations/2024-05-01-120000_colour/down.sql"
    )
    assert [path for path, _ in read_given([down], tool="plain").scripts] == [down]


def test_ways_back_of_a_tool_are_proved(server: Server, tmp_path: Path) -> None:
    up, down = "-- Up Migration\n", "-- Down Migration\n"
    (tmp_path / "1_a.sql").write_text(f"{up}CREATE TABLE a (id int);\n{down}DROP TABLE a;\n")
    (tmp_path / "2_b.sql").write_text(f"{up}ALTER TABLE a ADD b int;\n{down}SELECT 1;\n")
    scripts = read_both_ways(server, find_suite(str(tmp_path)))
    empty = new_name("empty")
    create_database(server, empty)
    try:
        with chain(server, empty, scripts) as links:
            proofs = [prove_alone(server, link, silent) for link in links]
    finally:
        drop_database(server, empty)
    assert [each.outcome == "exact" for each in proofs] == [True, False]


@pytest.mark.parametrize(
    ("case", "suite", "told"),
    [
        ("12-dbmate", "migrations", "each file is one transaction, but 1 file is sent as one query."),
        (
            "14-liquibase-formatted-sql",
            "changelog",
            "each changeset is one transaction, but 1 changeset is sent",
        ),
        ("15-sqitch", "project", "each statement commits by itself where no BEGIN stands before it."),
    ],
)
def test_what_a_tool_puts_in_a_transaction_is_said_in_its_own_terms(case: str, suite: str, told: str) -> None:
    (remark, *_) = find_suite(str(folder(f"directories/{case}") / suite)).remarks
    assert f"; {told}" in remark
