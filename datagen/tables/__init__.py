"""The tables of the CRM before the suite."""

from __future__ import annotations

from datagen.columns import Table
from datagen.tables import customers, deals, meetings, people, work

TABLES: dict[str, Table] = {
    table.name: table
    for table in (*people.TABLES, *customers.TABLES, *deals.TABLES, *work.TABLES, *meetings.TABLES)
}
"""By schema-qualified name."""
