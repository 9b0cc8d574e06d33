import path from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate as applyMigrations } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

/** Applies what is missing of migrations/; refuses a server older than PostgreSQL 18 with a sentence that says so. */
export async function migrate(url: string): Promise<void> {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new Error("DATABASE_URL must be postgres://user:password@host:port/database.");
  const client = new pg.Client({ connectionString: url });
  await client.connect().catch((error: Error) => {
    throw new Error(`The database (DATABASE_URL) cannot be reached: ${error.message}`);
  });
  try {
    const { rows } = await client.query<{ number: number; version: string }>(
      "select current_setting('server_version_num')::int as number, current_setting('server_version') as version",
    );
    const [server] = rows;
    if (!server || server.number < 180000) {
      throw new Error(
        `DATABASE_URL is PostgreSQL ${server?.version ?? "unknown"}; Shadower Analytics needs 18 or newer (RETURNING old/new, uuidv7()).`,
      );
    }
    await applyMigrations(drizzle(client), {
      migrationsFolder: path.resolve(import.meta.dirname, "../migrations"),
    });
  } finally {
    await client.end();
  }
}

if (import.meta.main) {
  try {
    const url = process.env.DATABASE_URL;
    if (!url) throw new Error("Set DATABASE_URL to the database that shall be migrated.");
    await migrate(url);
    console.log("The database is up to date.");
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
