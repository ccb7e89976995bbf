-- // a change
COMMENT ON TABLE item IS '${owner}';

-- //@UNDO
SELECT 1;
