"""What to look at, for other programs: GitHub, GitLab, Azure Pipelines, SARIF, JUnit."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote
from xml.etree import ElementTree

from bench import __version__
from bench.analyse.findings import BY_CODE
from bench.report.dangertext import as_markdown, as_text

MOST_ANNOTATIONS = 10
"""Of one step, as GitHub shows them."""
Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to look at."""

    level: Level
    rule: str
    """``BENCH-E0-LOCK``."""
    file: str
    """As seen from where the command ran; empty where it is about no file."""
    line: int
    """From 1; 0 where it is about a whole file."""
    text: str
    identity: tuple[str, ...]
    """The same for the same thing in two reports, whatever its values."""

    @property
    def fingerprint(self) -> str:
        """A digest of its identity."""
        return hashlib.sha256("\0".join(self.identity).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a JUnit file."""

    name: str
    failures: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """What is no failure."""
    failure_type: str = "regression"


def workflow_commands(messages: Sequence[Message]) -> str:
    """Workflow commands of GitHub, ten at most, in the messages' order."""
    lines = []
    for message in messages[:MOST_ANNOTATIONS]:
        level = "notice" if message.level == "note" else message.level
        where = f" file={_property(message.file)},line={max(message.line, 1)}" if message.file else ""
        lines.append(f"::{level}{where}::{_data(message.text)}")
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def azure(messages: Sequence[Message]) -> str:
    """Logging commands of Azure Pipelines, which knows errors and warnings; a note is a line of the log.

    https://learn.microsoft.com/en-us/azure/devops/pipelines/scripts/logging-commands
    """
    lines = []
    for message in messages:
        if message.level == "note":
            lines.append(message.text.replace("\n", " "))
            continue
        where = (
            f"sourcepath={_azure(message.file)};linenumber={max(message.line, 1)};" if message.file else ""
        )
        told = f"type={message.level};{where}code={_azure(message.rule)};"
        lines.append(f"##vso[task.logissue {told}]{_azure(message.text)}")
    return "".join(f"{line}\n" for line in lines)


def _azure(text: str) -> str:
    marks = {"%": "%AZP25", "\r": "%0D", "\n": "%0A", ";": "%3B", "]": "%5D"}
    return "".join(marks.get(mark, mark) for mark in text)


def sarif(messages: Sequence[Message]) -> str:
    """SARIF 2.1.0: a rule for each kind of message, a result for each message."""
    rules = sorted({message.rule for message in messages})
    driver: dict[str, Any] = {
        "name": "pgrehearse",
        "version": __version__,
        "rules": [_rule(name) for name in rules],
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(message, rules) for message in messages]}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str) -> dict[str, Any]:
    """A kind of message; a danger's has its page."""
    danger = BY_CODE.get(name.removeprefix("BENCH-").lower())
    if danger is None:
        return {"id": name, "shortDescription": {"text": name}}
    return {
        "id": name,
        "shortDescription": {"text": danger.title},
        "fullDescription": {"text": danger.page.what},
        "helpUri": danger.page.sources[0],
        "help": {"text": as_text(danger), "markdown": as_markdown(danger)},
    }


def _result(message: Message, rules: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": message.rule,
        "ruleIndex": rules.index(message.rule),
        "level": message.level,
        "message": {"text": message.text},
        "partialFingerprints": {"bench/v1": message.fingerprint},
    }
    if message.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": quote(message.file)}}
        physical["region"] = {"startLine": max(message.line, 1)}
        result["locations"] = [{"physicalLocation": physical}]
    return result


def gitlab(messages: Sequence[Message], elsewhere: str) -> str:
    """A code-quality report of GitLab; what is about no file is said of the path ``elsewhere``."""
    severity = {"error": "major", "warning": "minor", "note": "info"}
    return json.dumps(
        [
            {
                "description": message.text,
                "check_name": message.rule,
                "fingerprint": message.fingerprint,
                "severity": severity[message.level],
                "location": {"path": message.file or elsewhere, "lines": {"begin": max(message.line, 1)}},
            }
            for message in messages
        ],
        indent=2,
        ensure_ascii=False,
    ) + "\n"  # fmt: skip


def junit(name: str, suites: Iterable[tuple[str, Sequence[Case]]]) -> str:
    """A JUnit file of suites with their cases."""
    root = ElementTree.Element("testsuites", name=_xml(name))
    for title, cases in suites:
        suite = ElementTree.SubElement(
            root, "testsuite", name=_xml(title), tests=str(len(cases)),
            failures=str(sum(bool(other.failures) for other in cases)), errors="0", skipped="0",
        )  # fmt: skip
        for case in cases:
            element = ElementTree.SubElement(suite, "testcase", classname=_xml(title), name=_xml(case.name))
            if case.failures:
                first = _xml(case.failures[0])
                failure = ElementTree.SubElement(element, "failure", message=first, type=case.failure_type)
                failure.text = _xml("\n".join(case.failures))
            if case.told:
                ElementTree.SubElement(element, "system-out").text = _xml("\n".join(case.told))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


@dataclass(frozen=True, slots=True)
class Told:
    """What a run, a comparison or a pull request has to tell other programs."""

    name: str
    messages: Sequence[Message]
    suites: Sequence[tuple[str, Sequence[Case]]]
    """Of JUnit, with their cases."""
    elsewhere: str
    """The path for what is about no file."""


FORMATS: Mapping[str, Callable[[Told], str]] = {
    "annotations": lambda told: workflow_commands(told.messages),
    "junit": lambda told: junit(told.name, told.suites),
    "sarif": lambda told: sarif(told.messages),
    "gitlab": lambda told: gitlab(told.messages, told.elsewhere),
    "azure": lambda told: azure(told.messages),
}
"""A new format is a function here and its line."""
