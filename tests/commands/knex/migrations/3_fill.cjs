exports.up = async (knex) => {
  for (let number = 0; number < 20; number += 1) {
    const [{ id }] = await knex("customers").insert({ full_name: `O'Brien, ${number} 100% \\ é` }).returning("id");
    await knex("orders").insert({ customer_id: id, total: 9.95 + number });
  }
};
exports.down = (knex) => knex("orders").del();
