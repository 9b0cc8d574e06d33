import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Messages and their recipients: one row for each recipient of a run, with the last attempt. */
export const reportDeliveries = pgTable(
  "report_deliveries",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    runId: text("run_id").notNull(),
    recipient: jsonb("recipient").notNull(),
    status: text("status").notNull(),
    attempts: integer("attempts").notNull().default(0),
    /** Before when no further attempt begins. */
    notBefore: instant("not_before"),
    /** HTTP status and begin of the last answer, or why there was none. */
    answer: text("answer"),
    createdAt: instant("created_at").notNull(),
    attemptedAt: instant("attempted_at"),
    deliveredAt: instant("delivered_at"),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.id] }),
    index("report_deliveries_run").on(t.workspaceId, t.runId),
    index("report_deliveries_unfinished")
      .on(t.workspaceId)
      .where(sql`status in ('waiting', 'sending')`),
  ],
);
