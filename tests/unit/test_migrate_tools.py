"""Migration tools: how each is recognised, and what each makes of files that are not plain."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.migrate.revision import suite_at
from bench.migrate.suite import Suite, find_suite
from bench.migrate.tools.table import BY_NAME, TOOLS
from bench.migrate.transactions import read_alone, read_migrations

Make = Callable[[dict[str, str]], str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes files below a directory and returns it; ``../`` leads to the project around."""

    def written(files: dict[str, str]) -> str:
        directory = tmp_path / "project" / "db"
        directory.mkdir(parents=True)
        (tmp_path / "project" / ".git").mkdir()
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return str(directory)

    return written


def sent(suite: Suite) -> dict[str, list[str]]:
    return {
        each.id: [one.text for one in found if not one.by_tool]
        for each, found in read_migrations(suite.migrations)
    }


def lines(suite: Suite) -> list[int]:
    return [one.line for _, found in read_migrations(suite.migrations) for one in found if not one.by_tool]


def modes(suite: Suite) -> list[str]:
    return [each.forward.transaction for each in suite.migrations]


def test_each_tool_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(TOOLS)
    assert all(tool.name == tool.name.lower() and " " not in tool.name for tool in TOOLS)


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({"1_a.up.sql": ""}, "golang-migrate"),
        ({"1_a.up.sql": "", "../Cargo.toml": '[dependencies]\nsqlx = "0.8"\n'}, "sqlx"),
        (
            {"1_a.up.sql": "", "../package.json": '{"devDependencies": {"node-pg-migrate": "8"}}'},
            "node-pg-migrate",
        ),
        ({"1_a.up.sql": "", "atlas.sum": "h1:"}, "golang-migrate"),
        ({"1_a.sql": "-- no-transaction\nSELECT 1;"}, "sqlx"),
        ({"1_a.sql": "SELECT 1;", "../tern.conf": ""}, "tern"),
        ({"1_a.sql": "SELECT 1;", "../yoyo.ini": ""}, "yoyo"),
        ({"1_a.sql": "-- transactional: false\nSELECT 1;"}, "yoyo"),
        ({"1_a.sql": "-- atlas:txmode none\n\nSELECT 1;"}, "atlas"),
        ({"V1__a.sql": ""}, "flyway"),
        ({"V1__a.sql": "", "U1__a.sql": ""}, "flyway"),
        ({"V1__a.sql": "", "../Cargo.toml": '[dependencies]\nrefinery = "0.8"\n'}, "refinery"),
        ({"1_a/up.sql": "", "1_a/down.sql": ""}, "hasura"),
        ({"1_a/up.sql": "", "../Cargo.toml": "[dependencies]\ndiesel = { version = '2' }\n"}, "diesel"),
        ({"20240101_a/migration.sql": "", "20240101_a/snapshot.json": "{}"}, "drizzle"),
        ({"20240101_a/migration.sql": ""}, "prisma"),
        ({"1_a.sql": "ALTER TABLE t ADD a int;"}, "plain"),
        ({"001_create.sql": "-- up to here\n", "rollback/001_create.sql": ""}, "plain"),
        ({"1_a.sql": "-- depends on nothing\nSELECT 1;"}, "plain"),
        ({"1_a.sql": "-- depends: the table of users\nSELECT 1;"}, "plain"),
        ({"1_a.sql": "-- Up migration\nSELECT 1;", "2_b.sql": "", "3_c.sql": ""}, "plain"),
        ({"1_a.up.sql": "", "2_b.sql": "", "3_c.sql": ""}, "plain"),
        ({"1_a.sql": "", "2_b.sql": "", "old/V1__a.sql": ""}, "plain"),
        (
            {"1_a.sql": "", "2_b.sql": "", "old/1.sql": "--liquibase formatted sql\n--changeset a:1\n"},
            "plain",
        ),
        ({"1_a.sql": "", "2_b.sql": "", "old/up.sql": ""}, "plain"),
        ({"1_a.sql": "", "node_modules/x/V1__a.sql": ""}, "plain"),
    ],
)
def test_tool_is_told_by_its_files(make: Make, files: dict[str, str], tool: str) -> None:
    assert find_suite(make(files)).runner.tool == tool


def test_supabase_is_told_by_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "supabase" / "migrations"
    directory.mkdir(parents=True)
    for name in ("20240102_b.sql", "20240101000000_a.sql", "20240103_b_ROLLBACK.sql"):
        (directory / name).write_text("SELECT 1;")
    suite = find_suite(str(directory))
    assert suite.runner.tool == "supabase"
    assert [each.file for each in suite.migrations] == [
        "20240101000000_a.sql",
        "20240102_b.sql",
        "20240103_b_ROLLBACK.sql",
    ]
    assert any("Named like rollbacks, and applied" in remark for remark in suite.remarks)


def test_two_tools_that_fit_are_a_question(make: Make) -> None:
    directory = make({"1_a.sql": "-- +goose Up\nSELECT 1;\n", "2_b.sql": "-- migrate:up\nSELECT 2;\n"})
    with pytest.raises(UsageError) as refused:
        find_suite(directory)
    assert 'dbmate ("-- migrate:up" in 1 of its files) and goose' in refused.value.message
    assert "--tool dbmate or --tool goose" in (refused.value.hint or "")


def test_tool_can_be_named(make: Make) -> None:
    directory = make({"1_a.sql": "SELECT 1;\nSELECT 2;", "2_b.sql": "SELECT 3;"})
    assert modes(find_suite(directory, tool="sqlx")) == ["file", "file"]
    assert modes(find_suite(directory, transaction="all")) == ["all", "all"]
    assert find_suite(directory, transaction="all").runner.keeps_session
    Path(directory, "suite.toml").write_text('tool = "atlas"\n')
    assert find_suite(directory).runner.tool == "atlas"
    with pytest.raises(UsageError) as refused:
        find_suite(directory, tool="gose")
    assert (refused.value.hint or "").startswith('did you mean "goose"?')


def test_option_leaves_a_mark_of_the_file_alone(make: Make) -> None:
    directory = make(
        {"1_a.sql": "-- atlas:txmode none\n\nSELECT 1;", "2_b.sql": "SELECT 2;", "atlas.sum": ""}
    )
    assert modes(find_suite(directory, transaction="all")) == ["none", "all"]


def test_nothing_that_the_tool_would_apply_is_passed_over(make: Make) -> None:
    suite = find_suite(
        make({"1_a.sql": "-- +goose Up\nSELECT 1;\n", "2_b.go": "", "2_b_test.go": "", "README.sql": ""})
    )
    assert any(
        "would apply 1 more file that cannot be rehearsed, as it is no SQL: 2_b.go" in each
        for each in suite.remarks
    )
    assert any("README.sql" in each for each in suite.remarks)


def test_statements_of_goose_end_at_line_ends(make: Make) -> None:
    text = (
        "-- +goose Up\n"
        "CREATE TABLE t (a int); -- one\n"
        "INSERT INTO t\n  VALUES (1); INSERT INTO t VALUES (2);\n"
        "-- +goose StatementBegin\n"
        "DO $$ BEGIN\n  PERFORM 1;\nEND $$;\n"
        "-- +goose StatementEnd\n"
    )
    suite = find_suite(make({"1_a.sql": text}))
    assert [each.split()[0] for each in sent(suite)["1_a"]] == ["CREATE", "INSERT", "INSERT", "DO"]
    assert lines(suite) == [2, 3, 4, 6]


def test_a_body_without_marks_is_torn_as_goose_tears_it(make: Make) -> None:
    text = (
        "-- +goose Up\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN 1;\nEND $$;\n"
    )
    first, second = sent(find_suite(make({"1_a.sql": text})))["1_a"]
    assert first.endswith("RETURN 1;")
    assert second == "END $$;"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1_a.sql": "-- +goose Up\nSELECT 1\n"}, r"1_a\.sql:2: no semicolon"),
        ({"1_a.sql": "SELECT 1;", "2_b.sql": "-- +goose Up\nSELECT 1;"}, r"1_a\.sql: has no -- \+goose Up"),
        (
            {"1_a.sql": "-- +goose Up\n", "01_b.sql": "-- +goose Up\n"},
            "have one version, 1, which goose refuses",
        ),
        ({"1_a.sql": "SELECT 1;\n-- migrate:up\n"}, "has SQL above its first -- migrate:up"),
        ({"1_a.up.sql": "", "01_b.up.sql": ""}, "have one version, 1, which golang-migrate refuses"),
        ({"1_a.up.sql": "\\restrict x\nSELECT 1;"}, r"1_a\.up\.sql:1: \\restrict is a command of psql"),
        ({"2_a.sql": "---- create above / drop below ----\n"}, "2_a.sql is number 2, where tern expects 1"),
        ({"1_a.sql": "---- create above / drop below ----\n{{ template }}"}, r"1_a\.sql:2: tern's template"),
        ({"a.sql": "-- depends: b\nSELECT 1;", "b.sql": "-- depends: a\nSELECT 1;"}, "in a circle: "),
        (
            {"sqitch.plan": "%project=p\n\ngone 2024-01-01T00:00:00Z A <a@b>\n"},
            r"sqitch\.plan:3: names the change gone",
        ),
        ({"meta/_journal.json": '{"entries": [{"tag": "0000_x"}]}'}, r"_journal\.json: names 0000_x"),
        ({"meta/_journal.json": "[]"}, r"_journal\.json: not a journal of Drizzle"),
        ({"V1__a.sql": "SELECT 1; VACUUM t;"}, "Flyway refuses a mix"),
        ({"V1__a.sql": "", "V1.0__b.sql": ""}, "have one version, 1"),
        ({"V1__a.sql": "\nSELECT '${x}';"}, r"V1__a\.sql:2: placeholder \$\{x\} \(Flyway\)"),
        ({"a/1_x/up.sql": "", "b/1_x/up.sql": ""}, "holds the migrations of several databases: a, b"),
        (
            {"1_a.sql": "--! Previous: -\n", "000001.sql": "--! Hash: x\nSELECT :SECRET;"},
            r"000001\.sql:2: placeholder :SECRET",
        ),
    ],
)
def test_what_a_tool_would_refuse_is_said_with_its_place(
    make: Make, files: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read_migrations(find_suite(make(files)).migrations)


def test_several_blocks_of_dbmate(make: Make) -> None:
    text = (
        "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT -1;\n-- migrate:up transaction:false\nSELECT 2;\n"
    )
    suite = find_suite(make({"1_a.sql": text}))
    assert sent(suite) == {"1_a-1": ["SELECT 1"], "1_a-2": ["SELECT 2"]}
    assert modes(suite) == ["file", "query"]
    assert [each.backward is not None for each in suite.migrations] == [True, False]


def test_environment_of_goose(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "eu")
    text = (
        "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${REGION}';\n-- +goose ENVSUB OFF\nSELECT '${REGION}';\n"
    )
    assert sent(find_suite(make({"1_a.sql": text}))) == {"1_a": ["SELECT 'eu'", "SELECT '${REGION}'"]}


def test_order_of_a_master_changelog(make: Make) -> None:
    head = "--liquibase formatted sql\n--changeset me:"
    suite = find_suite(
        make(
            {
                "changelog.xml": "<databaseChangeLog><include file='b.sql'/><include file='a.sql'/>",
                "a.sql": f"{head}1\nSELECT 1;\n",
                "b.sql": f"{head}2 dbms:!mysql\nSELECT 2;\n",
            }
        )
    )
    assert sent(suite) == {"b-me-2": ["SELECT 2"], "a-me-1": ["SELECT 1"]}


def test_reworked_change_of_sqitch(make: Make) -> None:
    by = "2024-01-01T00:00:00Z A <a@b>\n"
    plan = f"%project=p\n\nf {by}@v1 {by}f [f@v1] {by}"
    suite = find_suite(
        make({"sqitch.plan": plan, "deploy/f@v1.sql": "SELECT 1;", "deploy/f.sql": "SELECT 2;"})
    )
    assert sent(suite) == {"f@v1": ["SELECT 1"], "f": ["SELECT 2"]}


def test_baselines_and_checkpoints_are_for_an_empty_database(make: Make) -> None:
    directory = make({"V1__a.sql": "SELECT 1;", "B1__b.sql": "SELECT 1;", "V2__c.sql": "SELECT 2;"})
    assert list(sent(find_suite(directory))) == ["B1__b", "V2__c"]
    assert list(sent(find_suite(directory, on_data=True))) == ["V1__a", "V2__c"]
    Path(directory, "base.sql").write_text("CREATE TABLE t (id int);")
    assert list(sent(find_suite(directory))) == ["V1__a", "V2__c"]


def test_flyway_runs_what_refuses_a_transaction_without_one(make: Make) -> None:
    suite = find_suite(
        make(
            {
                "V1__a.sql": "CREATE INDEX CONCURRENTLY i ON t (id);",
                "V2__b.sql": "SELECT 1; SELECT 2;",
                "V2__b.sql.conf": "executeInTransaction=false",
            }
        )
    )
    assert [[one.kind for one in found] for _, found in read_migrations(suite.migrations)] == [
        ["CREATE INDEX CONCURRENTLY"],
        ["SELECT", "SELECT"],
    ]


def test_includes_and_placeholders_of_graphile_migrate(make: Make) -> None:
    suite = find_suite(
        make(
            {
                "committed/000001.sql": "--! Previous: -\n--! Hash: x\n--! include f.sql\n"
                "SELECT ':ROLE', 'a'::TEXT;\n",
                "fixtures/f.sql": "-- of the fixture\nSELECT 1;\nSELECT 2 -- two\n;\n",
                "../.gmrc": '{\n  // a comment\n  "placeholders": {":ROLE": "app"}\n}\n',
                "current.sql": "-- Enter migration here\n",
            }
        )
    )
    ((_, found),) = read_migrations(suite.migrations)
    assert [(one.text.splitlines()[-1], one.file, one.line) for one in found if not one.by_tool] == [
        ("SELECT 1", "../fixtures/f.sql", 2),
        ("SELECT 2 -- two", "../fixtures/f.sql", 3),
        ("SELECT 'app', 'a'::TEXT", None, 4),
    ]
    assert len(suite.migrations) == 1, "an empty current.sql is none"


def test_way_back_of_one_file_stands_where_it_stands(make: Make) -> None:
    suite = find_suite(make({"1_a.sql": "-- Down Migration\nSELECT -1;\n-- Up Migration\nSELECT 1;\n"}))
    assert sent(suite) == {"1_a": ["SELECT 1"]}
    (migration,) = suite.migrations
    assert migration.backward is not None
    assert [(one.text, one.line) for one in read_alone(migration.backward) if not one.by_tool] == [
        ("SELECT -1", 2)
    ]
    assert suite.info.migrations[0].rollback_file == "1_a.sql"


def test_names_of_versions_and_days(make: Make) -> None:
    names = ["20250427203955_a.sql", "20250515_b.sql", "202505151200_c.sql", "20250601000000_d.sql"]
    suite = find_suite(make(dict.fromkeys(names, "SELECT 1;")))
    assert [each.file for each in suite.migrations] == names
    assert "20250515_b.sql" in suite.remarks[0]


def test_days_alone_need_no_remark(make: Make) -> None:
    assert find_suite(make({"20250101_a.sql": "SELECT 1;", "20250102_b.sql": "SELECT 1;"})).remarks == ()


def test_code_beside_plain_files_is_named(make: Make) -> None:
    suite = find_suite(make({"001_a.sql": "SELECT 1;", "002_b.py": "", "helper.py": ""}))
    assert suite.remarks == ("Files that look like migrations, but are no SQL, are not rehearsed: 002_b.py.",)


@pytest.mark.parametrize(
    ("files", "suite", "expected"),
    [
        (
            {"flyway.conf": "flyway.placeholders.app=shop\n", "db/sql/V1__a.sql": "SELECT '${app}';"},
            "db/sql",
            {"V1__a": ["SELECT 'shop'"]},
        ),
        (
            {
                "db/sqitch.plan": "%project=p\n\nz 2024-01-01T00:00:00Z A <a@b>\n",
                "db/deploy/z.sql": "SELECT 1;",
                "db/revert/z.sql": "SELECT -1;",
            },
            "db/deploy",
            {"z": ["SELECT 1"]},
        ),
    ],
)
def test_an_older_revision_is_read_with_what_lies_around_it(
    tmp_path: Path, files: dict[str, str], suite: str, expected: dict[str, list[str]]
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "deployed"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    with suite_at(find_suite(str(tmp_path / suite)), "HEAD") as before:
        assert sent(before) == expected
        assert len(before.rollbacks) == ("revert" in str(files))


def test_a_part_forward_without_statements_is_said(make: Make) -> None:
    suite = find_suite(make({"1_a.sql": "-- +goose Up\n-- +goose Down\nDROP TABLE x;\n"}))
    assert "No statement goes forward in 1_a.sql: goose has nothing to send there." in suite.remarks
