"""A comparison for machines and for pages of others: JSON, Markdown, annotations, JUnit, SARIF, GitLab."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

import msgspec

from bench import __version__
from bench.analyse.compare.result import Comparison, Gate, MigrationVerdict, Outcome
from bench.report.comparison.words import LABEL, Row, footer, headline, place, rows, sentence

LONGEST_COMMENT = 65_536
"""Characters that a comment of GitHub can have."""
MOST_ANNOTATIONS = 10
MOST_ROWS = 20
_SIGN: dict[Outcome, str] = {"fail": "❌", "inconclusive": "❔", "warn": "⚠️", "improved": "✅", "pass": "✅"}


def render(comparison: Comparison, format: str) -> str:
    """The comparison as text in one of the formats of :data:`RENDERERS`."""
    return RENDERERS[format](comparison)


def encode(comparison: Comparison) -> bytes:
    """The comparison as JSON, each outcome said."""
    document = msgspec.to_builtins(comparison)
    document["outcome"] = comparison.outcome
    for migration, verdict in zip(document["migrations"], comparison.migrations, strict=True):
        migration["outcome"] = verdict.outcome
        for statement, each in zip(migration["statements"], verdict.statements, strict=True):
            statement["outcome"] = each.outcome
    document["sentence"] = headline(comparison)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def markdown(comparison: Comparison, longest: int = LONGEST_COMMENT) -> str:
    """One comment, found again by its marker; whole sections are left out where it would be too long."""
    head = f"{_SIGN[comparison.outcome]} {headline(comparison)}\n\n<!-- bench:{comparison.suite} -->\n"
    listed = rows(comparison)
    bad = [row for row in listed if row.gate.outcome in ("fail", "inconclusive", "warn")]
    sections = [_table(bad[:MOST_ROWS], len(bad))] if bad else []
    sections += [_details(each, listed) for each in comparison.migrations]
    sections = [each for each in sections if each]
    tail = "\n<sub>" + "<br>".join(_cell(line) for line in footer(comparison)) + "</sub>\n"
    kept: list[str] = []
    room = longest - len(head) - len(tail) - 80
    for each in sections:
        if len(each) <= room:
            kept.append(each)
            room -= len(each)
    cut = len(sections) - len(kept)
    said = f"\n{cut} sections were left out: a comment holds {longest:,} characters.\n" if cut else ""
    return "".join([head[: longest - 200], *kept, said, tail if len(tail) < longest // 2 else ""])


def _table(bad: Sequence[Row], total: int) -> str:
    lines = ["", "| | gate | where | what |", "|---|---|---|---|"]
    lines += [
        f"| {LABEL[row.gate.outcome]} | {row.gate.level} | {_cell(place(row))}{_cell(row.what)} | "
        f"{_cell(row.sentence)} |"
        for row in bad
    ]
    if total > len(bad):
        lines += ["", f"{total - len(bad)} more are in the full report."]
    return "\n".join(lines) + "\n"


def _details(migration: MigrationVerdict, listed: Sequence[Row]) -> str:
    own = [row for row in listed if row.file == migration.file]
    if not own:
        return ""
    title = f"{_cell(migration.file)}: {LABEL[migration.outcome]}"
    body = _table(own, len(own))
    return f"\n<details><summary>{title}</summary>\n{body}\n</details>\n"


def _cell(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("@", "@\u200b")
    return " ".join(escaped.split())


def workflow_commands(comparison: Comparison) -> str:
    """Workflow commands of GitHub, ten at most, worst first."""
    lines = []
    for row in _worth_telling(comparison)[:MOST_ANNOTATIONS]:
        level = "error" if row.gate.outcome == "fail" else "warning"
        where = f" file={_property(path(comparison, row))},line={max(row.line, 1)}" if row.file else ""
        lines.append(f"::{level}{where}::{_message(row.what + ': ' + row.sentence)}")
    return "".join(f"{line}\n" for line in lines)


def path(comparison: Comparison, row: Row) -> str:
    """The file from where the command ran, as the suite's directory was named."""
    return str(PurePosixPath(comparison.path) / row.file)


def _worth_telling(comparison: Comparison) -> list[Row]:
    return [row for row in rows(comparison) if row.gate.outcome in ("fail", "inconclusive", "warn")]


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def junit(comparison: Comparison) -> str:
    """A suite for each migration, a case for each statement and level."""
    root = ElementTree.Element("testsuites", name=f"bench {_xml(comparison.suite)}")
    for name, cases in _cases(comparison):
        failures = sum(any(g.outcome == "fail" for g in gates) for _, gates in cases)
        suite = ElementTree.SubElement(
            root, "testsuite", name=_xml(name), tests=str(len(cases)), failures=str(failures),
            errors="0", skipped="0",
        )  # fmt: skip
        for case, gates in cases:
            element = ElementTree.SubElement(suite, "testcase", classname=_xml(name), name=_xml(case))
            worse = [sentence(gate) for gate in gates if gate.outcome == "fail"]
            told = [sentence(gate) for gate in gates if gate.outcome in ("warn", "inconclusive")]
            if worse:
                failure = ElementTree.SubElement(
                    element, "failure", message=_xml(worse[0]), type="regression"
                )
                failure.text = _xml("\n".join(worse))
            if told:
                ElementTree.SubElement(element, "system-out").text = _xml("\n".join(told))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _cases(comparison: Comparison) -> Iterator[tuple[str, list[tuple[str, list[Gate]]]]]:
    for migration in comparison.migrations:
        gates = [*migration.gates, *(gate for each in migration.statements for gate in each.gates)]
        yield migration.file, [(level, [g for g in gates if g.level == level]) for level in ("E0", "E1", "W")]
    queries = [gate for each in comparison.queries for gate in each.gates]
    yield "queries", [("E0", queries)]
    yield "suite", [(level, [g for g in comparison.gates if g.level == level]) for level in ("E0", "S")]


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def sarif(comparison: Comparison) -> str:
    """SARIF 2.1.0: a rule for each level and code, a result for each thing to look at."""
    told = _worth_telling(comparison)
    rules = sorted({rule(row.gate) for row in told})
    driver: dict[str, Any] = {
        "name": "pgrehearse",
        "version": __version__,
        "rules": [{"id": each, "shortDescription": {"text": each}} for each in rules],
    }
    results = [_result(comparison, row, rules) for row in told]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def rule(gate: Gate) -> str:
    """``BENCH-E0-LOCK``."""
    return f"BENCH-{gate.level}-{gate.code.upper()}"


def _result(comparison: Comparison, row: Row, rules: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": rule(row.gate),
        "ruleIndex": rules.index(rule(row.gate)),
        "level": "error" if row.gate.outcome == "fail" else "warning",
        "message": {"text": f"{row.what}: {row.sentence}"},
        "partialFingerprints": {"bench/v1": fingerprint(row)},
    }
    if row.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": path(comparison, row)}}
        physical["region"] = {"startLine": max(row.line, 1)}
        result["locations"] = [{"physicalLocation": physical}]
    return result


def gitlab(comparison: Comparison) -> str:
    """A code-quality report of GitLab."""
    return json.dumps(
        [
            {
                "description": f"{row.what}: {row.sentence}",
                "check_name": rule(row.gate),
                "fingerprint": fingerprint(row),
                "severity": "major" if row.gate.outcome == "fail" else "minor",
                "location": {
                    "path": path(comparison, row) if row.file else comparison.path,
                    "lines": {"begin": max(row.line, 1)},
                },
            }
            for row in _worth_telling(comparison)
        ],
        indent=2,
        ensure_ascii=False,
    ) + "\n"  # fmt: skip


def fingerprint(row: Row) -> str:
    """The same for the same gate at the same place in two reports, whatever its values."""
    parts = (row.file, str(row.line), row.what, row.gate.level, row.gate.code, row.gate.subject)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


RENDERERS: dict[str, Callable[[Comparison], str]] = {
    "markdown": markdown,
    "annotations": workflow_commands,
    "junit": junit,
    "sarif": sarif,
    "gitlab": gitlab,
}
