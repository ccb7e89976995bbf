"""The cases as they stand in their files: statements, and after each the truth about it.

A file in ``cases/`` holds SQL that psql could run. Lines that start with ``--`` and a word are ours:

``-- base: shop``         the database that the following cases start from, ``bases/shop.sql``
``-- case: name``         a case begins; it lasts until the next
``--= what``              what the statement above did, on every version
``--= 15: what``          the same, on that version alone
anything else             a comment, for instance why the case is a trap

What a statement did is one of

``lock R MODE …``         took a lock and kept it to the end of the transaction; ``new``: the case made R;
                          ``view``, ``sequence``, ``type``: what R is, where it is neither table nor index
``undone R MODE …``       took a lock that the rollback of a subtransaction released
``brief R MODE …``        took a lock and gave it back before the statement ended; left out where it kept one
                          as strong to the end of an open transaction
``rewrite R``             wrote the table anew
``rebuild R``             built an index that existed before, by oid or name
``truncate R``            gave the table a new, empty file
``scan R rows=N passes=N`` read the table from start to end
``block R OP … on R2``    a statement of the application would wait for R2, or for a ``transactionid`` to end
``error SQLSTATE``        failed
``plain``                 refuses a transaction, or commits: nothing could be tried while it was open

R is a relation as it was called before the case. Indexes count as relations, TOAST does not. The truth was
recorded by ``record.py`` in a debugger, and read by a person. A statement ends with a semicolon at the end of
a line, outside of ``$$``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
KINDS = {15: "cluster", 18: "embedded"}
"""The kind of server that has the version; the truth is for these."""
VERSIONS = tuple(KINDS)
KIND_WORDS = {"S": " sequence", "v": " view", "c": " type"}
"""pg_class.relkind → the last word of a lock on what is neither table nor index."""
FACT = re.compile(r"--= (?:(\d+): )?(.*)")
HEADER = re.compile(r"-- (case|base): (\S+)\s*")
OP = re.compile(r"--op (\S+) ([A-Z]+): (.*)")


@dataclass(frozen=True, slots=True)
class Step:
    """A statement of a case."""

    text: str
    """With its semicolon and the comments before it."""
    facts: dict[int, tuple[str, ...]]
    """What it does, by major version of the server."""

    @property
    def sql(self) -> str:
        """The statement without comments before it and the semicolon."""
        lines = self.text.strip().splitlines()
        while lines and (lines[0].startswith("--") or not lines[0].strip()):
            lines.pop(0)
        return "\n".join(lines).rstrip(";")


@dataclass(slots=True)
class Case:
    """A migration, and the truth about it."""

    name: str
    base: str
    file: Path
    header: str
    """The lines before the first statement, as they stand in the file."""
    steps: list[Step] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    """Lines after the last statement."""

    @property
    def script(self) -> str:
        """What a migration file would hold."""
        return "\n".join(step.text for step in self.steps)

    def facts(self, version: int) -> set[str]:
        """What all statements together do."""
        return {fact for step in self.steps for fact in step.facts[version]}


@dataclass(frozen=True, slots=True)
class Op:
    """A statement of the application on one relation."""

    relation: str
    name: str
    sql: str


def base_file(base: str) -> Path:
    return HERE / "bases" / f"{base}.sql"


def read_ops(base: str) -> list[Op]:
    """The application's writes, as the file of a base has them."""
    found = OP.finditer(base_file(base).read_text(encoding="utf-8"))
    return [Op(match[1], match[2], match[3]) for match in found]


def all_cases() -> list[Case]:
    """Every case, in the order of files and lines; names are unique."""
    cases = [case for path in sorted((HERE / "cases").glob("*.sql")) for case in read_cases(path)]
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return cases


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of one file."""
    base, case = "", None
    pending: list[str] = []
    facts: list[str] = []
    lines = path.read_text(encoding="utf-8").splitlines()

    for number, line in enumerate(lines):
        header, fact = HEADER.fullmatch(line), FACT.fullmatch(line)
        if header:
            if case:
                case.tail = pending
                yield case
                case, pending = None, []
            pending.append(line)
            if header[1] == "base":
                base = header[2]
            else:
                case = Case(header[2], base, path, "")
                case.header, pending = "\n".join(pending), []
        elif fact:
            facts.append(line)
        else:
            pending.append(line)
        if case and (fact or ends_statement(pending)) and not _fact_follows(lines, number):
            case.steps.append(Step("\n".join(pending), _by_version(facts)))
            pending, facts = [], []
    if case:
        case.tail = pending
        yield case


def ends_statement(lines: list[str]) -> bool:
    """Whether the lines end with a semicolon outside of ``$$``."""
    text = "\n".join(lines)
    return bool(lines) and lines[-1].rstrip().endswith(";") and text.count("$$") % 2 == 0


def _fact_follows(lines: list[str], number: int) -> bool:
    return number + 1 < len(lines) and lines[number + 1].startswith("--= ")


def _by_version(lines: list[str]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {version: [] for version in VERSIONS}
    for line in lines:
        match = FACT.fullmatch(line)
        assert match, line
        for version in VERSIONS:
            if match[1] is None or int(match[1]) == version:
                found[version].append(match[2])
    return {version: tuple(facts) for version, facts in found.items()}


def write_cases(path: Path, cases: list[Case]) -> None:
    """Write a file again, with the facts that the cases now have."""
    parts = []
    for case in cases:
        parts.append(case.header)
        for step in case.steps:
            parts += [step.text, *_merged(step.facts)]
        parts += case.tail
    path.write_text("\n".join(parts).rstrip("\n") + "\n", encoding="utf-8")


def _merged(facts: dict[int, tuple[str, ...]]) -> list[str]:
    """One line for what holds on all versions, one line a version for the rest."""
    first, *others = (facts[version] for version in VERSIONS)
    shared = [fact for fact in first if all(fact in other for other in others)]
    lines = [f"--= {fact}" for fact in shared]
    for version in VERSIONS:
        lines += [f"--= {version}: {fact}" for fact in facts[version] if fact not in shared]
    return lines
