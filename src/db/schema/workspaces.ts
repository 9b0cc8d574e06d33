import { sql } from "drizzle-orm";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Settings of a workspace. A workspace without a row has the defaults: none must be registered before it writes. */
export const workspaces = pgTable("workspaces", {
  id: text("id").primaryKey(),
  staleAfterMinutes: integer("stale_after_minutes"),
  createdAt: instant("created_at").notNull().default(sql`now()`),
});
