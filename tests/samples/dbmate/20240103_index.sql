-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY item_note ON item (note);

-- migrate:down
DROP INDEX item_note;
