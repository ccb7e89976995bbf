---- tern: disable-tx ----
CREATE INDEX CONCURRENTLY item_note ON item (note);

---- create above / drop below ----

DROP INDEX item_note;
