-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY item_note ON item (note);

-- +goose Down
DROP INDEX item_note;
