// postgrator with its defaults: node postgrator.js DIRECTORY
import pg from "pg";
import Postgrator from "postgrator";

const client = new pg.Client();
await client.connect();
try {
  const postgrator = new Postgrator({
    migrationPattern: `${process.argv[2]}/*`,
    driver: "pg",
    database: process.env.PGDATABASE,
    execQuery: (query) => client.query(query),
  });
  await postgrator.migrate();
} finally {
  await client.end();
}
