"""``workload.toml`` is read strictly: what cannot be used is refused with file, class and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.workload.config import read_workload
from bench.workload.spec import Generator

GOOD = """
[[class]]
name = "deal page"
tables = ["public.deals"]
access = "write"
weight = 3
role = "authenticated"
settings = { "request.jwt.claim.sub" = "%(person)s" }
draw = "SELECT owner_id AS person, id AS deal FROM deals"
generate.step = { choice = ["call", "mail"] }
generate.n = { integer = [1, 6] }
generate.key = "uuid"
sql = "UPDATE deals SET next_steps = %(step)s, value = %(n)s, name = %(key)s WHERE id = %(deal)s;"
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "workload.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_class_is_read_whole(tmp_path: Path) -> None:
    mix = read_workload(written(tmp_path, GOOD))
    (found,) = mix.classes
    assert (found.name, found.tables, found.access, found.weight) == (
        "deal page", ("public.deals",), "write", 3.0
    )  # fmt: skip
    assert found.role == "authenticated"
    assert found.settings == {"request.jwt.claim.sub": "%(person)s"}
    assert found.statements[0].endswith("WHERE id = %(deal)s")
    assert found.generate == {
        "step": Generator("choice", values=("call", "mail")),
        "n": Generator("integer", 1, 6),
        "key": Generator("uuid"),
    }


@pytest.mark.parametrize("suite", ["crm", "crm_as_reviewed", "crm_one_transaction"])
def test_the_crm_suites_meet_the_same_traffic(suite: str) -> None:
    mix = read_workload(Path("migrations") / suite / "workload.toml")
    assert len(mix.classes) >= 12
    assert {each.access for each in mix.classes} == {"read", "write"}
    assert {each.role for each in mix.classes} == {"authenticated"}
    assert mix.classes == read_workload(Path("migrations/crm/workload.toml")).classes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("weight = 3", "wieght = 3"), r'workload\.toml: class "deal page": unknown key "wieght"'),
        (("weight = 3", 'weight = "3"'), r'class "deal page": weight must be an integer, not a string'),
        (("weight = 3", "weight = 0"), r"has weight = 0"),
        (('access = "write"', 'access = "wrte"'), r'has access = "wrte"'),
        (('tables = ["public.deals"]', ""), r'class "deal page" has no tables'),
        (("[1, 6]", "[6, 1]"), r"generate\.n cannot be used"),
        (("{ integer", "{ float"), r'generate\.n: unknown key "float"'),
        (('"%(person)s" }', "7 }"), r"settings\.request\.jwt\.claim\.sub must be a string"),
        (("%(n)s", "1"), r"never uses its parameter n"),
        (
            ('draw = "SELECT owner_id AS person, id AS deal FROM deals"', ""),
            r"uses %\(deal\)s, which nothing",
        ),
        (("weight = 3", "prepared = 1"), r'class "deal page": prepared must be true or false'),
        (("weight = 3", "rows = true"), r"rows must be an integer"),
        (("weight = 3", "rows = -1"), r"has rows = -1"),
        (("weight = 3", "rows = 1\nmin_rows = 1"), r"has both rows and min_rows"),
        (("[[class]]", "[class]"), r"class must be an array"),
        (("[[class]]", 'same_as = "x.toml"\n[[class]]'), r"has both same_as and classes"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(UsageError, match=message):
        read_workload(written(tmp_path, GOOD.replace(*change)))


PLAIN = """
[[class]]
name = "move"
tables = ["public.deals"]
sql = {sql}
"""


def test_an_array_of_statements_is_one_transaction(tmp_path: Path) -> None:
    text = PLAIN.format(sql='["UPDATE deals SET stage = 1;", "INSERT INTO log DEFAULT VALUES"]')
    (found,) = read_workload(written(tmp_path, f"{text}prepared = true\nmin_rows = 2\n")).classes
    assert found.statements == (
        "BEGIN", "UPDATE deals SET stage = 1", "INSERT INTO log DEFAULT VALUES", "COMMIT"
    )  # fmt: skip
    assert (found.prepared, found.rows, found.min_rows, found.expected) == (True, None, 2, "at least 2")
    assert [found.expects(rows) for rows in (1, 2, 3)] == [False, True, True]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ('["BEGIN", "SELECT 1"]', "sql has BEGIN among its statements"),
        ("[1]", "sql must be an array of strings"),
        ("[]", "has no sql"),
        ("1", "sql must be a string"),
    ],
)
def test_statements_that_cannot_be_used_are_refused(tmp_path: Path, sql: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_workload(written(tmp_path, PLAIN.format(sql=sql)))


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='two classes are named "deal page"'):
        read_workload(written(tmp_path, GOOD + GOOD))


def test_same_as_must_lead_to_a_file_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which is no file"):
        read_workload(written(tmp_path, 'same_as = "nowhere.toml"'))
    with pytest.raises(UsageError, match="another same_as"):
        read_workload(written(tmp_path, 'same_as = "workload.toml"'))


def test_what_changes_rows_is_a_write_where_nobody_says(tmp_path: Path) -> None:
    path = tmp_path / "workload.toml"
    sent = {"drop": "DELETE FROM t WHERE id = 1", "look": "SELECT updated FROM t"}
    path.write_text(
        "".join(f'[[class]]\nname = "{n}"\ntables = ["t"]\nsql = "{s}"\n' for n, s in sent.items())
    )
    assert [each.access for each in read_workload(path).classes] == ["write", "read"]
