"""Which options of the deploy over many schemas go together."""

from __future__ import annotations

import pytest

from bench.cli.run import SchemaChoice
from bench.errors import UsageError
from bench.run.schemas import SchemaOptions


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (SchemaChoice(tenants_workers=2), "there is nothing to go over"),
        (SchemaChoice(tenants_at_once=True), "there is nothing to go over"),
        (SchemaChoice("tenant_%", 3), "the base's own schemas, or copies"),
        (SchemaChoice(tenants=3, tenants_workers=2, tenants_at_once=True), "one transaction has one session"),
    ],
)
def test_what_does_not_go_together_is_refused(choice: SchemaChoice, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choice.options()


def test_none_is_asked_for_and_what_is() -> None:
    assert SchemaChoice().options() is None
    assert SchemaChoice("tenant_%", tenants_workers=2).options() == SchemaOptions("tenant_%", workers=2)
    assert SchemaChoice(tenants=5, tenants_cut=2).options() == SchemaOptions(copies=5, cut=2)
