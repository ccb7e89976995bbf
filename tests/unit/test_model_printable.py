"""Text of others cannot steer a terminal, nor the runner that reads a log."""

from __future__ import annotations

import pytest

from bench.model.printable import concealed, harmless, harmless_parts, visible, without_passwords


def test_control_characters_are_spelled_and_all_else_stays() -> None:
    assert visible("\x1b]0;title\x07\x00\x9b2J\r") == r"\x1b]0;title\x07\x00\x9b2J\r"
    assert visible("a\tb\nñ — 日本 🚀") == "a\tb\nñ — 日本 🚀"
    assert visible("user\u202egnp.exe") == r"user\u202egnp.exe"


@pytest.mark.parametrize("line", ["::error file=x::y", "  ::add-mask::x", "\t##[group]x", "::endgroup::"])
def test_no_line_begins_as_a_workflow_command(line: str) -> None:
    for shown in (harmless(line), harmless(f"said\n{line}\n").splitlines()[1]):
        assert not shown.lstrip().startswith(("::", "##["))
        assert line in shown
    (first, second) = harmless_parts([line[:3], line[3:]])
    assert not (first + second).lstrip().startswith(("::", "##["))


def test_colons_within_a_line_are_no_command() -> None:
    assert harmless("a::text ##[x]\nb: ::c") == "a::text ##[x]\nb: ::c"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:S3cr3t@host:5432/db",
        "postgresql://u:S3cr3t/x@host/db",
        "postgresql:/u:S3cr3t@host/db",
        "postgres://u:a@S3cr3t@host",
        "u:S3cr3t@host",
    ],
)
def test_what_may_hold_a_password_is_concealed(address: str) -> None:
    assert concealed(f'no "{address}" here') == 'no "postgresql://…" here'


@pytest.mark.parametrize(
    "text", ["postgresql://me@staging/postgres", "001_a.sql:3: mail me@x.test", "write user@host:5432/db"]
)
def test_what_holds_none_is_shown(text: str) -> None:
    assert concealed(text) == text


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("PGPASSWORD=s3cret bin/migrate", "PGPASSWORD=*** bin/migrate"),
        ("mig --password 's3 cret' up", "mig --password *** up"),
        ("mig -password=s3cret", "mig -password=***"),
        ("mig -d postgres://me:s3cret@db/shop up", "mig -d postgresql://… up"),
        ("mig -password {password} -user {user}", "mig -password {password} -user {user}"),
        ("mig --password $DB_PASSWORD", "mig --password $DB_PASSWORD"),
        ("python bypass.py migrate", "python bypass.py migrate"),
    ],
)
def test_a_command_is_written_down_without_passwords(command: str, shown: str) -> None:
    assert without_passwords(command) == shown
