-- Collation and encoding of the current database, which became properties of the database alone in 16.
SELECT 'lc_collate', datcollate::text FROM pg_catalog.pg_database WHERE datname = current_database()
UNION ALL
SELECT 'lc_ctype', datctype::text FROM pg_catalog.pg_database WHERE datname = current_database()
UNION ALL
SELECT 'locale_provider', CASE datlocprovider WHEN 'b' THEN 'builtin' WHEN 'i' THEN 'icu' ELSE 'libc' END
FROM pg_catalog.pg_database WHERE datname = current_database()
UNION ALL
SELECT 'locale', datlocale::text FROM pg_catalog.pg_database WHERE datname = current_database()
