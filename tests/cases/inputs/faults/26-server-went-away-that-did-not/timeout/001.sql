DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''30ms''', current_database()); END $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = ''10ms''', current_database()); END $$;
ALTER TABLE a ADD w text;
