"""The run file: the same run gives the same bytes, and what cannot be read is refused with its place."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from factories import a_lock, a_migration, a_run, a_statement, empty_run, failed_run, loaded_run, rich_run
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.model.finding import Finding
from bench.model.run import Note, Run
from bench.store.codec import decode, encode, upgrade

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("make", [rich_run, failed_run, empty_run, loaded_run])
def test_decode_gives_the_run_back_and_the_same_bytes_again(make: Any) -> None:
    run = make()
    data = encode(run)
    assert decode(data) == run
    assert encode(decode(data)) == data


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    held_s=st.none() | st.floats(0, 1e9),
    evidence=st.dictionaries(st.text(max_size=8), json_values, max_size=4),
)
def test_any_text_number_and_evidence_survives(
    text: str, held_s: float | None, evidence: dict[str, Any]
) -> None:
    run = a_run([a_migration([a_statement(text="X Y " + text, locks=(a_lock(text, held_s=held_s),))])])
    run = replace(run, findings=(Finding("rewrite", "info", None, None, text, text, evidence),))
    assert decode(encode(run)) == run


def test_fields_stand_in_the_order_of_the_dataclass_and_the_file_ends_with_a_newline() -> None:
    data = encode(rich_run())
    assert list(json.loads(data)) == [field.name for field in fields(Run)]
    assert data.endswith(b"}\n")
    assert data.startswith(b'{"schema_version":1,')


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused_with_its_place(value: float) -> None:
    run = a_run([a_migration([a_statement(duration_s=value)], outcome="applied")])
    with pytest.raises(ValueError, match=r"\$\.passes\[0\]\.repeats\[0\]\.migrations\[0\]\.duration_s is "):
        encode(run)


def altered(change: Any) -> bytes:
    document = json.loads(encode(rich_run()))
    change(document)
    return json.dumps(document).encode()


def test_fields_of_a_later_version_are_passed_over() -> None:
    def add(document: dict[str, Any]) -> None:
        document["budget"] = {"longest_block_s": 1}
        document["passes"][0]["repeats"][0]["migrations"][0]["statements"][0]["weather"] = "fair"

    assert decode(altered(add)) == rich_run()


def test_fields_that_have_a_default_may_be_missing() -> None:
    run = decode(altered(lambda document: document.pop("notes")))
    assert run == replace(rich_run(), notes=())


def test_a_missing_field_is_refused_with_file_and_place() -> None:
    data = altered(lambda document: document["passes"][0]["repeats"][1].pop("migrations"))
    with pytest.raises(
        UsageError, match=r"^x/run\.json: .*missing.*`migrations` - at `\$\.passes\[0\]\.repeats\[1\]`"
    ):
        decode(data, "x/run.json")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("started_at", 7, r"Expected `str`, got `int` - at `\$\.started_at`"),
        ("schema_version", "1", r"Expected `int`, got `str` - at `\$\.schema_version`"),
        (
            "passes",
            [{"kind": "fast", "hazard": None, "repeats": []}],
            r"Invalid enum value 'fast' - at `\$\.passes",
        ),
    ],
)
def test_a_mistyped_field_is_refused_with_its_place(where: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decode(altered(lambda document: document.update({where: value})))


def test_an_unknown_lock_mode_is_refused() -> None:
    data = encode(rich_run()).replace(b'"AccessExclusiveLock"', b'"MightyLock"')
    with pytest.raises(UsageError, match="MightyLock"):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b'{"schema_version": 1',
        b"[" * 100_000,
        b'{"schema_version": 1, "x": "\xff"}',
        b"\x00",
    ],
    ids=["empty", "text", "cut off", "deep", "not UTF-8", "binary"],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^run\.json: not "):
        decode(data, "run.json")


@given(cut=st.integers(0, 4000))
def test_a_file_cut_off_anywhere_is_refused(cut: int) -> None:
    data = encode(failed_run()).rstrip()
    with pytest.raises(UsageError):
        decode(data[: min(cut, len(data) - 1)])


def test_a_newer_version_is_refused_with_the_way_out() -> None:
    data = altered(lambda document: document.update(schema_version=2, passes="in another form"))
    with pytest.raises(
        UsageError, match=r"newer version of pgrehearse \(schema version 2, .* up to 1\)"
    ) as refused:
        decode(data)
    assert "upgrade pgrehearse" in (refused.value.hint or "")


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_never_was_is_refused(version: int) -> None:
    with pytest.raises(UsageError, match=f"no schema version {version}"):
        decode(altered(lambda document: document.update(schema_version=version)))


def test_older_documents_are_upgraded_step_by_step() -> None:
    upgrades = {
        1: lambda document: {**document, "notes": [document["note"]]},
        2: lambda document: {
            **document,
            "notes": [{"subject": "", "text": text} for text in document["notes"]],
        },
    }
    upgraded = upgrade({"schema_version": 1, "note": "x"}, 1, target=3, upgrades=upgrades)
    assert upgraded["schema_version"] == 3
    assert upgraded["notes"] == [{"subject": "", "text": "x"}]


def test_a_note_is_no_special_case() -> None:
    run = replace(rich_run(), notes=(Note("a", "b\n\t\u2028\U0001f600"),))
    assert decode(encode(run)).notes == run.notes


def test_a_forecast_of_before_is_read() -> None:
    """Refusals had neither ``short`` nor ``blamed``, figures no ``bounded``, documents no ``names``."""
    figure = {
        "subject": "statement:001_x#3", "quantity": "duration_s", "at": {"deals": 10}, "value": None,
        "low": None, "high": None, "growth": None, "exponent": 1.0,
        "refused": {"reason": "the interval would be too wide", "cure": "--budget"},
    }  # fmt: skip
    before = {
        "at": {"deals": 10}, "scale": 2.0, "scales": [0.5, 1.0], "forecasts": [figure],
        "capacity": [{"factor": 2, "at": {"deals": 20}, "forecasts": [figure]}], "measured": [],
    }  # fmt: skip
    document = json.loads(encode(a_run()))
    document["forecast"] = before
    read = decode(json.dumps(document).encode()).forecast
    assert read is not None
    assert (read.forecasts[0].about.migration, read.forecasts[0].about.statement) == ("001_x", 3)
    assert read.capacity[0].forecasts[0].refused is not None
