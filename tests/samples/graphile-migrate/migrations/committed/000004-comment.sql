--! Previous: sha1:905646bb95b98fdba9bb7d60a7983e268d9a178a
--! Hash: sha1:e267c6cd1a8d93baf88e7d9752bfb28395cc073b
--! Message: comment

COMMENT ON TABLE item IS ':ITEM_OWNER';
