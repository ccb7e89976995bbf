r"""pgbench's scripts as classes: what they use is taken over, anything else is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.workload.config import given_mix
from bench.workload.pgbench import read_pgbench
from bench.workload.spec import Generator

SCRIPT = r"""-- like pgbench's own
\set scale 10
\set aid random(1, 1000 * :scale)
BEGIN;
UPDATE accounts SET note = 'a;b 5%' WHERE aid = :aid;
SELECT balance::text FROM public.accounts
 WHERE aid = :aid;
END;
"""


def written(directory: Path, text: str, name: str = "pay.sql") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_is_one_class_whose_statements_go_out_in_turn(tmp_path: Path) -> None:
    (found,) = read_pgbench([f"{written(tmp_path, SCRIPT)}@3"]).classes
    assert (found.name, found.weight, found.access) == ("pay", 3.0, "write")
    assert found.statements == (
        "BEGIN",
        "UPDATE accounts SET note = 'a;b 5%%' WHERE aid = %(aid)s",
        "SELECT balance::text FROM public.accounts\n WHERE aid = %(aid)s",
        "END",
    )
    assert found.tables == ("accounts", "public.accounts")
    assert found.generate == {
        "scale": Generator("expression", expression="10"),
        "aid": Generator("expression", expression="random(1, 1000 * :scale)"),
    }


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("\\sleep 1 s\nSELECT 1;", r"pay\.sql:1: \\sleep is not supported"),
        ("SELECT 1;\n\\set a random_zipfian(1, 9, 2)", r"pay\.sql:2: \\set a: function random_zipfian"),
        ("\\set a 1\nSELECT :b;", r"pay\.sql:2: :b is not set"),
        ("-- nothing", "holds no statement"),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_pgbench([str(written(tmp_path, script))])


def test_a_weight_must_be_a_whole_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="heavy is no weight"):
        read_pgbench([f"{written(tmp_path, SCRIPT)}@heavy"])


def test_what_workload_names_goes_before_the_suite_s_own(tmp_path: Path) -> None:
    crm = Path("migrations/crm")
    own = given_mix(crm, [])
    assert own is not None
    assert own.source == "workload.toml"
    named = given_mix(crm, [f"pgbench:{written(tmp_path, SCRIPT)}", f"pgbench:{tmp_path / 'pay.sql'}@2"])
    assert named is not None
    assert (named.source, len(named.classes)) == ("pgbench", 2)
    assert given_mix(tmp_path, []) is None
    with pytest.raises(UsageError, match="no such file"):
        given_mix(crm, ["nowhere.toml"])
    with pytest.raises(UsageError, match="a file of classes among them"):
        given_mix(crm, ["a.toml", "pgbench:b.sql"])
