--! Previous: -
--! Hash: sha1:151344bd1edae7cfbb7c405eafe035872221d43d
--! Message: item

CREATE TABLE item (id int PRIMARY KEY, note text NOT NULL DEFAULT 'a;b');
