exports.up = (knex) =>
  knex.schema.createTable("orders", (table) => {
    table.bigIncrements("id");
    table.bigInteger("customer_id").notNullable().references("customers.id");
    table.decimal("total", 12, 2).notNullable();
  });
exports.down = (knex) => knex.schema.dropTable("orders");
