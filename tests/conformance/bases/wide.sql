-- A table with three indexes and values out of line, an unlogged one, one with deferred and exclusion constraints.

CREATE TABLE public.wide (
    id int PRIMARY KEY,
    number int NOT NULL,
    word varchar(20),
    body text,
    seen timestamp,
    maybe int CONSTRAINT wide_maybe_present CHECK (maybe IS NOT NULL),
    plain int,
    amount numeric(12, 4)
);
ALTER TABLE public.wide ALTER COLUMN body SET STORAGE EXTERNAL;
INSERT INTO public.wide
SELECT n, n, 'word ' || n, repeat('x', 3000), timestamp '2025-01-01' + n * interval '1 hour', n, n, n
  FROM generate_series(1, 40) n;
CREATE INDEX wide_number_idx ON public.wide (number);
CREATE INDEX wide_word_idx ON public.wide (word);
CREATE INDEX wide_seen_idx ON public.wide (seen) WHERE seen IS NOT NULL;

CREATE TABLE public.quick (id int NOT NULL, label text, size int);
ALTER TABLE public.quick SET UNLOGGED;
INSERT INTO public.quick SELECT n, 'quick ' || n, n FROM generate_series(1, 30) n;
CREATE UNIQUE INDEX quick_id_idx ON public.quick (id);

CREATE TABLE public.booking (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room int NOT NULL,
    place int,
    during tsrange,
    CONSTRAINT booking_place_key UNIQUE (place) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO public.booking (room, place, during)
SELECT n, n, tsrange(timestamp '2025-01-01', timestamp '2025-01-02') FROM generate_series(1, 15) n;

CREATE VIEW public.wide_plain AS SELECT plain FROM public.wide;

--op public.wide INSERT: INSERT INTO public.wide (id, number, maybe) VALUES (1000, 1, 1)
--op public.wide UPDATE: UPDATE public.wide SET plain = plain
--op public.wide DELETE: DELETE FROM public.wide
--op public.quick INSERT: INSERT INTO public.quick (id) VALUES (1000)
--op public.quick UPDATE: UPDATE public.quick SET label = label
--op public.quick DELETE: DELETE FROM public.quick
--op public.booking INSERT: INSERT INTO public.booking (room, place) VALUES (1000, 1000)
--op public.booking UPDATE: UPDATE public.booking SET room = room
--op public.booking DELETE: DELETE FROM public.booking

ANALYZE;
