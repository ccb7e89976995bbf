-- Two foreign keys in a row, a view, a materialized view, sequences, a table that stands alone.

CREATE TABLE public.parent (id int PRIMARY KEY, name text NOT NULL, code varchar(10));
INSERT INTO public.parent SELECT n, 'parent ' || n, 'p' || n FROM generate_series(1, 20) n;

CREATE TABLE public.child (
    id int PRIMARY KEY,
    parent_id int NOT NULL CONSTRAINT child_parent_id_fkey REFERENCES public.parent (id),
    amount int CONSTRAINT child_amount_check CHECK (amount >= 0),
    note varchar(20),
    price numeric(10, 2),
    happened timestamp
);
INSERT INTO public.child
SELECT n, 1 + n % 20, n, 'note ' || n, n * 1.5, timestamp '2025-01-01' + n * interval '1 day'
  FROM generate_series(1, 60) n;
CREATE INDEX child_parent_id_idx ON public.child (parent_id);
CREATE INDEX child_note_idx ON public.child (note);

CREATE TABLE public.item (
    id int PRIMARY KEY,
    child_id int CONSTRAINT item_child_id_fkey REFERENCES public.child (id) ON DELETE CASCADE,
    label text
);
INSERT INTO public.item SELECT n, n, 'item ' || n FROM generate_series(1, 30) n;

CREATE SEQUENCE public.counter;
CREATE TABLE public.loner (id serial, label text, size int DEFAULT 1);
INSERT INTO public.loner (label) SELECT 'loner ' || n FROM generate_series(1, 25) n;

CREATE VIEW public.child_names AS
SELECT c.id, p.name FROM public.child c JOIN public.parent p ON p.id = c.parent_id;
CREATE MATERIALIZED VIEW public.totals AS
SELECT parent_id, sum(amount) AS total FROM public.child GROUP BY parent_id;
CREATE UNIQUE INDEX totals_parent_id_idx ON public.totals (parent_id);

-- What the application does. A row that it inserts meets its foreign keys.
--op public.parent INSERT: INSERT INTO public.parent (id, name) VALUES (1000, 'new')
--op public.parent UPDATE: UPDATE public.parent SET name = name
--op public.parent DELETE: DELETE FROM public.parent
--op public.child INSERT: INSERT INTO public.child (id, parent_id) VALUES (1000, 1)
--op public.child UPDATE: UPDATE public.child SET price = price
--op public.child DELETE: DELETE FROM public.child
--op public.item INSERT: INSERT INTO public.item (id, child_id) VALUES (1000, 1)
--op public.item UPDATE: UPDATE public.item SET label = label
--op public.item DELETE: DELETE FROM public.item
--op public.loner INSERT: INSERT INTO public.loner (label) VALUES ('new')
--op public.loner UPDATE: UPDATE public.loner SET label = label
--op public.loner DELETE: DELETE FROM public.loner

ANALYZE;
