-- no-transaction
CREATE INDEX CONCURRENTLY item_note ON item (note);
