--! Previous: sha1:e267c6cd1a8d93baf88e7d9752bfb28395cc073b
--! Hash: sha1:40807bcec0335cab0ad7cc7ebb360831931ca03e
--! Message: fails

INSERT INTO item VALUES (4, 'four');
INSERT INTO item VALUES (4, 'again');
