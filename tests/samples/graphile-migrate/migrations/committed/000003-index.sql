--! Previous: sha1:24c6c07e557e8bfc307242ad619844db63b208a7
--! Hash: sha1:905646bb95b98fdba9bb7d60a7983e268d9a178a
--! Message: index

--! no-transaction
CREATE INDEX CONCURRENTLY item_note ON item (note);
