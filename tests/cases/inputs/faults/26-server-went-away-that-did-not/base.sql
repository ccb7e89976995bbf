CREATE TABLE a(id int primary key, v text); INSERT INTO a SELECT g, g FROM generate_series(1,500) g; CREATE VIEW va AS SELECT * FROM a;
