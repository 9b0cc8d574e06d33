import { customType, integer, text, timestamp } from "drizzle-orm/pg-core";

/**
 * Microsecond timestamps travel as RFC 3339 text: a JavaScript Date would lose three digits and
 * break keyset cursors.
 */
export const instant = (name: string) =>
  timestamp(name, { withTimezone: true, precision: 6, mode: "string" });

/** Credits: 6 decimals, always a decimal string in JavaScript. */
export const credits = customType<{ data: string }>({ dataType: () => "numeric(20,6)" });

/** Exact integers too large for bigint (sums of squares of milliseconds). */
export const exact = customType<{ data: string }>({ dataType: () => "numeric" });

/** A bit for each quarter of an hour of a day (UTC), the first one first. */
export const quarters = customType<{ data: string }>({ dataType: () => "bit(96)" });

/** A chunk of a set of users: a bit for each of so many numbers (rollups/user-sets.ts). */
export const userBits = customType<{ data: string }>({ dataType: () => "bit(256)" });

/** The columns of every table of jobs (jobs/lease.ts). */
export const job = () => ({
  workspaceId: text("workspace_id").notNull(),
  id: text("id").notNull(),
  status: text("status").notNull(),
  /** The moment that everything in its files is of. */
  asOf: instant("as_of"),
  errorCode: text("error_code"),
  errorMessage: text("error_message"),
  attempts: integer("attempts").notNull().default(0),
  /** Attempts in a row that ended without a word. */
  cutOff: integer("cut_off").notNull().default(0),
  /** The worker on it. */
  claim: text("claim"),
  /**
   * Until when nobody else may work on it; of a queued one: before when its next attempt does not
   * begin.
   */
  leaseUntil: instant("lease_until"),
  scheduleId: text("schedule_id"),
  createdAt: instant("created_at").notNull(),
  createdBy: text("created_by").notNull(),
  startedAt: instant("started_at"),
  finishedAt: instant("finished_at"),
  expiresAt: instant("expires_at"),
});
