COPY t FROM stdin;
1	one
2	;'
\.
SELECT 9 AS after_rows;
