import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/**
 * Something a user did. Immutable: the same id again is a duplicate or, with other content, a
 * conflict.
 */
export const events = pgTable(
  "events",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    eventType: text("event_type").notNull(),
    eventName: text("event_name"),
    userId: text("user_id").notNull(),
    sessionId: text("session_id"),
    occurredAt: instant("occurred_at").notNull(),
    properties: jsonb("properties"),
    createdAt: instant("created_at").notNull().default(sql`now()`),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.id] }),
    index("events_time").on(t.workspaceId, t.occurredAt, t.id),
    index("events_user").on(t.workspaceId, t.userId, t.occurredAt),
  ],
);
