from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from bench.errors import UsageError
from bench.migrate.filenames import is_rollback, version_of
from bench.migrate.script import read_part, read_statements
from bench.migrate.suite import find_suite, list_suites
from bench.migrate.tools.folder import Folder
from bench.sql.tree import error_in

MIGRATIONS = Path(__file__).parents[2] / "migrations"

MakeSuite = Callable[..., str]


@pytest.fixture
def make_suite(tmp_path: Path) -> MakeSuite:
    """Writes files into a directory and returns it; the value of a file is its content."""

    def make(*names: str, **contents: str) -> str:
        directory = tmp_path / "suites" / "mine"
        for name in names:
            contents.setdefault(name, "SELECT 1;")
        for name, content in contents.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return str(directory)

    return make


def order(directory: str) -> list[str]:
    return [migration.file for migration in find_suite(directory).migrations]


@pytest.mark.parametrize(
    "names",
    [
        ["1_a.sql", "2_b.sql", "10_c.sql", "0011_d.sql"],
        ["20240101000000_z.sql", "20240101000001_a.sql", "20250831000000_b.sql"],
        ["V1__a.sql", "V1.1__b.sql", "V1_2__c.sql", "V1.10__d.sql", "V2__e.sql", "R__b.sql", "R__views.sql"],
        ["001_x.up.sql", "002_a.up.sql"],
        ["1.0.sql", "1.2.sql", "1.10.sql", "v2.0.1-x.sql"],
        ["2024_01_01_000001_z.sql", "2024_01_01_000002_a.sql", "2024_02_01_000000_a.sql"],
        ["2024-01-02.sql", "2024-01-10.sql"],
        ["001_x.SQL", "002_2fa.sql", "3.sql", "4-x.sql"],
        ["Z.sql", "a.sql", "b.sql"],
    ],
)
def test_migrations_are_in_version_order(make_suite: MakeSuite, names: list[str]) -> None:
    assert order(make_suite(*Random(1).sample(names, len(names)))) == names


def test_migration_knows_its_file(make_suite: MakeSuite) -> None:
    directory = make_suite(**{"20250831000000_enhanced.sql": "SELECT 'é';\r\n"})
    (migration,) = find_suite(directory).migrations
    assert migration.id == "20250831000000_enhanced"
    assert migration.path == Path(directory) / "20250831000000_enhanced.sql"
    assert migration.file == "20250831000000_enhanced.sql"
    assert migration.sha256 == hashlib.sha256(migration.path.read_bytes()).hexdigest()
    assert migration.rollback is None


@pytest.mark.parametrize(
    ("migration", "rollback"),
    [
        (
            "20250831000000_enhanced_crm_schema_design.sql",
            "rollback/20250831000000_rollback_enhanced_crm_schema.sql",
        ),
        ("001_x.sql", "rollbacks/001_x.sql"),
        ("001_x.sql", "down/1.sql"),
        ("001_x.sql", "001_x_rollback.sql"),
        ("001_x.sql", "001_rollback.sql"),
        ("001_x.sql", "rollback_001_x.sql"),
        ("001_x.sql", "ROLLBACK_001.sql"),
        ("001_x.sql", "001_xROLLBACK.sql"),
        ("001_x.up.sql", "001_x.down.sql"),
        ("V1.2__x.sql", "U1.2__x.sql"),
        ("x.sql", "rollback/x.sql"),
        ("x.sql", "x_rollback.sql"),
        ("x.up.sql", "x.down.sql"),
    ],
)
def test_rollback_belongs_to_its_migration_and_is_never_applied(
    make_suite: MakeSuite, migration: str, rollback: str
) -> None:
    suite = find_suite(make_suite(migration, rollback))
    assert [(each.file, each.rollback) for each in suite.migrations] == [(migration, suite.path / rollback)]
    assert suite.rollbacks == (suite.path / rollback,)
    assert suite.unpaired_rollbacks == ()
    assert suite.info.migrations[0].rollback_file == rollback


def test_rollback_without_migration_is_listed(make_suite: MakeSuite) -> None:
    suite = find_suite(make_suite("001_a.sql", "rollback/002_b.sql", "down/003.sql"))
    assert suite.info.unpaired_rollbacks == ("rollback/002_b.sql", "down/003.sql")
    assert [migration.rollback for migration in suite.migrations] == [None]


@pytest.mark.parametrize("name", ["003_c_rollback.sql", "003_rollback-window.sql", "rollback_003.sql"])
def test_forward_migration_may_be_named_like_a_rollback(make_suite: MakeSuite, name: str) -> None:
    suite = find_suite(make_suite("001_a.sql", name))
    assert [migration.file for migration in suite.migrations] == ["001_a.sql", name]
    assert name in suite.remarks[0]


def test_two_rollbacks_of_one_migration_are_refused(make_suite: MakeSuite) -> None:
    with pytest.raises(UsageError, match=r"both take back version 1$"):
        find_suite(make_suite("001_a.sql", "rollback/001_a.sql", "001_a.down.sql"))


@pytest.mark.parametrize(
    "name", ["001_add_rollbacks_table.sql", "001_x-rollback.sql", "down/x.sql", "U2__x.sql"]
)
def test_names_of_rollbacks(name: str) -> None:
    assert is_rollback(Path(name))


@pytest.mark.parametrize(
    "name", ["001_scrollbacks.sql", "001_countdown.sql", "Update__x.sql", "update_1.sql"]
)
def test_names_of_migrations(name: str) -> None:
    assert not is_rollback(Path(name))


@pytest.mark.parametrize(("name", "version"), [("1.0.0_x.sql", (1,)), ("0.sql", (0,)), ("x.sql", None)])
def test_version(name: str, version: tuple[int, ...] | None) -> None:
    assert version_of(name) == version


def test_other_files_are_left_alone(make_suite: MakeSuite) -> None:
    names = ("001_a.sql", ".002_hidden.sql", "README.md", "notes/003_x.sql", "base.sql")
    assert order(make_suite(*names)) == ["001_a.sql"]


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        ((), "there is no directory", "give a directory"),
        (("readme.txt",), "holds no migration", "001_create.sql"),
        (("base.sql", "rollback/001_a.sql"), "holds no migration", "001_create.sql"),
        (("2024_init/x.sql",), "holds no migration", "2024_init"),
        (("001_a.sql", "1_b.sql"), "001_a.sql and 1_b.sql have one version, 1", "own version"),
        (("V1.0__a.sql", "V1__b.sql"), "V1.0__a.sql and V1__b.sql have one version, 1", "own version"),
        (("001_a.sql", "schema.sql", "seed.sql"), "no version in the name of schema.sql, seed.sql", "--base"),
    ],
)
def test_unusable_directory(make_suite: MakeSuite, names: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        find_suite(make_suite(*names))
    assert message in refused.value.message
    assert hint in (refused.value.hint or "")


def test_file_in_place_of_a_directory(make_suite: MakeSuite) -> None:
    with pytest.raises(UsageError, match=r"001_a\.sql is a file"):
        find_suite(make_suite("001_a.sql") + "/001_a.sql")


@pytest.mark.parametrize(
    ("up", "down", "tool"),
    [
        ("-- migrate:up", "-- migrate:down", "dbmate"),
        ("-- +goose Up", "-- +goose Down", "goose"),
        ("-- +migrate Up", "-- +migrate Down", "sql-migrate"),
        ("-- rambler up", "-- rambler down", "rambler"),
        ("-- a comment", "-- //@UNDO", "mybatis"),
    ],
)
def test_file_of_both_directions_is_divided(make_suite: MakeSuite, up: str, down: str, tool: str) -> None:
    directory = make_suite(**{"001_a.sql": f"{up}\nCREATE TABLE t ();\n{down}\nDROP TABLE t;\n"})
    suite = find_suite(directory)
    (migration,) = suite.migrations
    assert suite.runner.tool == tool
    assert migration.backward is not None
    assert [(each.kind, each.line) for each in read_part(migration.forward)] == [("CREATE TABLE", 2)]
    assert [(each.kind, each.line) for each in read_part(migration.backward)] == [("DROP TABLE", 4)]


def test_name_under_the_root(make_suite: MakeSuite) -> None:
    root = Path(make_suite("001_a.sql")).parent
    suite = find_suite("mine", root=root)
    assert (suite.name, suite.path) == ("mine", root / "mine")
    assert list_suites(root) == ("mine",)


def test_unknown_name_lists_the_known(make_suite: MakeSuite) -> None:
    root = Path(make_suite("001_a.sql")).parent
    with pytest.raises(UsageError) as refused:
        find_suite("nine", root=root)
    assert refused.value.message == 'there is no suite "nine"'
    assert (refused.value.hint or "").startswith('did you mean "mine"? known suites: crm')


def test_suites_that_come_with_the_program_are_found_anywhere(tmp_path: Path) -> None:
    assert find_suite("crm", root=tmp_path / "absent").data == "crm"
    with pytest.raises(UsageError, match='there is no suite "none"'):
        find_suite("none", root=tmp_path / "absent")


def test_directory_and_files_may_be_links(make_suite: MakeSuite, tmp_path: Path) -> None:
    directory = Path(make_suite("001_a.sql"))
    elsewhere = tmp_path / "elsewhere.sql"
    elsewhere.write_text("SELECT 2;")
    (directory / "002_b.sql").symlink_to(elsewhere)
    link = tmp_path / "link"
    link.symlink_to(directory)
    assert order(str(link)) == ["001_a.sql", "002_b.sql"]


def test_base_file(make_suite: MakeSuite, tmp_path: Path) -> None:
    directory = make_suite("001_a.sql")
    assert find_suite(directory).base is None
    assert find_suite(directory).info.base_sha256 is None
    make_suite("base.sql", "../shared/state.sql")
    assert find_suite(directory).base == Path(directory) / "base.sql"
    other = tmp_path / "dump.sql"
    other.write_text("SELECT 1;")
    assert find_suite(directory, base=other).base == other
    make_suite(**{"suite.toml": 'base = "../shared/state.sql"'})
    suite = find_suite(directory)
    assert suite.base is not None
    assert suite.base.samefile(tmp_path / "suites" / "shared" / "state.sql")
    assert suite.info.base_sha256 == hashlib.sha256(b"SELECT 1;").hexdigest()


def test_base_among_the_migrations_is_none_of_them(make_suite: MakeSuite) -> None:
    directory = make_suite("000_schema.sql", "001_a.sql")
    suite = find_suite(directory, base=Path(directory, "000_schema.sql"))
    assert [migration.file for migration in suite.migrations] == ["001_a.sql"]


@pytest.mark.parametrize(
    "base", ["/etc/passwd", "../../outside.sql", "../mine/../../outside.sql", "absent.sql"]
)
def test_unusable_base(make_suite: MakeSuite, base: str) -> None:
    directory = make_suite("001_a.sql", "../../outside.sql", **{"suite.toml": f'base = "{base}"'})
    with pytest.raises(UsageError, match=r"suite\.toml: base = "):
        find_suite(directory)


def test_missing_base_option(make_suite: MakeSuite) -> None:
    with pytest.raises(UsageError, match=r"no base file nowhere\.sql"):
        find_suite(make_suite("001_a.sql"), base=Path("nowhere.sql"))


def test_settings_and_queries(make_suite: MakeSuite) -> None:
    queries = """
    [[query]]
    name = "deals of an owner"
    kind = "workload"
    sql = "SELECT * FROM deals WHERE owner_id = %(owner)s"
    params = { owner = "SELECT id FROM auth.users LIMIT 1" }

    [[query]]
    name = "dashboard"
    kind = "function"
    sql = "SELECT get_crm_dashboard_data()"
    """
    toml = 'description = "The CRM"\ndata = "crm"\n'
    suite = find_suite(make_suite("001_a.sql", **{"suite.toml": toml, "queries.toml": queries}))
    assert (suite.description, suite.data) == ("The CRM", "crm")
    assert [(query.name, query.kind, dict(query.params)) for query in suite.queries] == [
        ("deals of an owner", "workload", {"owner": "SELECT id FROM auth.users LIMIT 1"}),
        ("dashboard", "function", {}),
    ]


@pytest.mark.parametrize(
    ("file", "content", "message", "hint"),
    [
        (
            "suite.toml",
            "bse = 1",
            'unknown key "bse"',
            'did you mean "base"? known keys: description, base, data',
        ),
        ("suite.toml", "data = 1", "data must be a string, not an integer", None),
        ("suite.toml", 'base = ["a"]', "base must be a string, not an array", None),
        ("suite.toml", "data = true", "data must be a string, not true or false", None),
        ("suite.toml", 'data = "crn"', 'data = "crn" is not a known data set', 'did you mean "crm"?'),
        ("suite.toml", "base = ", "not valid TOML", "toml.io"),
        ("queries.toml", "[[queries]]", 'unknown key "queries"', 'did you mean "query"?'),
        ("queries.toml", "query = 1", "query must be an array, not an integer", None),
        ("queries.toml", "query = [1]", "query 1 must be a table", "[[query]]"),
        ("queries.toml", '[[query]]\nname = "a"', "query 1 has no sql", "sql = "),
        ("queries.toml", '[[query]]\nname = " "\nsql = "x"', "query 1 has no name", "name = "),
        ("queries.toml", '[[query]]\nname = "a"\nsql = 1', "query 1: sql must be a string", None),
        ("queries.toml", '[[query]]\nname = "a"\nsql = "x"\nsq = 1', 'query 1: unknown key "sq"', '"sql"'),
        (
            "queries.toml",
            '[[query]]\nname = "a"\nsql = "x"\nkind = "worklod"',
            'query "a" has kind = "worklod"',
            'did you mean "workload"?',
        ),
        (
            "queries.toml",
            '[[query]]\nname = "a"\nsql = "%(onwer)s"\nparams = { owner = "SELECT 1" }',
            'query "a" uses %(onwer)s, which its params do not give',
            'did you mean "owner"?',
        ),
        (
            "queries.toml",
            '[[query]]\nname = "a"\nsql = "x"\nparams = { b = "SELECT 1" }',
            'query "a" never uses its parameter b',
            None,
        ),
        (
            "queries.toml",
            '[[query]]\nname = "a"\nsql = "%(b)s"\nparams = { b = 1 }',
            'query "a": params.b must be a string, not an integer',
            None,
        ),
        (
            "queries.toml",
            '[[query]]\nname = "a"\nsql = "x"\n[[query]]\nname = "a"\nsql = "y"',
            'two queries are named "a"',
            None,
        ),
    ],
)
def test_unusable_settings(
    make_suite: MakeSuite, file: str, content: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as refused:
        find_suite(make_suite("001_a.sql", **{file: content}))
    assert f"{file}: " in refused.value.message
    assert message in refused.value.message
    assert hint is None or hint in (refused.value.hint or "")


def test_settings_that_are_not_utf8(make_suite: MakeSuite) -> None:
    directory = make_suite("001_a.sql")
    Path(directory, "suite.toml").write_bytes(b'description = "caf\xe9"')
    with pytest.raises(UsageError, match=r"suite\.toml: not UTF-8 at byte 18"):
        find_suite(directory)


@pytest.mark.parametrize("name", list_suites(MIGRATIONS))
def test_suites_of_the_project_can_be_read(name: str) -> None:
    suite = find_suite(name, root=MIGRATIONS)
    paths = [migration.path for migration in suite.migrations] + list(suite.rollbacks)
    for path in [*paths, *([suite.base] if suite.base else [])]:
        statements = read_statements(path)
        assert statements, path
        assert not [each for each in statements if error_in(each.text)]


def test_a_file_that_is_named_is_read_beside_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("SELECT 1;", encoding="utf-8")
    (tmp_path / "2.sql").symlink_to("2.sql")
    folder = Folder(tmp_path, only=frozenset({(tmp_path / "1.sql").resolve()}))
    assert [file.path.name for file in folder.every_file] == ["1.sql"]
