exports.up = (knex) =>
  knex.schema.raw("ALTER TABLE customers ALTER last_name SET NOT NULL")
    .raw("ALTER TABLE orders ADD CONSTRAINT total_not_negative CHECK (total >= 0)");
exports.down = () => {};
