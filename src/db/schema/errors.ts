import { pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Decisions about groups of errors. A group without a row is open. */
export const errorStates = pgTable(
  "error_states",
  {
    workspaceId: text("workspace_id").notNull(),
    fingerprint: text("fingerprint").notNull(),
    status: text("status").notNull(),
    note: text("note"),
    /** Errors of the group that start after this moment reopen it when it was resolved. */
    changedAt: instant("changed_at").notNull(),
    changedBy: text("changed_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.fingerprint] })],
);
