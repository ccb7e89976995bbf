-- Roles of the whole server.
SELECT rolname FROM pg_roles
