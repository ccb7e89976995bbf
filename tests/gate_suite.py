"""A small suite with nothing to object to, and the regressions that a gate must find in it."""

from __future__ import annotations

BASE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 2000) AS n;
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, amount int NOT NULL, note text NOT NULL);
INSERT INTO orders
SELECT n, n % 2000, n % 97 + 1, repeat(md5(n::text), 5) FROM generate_series(1, 60000) AS n;
"""

MIGRATION = """\
ALTER TABLE orders ADD COLUMN status text;

CREATE INDEX CONCURRENTLY orders_customer ON orders (customer);

UPDATE orders SET status = 'open' WHERE id <= 20000;

ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;

ALTER TABLE orders VALIDATE CONSTRAINT positive;

BEGIN;
LOCK TABLE customers IN SHARE ROW EXCLUSIVE MODE;
COMMIT;

CREATE VIEW recent AS SELECT id, amount FROM orders WHERE customer = 7;

DO $$ BEGIN FOR i IN 1..3000000 LOOP NULL; END LOOP; END $$;
"""

REGRESSIONS: dict[str, tuple[str, str]] = {
    "an added index": (
        "CREATE VIEW", "CREATE INDEX CONCURRENTLY orders_amount ON orders (amount);\n\nCREATE VIEW",
    ),
    "a lost CONCURRENTLY": ("CREATE INDEX CONCURRENTLY orders_customer", "CREATE INDEX orders_customer"),
    "a VALIDATE merged into the ADD": (
        " NOT VALID;\n\nALTER TABLE orders VALIDATE CONSTRAINT positive;", ";",
    ),
    "a backfill of 10 % more rows": ("id <= 20000", "id <= 22000"),
    "a view that scans the table": ("WHERE customer = 7", "WHERE customer + 0 = 7"),
    "a stronger lock for 1 ms": ("SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"),
}  # fmt: skip
"""What it is → the text before and after."""


def planted(name: str) -> str:
    """The migration with one of them."""
    before, after = REGRESSIONS[name]
    if MIGRATION.count(before) != 1:
        raise ValueError(f"{name}: {before!r} is not once in the migration")
    return MIGRATION.replace(before, after)
