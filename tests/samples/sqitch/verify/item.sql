SELECT id FROM item WHERE false;
