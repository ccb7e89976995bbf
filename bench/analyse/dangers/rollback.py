"""Findings of rollback proofs: what a rollback leaves, loses or cannot do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.quantity import count
from bench.model.finding import Finding
from bench.model.proof import Difference, RollbackProof, UserWrite
from bench.model.run import Run
from bench.model.statement import StatementError

SHOWN = 3
_RELATIONS = ("table ", "foreign table ", "view ", "materialized view ")
"""What columns are parts of, as differences name it."""


@danger("rollback-incomplete", "The way back is missing, fails or loses", "Data loss")
def rollback_incomplete(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A rollback does not lead back to the state before: it is missing, fails, or leaves or loses something.

    Found by `bench prove`, which applies each rollback after its migration, also once users have written.

    Why: it is needed at the worst moment, and nobody has tried it.
    Way out: let the rollback undo what the migration did and nothing else, and prove it again; what cannot
    come back is kept by a copy, or said in a warning.
    Example:
        ALTER TABLE deals ALTER COLUMN stage SET DEFAULT 'open';
        -- in the rollback: ALTER TABLE deals ALTER COLUMN stage DROP DEFAULT;
    Instead:
        ALTER TABLE deals ALTER COLUMN stage SET DEFAULT 'open';
        -- in the rollback: ALTER TABLE deals ALTER COLUMN stage SET DEFAULT 'new';
    Source: https://www.postgresql.org/docs/current/ddl-alter.html
    """
    run = rehearsed.run
    broken: set[str] = set()
    for proof in run.proofs.rollback:
        if proof.draft:
            continue
        if proof.scope == "all":
            # What a single migration's proof has said is not said again for all of them.
            if proof.outcome in ("differs", "failed") and not broken & set(proof.migrations):
                yield from _broken(proof, "all rollbacks in reverse order: ")
        elif proof.scope == "alone":
            findings = list(_missing(run, proof) if proof.outcome == "missing" else _broken(proof, ""))
            broken.update(proof.migrations if findings else ())
            yield from findings
        else:
            yield from _after_writes(proof)


def describe(difference: Difference) -> str:
    """One difference in words, as seen from the state before."""
    if difference.thing == "rows":
        rows = f"{count(difference.rows or 0)} {'row' if difference.rows == 1 else 'rows'}"
        what = {
            "removed": f"loses {rows} of {difference.object}",
            "added": f"leaves {rows} in {difference.object}",
            "changed": f"leaves {rows} of {difference.object} with other values",
        }[difference.change]
        columns = f" in {', '.join(difference.columns[:SHOWN])}" if difference.columns else ""
        keys = f" (key {', '.join(difference.keys[:SHOWN])})" if difference.keys else ""
        return what + columns + keys
    if difference.thing == "sequence":
        return f"sets {difference.object} back from {difference.before} to {difference.after}"
    verb = {"removed": "loses", "added": "leaves", "changed": "leaves changed"}[difference.change]
    if not difference.rows:
        return f"{verb} {difference.object}"
    rows = f"{count(difference.rows)} {'row' if difference.rows == 1 else 'rows'}"
    values = "its values in" if difference.object.startswith("column ") else "its"
    return f"{verb} {difference.object}, with {values} {rows}"


def describe_error(error: StatementError | None) -> str:
    """The server's words, with the line."""
    if error is None:
        return "for a reason that is not known"
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    return f"at line {error.line}: {error.message}{state}" if error.line else f"{error.message}{state}"


def gravest_first(differences: Sequence[Difference]) -> list[Difference]:
    """What is lost before what is left over, rows and values first; parts of a whole table are no items."""
    schema = [difference for difference in differences if difference.thing == "schema"]
    tables = [difference for difference in schema if difference.object.startswith(_RELATIONS)]
    whole = {_table(difference) for difference in tables if difference.change != "changed"}
    # A column more or less changes its table, too.
    told = {f"table {_table(difference)}" for difference in schema if difference.object.startswith("column ")}
    return sorted(
        (
            difference
            for difference in differences
            if not _is_part(difference, whole)
            and not (difference.change == "changed" and difference.object in told)
        ),
        key=_gravity,
    )


def _table(difference: Difference) -> str:
    """The table or view that it is, or is a column of."""
    for kind in _RELATIONS:
        if difference.object.startswith(kind):
            return difference.object.removeprefix(kind)
    return difference.object.partition(" ")[2].rpartition(".")[0]


def _is_part(difference: Difference, tables: Collection[str]) -> bool:
    kind, _, name = difference.object.partition(" ")
    if difference.thing == "rows":
        return difference.object in tables
    if difference.thing != "schema" or kind not in ("column", "constraint", "index", "trigger", "policy"):
        return False
    owner = name.rpartition(".")[0]
    definition = difference.before or difference.after or ""
    return owner in tables or any(re.search(rf" ON (?:ONLY )?{re.escape(t)} ", definition) for t in tables)


def _gravity(difference: Difference) -> int:
    if difference.thing == "rows":
        return 1 if difference.change in ("removed", "changed") else 3
    if difference.change == "removed":
        return 0 if difference.rows else 2
    return 4 if difference.object.startswith("table ") else 5


def listed(differences: Sequence[Difference]) -> str:
    """The gravest differences in words, and how many more there are."""
    ordered = gravest_first(differences)
    first = "; ".join(describe(difference) for difference in ordered[:SHOWN])
    more = len(ordered) - SHOWN
    return f"{first}; and {more} more" if more > 0 else first


def _missing(run: Run, proof: RollbackProof) -> Iterator[Finding]:
    yield Finding(
        "rollback-incomplete",
        "warning",
        proof.migrations[0],
        None,
        None,
        f"{proof.migrations[0]} has no rollback: there is no tried way back once it is deployed",
        {"rollback": None},
        "Write one beside it; bench prove --draft-rollback drafts it from what the migration changes.",
    )


def _broken(proof: RollbackProof, prefix: str) -> Iterator[Finding]:
    migration = proof.migrations[0] if len(proof.migrations) == 1 else None
    name = f"the rollback of {migration}" if migration else "the way back"
    if proof.outcome == "failed":
        message = f"{prefix}{name} fails {describe_error(proof.error)}"
    elif proof.outcome == "differs":
        message = f"{prefix}{name} {listed(proof.differences)}"
    else:
        return
    yield Finding(
        "rollback-incomplete",
        "error",
        migration,
        None,
        next((difference.object for difference in proof.differences if difference.thing == "rows"), None),
        message,
        {
            "scope": proof.scope,
            "outcome": proof.outcome,
            "differences": [describe(difference) for difference in gravest_first(proof.differences)],
            "sqlstate": proof.error.sqlstate if proof.error else None,
        },
        "Make the rollback undo what the migration did and nothing else, and prove it again.",
    )


def _after_writes(proof: RollbackProof) -> Iterator[Finding]:
    migration = proof.migrations[0]
    if proof.outcome == "failed":
        yield Finding(
            "rollback-incomplete",
            "error",
            migration,
            None,
            None,
            f"the rollback of {migration} fails once users have written: {describe_error(proof.error)}",
            {"scope": proof.scope, "writes": len(proof.writes)},
            "Let the rollback meet rows that users have changed or added since.",
        )
        return
    lost = [write for write in proof.writes if write.outcome == "lost" and not write.named]
    if not lost:
        return
    yield Finding(
        "rollback-incomplete",
        "warning",
        migration,
        None,
        lost[0].relation,
        f"the rollback of {migration} loses what users wrote since, and does not say so: "
        + ", ".join(dict.fromkeys(map(_where, lost[:SHOWN])))
        + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""),
        {
            "writes": len(proof.writes),
            "lost": len(lost),
            "rows": [f"{write.op} {write.relation}.{write.column} {write.key}" for write in lost],
        },
        "Keep these rows, or count them in a warning before they go.",
    )


def _where(write: UserWrite) -> str:
    return f"{write.op} of {write.relation}.{write.column}"
