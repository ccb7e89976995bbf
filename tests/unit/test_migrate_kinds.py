from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sql.kinds import PARSED_CHARACTERS, TRANSACTION_COMMANDS, RelationName, classify, named_relations

KINDS = {
    "ALTER TABLE a ADD b int": "ALTER TABLE",
    "ALTER TABLE a RENAME CONSTRAINT x TO y": "ALTER TABLE",
    "ALTER TABLE a RENAME b TO c": "ALTER TABLE",
    "ALTER VIEW a RENAME COLUMN b TO c": "ALTER VIEW",
    "ALTER MATERIALIZED VIEW a SET SCHEMA b": "ALTER MATERIALIZED VIEW",
    "ALTER INDEX i RENAME TO j": "ALTER INDEX",
    "ALTER TYPE t ADD VALUE 'x'": "ALTER TYPE",
    "ALTER TYPE t RENAME ATTRIBUTE a TO b": "ALTER TYPE",
    "ALTER DOMAIN d RENAME CONSTRAINT a TO b": "ALTER DOMAIN",
    "ALTER FUNCTION f() OWNER TO r": "ALTER FUNCTION",
    "ALTER ROLE r SET x = 1": "ALTER ROLE",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r": "ALTER DEFAULT PRIVILEGES",
    "ALTER TEXT SEARCH CONFIGURATION c OWNER TO r": "ALTER TEXT SEARCH CONFIGURATION",
    "ANALYZE t": "ANALYZE",
    "CALL p()": "CALL",
    "COMMENT ON TABLE t IS 'x'": "COMMENT",
    "COPY t FROM stdin": "COPY",
    "CREATE AGGREGATE a(int) (sfunc = x, stype = int)": "CREATE AGGREGATE",
    "CREATE EXTENSION x": "CREATE EXTENSION",
    "CREATE OR REPLACE FUNCTION f() RETURNS int RETURN 1": "CREATE FUNCTION",
    "CREATE PROCEDURE p() LANGUAGE sql AS ''": "CREATE PROCEDURE",
    "CREATE UNIQUE INDEX i ON t (a)": "CREATE INDEX",
    "CREATE INDEX CONCURRENTLY i ON t (a)": "CREATE INDEX CONCURRENTLY",
    "CREATE MATERIALIZED VIEW v AS SELECT 1": "CREATE MATERIALIZED VIEW",
    "CREATE POLICY p ON t": "CREATE POLICY",
    "CREATE ROLE r": "CREATE ROLE",
    "CREATE SCHEMA s": "CREATE SCHEMA",
    "CREATE SEQUENCE s": "CREATE SEQUENCE",
    "CREATE UNLOGGED TABLE t (a int)": "CREATE TABLE",
    "CREATE TABLE t AS SELECT 1": "CREATE TABLE AS",
    "CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()": "CREATE TRIGGER",
    "CREATE TYPE t AS ENUM ('a')": "CREATE TYPE",
    "CREATE OR REPLACE VIEW v AS SELECT 1": "CREATE VIEW",
    "DO $$ BEGIN END $$": "DO",
    "DROP INDEX CONCURRENTLY i": "DROP INDEX CONCURRENTLY",
    "DROP MATERIALIZED VIEW v": "DROP MATERIALIZED VIEW",
    "DROP POLICY p ON t": "DROP POLICY",
    "DROP TABLE a, b": "DROP TABLE",
    "GRANT SELECT ON t TO r": "GRANT",
    "REVOKE SELECT ON t FROM r": "REVOKE",
    "GRANT a TO b": "GRANT ROLE",
    "INSERT INTO t VALUES (1)": "INSERT",
    "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x": "INSERT",
    "WITH x AS (SELECT 1) SELECT * FROM x": "SELECT",
    "SELECT 1 INTO t": "SELECT INTO",
    "(VALUES (1))": "SELECT",
    "LOCK t": "LOCK TABLE",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE": "MERGE",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v": "REFRESH MATERIALIZED VIEW CONCURRENTLY",
    "REINDEX TABLE t": "REINDEX TABLE",
    "REINDEX (CONCURRENTLY) INDEX i": "REINDEX INDEX CONCURRENTLY",
    "RESET ALL": "RESET",
    "SET LOCAL lock_timeout = '2s'": "SET",
    "SET TRANSACTION READ ONLY": "SET TRANSACTION",
    "SET CONSTRAINTS ALL DEFERRED": "SET CONSTRAINTS",
    "SHOW x": "SHOW",
    "TRUNCATE a": "TRUNCATE",
    "UPDATE t SET a = 1": "UPDATE",
    "VACUUM (ANALYZE) t": "VACUUM",
}


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_kind(text: str, kind: str) -> None:
    facts = classify(f"-- CREATE TABLE\n/* DROP */ {text}")
    assert (facts.kind, facts.parsed) == (kind, True)
    assert facts.transaction_control is None


@pytest.mark.parametrize(
    "text", [text for text in KINDS if not text.startswith(("WITH", "(", "SELECT", "GRANT a"))]
)
def test_kind_by_keywords_is_the_same_up_to_its_last_word(text: str) -> None:
    facts = classify(text + " 'not' SQL")
    assert not facts.parsed
    assert KINDS[text].startswith(facts.kind) or facts.kind.startswith(KINDS[text])


CONTROLS = {
    "BEGIN": "begin",
    "BEGIN ISOLATION LEVEL SERIALIZABLE": "begin",
    "START TRANSACTION": "begin",
    "COMMIT": "commit",
    "COMMIT WORK": "commit",
    "END": "commit",
    "ROLLBACK": "rollback",
    "ABORT": "rollback",
    "COMMIT AND CHAIN": "commit_and_chain",
    "COMMIT AND NO CHAIN": "commit",
    "ROLLBACK WORK AND CHAIN": "rollback_and_chain",
    "SAVEPOINT a": "savepoint",
    "RELEASE a": "release",
    "RELEASE SAVEPOINT a": "release",
    "ROLLBACK TO a": "rollback_to",
    "ROLLBACK TRANSACTION TO SAVEPOINT a": "rollback_to",
    "PREPARE TRANSACTION 'a'": "prepare",
    "COMMIT PREPARED 'a'": "commit_prepared",
    "ROLLBACK PREPARED 'a'": "rollback_prepared",
}


@pytest.mark.parametrize(("text", "control"), CONTROLS.items())
@pytest.mark.parametrize("tail", ["", " 'not' SQL"])
def test_transaction_control(text: str, control: str, tail: str) -> None:
    facts = classify(text + tail)
    assert facts.transaction_control == control
    assert facts.needs_transaction == (control in {"savepoint", "release", "rollback_to"})
    assert facts.refuses_transaction == control.endswith("_prepared")
    assert facts.kind == classify(text).kind


@pytest.mark.parametrize(
    "text", ["PREPARE p AS SELECT 1", "CREATE TABLE commit (a int)", "SELECT 'BEGIN'", "SET x = 1"]
)
def test_no_transaction_control(text: str) -> None:
    assert classify(text).transaction_control is None


@pytest.mark.parametrize(
    ("body", "commits"),
    [
        ("BEGIN COMMIT; END", True),
        ("BEGIN PERFORM 1; ROLLBACK; END", True),
        ("BEGIN LOOP\n COMMIT AND CHAIN; END LOOP; END", True),
        ("BEGIN IF a THEN commit; ELSE rollback; END IF; END", True),
        ("BEGIN -- COMMIT;\n /* COMMIT; */ PERFORM 'x; COMMIT;'; END", False),
        ("BEGIN commit := 1; x := rollback; END", False),
        ("BEGIN; COMMIT; 'unterminated", True),
        ("", False),
    ],
)
def test_do_block_that_commits_refuses_a_transaction(body: str, commits: bool) -> None:
    assert classify(f"DO $do$ {body} $do$").refuses_transaction is commits


def test_do_block_of_another_language() -> None:
    assert classify("DO LANGUAGE plpython3u 'plpy.commit()'").refuses_transaction
    assert not classify("DO LANGUAGE plpython3u 'plpy.execute(\"commit\")'").refuses_transaction


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("SET LOCAL x = 1", True),
        ("SET TRANSACTION READ ONLY", True),
        ("SET CONSTRAINTS ALL DEFERRED", True),
        ("SET x = 1", False),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", False),
        ("ALTER TABLE t ADD local int", False),
    ],
)
def test_sets_local(text: str, local: bool) -> None:
    assert classify(text).sets_local is local


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ('ALTER TABLE ONLY "My s"."T" ADD b int REFERENCES c', [("My s", "T"), (None, "c")]),
        ("CREATE INDEX i ON A.B (x)", [("a", "b")]),
        ("WITH q AS (SELECT * FROM t) SELECT * FROM q JOIN s.q ON true, t", [("s", "q"), (None, "t")]),
        ("DROP TABLE a.b, c, d.a.b", [("a", "b"), (None, "c")]),
        ("DROP POLICY p ON a.b", [("a", "b")]),
        ("DROP FUNCTION f", []),
        ("DO $$ BEGIN DELETE FROM t; END $$", []),
    ],
)
def test_relations_as_written(text: str, relations: list[tuple[str | None, str]]) -> None:
    assert sorted(named_relations(text), key=str) == sorted(
        (RelationName(*relation) for relation in relations), key=str
    )


def test_tree_too_deep_for_protobuf_is_classified_by_keywords() -> None:
    facts = classify("INSERT INTO t SELECT " + " || ".join(["'a'"] * 300))
    assert (facts.kind, facts.parsed) == ("INSERT", False)


def test_text_too_long_for_a_tree_is_classified_by_keywords() -> None:
    facts = classify("CALL p('" + "x" * PARSED_CHARACTERS + "')")
    assert (facts.kind, facts.parsed) == ("CALL", False)


@given(st.text())
def test_any_text_has_a_kind(text: str) -> None:
    assert classify(text.replace("\0", "")).kind


@pytest.mark.parametrize(
    "text",
    [
        "END", "ABORT", "START TRANSACTION", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a", "COMMIT AND CHAIN",
        "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'", "BEGIN;;; SELEC",
    ],
)  # fmt: skip
def test_a_command_that_controls_a_transaction_has_one_of_their_kinds(text: str) -> None:
    assert classify(text).kind in TRANSACTION_COMMANDS
