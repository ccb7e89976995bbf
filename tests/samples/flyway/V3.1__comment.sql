COMMENT ON TABLE item IS '${owner}';
