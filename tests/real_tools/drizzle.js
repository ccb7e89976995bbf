// drizzle-orm's own migrator: node drizzle.js DIRECTORY
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

const pool = new pg.Pool();
try {
  await migrate(drizzle(pool), { migrationsFolder: process.argv[2] });
} finally {
  await pool.end();
}
