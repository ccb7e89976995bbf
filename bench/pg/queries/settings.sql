-- The settings that matter, and every other one of the server that is not the default, with their units.
SELECT name, current_setting(name) AS value
FROM pg_settings
WHERE name = ANY (%(recorded)s)
   OR (source NOT IN ('default', 'client', 'session', 'override')
       AND context <> 'internal'
       AND name NOT IN ('application_name', 'config_file', 'data_directory', 'hba_file', 'ident_file',
                        'external_pid_file', 'unix_socket_directories', 'extension_control_path',
                        'primary_conninfo', 'restore_command', 'archive_command', 'ssl_passphrase_command'))
ORDER BY name
