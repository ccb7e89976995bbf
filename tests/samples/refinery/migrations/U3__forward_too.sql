COMMENT ON TABLE item IS 'forward';
