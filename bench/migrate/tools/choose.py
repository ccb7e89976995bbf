"""Which tool a directory is of, what it would do with it, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from bench.errors import UsageError
from bench.migrate.config import suggest
from bench.migrate.filenames import is_rollback, version_of
from bench.migrate.migration import Migration, Part, Transaction
from bench.migrate.tools.code import refuse_code
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.sections import holds_sql, list_names
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.table import BY_NAME, TOOLS

_MODES: dict[Transaction, str] = {
    "none": "each statement commits by itself where no BEGIN stands before it",
    "file": "each {unit} is one transaction",
    "query": "each {unit} is sent as one query, which is one transaction",
    "all": "all pending {unit}s are one transaction",
    "where it can": "each {unit} is one transaction, unless none of its statements can run in one",
}
_EXCEPTIONS: dict[Transaction, tuple[str, str]] = {
    "none": (
        "1 {unit} is sent without one: its statements commit one by one",
        "{count} {unit}s are sent without one: their statements commit one by one",
    ),
    "file": ("1 {unit} is one transaction", "{count} {unit}s are one transaction each"),
    "query": ("1 {unit} is sent as one query", "{count} {unit}s are sent as one query each"),
    "all": ("1 {unit} is in one transaction with others", "{count} {unit}s are one transaction together"),
    "where it can": ("1 {unit} is one where it can be", "{count} {unit}s are one each where they can be"),
}
"""What one does otherwise than most, and what several do."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A directory as one tool reads it."""

    tool: Tool
    plan: Plan
    remarks: tuple[str, ...]
    """Which tool it is and why, what it does otherwise than psql, and what was left out."""


def choose(folder: Folder, name: str | None = None, transaction: Transaction | None = None) -> Chosen:
    """Read a directory as the tool that it is of, or as the one named, with its transactions or others.

    UsageError: no such tool, two tools that fit equally, migrations that are code, or what the tool refuses.
    """
    if name is not None:
        tool, evidence = named_tool(name), None
    else:
        tool, evidence = recognise(folder)
    if tool is BY_NAME["plain"] and not any(version_of(file.name) for file in folder.files):
        refuse_code(folder.path)
    plan = tool.read(folder)
    if not plan.migrations:
        raise UsageError(
            f"{folder.path} holds no migration that {tool.title} would apply",
            hint=plan.remarks[0] if plan.remarks else "give the directory of the migrations",
        )
    if transaction is not None:
        plan = replace(
            plan, migrations=tuple(_with(migration, tool, transaction) for migration in plan.migrations)
        )
    return Chosen(tool, plan, tuple(_remarks(tool, evidence, plan)))


def named_tool(name: str) -> Tool:
    """The tool of this name. UsageError: there is none."""
    tool = BY_NAME.get(name)
    if tool is None:
        raise UsageError(
            f'there is no tool "{name}"', hint=f"{suggest(name, BY_NAME)}known: {', '.join(sorted(BY_NAME))}"
        )
    return tool


def recognise(folder: Folder) -> tuple[Tool, Evidence]:
    """The tool that most speaks for. UsageError where two have as much."""
    recognised = [(tool, evidence) for tool in TOOLS if (evidence := tool.recognise(folder)) is not None]
    strongest = max(evidence.strength for _, evidence in recognised)
    best = [(tool, evidence) for tool, evidence in recognised if evidence.strength == strongest]
    if len(best) > 1:
        told = " and ".join(f"{tool.title} ({evidence.text})" for tool, evidence in best)
        options = " or ".join(f"--tool {tool.name}" for tool, _ in best)
        raise UsageError(
            f"{folder.path}: {told} fit equally well",
            hint=f'say which: {options}, or tool = "{best[0][0].name}" in suite.toml beside the migrations',
        )
    return best[0]


def _with(migration: Migration, tool: Tool, transaction: Transaction) -> Migration:
    """With another transaction where the file does not say so itself."""

    def changed(part: Part) -> Part:
        return replace(part, transaction=transaction) if part.transaction == tool.transaction else part

    backward = changed(migration.backward) if migration.backward else None
    return replace(migration, forward=changed(migration.forward), backward=backward)


def _remarks(tool: Tool, evidence: Evidence | None, plan: Plan) -> Iterator[str]:
    if tool.name != "plain":
        yield f"{_recognised(tool, evidence)}; {_transactions(tool, plan)}."
    if plan.cannot:
        names = list_names(plan.cannot, 10)
        count = len(plan.cannot)
        yield (
            f"{tool.title} would apply {count} more {'file' if count == 1 else 'files'} that cannot be "
            f"rehearsed, as {'it is' if count == 1 else 'they are'} no SQL: {names}."
        )
    if tool.name != "plain":
        back = [migration.file for migration in plan.migrations if is_rollback(PurePath(migration.file))]
        if back and tool.name != "refinery":
            yield f"Named like rollbacks, and applied as {tool.title} does: {list_names(back)}."
    texts = {migration.file: migration.forward.text for migration in plan.migrations}
    idle = [file for file, text in texts.items() if text is not None and not holds_sql(text)]
    if idle:
        yield f"No statement goes forward in {list_names(idle)}: {tool.title} has nothing to send there."
    yield from plan.remarks


def _recognised(tool: Tool, evidence: Evidence | None) -> str:
    if evidence is None:
        return f"Read as migrations of {tool.title}"
    return f"Recognised as migrations of {tool.title} by {evidence.text} (--tool NAME for another)"


def _transactions(tool: Tool, plan: Plan) -> str:
    modes = Counter(migration.forward.transaction for migration in plan.migrations)
    (most, _), *rest = modes.most_common()
    told = [_MODES[most]]
    told += [_EXCEPTIONS[mode][count > 1].replace("{count}", str(count)) for mode, count in rest]
    first, *exceptions = (mode.format(unit=tool.unit) for mode in told)
    return first + (f", but {', and '.join(exceptions)}" if exceptions else "")
