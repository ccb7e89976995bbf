exports.up = async (knex) => {
  for (const { id, full_name } of await knex("customers").select("id", "full_name").orderBy("id")) {
    await knex("customers").where({ id }).update({ last_name: full_name.split(",")[0] });
  }
};
exports.down = () => {};
