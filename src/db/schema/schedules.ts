import { boolean, index, integer, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/**
 * Runs that repeat at a local time. `next_run_at` moves on only after its run was started.
 */
export const schedules = pgTable(
  "schedules",
  {
    workspaceId: text("workspace_id").notNull(),
    /** The object that is run: the template of an export, or a report. */
    kind: text("kind").notNull(),
    id: text("id").notNull(),
    name: text("name").notNull(),
    targetId: text("target_id").notNull(),
    recurrence: jsonb("recurrence").notNull(),
    timezone: text("timezone").notNull(),
    enabled: boolean("enabled").notNull().default(true),
    nextRunAt: instant("next_run_at").notNull(),
    lastRunAt: instant("last_run_at"),
    /** Runs in a row that failed by their nature. */
    failures: integer("failures").notNull().default(0),
    /** Why it was paused, if it was not somebody's wish: code, message, at. */
    paused: jsonb("paused"),
    createdAt: instant("created_at").notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.kind, t.id] }),
    index("schedules_due").on(t.kind, t.nextRunAt),
  ],
);
