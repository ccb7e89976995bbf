exports.config = { transaction: false };
exports.up = (knex) => knex.raw("CREATE INDEX CONCURRENTLY by_last_name ON customers (last_name)");
exports.down = (knex) => knex.raw("DROP INDEX by_last_name");
