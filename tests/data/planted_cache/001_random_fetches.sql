-- Recorded on a server with shared_buffers = 24MB: deals and their key take 5 MB at a tenth of scale 1, 60 MB at 1.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE visited AS
SELECT a.id, d.name, d.value
FROM public.activities AS a
JOIN public.deals AS d ON d.id = a.deal_id;

UPDATE public.tasks AS t SET priority = 'high' FROM public.deals AS d WHERE d.id = t.deal_id AND d.value > 20000;
RESET ALL;
