"""ALTER TABLE taken apart: what is quick at once, what reads or writes rows in the ways that block nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.analyse.remedies import columns, swap
from bench.analyse.remedies.constraints import (
    BUILT,
    CHECKED,
    NameChooser,
    add_not_null,
    apply_attributes,
    build_online,
    is_volatile,
    not_valid,
    refer_by_partition,
    validate,
)
from bench.analyse.remedies.script import OWN, Script
from bench.model.statement import Hanging
from bench.sql.names import identifier
from bench.sql.tree import (
    alter_table_lines,
    copy_of,
    object_name,
    relation_name,
    sql_of,
    statement_of,
    tree,
)

NOT_VALID_ON_PARTITIONED = 180000
NO_ONLINE_EXCLUSION = (
    "An exclusion constraint has no safe form: EXCLUDE USING INDEX does not exist, so it is always built "
    "under ACCESS EXCLUSIVE. Do it while nobody uses the table, or fill a new table that has it."
)
NO_STORED_GENERATED = (
    "A stored generated column has no safe form: it writes the table anew, and a plain column cannot become "
    "one later. Use a plain column that a trigger keeps current and that is filled in batches, from 18 on a "
    "VIRTUAL one, which writes nothing; or do it while nobody uses the table."
)
NO_CONSTRAINED_DOMAIN = (
    "A column of a domain with a constraint has no safe form: adding it writes the table anew, and so does "
    "changing a column to it. Use the domain's own type and a CHECK of the table, added as NOT VALID and "
    "then validated; or do it while nobody uses the table."
)


NO_OTHER_FORM = {
    kind: f"{words} has no safe form: it writes the table anew. Do it while nobody uses the table{other}."
    for kind, words, other in (
        (tree.AT_SetLogged, "SET LOGGED", ", or fill a new table"),
        (tree.AT_SetUnLogged, "SET UNLOGGED", ", or fill a new table; after a crash such a table is empty"),
        (tree.AT_SetAccessMethod, "SET ACCESS METHOD", ", or fill a new table"),
        (tree.AT_SetTableSpace, "SET TABLESPACE", ", or have pg_repack --tablespace move it online"),
        (tree.AT_SetExpression, "SET EXPRESSION of a generated column", ""),
    )
}


@dataclass(frozen=True, slots=True)
class Safer:
    """Statements that come to the same as one that blocks; or why there are none."""

    sql: str | None = None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What must be known of the table that a statement alters."""

    key: Sequence[str] = ()
    """Columns of its primary key, for batches."""
    effects: Sequence[str] = ()
    """What an UPDATE of all its rows would set off beside the change."""
    hanging: Sequence[Hanging] | None = None
    """What hangs on the columns whose type the statement changes."""
    partitions: Sequence[str] | None = None
    """Of a partitioned table; None: it is none."""
    version_num: int = 0


def safer_alter(text: str, facts: TableFacts, *, rewrites: bool) -> Safer | None:
    """The statements that come to the same as this ALTER TABLE; None where nothing of it can be bettered.

    ``rewrites``: the server wrote the table or its indexes anew, so changed types and defaults are to blame.
    """
    node = statement_of(text)
    if node is None or node[0] != "alter_table_stmt" or node[1].objtype != tree.OBJECT_TABLE:
        return None
    alteration = _Alteration(node[1], facts, rewrites)
    for command in node[1].cmds:
        alteration.take(command.alter_table_cmd)
    if alteration.reasons:
        return Safer(why_not=" ".join(dict.fromkeys(alteration.reasons)))
    return Safer(alteration.script()) if alteration.changed else None


class _Alteration:
    """One statement's commands, sorted by when they can run."""

    def __init__(self, statement: Any, facts: TableFacts, rewrites: bool) -> None:
        self._statement = statement
        self._relation = statement.relation
        self._table = relation_name(statement.relation)
        self._relname = statement.relation.relname
        self._chooser = NameChooser(self._relname)
        self._facts = facts
        self._key = facts.key
        self._rewrites = rewrites
        self._swapped = _retyped(statement) if rewrites else frozenset()
        self._quick: list[Any] = []
        self._unchecked: list[str] = []
        self._later = Script()
        self.changed = False
        self.reasons: list[str] = []
        """Why something of it has no safe form; nothing of the script may then be used."""

    def take(self, command: Any) -> None:
        """Sort one command in."""
        kind = command.subtype
        definition = getattr(command, "def")
        if kind == tree.AT_AddConstraint:
            self._add_constraint(definition.constraint, command)
        elif kind == tree.AT_SetNotNull:
            self.changed = True
            add_not_null(self._later, self._table, command.name, self._chooser, checked=True)
        elif kind == tree.AT_AddColumn:
            self._add_column(command, definition.column_def)
        elif kind == tree.AT_AlterColumnType and self._rewrites:
            self._swap(command)
        elif kind in NO_OTHER_FORM and self._rewrites:
            self.reasons.append(NO_OTHER_FORM[kind])
        elif kind == tree.AT_ColumnDefault and command.name in self._swapped:
            pass  # the new column gets the default that the statement leaves
        else:
            self._quick.append(command)

    def script(self) -> str:
        """The quick commands in one statement, then the others."""
        script = Script()
        if self._quick:
            quick = copy_of(self._statement)
            del quick.cmds[:]
            for command in self._quick:
                quick.cmds.add().alter_table_cmd.CopyFrom(command)
            script.add(alter_table_lines(quick))
        for name in self._unchecked:
            validate(script, self._table, name)
        script.append(self._later.text)
        return script.text

    def _swap(self, command: Any) -> None:
        against = swap.why_not(command, self._key, self._facts.hanging)
        if against is not None:
            column = identifier(command.name)
            self.reasons.append(
                f"No statements are given for {column}, as they would lose something: {against}."
            )
            return
        self.changed = True
        hanging = self._facts.hanging or ()
        swap.swap_type(self._later, self._table, self._relname, command, self._key, hanging)

    def _add_constraint(self, constraint: Any, command: Any, *, replaces: bool = False) -> None:
        if constraint.contype == tree.CONSTR_EXCLUSION:
            self.reasons.append(NO_ONLINE_EXCLUSION)
            return
        if constraint.contype == tree.CONSTR_FOREIGN and self._refuses_not_valid():
            self.changed = True
            refer_by_partition(
                self._later,
                self._relation,
                constraint,
                self._chooser.name(constraint),
                self._facts.partitions or (),
            )
            return
        online = constraint.contype in BUILT and not constraint.indexname
        if online:
            self.changed = True
            build_online(self._later, self._relation, constraint, self._chooser, self._facts.partitions)
        elif constraint.contype in CHECKED and not constraint.skip_validation and constraint.is_enforced:
            self.changed = True
            name = self._chooser.name(constraint)
            if replaces:
                self._quick.append(_drop_constraint(name))
            self._quick.append(_constraint_command(not_valid(constraint, name)))
            self._unchecked.append(name)
        else:
            self._quick.append(command)

    def _add_column(self, command: Any, column: Any) -> None:
        constraints = apply_attributes(list(map(_constraint_of, column.constraints)))
        default = next((c.raw_expr for c in constraints if c.contype == tree.CONSTR_DEFAULT), None)
        identity = next((c for c in constraints if c.contype == tree.CONSTR_IDENTITY), None)
        if self._rewrites and (against := _cannot_be_added(column, constraints, default)):
            self.reasons.append(against)
            return
        filled = self._rewrites and (
            columns.serial_type(column) or identity or (default is not None and is_volatile(default))
        )
        apart = [c for c in constraints if self._stands_alone(c, has_default=default is not None)]
        if not filled and not apart:
            self._quick.append(command)
            return
        self.changed = True
        if filled and (against := self._cannot_fill()):
            self.reasons.append(
                f"No statements are given, as rows would be left out or changed otherwise: {against}."
            )
        elif filled:
            self._fill_column(command, column, constraints, default, identity)
        else:
            kept = copy_of(command)
            definition = getattr(kept, "def").column_def
            del definition.constraints[:]
            for item in (c for c in constraints if c not in apart):
                definition.constraints.add().constraint.CopyFrom(item)
            self._quick.append(kept)
        for item in apart:
            alone = _of_table(item, column.colname)
            self._add_constraint(alone, _constraint_command(alone), replaces=bool(command.missing_ok))

    def _cannot_fill(self) -> str:
        missing = [] if self._key else ["the table has no primary key to fill it along in batches"]
        return "; ".join([*missing, *self._facts.effects])

    def _refuses_not_valid(self) -> bool:
        """From 18 on partitioned tables take them: https://www.postgresql.org/docs/18/release-18.html"""
        return self._facts.partitions is not None and self._facts.version_num < NOT_VALID_ON_PARTITIONED

    def _stands_alone(self, constraint: Any, *, has_default: bool) -> bool:
        """Whether a column's constraint reads or builds; a foreign key of a column of NULLs does not."""
        if constraint.contype == tree.CONSTR_FOREIGN:
            return has_default
        return constraint.contype in (tree.CONSTR_CHECK, *BUILT)

    def _fill_column(self, command: Any, column: Any, constraints: Any, default: Any, identity: Any) -> None:
        if identity is not None:
            columns.add_identity(
                self._later, self._table, self._relname, column, identity, self._key, self._chooser
            )
            return
        if columns.serial_type(column):
            columns.add_serial(self._later, self._table, self._relname, column, self._key)
        else:
            columns.add_filled(
                self._later, self._table, column, default, self._key, missing_ok=bool(command.missing_ok)
            )
        required = any(c.contype == tree.CONSTR_NOTNULL for c in constraints)
        primary = any(c.contype == tree.CONSTR_PRIMARY for c in constraints)
        if (required or columns.serial_type(column)) and not primary:
            add_not_null(self._later, self._table, column.colname, self._chooser, checked=True)


def _cannot_be_added(column: Any, constraints: Sequence[Any], default: Any) -> str | None:
    """Why a column that had the table written anew has no safe form; None where it has one."""
    if any(constraint.contype == tree.CONSTR_GENERATED for constraint in constraints):
        return NO_STORED_GENERATED
    filled = columns.serial_type(column) or any(
        constraint.contype == tree.CONSTR_IDENTITY for constraint in constraints
    )
    return None if filled or columns.is_built_in(column) else NO_CONSTRAINED_DOMAIN


def _constraint_of(node: Any) -> Any:
    return node.constraint


def _of_table(constraint: Any, column: str) -> Any:
    """A column's constraint as the table's own."""
    alone = copy_of(constraint)
    if alone.contype == tree.CONSTR_FOREIGN and not alone.fk_attrs:
        alone.fk_attrs.add().string.sval = column
    if alone.contype in BUILT and not alone.keys:
        alone.keys.add().string.sval = column
    return alone


def _constraint_command(constraint: Any) -> Any:
    command = tree.AlterTableCmd(subtype=tree.AT_AddConstraint, behavior=tree.DROP_RESTRICT)
    getattr(command, "def").constraint.CopyFrom(constraint)
    return command


def _drop_constraint(name: str) -> Any:
    return tree.AlterTableCmd(
        subtype=tree.AT_DropConstraint, name=name, missing_ok=True, behavior=tree.DROP_RESTRICT
    )


def safer_domain(text: str) -> Safer | None:
    """The ALTER DOMAIN of this text with its check apart; None where it is none.

    Its VALIDATE takes SHARE on each table that has the domain, on 15 as on 18.
    """
    node = statement_of(text)
    if node is None or node[0] != "alter_domain_stmt":
        return None
    constraint = getattr(node[1], "def").constraint
    if node[1].subtype != _ADDS_TO_DOMAIN or constraint.skip_validation:
        return Safer(why_not=NO_SAFER_DOMAIN)
    domain = ".".join(identifier(part.string.sval) for part in node[1].type_name)
    constraint.conname = constraint.conname or object_name(node[1].type_name[-1].string.sval, None, "check")
    constraint.skip_validation, constraint.initially_valid = True, False
    script = Script()
    script.add(sql_of("alter_domain_stmt", node[1]), OWN)
    script.add(f"ALTER DOMAIN {domain} VALIDATE CONSTRAINT {identifier(constraint.conname)}", OWN)
    return Safer(script.text)


_ADDS_TO_DOMAIN = "C"
NO_SAFER_DOMAIN = (
    "There is no safe form: whatever checks a domain's values reads every table that has a column of it, and "
    "writes to them wait. Do it while few write."
)


def retyped_columns(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The table, as SQL writes it, and the columns whose type an ALTER TABLE changes; None for all else."""
    node = statement_of(text) if "alter" in text.lower() else None
    if node is None or node[0] != "alter_table_stmt" or node[1].objtype != tree.OBJECT_TABLE:
        return None
    names = tuple(_retyped(node[1]))
    return (relation_name(node[1].relation), names) if names else None


def required_columns(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The table and those columns that it adds for which no row has a value; None without any."""
    node = statement_of(text) if "null" in text.lower() or "primary" in text.lower() else None
    if node is None or node[0] != "alter_table_stmt":
        return None
    added = (cmd.alter_table_cmd for cmd in node[1].cmds)
    made = [getattr(item, "def").column_def for item in added if item.subtype == tree.AT_AddColumn]
    names = tuple(identifier(column.colname) for column in made if _has_no_value(column))
    return (relation_name(node[1].relation), names) if names else None


def _has_no_value(column: Any) -> bool:
    kinds = {constraint.constraint.contype for constraint in column.constraints}
    filled = {tree.CONSTR_DEFAULT, tree.CONSTR_IDENTITY, tree.CONSTR_GENERATED}
    required = {tree.CONSTR_NOTNULL, tree.CONSTR_PRIMARY}
    return bool(kinds & required) and not kinds & filled and columns.serial_type(column) is None


def _retyped(statement: Any) -> frozenset[str]:
    commands = (cmd.alter_table_cmd for cmd in statement.cmds)
    return frozenset(command.name for command in commands if command.subtype == tree.AT_AlterColumnType)


def takes_index(text: str) -> bool:
    """Whether a statement makes a constraint of an index that exists."""
    node = statement_of(text)
    if node is None or node[0] != "alter_table_stmt":
        return False
    commands = [cmd.alter_table_cmd for cmd in node[1].cmds]
    return any(getattr(command, "def").constraint.indexname for command in commands)


def alters_type(text: str) -> bool:
    """Whether a statement changes a column's type or collation, by which indexes are built again."""
    node = statement_of(text)
    if node is None or node[0] != "alter_table_stmt":
        return False
    return any(command.alter_table_cmd.subtype == tree.AT_AlterColumnType for command in node[1].cmds)
