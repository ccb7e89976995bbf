-- +goose Up
INSERT INTO item VALUES (4, 'four');
INSERT INTO item VALUES (4, 'again');
