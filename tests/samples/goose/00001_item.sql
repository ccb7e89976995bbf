-- +goose Up
CREATE TABLE item (id int PRIMARY KEY, note text NOT NULL DEFAULT 'a;b');

-- +goose Down
DROP TABLE item;
