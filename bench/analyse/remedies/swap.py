"""A column of another type that takes the place of one, with all that hangs on it, while the table is in use.

Values are assigned and never cast by name, as ALTER COLUMN … TYPE has it: an explicit cast to varchar(n) cuts
off silently what an assignment refuses. https://www.postgresql.org/docs/current/typeconv-query.html
The last transaction drops the old column only if all of the new one is there and nothing unknown hangs on the
old one; run again after a failure half-way, the script goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analyse.remedies.batches import batch_loop, in_batch
from bench.analyse.remedies.constraints import BUILT, constraint_of_index, in_schema, unique_index
from bench.analyse.remedies.script import LOCK_TIMEOUT, OUTSIDE, OWN, Script
from bench.model.statement import Hanging
from bench.sql.names import identifier, literal
from bench.sql.tree import (
    copy_of,
    expression,
    messages,
    object_name,
    sql_of,
    statement_of,
    tree,
    type_name,
)

FILLED = "filled"
"""The comment that a column has from the end of its filling until it takes the other's place."""


def why_not(command: Any, key: Sequence[str], hanging: Sequence[Hanging] | None) -> str | None:
    """Why no script can put a column in another's place without losing something; None where one can."""
    mine = [waiting for waiting in hanging or () if waiting.column == command.name]
    obstacles = [waiting.definition for waiting in mine if waiting.kind == "obstacle"]
    if hanging is None:
        return "what hangs on the column is not known"
    if not key:
        obstacles.append("the table has no primary key to fill it along in batches")
    obstacles += [
        f"{waiting.name} cannot be read"
        for waiting in mine
        if waiting.kind in _PARSED and not _parsed(waiting)
    ]
    return "; ".join(dict.fromkeys(obstacles)) or None


def swap_type(
    script: Script, table: str, relname: str, command: Any, key: Sequence[str], hanging: Sequence[Hanging]
) -> None:
    """ALTER COLUMN … TYPE as a second column beside the first, kept current by a trigger; then names swap.

    Only where :func:`why_not` has nothing against it.
    """
    mine = [waiting for waiting in hanging if waiting.column == command.name]
    swap = _Swap(script, table, relname, command, mine)
    swap.add()
    swap.fill(key)
    swap.carry_over()
    swap.finish()


_PARSED = ("index", "constraint", "referring constraint", "statistics")


def _parsed(hanging: Hanging) -> tuple[str, Any] | None:
    """The statement that would make it."""
    if hanging.kind in ("constraint", "referring constraint"):
        return statement_of(f"ALTER TABLE {hanging.table} ADD CONSTRAINT {hanging.name} {hanging.definition}")
    return statement_of(hanging.definition)


class _Swap:
    """One column; what the last transaction does is gathered while the rest is written."""

    def __init__(
        self, script: Script, table: str, relname: str, command: Any, hanging: Sequence[Hanging]
    ) -> None:
        self._script = script
        self._table = table
        self._definition = getattr(command, "def").column_def
        self._column = command.name
        self._old = identifier(command.name)
        self._new_name = object_name(command.name, None, "new")
        self._new = identifier(self._new_name)
        self._hanging = hanging
        # Triggers fire in the order of their names: this one must see what the others have made of the row.
        self._trigger = identifier(object_name(f"zz_{relname}", command.name, "new"))
        schema, dot, _ = table.rpartition(".")
        self._function = f"{schema}{dot}{self._trigger}"
        self._before: list[str] = []
        self._after: list[str] = []
        self._indexes: list[str] = []
        self._constraints: list[tuple[str, str]] = []

    def add(self) -> None:
        """The new column, and the trigger that keeps it current."""
        kind = type_name(self._definition.type_name)
        self._script.add(
            f"ALTER TABLE {self._table} ADD COLUMN IF NOT EXISTS {self._new} {kind}"
            f"{collation(self._definition)}",
            f"{self._old} becomes the last column: give every INSERT without a list of columns one first",
        )
        for hanging in self._of("setting"):
            self._script.add(f"ALTER TABLE {self._table} ALTER COLUMN {self._new} {hanging.definition}")
        self._script.add(
            f"CREATE OR REPLACE FUNCTION {self._function}() RETURNS trigger LANGUAGE plpgsql\n"
            f"SET search_path FROM CURRENT AS $$\n"
            f"BEGIN\n    NEW.{self._new} := {self._of_new_row()};\n    RETURN NEW;\nEND $$"
        )
        self._script.add(
            f"CREATE OR REPLACE TRIGGER {self._trigger} BEFORE INSERT OR UPDATE ON {self._table} "
            f"FOR EACH ROW EXECUTE FUNCTION {self._function}()"
        )

    def fill(self, key: Sequence[str]) -> None:
        """The rows that exist; the comment at its end is what the last transaction asks for."""
        if self._definition.HasField("raw_default"):
            value, missing = expression(self._definition.raw_default), f"{self._new} IS NULL"
        else:
            value, missing = self._old, f"{self._new} IS NULL AND {self._old} IS NOT NULL"
        change = f"UPDATE {self._table} SET {self._new} = {value} WHERE {in_batch(key)} AND {missing}"
        done = f"COMMENT ON COLUMN {self._table}.{self._new} IS '{FILLED}'"
        loop = batch_loop(self._table, key, change, at_end=done)
        self._script.append(f"-- {OUTSIDE}, as it commits after each batch\n{loop}")

    def carry_over(self) -> None:
        """Give the new column what the old one has, nothing of it under a lock that blocks for long."""
        for hanging in self._of("not null"):
            self._not_null(hanging)
        for hanging in (*self._of("constraint"), *self._of("referring constraint")):
            if not _is_built(
                hanging
            ):  # of a run before: one that refers keeps its index from being built again
                self._script.add(
                    f"ALTER TABLE {hanging.table} DROP CONSTRAINT IF EXISTS {_beside_of(hanging)}"
                )
        for hanging in self._of("index"):
            self._index(hanging)
        # A key that others refer to must have its index first.
        for kind in ("constraint", "referring constraint"):
            for hanging in sorted(self._of(kind), key=lambda hanging: not _is_built(hanging)):
                self._constraint(hanging)
        for hanging in self._of("statistics"):
            self._statistics(hanging)
        for hanging in self._of("sequence"):
            self._before.append(f"ALTER SEQUENCE {hanging.name} OWNED BY {self._table}.{self._new}")
        for hanging in self._of("default"):
            self._before.append(
                f"ALTER TABLE {self._table} ALTER COLUMN {self._new} SET DEFAULT {hanging.definition}"
            )
        for hanging in self._of("identity"):
            self._identity(hanging)
        comment = next((literal(hanging.definition) for hanging in self._of("comment")), "NULL")
        self._after.append(f"COMMENT ON COLUMN {self._table}.{self._old} IS {comment}")
        for hanging in self._of("grant"):
            option = f" {hanging.comment}" if hanging.comment else ""
            self._after.append(
                f"GRANT {hanging.definition} ({self._old}) ON {self._table} TO {hanging.name}{option}"
            )

    def finish(self) -> None:
        """One short transaction in which the new column takes the old one's place."""
        script = self._script
        script.add("BEGIN")
        script.add(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        script.add(f"LOCK TABLE {self._table} IN ACCESS EXCLUSIVE MODE")
        script.add(self._guard())
        script.add(f"DROP TRIGGER {self._trigger} ON {self._table}")
        script.add(f"DROP FUNCTION {self._function}()")
        for statement in self._before:
            script.add(statement)
        script.add(f"ALTER TABLE {self._table} DROP COLUMN {self._old}")
        script.add(f"ALTER TABLE {self._table} RENAME COLUMN {self._new} TO {self._old}")
        for statement in self._after:
            script.add(statement)
        script.add("COMMIT")

    def _of(self, kind: str) -> list[Hanging]:
        return [hanging for hanging in self._hanging if hanging.kind == kind]

    def _of_new_row(self) -> str:
        """The new value in terms of the trigger's row."""
        if not self._definition.HasField("raw_default"):
            return f"NEW.{self._old}"
        value = copy_of(self._definition.raw_default)
        for reference in list(messages(value, "ColumnRef")):
            column = copy_of(reference.fields[-1])
            del reference.fields[:]
            reference.fields.add().string.sval = "new"
            reference.fields.add().CopyFrom(column)
        return expression(value)

    def _not_null(self, hanging: Hanging) -> None:
        """From 18 on it is a constraint with a name; before, a validated CHECK saves the scan."""
        if hanging.name:
            name = _beside(hanging.name)
            self._unchecked(self._table, name, f"NOT NULL {self._new} NOT VALID")
            self._validated(self._table, name, hanging.name)
            return
        name = object_name(self._new_name, None, "present")
        self._unchecked(self._table, name, f"CHECK ({self._new} IS NOT NULL) NOT VALID")
        self._script.add(f"ALTER TABLE {self._table} VALIDATE CONSTRAINT {identifier(name)}", OWN)
        self._script.add(f"ALTER TABLE {self._table} ALTER COLUMN {self._new} SET NOT NULL", OWN)
        self._script.add(f"ALTER TABLE {self._table} DROP CONSTRAINT {identifier(name)}")

    def _index(self, hanging: Hanging) -> None:
        node = _parsed(hanging)
        assert node is not None
        index = node[1]
        name = index.idxname
        index.idxname, index.concurrent = _beside(name), True
        self._renamed(index)
        self._build(index)
        self._after.append(
            f"ALTER INDEX {in_schema(index.relation, index.idxname)} RENAME TO {identifier(name)}"
        )
        self._comment(hanging, f"INDEX {hanging.name}")

    def _build(self, index: Any) -> None:
        where = in_schema(index.relation, index.idxname)
        self._script.add(
            f"DROP INDEX CONCURRENTLY IF EXISTS {where}",
            f"{OUTSIDE}; a build that failed leaves an INVALID one",
        )
        self._script.add(sql_of("index_stmt", index), OUTSIDE)
        self._indexes.append(where)

    def _constraint(self, hanging: Hanging) -> None:
        node = _parsed(hanging)
        assert node is not None
        assert hanging.table is not None
        statement = node[1]
        constraint = getattr(statement.cmds[0].alter_table_cmd, "def").constraint
        self._renamed(constraint, refers=hanging.kind == "referring constraint")
        name = constraint.conname
        if constraint.contype in BUILT:
            beside = _beside(name)
            self._build(unique_index(statement.relation, constraint, beside))
            self._after.append(constraint_of_index(statement.relation, constraint, name, beside))
        else:
            checked = not constraint.skip_validation
            constraint.conname = _beside(name)
            constraint.skip_validation, constraint.initially_valid = True, False
            self._script.add(sql_of("alter_table_stmt", statement), OWN)
            if checked and constraint.is_enforced:
                self._validated(hanging.table, constraint.conname, name)
            else:
                self._after.append(_rename_constraint(hanging.table, constraint.conname, name))
            if hanging.kind == "referring constraint":
                self._before.append(f"ALTER TABLE {hanging.table} DROP CONSTRAINT {identifier(name)}")
        self._comment(hanging, f"CONSTRAINT {hanging.name} ON {hanging.table}")

    def _unchecked(self, table: str, name: str, definition: str) -> None:
        self._script.add(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {identifier(name)}")
        self._script.add(f"ALTER TABLE {table} ADD CONSTRAINT {identifier(name)} {definition}", OWN)

    def _validated(self, table: str, beside: str, name: str) -> None:
        self._script.add(f"ALTER TABLE {table} VALIDATE CONSTRAINT {identifier(beside)}", OWN)
        self._constraints.append((table, beside))
        self._after.append(_rename_constraint(table, beside, name))

    def _statistics(self, hanging: Hanging) -> None:
        node = _parsed(hanging)
        assert node is not None
        statistics = node[1]
        names = statistics.defnames[-1].string
        name, schema = names.sval, statistics.defnames[0].string.sval
        names.sval = _beside(name)
        self._renamed(statistics)
        where = f"{identifier(schema)}.{identifier(names.sval)}"
        self._script.add(f"DROP STATISTICS IF EXISTS {where}")
        self._script.add(sql_of("create_stats_stmt", statistics))
        self._after.append(f"ALTER STATISTICS {where} RENAME TO {identifier(name)}")
        self._comment(hanging, f"STATISTICS {hanging.name}")

    def _identity(self, hanging: Hanging) -> None:
        assert hanging.name is not None
        sequence = literal(hanging.name)
        self._before.append(
            "SELECT set_config('pgrehearse.last', last_value::text, true), "
            f"set_config('pgrehearse.called', is_called::text, true) FROM {hanging.name}"
        )
        self._after.append(
            f"ALTER TABLE {self._table} ALTER COLUMN {self._old} ADD GENERATED {hanging.definition}"
        )
        last, called = "current_setting('pgrehearse.last')", "current_setting('pgrehearse.called')"
        self._after.append(f"SELECT setval({sequence}, {last}::bigint, {called}::boolean)")

    def _comment(self, hanging: Hanging, on: str) -> None:
        if hanging.comment:
            self._after.append(f"COMMENT ON {on} IS {literal(hanging.comment)}")

    def _renamed(self, message: Any, *, refers: bool = False) -> None:
        """Put the new column's name wherever a definition has the old one's."""
        if not refers:
            for reference in list(messages(message, "ColumnRef")):
                if reference.fields and reference.fields[-1].string.sval == self._column:
                    reference.fields[-1].string.sval = self._new_name
            for element in (*messages(message, "IndexElem"), *messages(message, "StatsElem")):
                if element.name == self._column:
                    element.name = self._new_name
        if message.DESCRIPTOR.name != "Constraint":
            return
        fields = ["pk_attrs"] if refers else ["keys", "including", "fk_attrs", "fk_del_set_cols"]
        if message.contype == tree.CONSTR_FOREIGN and not refers and self._refers_to_itself(message):
            fields.append("pk_attrs")
        for field in fields:
            for name in getattr(message, field):
                if name.string.sval == self._column:
                    name.string.sval = self._new_name

    def _refers_to_itself(self, constraint: Any) -> bool:
        return f"{identifier(constraint.pktable.schemaname)}.{identifier(constraint.pktable.relname)}" in {
            hanging.table for hanging in self._hanging if hanging.kind == "constraint"
        }

    def _guard(self) -> str:
        """A block that raises unless all of the new column is there, and the old one has nothing unknown."""
        column = f"WHERE attrelid = {literal(self._table)}::regclass AND attname"
        known = [hanging.identity for hanging in self._hanging if hanging.identity is not None]
        new = literal(self._new_name)
        checks = [
            f"SELECT 'the column is not filled' FROM pg_attribute {column} = {new}\n"
            f"           AND col_description(attrelid, attnum) IS DISTINCT FROM '{FILLED}'",
            f"SELECT pg_describe_object(classid, objid, objsubid) || ' would be lost'\n"
            f"          FROM pg_attribute JOIN pg_depend ON refobjid = attrelid AND refobjsubid = attnum\n"
            f"         {column} = {literal(self._column)} AND refclassid = 'pg_class'::regclass\n"
            f"           AND classid <> 'pg_attrdef'::regclass\n"
            f"           AND (pg_identify_object(classid, objid, 0)).identity <> ALL ({_array(known)})",
        ]
        if self._of("not null"):
            checks.append(
                f"SELECT 'NULLs are not refused' FROM pg_attribute {column} = {new} AND NOT attnotnull"
            )
        checks += [
            f"SELECT {literal(index)} || ' is not valid' FROM pg_index\n"
            f"         WHERE indexrelid = {literal(index)}::regclass AND NOT indisvalid"
            for index in self._indexes
        ]
        checks += [
            f"SELECT {literal(name)} || ' is not validated' FROM pg_constraint\n"
            f"         WHERE conrelid = {literal(table)}::regclass AND conname = {literal(name)} "
            "AND NOT convalidated"
            for table, name in self._constraints
        ]
        union = "\n        UNION ALL ".join(checks)
        return f"""\
DO $guard$
DECLARE
    problems text;
BEGIN
    SELECT string_agg(problem, '; ') INTO problems FROM (
        {union}
    ) AS found (problem);
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'nothing is swapped: %', problems;
    END IF;
END $guard$"""


def _is_built(hanging: Hanging) -> bool:
    return hanging.definition.startswith(("PRIMARY KEY", "UNIQUE"))


def _beside_of(constraint: Hanging) -> str:
    node = _parsed(constraint)
    assert node is not None
    made = getattr(node[1].cmds[0].alter_table_cmd, "def").constraint
    return identifier(_beside(made.conname))


def _beside(name: str) -> str:
    """The name for as long as the old one is taken."""
    return object_name(name, None, "new")


def _rename_constraint(table: str, old: str, new: str) -> str:
    return f"ALTER TABLE {table} RENAME CONSTRAINT {identifier(old)} TO {identifier(new)}"


def _array(values: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, values))}]::text[]"


def collation(column: Any) -> str:
    """The COLLATE of a column's definition, with a space before it."""
    if not column.HasField("coll_clause"):
        return ""
    return " COLLATE " + ".".join(identifier(part.string.sval) for part in column.coll_clause.collname)
