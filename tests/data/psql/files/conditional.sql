\if :flag
SELECT 'flag';
\else
SELECT 'no flag';
\endif
