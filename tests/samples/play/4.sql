# --- !Ups
COMMENT ON TABLE item IS '$evolutions{{{owner}}}';
