import { sql } from "drizzle-orm";
import { jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Saved funnels. `definition` has the shape of features/funnels/schema.ts. */
export const funnels = pgTable(
  "funnels",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    name: text("name").notNull(),
    description: text("description"),
    definition: jsonb("definition").notNull(),
    createdAt: instant("created_at").notNull().default(sql`now()`),
    updatedAt: instant("updated_at").notNull().default(sql`now()`),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.id] })],
);
