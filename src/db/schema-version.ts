import { sql } from "drizzle-orm";
import { z } from "zod";
import journal from "../../migrations/meta/_journal.json" with { type: "json" };
import type { Statement } from "./client.ts";

/**
 * The last migration that this code was built with: its name, and its time in milliseconds since
 * 1970, which the database keeps.
 */
export const BUILT_FOR = journal.entries.reduce((last, each) =>
  each.when > last.when ? each : last,
);

/**
 * The time of the last migration that a database has had; no row, or no table (NEVER_MIGRATED),
 * before the first.
 */
export const LAST_MIGRATION = `select created_at::float8 as applied
  from drizzle.__drizzle_migrations order by created_at desc limit 1`;

/** SQLSTATE of LAST_MIGRATION where there is no table yet, or no schema. */
export const NEVER_MIGRATED = ["42P01", "3F000"];

export type SchemaFault = "schema_older" | "schema_newer";

/**
 * The difference of a database's schema from the one this code is for, or undefined.
 * @param applied LAST_MIGRATION's answer
 */
export function schemaFault(applied: number | undefined): SchemaFault | undefined {
  if (applied === undefined || applied < BUILT_FOR.when) return "schema_older";
  return applied > BUILT_FOR.when ? "schema_newer" : undefined;
}

export const SCHEMA_FAULTS: Record<SchemaFault, string> = {
  schema_older: [
    `The database is older than this code, which needs the migration ${BUILT_FOR.tag}:`,
    "run npm run db:migrate.",
  ].join(" "),
  schema_newer: [
    `The database has had migrations after ${BUILT_FOR.tag}, the last that this code knows:`,
    "use code that is as new as the database.",
  ].join(" "),
};

export const lastMigration: Statement<{ applied: number }> = {
  sql: sql.raw(LAST_MIGRATION),
  row: z.object({ applied: z.number() }),
};
