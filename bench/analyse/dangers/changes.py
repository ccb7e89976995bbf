"""What the deploy left in another shape: names that are gone, rights and rules that were not made again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.analyse.dangers.blocks import quiet_workloads
from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding, total
from bench.analyse.quantity import count
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import StatementSummary
from bench.model.finding import Finding, Severity
from bench.model.loss import Changed, ChangeKind, ValueCounts
from bench.sql.names import identifier, quoted

_NAMED = 6
"""So many are named in a message; the evidence has all."""
_SHAPES = re.compile(r"^(?:ALTER|CREATE|DROP|DO|CALL|SELECT|REASSIGN|WITH)\b", re.IGNORECASE)
_PRIVILEGE = re.compile(r"(\w+) to (.+)")
_TEXTS = re.compile(r"^(?:text|citext|name|character varying|character|\"char\")\b")


@danger("made-again", "What is made again lacks what the old one had", "Security")
def made_again(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A table, view or function is replaced by a new one of its name, without all that the old one had.

    Its privileges, row security, policies, triggers, constraints, indexes and defaults belong to the old one
    and go with it. A new function may be executed by everybody.

    Why: the application's role may not read it any more, or everybody may; what a trigger or a rule kept
    right is not kept any more. Nothing fails during the deploy.
    Way out: change it in place (ALTER, CREATE OR REPLACE), or make again in the same transaction what the
    finding names.
    Example:
        DROP TABLE notes;
        CREATE TABLE notes (id bigint, body text);
    Instead:
        ALTER TABLE notes ADD COLUMN author text;
    Source: https://www.postgresql.org/docs/current/ddl-priv.html
    """
    for statement, changed in _blamed(rehearsed, "made-again"):
        severe = any(_is_right(lost) for lost in changed.lost) or bool(changed.opened)
        told = []
        if changed.lost:
            told.append(f"lacks what the old one had: {_listed(changed.lost)}")
        if changed.opened:
            told.append(f"allows what the old one did not: {_listed(changed.opened)}")
        yield finding(
            "made-again",
            "error" if severe else "warning",
            statement,
            f"the {changed.kind} {changed.name} was made again and {', and '.join(told)}",
            relation=changed.name if changed.kind != "function" else None,
            evidence={"lost": list(changed.lost), "opened": list(changed.opened)},
            remedy=_restored(changed),
        )


@danger("name-gone", "A name that requests may use is gone", "Downtime")
def name_gone(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A table, view, column or function is renamed or dropped, and nothing has its name.

    Not told where the rehearsal's traffic uses the table: then its requests say what fails.

    Why: the release that runs while the deploy does names it: its requests fail from the commit on.
    Way out: leave the old name in place for one release: a view for a table, a second column for a column;
    take it away when no release names it.
    Example:
        ALTER TABLE notes RENAME TO remarks;
    Instead:
        BEGIN;
        ALTER TABLE notes RENAME TO remarks;
        CREATE VIEW notes AS SELECT * FROM remarks;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/sql-altertable.html
    """
    told = {gone.name for gone in rehearsed.run.gone if gone.kind in ("table", "column") and gone.rows != 0}
    used = {
        table
        for workload in quiet_workloads(rehearsed.run)
        for load in workload.classes
        for table in (load.table, *load.tables)
    }
    for statement, changed in _blamed(rehearsed, "name-gone"):
        relation = changed.table or changed.name
        if changed.name in told or relation in used or _bare(relation) in used:
            continue
        renamed = f"is renamed to {changed.now}" if changed.now else "is gone"
        yield finding(
            "name-gone",
            "warning",
            statement,
            f"the {changed.kind} {changed.name} {renamed}, and nothing has its name: a release that still "
            "runs and names it fails from the commit on; no request of this rehearsal does",
            relation=relation if changed.kind not in ("function", "procedure") else None,
            evidence={"name": changed.name, "now": changed.now},
            remedy=_kept_name(changed),
        )


@danger("rows-leave", "Rows leave their table", "Data integrity")
def rows_leave(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A partition with rows is detached: they are there, and no query of the table has them any more.

    Why: requests get fewer rows and no error.
    Way out: None in SQL: detach it when no request asks for these rows, and accept the finding then.
    Example:
        ALTER TABLE visits DETACH PARTITION visits_2025;
    Source: https://www.postgresql.org/docs/current/ddl-partitioning.html
    """
    for statement, changed in _blamed(rehearsed, "detached"):
        if changed.rows == 0:
            continue
        rows = "an unknown number of rows" if changed.rows is None else f"{count(changed.rows)} rows"
        yield finding(
            "rows-leave",
            "warning",
            statement,
            f"{changed.name} leaves {changed.table} with {rows}: queries of {changed.table} do not have them "
            "any more",
            relation=changed.table,
            evidence={"rows": changed.rows, "partition": changed.name},
            remedy=Remedy("Detach it when no request asks for its rows any more."),
        )


@danger("values-changed", "A change of type alters values", "Data loss")
def values_changed(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A column gets another type, and its values are not what they were: cut, rounded or merged.

    Measured: values, different values, their texts and sums are counted before and after. Not told where the
    deploy also writes rows of the table.

    Why: a USING expression or a cast cuts without a word, and what was cut is gone with the commit.
    Way out: look for the values that do not fit first, and let the deploy fail on them: without USING a type
    that is too short refuses them.
    Example:
        ALTER TABLE notes ALTER COLUMN body TYPE varchar(6) USING left(body, 6);
    Instead:
        ALTER TABLE notes ALTER COLUMN body TYPE varchar(60);
    Source: https://www.postgresql.org/docs/current/datatype-character.html
    """
    for statement, changed in _blamed(rehearsed, "retyped"):
        before, after = changed.values_before, changed.values_after
        if before is None or after is None or _is_written(changed.table, statement, rehearsed):
            continue
        if (what := _altered(changed, before, after)) is None:
            continue
        yield finding(
            "values-changed",
            "error",
            statement,
            f"{changed.name} becomes {changed.now} in place of {changed.was}, and {what}: what was there is "
            "gone with the commit",
            relation=changed.table,
            evidence={
                "values": [before.values, after.values],
                "different_values": [before.different, after.different],
            },
            remedy=Remedy(
                "Look for the values that do not fit before the deploy, and decide what becomes of each; "
                "leave USING away where the type alone refuses them."
            ),
        )


@danger("foreign-key-unindexed", "A foreign key has no index any more", "Performance")
def foreign_key_unindexed(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The last index that finds the rows of a foreign key is gone.

    Why: each DELETE and each change of a key in the table that it refers to reads the whole table; on few
    rows nobody sees it.
    Way out: build the new index first, and drop the old one when it is there.
    Example:
        DROP INDEX deals_contact;
    Instead:
        CREATE INDEX CONCURRENTLY deals_contact_stage ON deals (contact_id, stage);
        DROP INDEX CONCURRENTLY deals_contact;
    Source: https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
    """
    for statement, changed in _blamed(rehearsed, "unindexed"):
        columns = changed.lost[0].removeprefix("index on ")
        yield finding(
            "foreign-key-unindexed",
            "warning",
            statement,
            f"the foreign key {changed.name} of {changed.table} has no index on {columns} any more: each "
            "DELETE in the table that it refers to reads the whole table",
            relation=changed.table,
            evidence={"foreign_key": changed.name, "columns": columns.strip("()").split(", ")},
            remedy=Remedy(
                "Build another index of these columns before this one goes.",
                f"CREATE INDEX CONCURRENTLY ON {quoted(changed.table or '')} "
                f"({', '.join(map(identifier, columns.strip('()').split(', ')))}); -- outside a transaction",
            ),
        )


@danger("narrower-rule", "A rule refuses what it allowed", "Downtime")
def narrower_rule(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A check lists fewer values than before, or an enum has lost a label by a rename.

    The rows that exist fit, or the deploy would have failed.

    Why: a release that still runs writes or asks for the old value: its requests fail from the commit on.
    Way out: allow both until no release uses the old value; then take it away.
    Example:
        ALTER TYPE mood RENAME VALUE 'sad' TO 'low';
    Instead:
        ALTER TYPE mood ADD VALUE 'low';
    Source: https://www.postgresql.org/docs/current/sql-altertype.html
    """
    for statement, changed in _blamed(rehearsed, "narrowed"):
        on = f" of {changed.table}" if changed.table else ""
        values = _listed([f"'{value}'" for value in changed.lost])
        yield finding(
            "narrower-rule",
            "warning",
            statement,
            f"the {changed.kind} {changed.name}{on} does not allow {values} any more: "
            "a release that still runs and uses it fails from the commit on",
            relation=changed.table,
            evidence={"values": list(changed.lost)},
            remedy=Remedy("Allow both until no release uses the old value; take it away in a later deploy."),
        )


def secured(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Tables on which row security was switched on without a policy, or forced on their owner."""
    for statement, changed in _blamed(rehearsed, "secured"):
        forced = changed.now == "forced row security"
        if not forced and not (changed.lost and changed.opened):
            continue  # policies are there for whoever has privileges, or nobody has
        who = "everybody but superusers" if forced else "everybody but its owner and superusers"
        severity: Severity = "error" if changed.lost else "warning"
        what = (
            f"{changed.name} has row security and no policy: {who} sees no row of it"
            if changed.lost
            else f"row security of {changed.name} is forced on its owner, too: whoever connects as the owner "
            "sees and changes what the policies allow, no more"
        )
        yield finding(
            "row-security",
            severity,
            statement,
            what,
            relation=changed.name,
            evidence={"forced": forced, "policies": not changed.lost},
            remedy=Remedy(
                "Make the policies in the same transaction, and rehearse with traffic of the application's "
                "own role (role in workload.toml)."
            ),
        )


def _blamed(rehearsed: Rehearsed, what: ChangeKind) -> Iterator[tuple[StatementSummary, Changed]]:
    """What was changed so, each with the statement that is known or taken to have done it."""
    for changed in rehearsed.run.changed:
        if changed.what == what and (statement := _culprit(changed, rehearsed)) is not None:
            yield statement, changed


def _culprit(changed: Changed, rehearsed: Rehearsed) -> StatementSummary | None:
    """The last statement that names it; else the last one that may change a catalog."""
    applied = [statement for statement in rehearsed.summary.statements if statement.outcome == "applied"]
    able = [statement for statement in applied if _SHAPES.match(statement.text.lstrip())]
    words = [_bare(changed.name), *(changed.lost if changed.what == "narrowed" else ())]
    relation = _bare(changed.table) if changed.table else None
    naming = [statement for statement in able if any(_has(statement.text, word) for word in words)]
    both = [statement for statement in naming if relation is None or _has(statement.text, relation)]
    holding = [
        statement
        for statement in able
        if any(lock.relation in (changed.table, changed.name) for lock in statement.locks)
    ]
    if changed.what == "unindexed":
        both = naming = [statement for statement in able if statement.kind.startswith("DROP INDEX")]
    return next((statements[-1] for statements in (both, naming, holding, able, applied) if statements), None)


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _bare(name: str) -> str:
    return name.partition("(")[0].rpartition(".")[2]


def _is_right(lost: str) -> bool:
    return " to " in lost or "row security" in lost or lost.startswith(("policy ", "security_", "SECURITY"))


def _restored(changed: Changed) -> Remedy:
    """Grants and row security as statements; the rest in words."""
    kind = {"function": "FUNCTION ", "procedure": "PROCEDURE ", "sequence": "SEQUENCE "}.get(changed.kind, "")
    name, bracket, arguments = changed.name.partition("(")
    place = f"{kind}{quoted(name)}{bracket}{arguments}"
    lines = [
        *_grants("GRANT", "TO", changed.lost, place),
        *_grants("REVOKE", "FROM", changed.opened, place),
        *(
            f"ALTER TABLE {quoted(name)} {verb} ROW LEVEL SECURITY;"
            for trait, verb in (("row security", "ENABLE"), ("forced row security", "FORCE"))
            if trait in changed.lost
        ),
    ]
    return Remedy(
        "Change it in place, or make again in the same transaction what the new one lacks.",
        "\n".join(lines) or None,
    )


def _grants(verb: str, to: str, privileges: Sequence[str], place: str) -> Iterator[str]:
    for privilege in privileges:
        if match := _PRIVILEGE.fullmatch(privilege):
            role = match[2] if match[2] == "PUBLIC" else identifier(match[2])
            yield f"{verb} {match[1]} ON {place} {to} {role};"


def _kept_name(changed: Changed) -> Remedy:
    if changed.kind == "table" and changed.now:
        return Remedy(
            "Leave a view of the old name for one release, in the same transaction, with the table's "
            "privileges; it can be written to.",
            f"CREATE VIEW {quoted(changed.name)} AS SELECT * FROM {quoted(changed.now)};",  # noqa: S608  # names in quotes, to be read
        )
    return Remedy("Take the name away in a later deploy, when no release that still runs uses it.")


def _is_written(table: str | None, statement: StatementSummary, rehearsed: Rehearsed) -> bool:
    """Whether another statement of the deploy writes rows of the table, so that values may differ by it."""
    return any(
        change.relation == table and total(change) > 0
        for other in rehearsed.summary.statements
        if other is not statement
        for change in rehearsed.row_changes(other)
    )


def _altered(changed: Changed, before: ValueCounts, after: ValueCounts) -> str | None:
    """What has become of the values; None where they are the same as far as can be counted."""
    if before.rows != after.rows:
        return None
    if after.values < before.values:
        return f"{before.values - after.values:,} of {before.values:,} values are NULL now"
    if after.different < before.different:
        return f"{before.different:,} different values are {after.different:,} now"
    texts = all(_TEXTS.match(name or "") for name in (changed.was, changed.now))
    if texts and before.digest != after.digest:
        return "its texts are others than before"
    if before.total is not None and after.total is not None and _differ(before.total, after.total):
        return f"their sum is {after.total} in place of {before.total}"
    return None


def _differ(before: str, after: str) -> bool:
    try:
        return abs(float(before) - float(after)) > 1e-9 * max(1.0, abs(float(before)))
    except ValueError:
        return before != after


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return f"{', '.join(words[:_NAMED])}{more}"
