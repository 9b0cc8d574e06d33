/**
 * Limits of one statement in milliseconds, by its caller. The database ends it then
 * (`statement_timeout`); `GRACE_MS` later we stop waiting for a database that does not even say
 * that.
 */
export const DEADLINES = {
  /** `/ready` answers within two seconds, whatever happens. */
  probe: 1_000,
  /** A caller, or the books of a job. Another figure: `STATEMENT_TIMEOUT_SECONDS`. */
  request: 10_000,
  /** A page of an export or a section of a report: less than the lease of its job. */
  snapshot: 120_000,
  /** Rollups, partitions, retention, reconciling. */
  maintenance: 300_000,
} as const;
export type DeadlineName = keyof typeof DEADLINES;

export const GRACE_MS = 500;

const LOCK_MS = 3_000;

/**
 * The longest wait of a statement for a lock, in milliseconds (`lock_timeout`): less than a request
 * waits for a connection, so that statements behind one lock do not use up all connections. A `drop
 * table` that waits for a long reader holds up all that come after it no longer than this.
 */
export const lockLimitMs = (limitMs: number) => Math.min(LOCK_MS, Math.ceil(limitMs / 2));

/** The time to open a session, and to end one. */
export const CONNECT_MS = 10_000;
export const END_MS = 2_000;
