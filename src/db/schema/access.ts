import { sql } from "drizzle-orm";
import { index, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/**
 * API keys. Only digests of their texts are kept (auth/api-key.ts); an id is unique among all
 * workspaces, for a key is found by it alone.
 */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: text("id").primaryKey(),
    workspaceId: text("workspace_id").notNull(),
    name: text("name").notNull(),
    hash: text("hash").notNull(),
    /** The digest before the last rotation, and until when it is accepted. */
    previousHash: text("previous_hash"),
    previousUntil: instant("previous_until"),
    scopes: text("scopes").array().notNull(),
    expiresAt: instant("expires_at"),
    lastUsedAt: instant("last_used_at"),
    createdAt: instant("created_at").notNull().default(sql`now()`),
    createdBy: text("created_by").notNull(),
  },
  (t) => [index("api_keys_created").on(t.workspaceId, t.createdAt, t.id)],
);

/**
 * Revoked tokens of a workspace: one by its `jti`, or all of a user that were issued before a
 * moment. They stay: nobody knows how long a token that was never seen is valid.
 */
export const revocations = pgTable(
  "revocations",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    jti: text("jti"),
    userId: text("user_id"),
    before: instant("before"),
    createdAt: instant("created_at").notNull().default(sql`now()`),
    createdBy: text("created_by").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.id] }),
    uniqueIndex("revocations_jti").on(t.workspaceId, t.jti),
    uniqueIndex("revocations_user").on(t.workspaceId, t.userId),
  ],
);
