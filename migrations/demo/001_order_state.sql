-- Each statement is correct, and fast on an empty table.
BEGIN;
ALTER TABLE orders ADD COLUMN reference uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE orders ADD COLUMN state text;
UPDATE orders SET state = 'open';
ALTER TABLE orders ALTER COLUMN state SET NOT NULL;
CREATE INDEX orders_customer_id ON orders (customer_id);
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id);
COMMIT;
