-- Roles of the whole server.
SELECT rolname FROM pg_catalog.pg_roles
