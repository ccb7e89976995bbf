CREATE TABLE deals (id int PRIMARY KEY, stage text NOT NULL DEFAULT 'open', owner int);
CREATE TABLE meetings (id int PRIMARY KEY, deal int);
INSERT INTO deals SELECT g, 'open', g % 7 FROM generate_series(1, 2000) g;
INSERT INTO meetings SELECT g, g FROM generate_series(1, 100) g;
