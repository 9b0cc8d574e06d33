import path from "node:path";
import { DrizzleQueryError } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate as applyMigrations } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";
import {
  LAST_MIGRATION,
  NEVER_MIGRATED,
  SCHEMA_FAULTS,
  schemaFault,
} from "../src/db/schema-version.ts";
import "./settings.ts";

const CONNECT_MS = 10_000;
const LOCK_WAIT = "60s";
/** Of the advisory lock that one migration holds at a time. */
const LOCK = "hashtext('shadower-analytics migrations')";

/**
 * The text of a failure, also of one with an empty message of its own, such as that of several
 * addresses.
 */
function wordsOf(error: unknown): string {
  if (error instanceof DrizzleQueryError && error.cause) return wordsOf(error.cause);
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join("; ");
  return error instanceof Error && error.message ? error.message : String(error);
}

/** @throws Error that names DATABASE_URL */
async function connectTo(url: string): Promise<pg.Client> {
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
    throw new Error("DATABASE_URL must be postgres://user:password@host:port/database.");
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw new Error(`The database (DATABASE_URL) cannot be reached: ${wordsOf(error)}`);
  }
}

/** @throws Error for a server that is too old for the statements of this project */
async function assertServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; version: string }>(
    `select current_setting('server_version_num')::int as number,
       current_setting('server_version') as version`,
  );
  const [server] = rows;
  if (!server || server.number < 180000)
    throw new Error(
      `DATABASE_URL is PostgreSQL ${server?.version ?? "unknown"}; Shadower Analytics needs 18 or newer (RETURNING old/new, uuidv7()).`,
    );
}

/** The time of the last migration, or undefined before the first. */
async function lastApplied(client: pg.Client): Promise<number | undefined> {
  try {
    const { rows } = await client.query<{ applied: number }>(LAST_MIGRATION);
    return rows[0]?.applied;
  } catch (error) {
    if (NEVER_MIGRATED.includes((error as { code?: string }).code ?? "")) return undefined;
    throw error;
  }
}

/**
 * Applies the missing migrations. Several calls at once wait for each other.
 * @throws Error that names the obstacle: a server older than PostgreSQL 18, a database newer
 * than this code, a migration that does not end
 */
export async function migrate(url: string): Promise<void> {
  const client = await connectTo(url);
  try {
    await assertServer(client);
    await client.query(`set lock_timeout = '${LOCK_WAIT}'`);
    await client.query(`select pg_advisory_lock(${LOCK})`);
    if (schemaFault(await lastApplied(client)) === "schema_newer")
      throw new Error(`DATABASE_URL: ${SCHEMA_FAULTS.schema_newer}`);
    await applyMigrations(drizzle(client), {
      migrationsFolder: path.resolve(import.meta.dirname, "../migrations"),
    });
  } catch (error) {
    if (!(error instanceof pg.DatabaseError || error instanceof DrizzleQueryError)) throw error;
    throw new Error(`The database could not be migrated and is unchanged: ${wordsOf(error)}`);
  } finally {
    await client.end();
  }
}

if (import.meta.main) {
  try {
    const url = process.env.DATABASE_URL;
    if (!url) throw new Error("Set DATABASE_URL to the database to migrate.");
    await migrate(url);
    console.log("The database is up to date.");
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
