import { date, integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** When a workspace last had its turn in a queue: who has waited longest comes next. */
export const turns = pgTable(
  "turns",
  {
    queue: text("queue").notNull(),
    workspaceId: text("workspace_id").notNull(),
    servedAt: instant("served_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.queue, t.workspaceId] })],
);

/** Uses by a workspace of what is limited by the day (UTC): those of its last such day. */
export const dailyUses = pgTable(
  "daily_uses",
  {
    workspaceId: text("workspace_id").notNull(),
    name: text("name").notNull(),
    day: date("day", { mode: "string" }).notNull(),
    uses: integer("uses").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.name] })],
);
