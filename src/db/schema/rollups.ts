import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import { exact, instant, quarters, userBits } from "./columns.ts";

/** The columns of a rollup row: only what can be merged. One set of columns for every rollup table. */
const mergeable = () => ({
  executions: bigint("executions", { mode: "number" }).notNull(),
  errors: bigint("errors", { mode: "number" }).notNull(),
  durationCount: bigint("duration_count", { mode: "number" }).notNull(),
  durationSumMs: exact("duration_sum_ms").notNull(),
  durationSumSquares: exact("duration_sum_squares").notNull(),
  durationMinMs: bigint("duration_min_ms", { mode: "number" }),
  durationMaxMs: bigint("duration_max_ms", { mode: "number" }),
  credits: exact("credits").notNull(),
  tokensIn: exact("tokens_in").notNull(),
  tokensOut: exact("tokens_out").notNull(),
  sketchKeys: integer("sketch_keys").array().notNull(),
  sketchCounts: integer("sketch_counts").array().notNull(),
  /** The same sketch as one number, where it has many cells (sql/sketch.ts). */
  sketchSum: exact("sketch_sum"),
  /** The users by their numbers: chunks in order, and the bits of each. */
  userChunks: integer("user_chunks").array().notNull(),
  userBits: userBits("user_bits").array().notNull(),
  agentIds: text("agent_ids").array().notNull(),
});

/**
 * Keys of a row; a dimension that the row's grain does not keep, or that was absent, is the empty
 * string.
 */
const keys = () => ({
  workspaceId: text("workspace_id").notNull(),
  grain: text("grain").notNull(),
  bucket: instant("bucket").notNull(),
  agentId: text("agent_id").notNull().default(""),
  status: text("status").notNull().default(""),
});

/**
 * Each user of a workspace by a small number, given by the first rollup that has the user and never
 * changed: sets of users are then bits.
 */
export const userNumbers = pgTable(
  "user_numbers",
  {
    workspaceId: text("workspace_id").notNull(),
    userId: text("user_id").notNull(),
    number: integer("number").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.userId] }),
    uniqueIndex("user_numbers_number").on(t.workspaceId, t.number),
  ],
);

/** The next free number of a workspace; runs at the same time take theirs one after the other. */
export const userCounters = pgTable("user_counters", {
  workspaceId: text("workspace_id").primaryKey(),
  next: integer("next").notNull(),
});

/** Minutes (UTC) of the newest hours, which still change. Grains as of hours. */
export const executionMetricsMinutely = pgTable(
  "execution_metrics_minutely",
  { ...keys(), ...mergeable() },
  (t) => [primaryKey({ columns: [t.workspaceId, t.grain, t.bucket, t.agentId, t.status] })],
);

/** Hours (UTC). Grains: `total` by status; `agent` by agent and status. */
export const executionMetricsHourly = pgTable(
  "execution_metrics_hourly",
  { ...keys(), ...mergeable() },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.grain, t.bucket, t.agentId, t.status] }),
    // Includes status and executions (migration 0004): the hours of one agent among hundreds.
    index("execution_metrics_hourly_agent")
      .on(t.workspaceId, t.agentId, t.bucket)
      .where(sql`grain = 'agent'`),
    index("execution_metrics_hourly_running")
      .on(t.workspaceId, t.bucket)
      .where(sql`grain = 'total' and status = 'running'`),
  ],
);

/**
 * Days (UTC). Grains: `total`, `agent`, and `cube` by agent, model, environment, version, error
 * type and status.
 */
export const executionMetricsDaily = pgTable(
  "execution_metrics_daily",
  {
    ...keys(),
    model: text("model").notNull().default(""),
    environment: text("environment").notNull().default(""),
    version: text("version").notNull().default(""),
    errorType: text("error_type").notNull().default(""),
    ...mergeable(),
  },
  (t) => [
    primaryKey({
      name: "execution_metrics_daily_pk",
      columns: [
        t.workspaceId,
        t.grain,
        t.bucket,
        t.agentId,
        t.model,
        t.environment,
        t.version,
        t.errorType,
        t.status,
      ],
    }),
  ],
);

/**
 * Numbers of executions of a day (UTC) by the quarter of an hour in which they started: parallel
 * lists of quarters (0 to 95) and numbers, by the grains `total` and `agent` and by status. Every
 * zone's hours are made of whole quarters (since 1972).
 */
export const executionQuartersDaily = pgTable(
  "execution_quarters_daily",
  {
    ...keys(),
    quarters: integer("quarters").array().notNull(),
    executions: integer("executions").array().notNull(),
  },
  (t) => [
    primaryKey({
      name: "execution_quarters_daily_pk",
      columns: [t.workspaceId, t.grain, t.bucket, t.agentId, t.status],
    }),
  ],
);

/** Days (UTC) of each user, by status. */
export const userActivityDaily = pgTable(
  "user_activity_daily",
  {
    workspaceId: text("workspace_id").notNull(),
    bucket: instant("bucket").notNull(),
    userId: text("user_id").notNull(),
    status: text("status").notNull(),
    ...mergeable(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.bucket, t.userId, t.status] })],
);

/**
 * When a user was there: the quarters of an hour of a day (UTC) in which an execution of theirs
 * started, and a successful one. Every zone's days are made of whole quarters, so one row answers
 * for all of them.
 */
export const userPresenceDaily = pgTable(
  "user_presence_daily",
  {
    workspaceId: text("workspace_id").notNull(),
    bucket: instant("bucket").notNull(),
    userId: text("user_id").notNull(),
    present: quarters("present").notNull(),
    succeeded: quarters("succeeded").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.bucket, t.userId] }),
    index("user_presence_user").on(t.workspaceId, t.userId, t.bucket),
  ],
);

/**
 * Sessions of a day (UTC) that lie so far inside it that nothing of another day can belong to them:
 * their sums, a sketch of their lengths, and the users. A day without a row was never rolled up:
 * there is one for a day without sessions too.
 */
export const sessionsDaily = pgTable(
  "sessions_daily",
  {
    workspaceId: text("workspace_id").notNull(),
    bucket: instant("bucket").notNull(),
    sessions: bigint("sessions", { mode: "number" }).notNull(),
    /** Of a single activity. */
    singles: bigint("singles", { mode: "number" }).notNull(),
    activities: bigint("activities", { mode: "number" }).notNull(),
    lengthSumUs: exact("length_sum_us").notNull(),
    lengthMinUs: bigint("length_min_us", { mode: "number" }),
    lengthMaxUs: bigint("length_max_us", { mode: "number" }),
    /** Sessions of each class of lengths. */
    classes: integer("classes").array().notNull(),
    sketchKeys: integer("sketch_keys").array().notNull(),
    sketchCounts: integer("sketch_counts").array().notNull(),
    userIds: text("user_ids").array().notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.bucket] })],
);

/** The other sessions of a day, which may go on over midnight: what of them lies in the day. */
export const sessionEdgesDaily = pgTable(
  "session_edges_daily",
  {
    workspaceId: text("workspace_id").notNull(),
    bucket: instant("bucket").notNull(),
    userId: text("user_id").notNull(),
    startedAt: instant("started_at").notNull(),
    endedAt: instant("ended_at").notNull(),
    activities: bigint("activities", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.bucket, t.userId, t.startedAt] })],
);

/**
 * "The rollup of this minute (or hour, or day) no longer equals the raw rows." Writers only insert
 * marks (of hours and recent minutes; for events, of the sessions of a day), never read or wait; a
 * rollup run deletes the marks that its snapshot shows.
 */
export const rollupMarks = pgTable(
  "rollup_marks",
  {
    unit: text("unit").notNull(),
    workspaceId: text("workspace_id").notNull(),
    bucket: instant("bucket").notNull(),
    id: bigint("id", { mode: "number" }).generatedAlwaysAsIdentity(),
    /** True from a writer that marks minutes itself; where it is null a trigger does. */
    withMinutes: boolean("with_minutes"),
  },
  (t) => [primaryKey({ columns: [t.unit, t.workspaceId, t.bucket, t.id] })],
);

/**
 * The findings of the nightly reconcile: buckets whose rollup differs from the raw rows. Must stay
 * empty.
 */
export const rollupDifferences = pgTable("rollup_differences", {
  id: bigint("id", { mode: "number" }).generatedAlwaysAsIdentity().primaryKey(),
  foundAt: instant("found_at").notNull(),
  unit: text("unit").notNull(),
  workspaceId: text("workspace_id").notNull(),
  bucket: instant("bucket").notNull(),
  detail: text("detail").notNull(),
});
