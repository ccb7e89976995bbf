-- A small shop, as it is before the deploy.
CREATE TABLE customers (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email text NOT NULL
);
CREATE TABLE orders (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id integer NOT NULL,
  total numeric(10,2) NOT NULL,
  placed_at timestamptz NOT NULL
);
INSERT INTO customers (email)
  SELECT 'customer' || n || '@shop.example' FROM generate_series(1, 5000) AS n;
INSERT INTO orders (customer_id, total, placed_at)
  SELECT 1 + n % 5000, n % 900 + 0.5, timestamptz '2026-01-01' + n * interval '1 minute'
  FROM generate_series(1, 150000) AS n;
