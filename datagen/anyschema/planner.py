"""From the catalog to a plan: keys get distinct values, foreign keys parents, everything else a draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from datagen.anyschema.alternatives import choose_alternative
from datagen.anyschema.catalog import Check, Column, Schema, Table, Unique
from datagen.anyschema.checks import Limits, apply_check, apply_part, split_and
from datagen.anyschema.claims import Claims
from datagen.anyschema.guess import Override, Unknown, values_of
from datagen.anyschema.partitions import leaf_values
from datagen.anyschema.plan import ColumnPlan, FillPlan, Index, Reference, TablePlan
from datagen.anyschema.values import Values
from datagen.engine.streams import stream_key

NULLS = 0.1
"""Share of NULL in a column that may be."""
_ABOVE_STEPS = {"date": 3, "timestamp": 7200, "timestamptz": 7200}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for."""

    rows: Mapping[str, int]
    """By table, with or without its schema."""
    default_rows: int
    columns: Mapping[str, Override]
    """By ``schema.table.column``."""
    seed: int = 1


Existing = Mapping[int, dict[int, list[str | None]]]
"""Of tables that hold rows: by table and column, the values that others may refer to."""


def make_fill_plan(schema: Schema, wishes: Wishes, existing: Existing) -> FillPlan:
    """Plan every empty table; what cannot be satisfied is in the plan's problems."""
    return _Planner(schema, wishes, existing).plan()


def limits_of(schema: Schema, table: int) -> dict[str, Limits]:
    """What the checks of a table and of its columns' domains say of each column, by name."""
    names = {column.number: column.name for column in schema.columns if column.table == table}
    limits = {name: Limits() for name in names.values()}
    for column in schema.columns:
        if column.table == table:
            for expression in column.checks:
                apply_check(expression, ["VALUE"], {"VALUE": limits[column.name]})
    referring = {
        names[number]
        for foreign_key in schema.foreign
        if foreign_key.table == table
        for number in foreign_key.columns
    }
    for check in schema.checks:
        if check.table == table and check.kind == "c":
            concerned = [names[number] for number in check.columns]
            for part in split_and(check.expression):
                if not apply_part(part, concerned, limits) and not choose_alternative(
                    part, concerned, limits, referring
                ):
                    for name in concerned:
                        limits[name].opaque.append(part)
    return limits


@dataclass(slots=True)
class _Distinct:
    """How one table's rows are told apart: units are column numbers, or minus the position of a reference."""

    assigned: dict[int, Index] = field(default_factory=dict)
    groups: list[frozenset[int]] = field(default_factory=list)


class _Planner:
    def __init__(self, schema: Schema, wishes: Wishes, existing: Existing) -> None:
        self.schema, self.wishes, self.existing = schema, wishes, existing
        self.out = FillPlan(wishes.seed, {}, [], [])
        self.columns: dict[int, dict[int, Column]] = {table.oid: {} for table in schema.tables}
        for column in schema.columns:
            self.columns[column.table][column.number] = column
        self.rows = {table.oid: self._wanted(table) for table in schema.tables}
        for oid, columns_ in existing.items():
            self.rows[oid] = max((len(column) for column in columns_.values()), default=0)
        self.required = {(c.table, c.number) for c in schema.columns if c.required}
        self.required |= {(u.table, number) for u in schema.uniques for number in u.columns}
        labels = {table.oid: table.label for table in schema.tables}
        self.claims = Claims(self.columns, labels, self.required, self._note, self._problem)
        self.references = self.claims.references
        self.limits: dict[int, dict[str, Limits]] = {}
        self.values: dict[tuple[int, int], Values] = {}

    def plan(self) -> FillPlan:
        for table in self.schema.tables:
            self.out.tables[table.oid] = TablePlan(table.oid, table.label, table.schema, table.name, 0)
            if table.filled:
                self.out.tables[table.oid].existing = self.existing[table.oid]
                self._note(f"{table.label}: holds rows already, which stay as they are")
        empty = [table for table in self.schema.tables if not table.filled]
        for foreign in sorted(self.schema.foreign, key=lambda f: (-len(f.columns), f.table, f.name)):
            if any(table.oid == foreign.table for table in empty):
                self.claims.claim(foreign)
        for table in empty:
            self._find_values(table)
        for _ in range(len(empty) + 2):
            before = dict(self.rows)
            for table in empty:
                self._assign(table)
            if self.rows == before:
                break
        return self.out

    def _wanted(self, table: Table) -> int:
        rows = self.wishes.rows
        return rows.get(table.label, rows.get(table.name, self.wishes.default_rows))

    def _note(self, text: str) -> None:
        if text not in self.out.notes:
            self.out.notes.append(text)

    def _problem(self, text: str) -> None:
        if text not in self.out.problems:
            self.out.problems.append(text)

    def _label(self, oid: int) -> str:
        return self.out.tables[oid].label

    # Values: what a column of its own may hold.

    def _find_values(self, table: Table) -> None:
        plan, columns = self.out.tables[table.oid], self.columns[table.oid]
        limits = self._limits(table)
        owned = {n: c for n, c in columns.items() if (table.oid, n) not in self.claims.sources}
        leaves = leaf_values(table, list(columns.values()), self.schema.leaves)
        for problem in leaves.problems:
            self._problem(f"{table.label}: {problem}")
        for number, column in columns.items():
            override = self.wishes.columns.get(f"{table.label}.{column.name}")
            plan.columns[number] = ColumnPlan(column.name, sent=not column.generated)
            if column.generated or number not in owned or (table.oid, number) in self.claims.nulled:
                continue
            if limits[column.name].empty:
                self._note(f"{table.label}.{column.name}: NULL, as its check wants that beside the others")
                continue
            if (
                override is not None
                and override.null is not None
                and (table.oid, number) not in self.required
            ):
                plan.columns[number].null = override.null
            elif (table.oid, number) not in self.required:
                plan.columns[number].null = NULLS
            if number in leaves.by_column:
                plan.columns[number].leaves = leaves.by_column[number]
            try:
                self.values[table.oid, number] = self._narrowed(table, column, limits, override)
            except Unknown as reason:
                self._without_values(table, column, str(reason))

    def _narrowed(
        self, table: Table, column: Column, limits: dict[str, Limits], override: Override | None
    ) -> Values:
        values = values_of(table.label, column, limits[column.name], override, self.wishes.seed)
        if values.capacity < 1:
            raise Unknown("its checks leave no value")
        if limits[column.name].opaque and override is None:
            text = "; ".join(limits[column.name].opaque)
            if (table.oid, column.number) in self.required:
                self._note(f"{table.label}.{column.name}: the check {text} is not understood; it is tried")
            else:
                raise Unknown(f"the check {text} is not understood")
        return values

    def _without_values(self, table: Table, column: Column, reason: str) -> None:
        label = f"{table.label}.{column.name}"
        plan = self.out.tables[table.oid].columns[column.number]
        if (table.oid, column.number) not in self.required:
            self._note(f"{label}: NULL, as {reason}")
            plan.null = 0.0
        elif column.has_default:
            self._note(f"{label}: its default, as {reason}")
            plan.sent = False
        else:
            self._problem(f"{label}: {reason}")

    def _limits(self, table: Table) -> dict[str, Limits]:
        limits = limits_of(self.schema, table.oid)
        for column in self.columns[table.oid].values():
            if limits[column.name].required:
                self.required.add((table.oid, column.number))
        self.limits[table.oid] = limits
        return limits

    # Rows: how they are told apart.

    def _assign(self, table: Table) -> None:
        plan = self.out.tables[table.oid]
        plan.rows = self.rows[table.oid]
        distinct = _Distinct()
        for exclusion in (c for c in self.schema.checks if c.table == table.oid and c.kind == "x"):
            self._at_most(table, 1, f"exclusion constraint {exclusion.name} is not planned for", exclusion)
        for unique in sorted(
            (u for u in self.schema.uniques if u.table == table.oid and u.columns),
            key=lambda u: len(u.columns),
        ):
            self._tell_apart(table, unique, distinct)
        references = [
            self._reference(table, position, distinct) for position in range(len(self.references[table.oid]))
        ]
        for number, column in plan.columns.items():
            key = stream_key(self.wishes.seed, table.label, column.name)
            values = self.values.get((table.oid, number))
            column.values = values
            if values is not None:
                spread = min(values.spread or values.capacity, values.capacity)
                column.index = distinct.assigned.get(number) or Index("drawn", key, spread)
        for reference in references:
            if reference is None:
                continue
            foreign = reference.foreign
            for ours, theirs in zip(foreign.columns, foreign.parent_columns, strict=True):
                plan.columns[ours].parent = (reference, theirs)
        self._order_columns(table, distinct)

    def _units(self, table: Table, unique: Unique) -> frozenset[int]:
        units = set()
        for number in unique.columns:
            claimed = next((p for p, f in enumerate(self.references[table.oid]) if number in f.columns), None)
            units.add(number if claimed is None else -1 - claimed)
        return frozenset(units)

    def _capacity(self, table: Table, unit: int) -> int:
        if unit < 0:
            return self.rows[self.references[table.oid][-1 - unit].parent]
        column = self.out.tables[table.oid].columns[unit]
        if column.leaves is not None or not column.sent:
            return 0
        values = self.values.get((table.oid, unit))
        return values.capacity if values is not None else 0

    def _tell_apart(self, table: Table, unique: Unique, distinct: _Distinct) -> None:
        units = self._units(table, unique)
        if any(group <= units for group in distinct.groups):
            return
        free = sorted((u for u in units if u not in distinct.assigned), key=lambda u: (u < 0, u))
        key = stream_key(self.wishes.seed, table.label, unique.name)
        rows = self.rows[table.oid]
        for unit in free:
            if self._capacity(table, unit) >= rows:
                distinct.assigned[unit] = Index("each", key, rows)
                distinct.groups.append(frozenset([unit]))
                return
        stride, group = 1, set()
        for unit in sorted(free, key=lambda u: -self._capacity(table, u)):
            capacity = self._capacity(table, unit)
            if capacity < 1:
                continue
            distinct.assigned[unit] = Index("digit", key, capacity, stride)
            group.add(unit)
            stride *= capacity
            if stride >= rows:
                break
        if stride < rows:
            self._at_most(table, stride if group else min(rows, 1), f"{unique.name} is unique", unique)
        distinct.groups.append(frozenset(group) if group else units)

    def _at_most(self, table: Table, rows: int, why: str, of: Unique | Check) -> None:
        if self.rows[table.oid] <= rows:
            return
        names = ", ".join(self.columns[table.oid][n].name for n in of.columns)
        self._note(f"{table.label}.{names}: no more than {rows:,} rows, as {why}")
        self.rows[table.oid] = self.out.tables[table.oid].rows = rows

    def _reference(self, table: Table, position: int, distinct: _Distinct) -> Reference | None:
        foreign = self.references[table.oid][position]
        nullable = all((table.oid, number) not in self.required for number in foreign.columns)
        parents = self.rows[foreign.parent]
        limits = self.limits[table.oid]
        if any(limits[self.columns[table.oid][number].name].empty for number in foreign.columns):
            return None
        if parents == 0:
            names = ", ".join(self.columns[table.oid][n].name for n in foreign.columns)
            if nullable or any((table.oid, n) not in self.required for n in foreign.columns):
                self._note(f"{table.label}.{names}: NULL, as {self._label(foreign.parent)} has no rows")
            elif self.rows[table.oid]:
                self._note(f"{table.label}.{names}: no rows, as {self._label(foreign.parent)} has none")
                self.rows[table.oid] = self.out.tables[table.oid].rows = 0
            return None
        key = stream_key(self.wishes.seed, table.label, foreign.name)
        kind = "tree" if foreign.parent == table.oid else "drawn"
        index = distinct.assigned.get(-1 - position) or Index(kind, key, parents)
        return Reference(foreign, index, NULLS if nullable else 0.0)

    def _order_columns(self, table: Table, distinct: _Distinct) -> None:
        """Put the columns that must not be below others above them."""
        numbers = {column.name: column.number for column in self.columns[table.oid].values()}
        plan = self.out.tables[table.oid]
        for name, limits in self.limits[table.oid].items():
            if limits.above is None:
                continue
            higher, lower = numbers[name], numbers[limits.above]
            one, other = self.values.get((table.oid, higher)), self.values.get((table.oid, lower))
            scaled = (
                one is not None and other is not None and one.scale is not None and other.scale is not None
            )
            same = self.columns[table.oid][higher].type == self.columns[table.oid][lower].type
            if not (scaled and same) or higher in distinct.assigned:
                self._problem(f"{table.label}.{name}: cannot be kept above {limits.above}")
                continue
            plan.columns[higher].above = (lower, _ABOVE_STEPS.get(self.columns[table.oid][higher].type, 1))
