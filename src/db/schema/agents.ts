import { sql } from "drizzle-orm";
import { pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/**
 * Names and labels that somebody gave an agent. An agent exists by its executions; a row here is not needed.
 */
export const agents = pgTable(
  "agents",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    name: text("name"),
    labels: text("labels").array().notNull().default(sql`'{}'`),
    updatedAt: instant("updated_at").notNull().default(sql`now()`),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.id] })],
);
