-- Range partitions with a default and one to attach, a foreign key out of them, and tables that inherit.

CREATE TABLE public.kinds (kind int PRIMARY KEY, label text);
INSERT INTO public.kinds SELECT n, 'kind ' || n FROM generate_series(1, 5) n;

CREATE TABLE public.events (
    id int NOT NULL,
    happened date NOT NULL,
    kind int CONSTRAINT events_kind_fkey REFERENCES public.kinds (kind),
    body text,
    PRIMARY KEY (id, happened)
) PARTITION BY RANGE (happened);
CREATE INDEX events_kind_idx ON public.events (kind);
CREATE TABLE public.events_2024 PARTITION OF public.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE public.events_2025 PARTITION OF public.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE public.events_default PARTITION OF public.events DEFAULT;
INSERT INTO public.events
SELECT n, date '2024-06-01' + n * 20, 1 + n % 5, 'body ' || n FROM generate_series(0, 25) n;
INSERT INTO public.events VALUES (100, '1999-01-01', 1, 'old'), (101, '1999-01-02', 2, 'old');

CREATE TABLE public.events_2027 (id int NOT NULL, happened date NOT NULL, kind int, body text);
INSERT INTO public.events_2027 SELECT n, date '2027-01-01' + n, 1 + n % 5, 'body ' || n FROM generate_series(1, 12) n;
CREATE TABLE public.events_2028 (
    id int NOT NULL,
    happened date NOT NULL CONSTRAINT events_2028_range CHECK (happened >= '2028-01-01' AND happened < '2029-01-01'),
    kind int,
    body text,
    PRIMARY KEY (id, happened)
);
INSERT INTO public.events_2028 SELECT n, date '2028-01-01' + n, 1 + n % 5, 'body ' || n FROM generate_series(1, 12) n;

CREATE TABLE public.regions (id int NOT NULL, region text NOT NULL, size int) PARTITION BY LIST (region);
CREATE TABLE public.regions_north PARTITION OF public.regions FOR VALUES IN ('north');
CREATE TABLE public.regions_south PARTITION OF public.regions FOR VALUES IN ('south');
INSERT INTO public.regions SELECT n, CASE n % 2 WHEN 0 THEN 'north' ELSE 'south' END, n FROM generate_series(1, 20) n;

CREATE TABLE public.base (id int PRIMARY KEY, label text, size int);
CREATE TABLE public.kid (extra int) INHERITS (public.base);
CREATE TABLE public.stray (id int NOT NULL, label text, size int);
INSERT INTO public.base SELECT n, 'base ' || n, n FROM generate_series(1, 10) n;
INSERT INTO public.kid SELECT n, 'kid ' || n, n, n FROM generate_series(11, 22) n;
INSERT INTO public.stray SELECT n, 'stray ' || n, n FROM generate_series(1, 11) n;

CREATE VIEW public.recent AS SELECT id, body FROM public.events WHERE happened > '2025-06-01';

-- A row for each partition: an INSERT waits where the one is locked that it is routed to.
--op public.kinds INSERT: INSERT INTO public.kinds VALUES (1000, 'new')
--op public.kinds UPDATE: UPDATE public.kinds SET label = label
--op public.kinds DELETE: DELETE FROM public.kinds
--op public.events INSERT: INSERT INTO public.events VALUES (1000, '2024-05-05', 1), (1000, '2025-05-05', 1), (1000, '1999-05-05', 1)
--op public.events UPDATE: UPDATE public.events SET body = body
--op public.events DELETE: DELETE FROM public.events
--op public.events_2024 INSERT: INSERT INTO public.events_2024 VALUES (1000, '2024-05-05', 1, 'new')
--op public.events_2024 UPDATE: UPDATE public.events_2024 SET body = body
--op public.events_2024 DELETE: DELETE FROM public.events_2024
--op public.events_2025 INSERT: INSERT INTO public.events_2025 VALUES (1000, '2025-05-05', 1, 'new')
--op public.events_2025 UPDATE: UPDATE public.events_2025 SET body = body
--op public.events_2025 DELETE: DELETE FROM public.events_2025
--op public.events_default INSERT: INSERT INTO public.events_default VALUES (1000, '1999-05-05', 1, 'new')
--op public.events_default UPDATE: UPDATE public.events_default SET body = body
--op public.events_default DELETE: DELETE FROM public.events_default
--op public.events_2027 INSERT: INSERT INTO public.events_2027 VALUES (1000, '2027-05-05', 1, 'new')
--op public.events_2027 UPDATE: UPDATE public.events_2027 SET body = body
--op public.events_2027 DELETE: DELETE FROM public.events_2027
--op public.events_2028 INSERT: INSERT INTO public.events_2028 VALUES (1000, '2028-05-05', 1, 'new')
--op public.events_2028 UPDATE: UPDATE public.events_2028 SET body = body
--op public.events_2028 DELETE: DELETE FROM public.events_2028
--op public.regions INSERT: INSERT INTO public.regions VALUES (1000, 'north', 1), (1000, 'south', 1)
--op public.regions UPDATE: UPDATE public.regions SET size = size
--op public.regions DELETE: DELETE FROM public.regions
--op public.regions_north INSERT: INSERT INTO public.regions_north VALUES (1000, 'north', 1)
--op public.regions_north UPDATE: UPDATE public.regions_north SET size = size
--op public.regions_north DELETE: DELETE FROM public.regions_north
--op public.regions_south INSERT: INSERT INTO public.regions_south VALUES (1000, 'south', 1)
--op public.regions_south UPDATE: UPDATE public.regions_south SET size = size
--op public.regions_south DELETE: DELETE FROM public.regions_south
--op public.base INSERT: INSERT INTO public.base VALUES (1000, 'new', 1)
--op public.base UPDATE: UPDATE public.base SET label = label
--op public.base DELETE: DELETE FROM public.base
--op public.kid INSERT: INSERT INTO public.kid VALUES (1000, 'new', 1, 1)
--op public.kid UPDATE: UPDATE public.kid SET label = label
--op public.kid DELETE: DELETE FROM public.kid
--op public.stray INSERT: INSERT INTO public.stray VALUES (1000, 'new', 1)
--op public.stray UPDATE: UPDATE public.stray SET label = label
--op public.stray DELETE: DELETE FROM public.stray

ANALYZE;
