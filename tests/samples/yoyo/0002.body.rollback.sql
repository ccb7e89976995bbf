DROP FUNCTION twice(int);
DELETE FROM item;
