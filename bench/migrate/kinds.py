"""Stub."""

from dataclasses import dataclass


@dataclass
class StatementFacts:
    kind: str = ""


def classify(text: str) -> StatementFacts:
    return StatementFacts(text.split()[0])
