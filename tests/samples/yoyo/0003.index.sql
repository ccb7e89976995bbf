-- depends: 0002.body
-- transactional: false

CREATE INDEX CONCURRENTLY item_note ON item (note);
