exports.up = (knex) => knex.schema.alterTable("customers", (table) => table.text("last_name"));
exports.down = (knex) => knex.schema.alterTable("customers", (table) => table.dropColumn("last_name"));
