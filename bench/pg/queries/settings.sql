-- The settings that matter, and every other one of the server that is not the default, with their units.
-- Left out: places of files and commands, some of which name secrets. Parameters that an application made up are
-- not in the view at all.
SELECT name, current_setting(name) AS value
FROM pg_catalog.pg_settings
WHERE name = ANY (%(recorded)s)
   OR (source NOT IN ('default', 'client', 'session', 'override')
       AND context <> 'internal'
       AND name !~ '(_file|_command|_directory|_directories|_path|conninfo|^ssl_.*|^krb_.*|^application_name)$')
ORDER BY name
