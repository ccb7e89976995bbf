-- What is planted, each between a tenth of scale 1 (40 k activities, 10 k deals) and scale 1.

-- A sort goes from memory to files.
SET work_mem = '16MB';
CREATE TABLE sorted AS SELECT a.id, a.details, a.date FROM public.activities AS a ORDER BY md5(a.id::text);

-- A hash join goes from one batch to several.
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET hash_mem_multiplier = 1;
SET work_mem = '6MB';
CREATE TABLE joined AS
SELECT a.id, d.name, d.description
FROM public.activities AS a
JOIN public.deals AS d ON md5(d.id::text) = md5(a.deal_id::text);

-- An aggregate's hash table goes to files.
SET enable_sort = off;
CREATE TABLE grouped AS
SELECT a.client_name || a.id AS client, max(a.date) AS last, count(*) AS activities
FROM public.activities AS a
GROUP BY 1;
RESET ALL;

-- An index build's sort goes from memory to files.
SET maintenance_work_mem = '8MB';
SET max_parallel_maintenance_workers = 0;
CREATE INDEX activities_client_name_details ON public.activities (client_name, sales_rep, id);
RESET ALL;

-- Nothing is outgrown here.
CREATE TABLE counted AS SELECT a.deal_id, count(*) AS activities FROM public.activities AS a GROUP BY a.deal_id;
UPDATE public.deals SET priority = 'high' WHERE value > 50000;
