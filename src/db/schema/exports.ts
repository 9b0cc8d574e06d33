import { sql } from "drizzle-orm";
import { bigint, index, integer, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant, job } from "./columns.ts";

/** Jobs that write files. `request` and `progress` have the shapes of features/exports. */
export const exports = pgTable(
  "exports",
  {
    ...job(),
    source: text("source").notNull(),
    format: text("format").notNull(),
    request: jsonb("request").notNull(),
    rowsDone: bigint("rows_done", { mode: "number" }).notNull().default(0),
    rowsExpected: bigint("rows_expected", { mode: "number" }),
    files: jsonb("files").notNull().default([]),
    progress: jsonb("progress"),
    templateId: text("template_id"),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.id] }),
    index("exports_time").on(t.workspaceId, t.createdAt, t.id),
    index("exports_open").on(t.status, t.leaseUntil),
    index("exports_unfinished").on(t.workspaceId).where(sql`status in ('queued', 'running')`),
  ],
);

/** Questions that are asked again: an export's request under a name. */
export const exportTemplates = pgTable(
  "export_templates",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    name: text("name").notNull(),
    description: text("description"),
    request: jsonb("request").notNull(),
    createdAt: instant("created_at").notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.id] })],
);

/** Messages that were given up, with the reason; an operator may send one again. */
export const deadLetters = pgTable("dead_letters", {
  id: text("id").primaryKey(),
  workspaceId: text("workspace_id"),
  type: text("type").notNull(),
  body: jsonb("body").notNull(),
  reason: text("reason").notNull(),
  attempts: integer("attempts").notNull(),
  deadAt: instant("dead_at").notNull(),
  replayedAt: instant("replayed_at"),
  replayedBy: text("replayed_by"),
});
