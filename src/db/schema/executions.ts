import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from "drizzle-orm/pg-core";
import { credits, instant } from "./columns.ts";

/**
 * One run of one agent for one user, or for none. Partitioned by month of `started_at` (see the
 * first migration), so its primary key cannot make `id` unique alone: `execution_keys` does.
 * `settled` has one bit for each field that a final message has stated (see
 * features/executions/merge.ts).
 */
export const executions = pgTable(
  "executions",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    agentId: text("agent_id").notNull(),
    userId: text("user_id"),
    status: text("status").notNull(),
    startedAt: instant("started_at").notNull(),
    endedAt: instant("ended_at"),
    durationGivenMs: bigint("duration_given_ms", { mode: "number" }),
    durationMs: bigint("duration_ms", { mode: "number" }).generatedAlwaysAs(
      sql`coalesce(duration_given_ms, round(extract(epoch from ended_at - started_at) * 1000)::bigint)`,
    ),
    credits: credits("credits"),
    tokensIn: bigint("tokens_in", { mode: "number" }),
    tokensOut: bigint("tokens_out", { mode: "number" }),
    model: text("model"),
    parentExecutionId: text("parent_execution_id"),
    environment: text("environment"),
    version: text("version"),
    errorType: text("error_type"),
    errorMessage: text("error_message"),
    errorFingerprint: text("error_fingerprint").generatedAlwaysAs(
      sql`case when error_type is not null then error_fingerprint(error_type, error_message) end`,
    ),
    metadata: jsonb("metadata"),
    revision: integer("revision").notNull().default(0),
    settled: integer("settled").notNull().default(0),
    stale: boolean("stale").notNull().default(false),
    createdAt: instant("created_at").notNull().default(sql`now()`),
    heardAt: instant("heard_at").notNull().default(sql`now()`),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.startedAt, t.id] }),
    // These two include further columns (migration 0004), which Drizzle has no word for.
    index("executions_agent").on(t.workspaceId, t.agentId, t.startedAt),
    index("executions_failed")
      .on(t.workspaceId, t.startedAt)
      .where(sql`error_fingerprint is not null`),
    index("executions_user").on(t.workspaceId, t.userId, t.startedAt),
    index("executions_error")
      .on(t.workspaceId, t.errorFingerprint, t.startedAt)
      .where(sql`error_fingerprint is not null`),
    index("executions_running").on(t.workspaceId, t.startedAt).where(sql`status = 'running'`),
    check(
      "executions_status",
      sql`status in ('running', 'success', 'failure', 'timeout', 'cancelled')`,
    ),
  ],
);

/** Makes an id unique in its workspace over all partitions, and finds the partition of an id. */
export const executionKeys = pgTable(
  "execution_keys",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    startedAt: instant("started_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.id] })],
);
