"""ALTER TABLE taken apart: what is quick at once, what reads or writes rows in the ways that block nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analyse.remedies import columns
from bench.analyse.remedies.constraints import (
    BUILT,
    CHECKED,
    NameChooser,
    add_not_null,
    apply_attributes,
    build_online,
    is_volatile,
    not_valid,
    validate,
)
from bench.analyse.remedies.script import Script
from bench.analyse.remedies.tree import alter_table_lines, copy_of, relation_name, statement_of, tree


def safer_alter(text: str, key: Sequence[str], *, rewrites: bool, indexes: Sequence[str] = ()) -> str | None:
    """The statements that come to the same as this ALTER TABLE; None where nothing of it can be bettered.

    ``key``: the table's primary key, for batches; ``rewrites``: the server wrote the table or its indexes
    anew, so changed types and defaults are to blame; ``indexes``: those written anew.
    """
    found = statement_of(text)
    if found is None or found[0] != "alter_table_stmt" or found[1].objtype != tree.OBJECT_TABLE:
        return None
    alteration = _Alteration(found[1], key, rewrites, indexes)
    for command in found[1].cmds:
        alteration.take(command.alter_table_cmd)
    return alteration.script() if alteration.changed else None


class _Alteration:
    """One statement's commands, sorted by when they can run."""

    def __init__(self, statement: Any, key: Sequence[str], rewrites: bool, indexes: Sequence[str]) -> None:
        self._statement = statement
        self._relation = statement.relation
        self._table = relation_name(statement.relation)
        self._relname = statement.relation.relname
        self._chooser = NameChooser(self._relname)
        self._key = key
        self._rewrites = rewrites
        self._indexes = indexes
        self._quick: list[Any] = []
        self._unchecked: list[str] = []
        self._later = Script()
        self.changed = False

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
            self.changed = True
            columns.swap_type(self._later, self._table, self._relname, command, self._key, self._indexes)
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

    def _add_constraint(self, constraint: Any, command: Any, *, replaces: bool = False) -> None:
        online = constraint.contype in BUILT and not constraint.indexname
        if online:
            self.changed = True
            build_online(self._later, self._relation, constraint, self._chooser)
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
        filled = self._rewrites and (
            columns.serial_type(column) or identity or (default is not None and is_volatile(default))
        )
        apart = [c for c in constraints if self._stands_alone(c, has_default=default is not None)]
        if not filled and not apart:
            self._quick.append(command)
            return
        self.changed = True
        if filled:
            self._fill_column(command, column, constraints, default, identity)
        else:
            kept = copy_of(command)
            definition = getattr(kept, "def").column_def
            del definition.constraints[:]
            for each in (c for c in constraints if c not in apart):
                definition.constraints.add().constraint.CopyFrom(each)
            self._quick.append(kept)
        for each in apart:
            alone = _of_table(each, column.colname)
            self._add_constraint(alone, _constraint_command(alone), replaces=bool(command.missing_ok))

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


def takes_index(text: str) -> bool:
    """Whether a statement makes a constraint of an index that exists."""
    found = statement_of(text)
    if found is None or found[0] != "alter_table_stmt":
        return False
    commands = [each.alter_table_cmd for each in found[1].cmds]
    return any(getattr(command, "def").constraint.indexname for command in commands)


def alters_type(text: str) -> bool:
    """Whether a statement changes a column's type or collation, by which indexes are built again."""
    found = statement_of(text)
    if found is None or found[0] != "alter_table_stmt":
        return False
    return any(command.alter_table_cmd.subtype == tree.AT_AlterColumnType for command in found[1].cmds)
