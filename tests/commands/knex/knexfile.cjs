// The address comes from the environment, as production gives it.
module.exports = { client: "pg", connection: process.env.DATABASE_URL, migrations: { directory: `${__dirname}/migrations` } };
