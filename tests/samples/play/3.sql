# --- !Ups
CREATE INDEX CONCURRENTLY item_note ON item (note);

# --- !Downs
DROP INDEX item_note;
