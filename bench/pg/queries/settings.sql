-- The settings that matter, and every other one of the server that is not the default, with their units.
-- Left out: parameters that an application has made up, which may be secrets, and places of files and commands.
SELECT name, current_setting(name) AS value
FROM pg_settings
WHERE name = ANY (%(recorded)s)
   OR (source NOT IN ('default', 'client', 'session', 'override')
       AND context <> 'internal'
       AND category <> 'Customized Options'
       AND name !~ '(_file|_command|_directory|_directories|_path|conninfo|^ssl_.*|^krb_.*|^application_name)$')
ORDER BY name
