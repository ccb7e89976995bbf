INSERT INTO item VALUES (4, 'four');
--> statement-breakpoint
INSERT INTO item VALUES (4, 'again');
