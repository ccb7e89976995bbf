-- +migrate Up notransaction
CREATE INDEX CONCURRENTLY item_note ON item (note);

-- +migrate Down
DROP INDEX item_note;
