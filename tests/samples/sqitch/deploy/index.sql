-- Deploy shop:index to pg

CREATE INDEX CONCURRENTLY item_note ON item (note);
