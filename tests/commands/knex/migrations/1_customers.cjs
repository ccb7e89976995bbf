exports.up = (knex) =>
  knex.schema.createTable("customers", (table) => {
    table.bigIncrements("id");
    table.text("full_name").notNullable();
  });
exports.down = (knex) => knex.schema.dropTable("customers");
