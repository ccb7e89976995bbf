# --- !Ups
CREATE TABLE item (id int PRIMARY KEY, note text NOT NULL DEFAULT 'ab');

# --- !Downs
DROP TABLE item;
