import { sql } from "drizzle-orm";
import { integer, numeric, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { credits, instant } from "./columns.ts";

/**
 * Settings of a workspace. A workspace exists without a row here: each setting then has its
 * default.
 */
export const workspaces = pgTable("workspaces", {
  id: text("id").primaryKey(),
  name: text("name"),
  timezone: text("timezone"),
  /** Price of one credit, in `currency`; without it no amount of money is known. */
  creditPrice: numeric("credit_price", { precision: 20, scale: 10 }),
  currency: text("currency"),
  retentionDays: integer("retention_days"),
  staleAfterMinutes: integer("stale_after_minutes"),
  createdAt: instant("created_at").notNull().default(sql`now()`),
});

/** Credits that a workspace means to spend in each day, week or month of its zone. */
export const budgets = pgTable(
  "budgets",
  {
    workspaceId: text("workspace_id").notNull(),
    period: text("period").notNull(),
    credits: credits("credits").notNull(),
    updatedAt: instant("updated_at").notNull().default(sql`now()`),
    updatedBy: text("updated_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.period] })],
);
