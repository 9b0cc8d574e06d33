import { type SQL, sql } from "drizzle-orm";
import { backoff } from "../lib/backoff.ts";
import { AppError } from "../lib/errors.ts";
import {
  type ClaimedJob,
  ClaimLost,
  changeJob,
  foundJob,
  from,
  isSpent,
  isUnheld,
  type JobQueue,
  type JobTable,
  MAX_ATTEMPTS,
  MAX_WAIT_SECONDS,
  one,
  over,
  seconds,
} from "./lease.ts";

const WAIT_SECONDS = 5;

const MAX_TIMEOUTS = 3;

const CUT_OFF = "Every attempt was cut off: it needs more memory or time than there is.";

const GIVEN_UP = "It failed at every attempt; an operator can see why and start it again.";

const INTERNAL = "It could not be made: an internal error. An operator can see why.";

/** A schedule whose runs fail so often in a row, by their nature, is paused. */
const MAX_SCHEDULE_FAILURES = 3;

/** Jobs that end are counted by their schedule. @param ended an update of jobs `e` that returns `returned` */
function counted(table: JobTable, ended: SQL, failure: { code: string; message: string } | null) {
  const kind = table === "exports" ? "export" : "report";
  const last = sql`s.failures + 1 >= ${MAX_SCHEDULE_FAILURES}::int`;
  const change = failure
    ? sql`failures = s.failures + 1, enabled = s.enabled and not ${last}, paused = case when ${last}
        then jsonb_build_object('code', ${failure.code}::text, 'message', ${failure.message}::text, 'at', now()) end`
    : sql`failures = 0`;
  return sql`with ended as (${ended} returning e.workspace_id, e.id, e.schedule_id),
    told as (update schedules s set ${change} from ended
      where s.workspace_id = ended.workspace_id and s.kind = ${kind} and s.id = ended.schedule_id
        and ${failure ? sql`true` : sql`s.failures > 0`})
    select workspace_id, id from ended`;
}

async function endJob(
  { db, table }: JobQueue,
  claimed: ClaimedJob,
  changes: SQL,
  failure: { code: string; message: string } | null,
): Promise<void> {
  const ended = sql`update ${from(table)} set ${changes}
    where ${one(claimed)} and e.claim = ${claimed.token} and e.status = 'running'`;
  const rows = await db.all({ sql: counted(table, ended, failure), row: foundJob });
  if (rows.length === 0) throw new ClaimLost();
}

/** @param changes what the table keeps of a finished job */
export const finishJob = (
  jobs: JobQueue,
  claimed: ClaimedJob,
  changes: SQL,
  retentionDays: number,
) =>
  endJob(
    jobs,
    claimed,
    sql`status = 'done', ${over}, expires_at = now() + make_interval(days => ${retentionDays}::int), ${changes}`,
    null,
  );

const failed = (code: string, message: string) =>
  sql`status = 'failed', error_code = ${code}, error_message = ${message}, ${over}`;

/** What became of an attempt. */
export type JobOutcome =
  | { status: "done" }
  /** Nobody was needed: the job is over, or another attempt has it. */
  | { status: "lost" }
  /** Another attempt may do better; nobody begins it before. */
  | { status: "again"; afterSeconds: number; error: unknown }
  /** `isKnown`: its caller was told all that there is to say. */
  | { status: "failed"; error: unknown; isKnown: boolean };

/** What may be otherwise at the next attempt: something is away. All else fails by its nature. */
const isPassing = (error: unknown): error is AppError =>
  error instanceof AppError &&
  ["unavailable", "timeout", "full", "rate_limited"].includes(error.kind);

/**
 * Ends an attempt that failed: the one place that decides whether there is another, and when.
 * @param changes what the table keeps for the next attempt, if anything is to change
 * @throws ClaimLost
 */
export async function settleJob(
  jobs: JobQueue,
  claimed: ClaimedJob,
  error: unknown,
  changes: SQL = sql`attempts = e.attempts`,
): Promise<JobOutcome> {
  if (error instanceof ClaimLost) throw error;
  if (!isPassing(error)) {
    const isKnown = error instanceof AppError && error.cause === undefined;
    const why = error instanceof AppError ? error : { code: "internal_error", message: INTERNAL };
    await endJob(jobs, claimed, failed(why.code, why.message), why);
    return { status: "failed", error, isKnown };
  }
  if (claimed.attempts >= (error.kind === "timeout" ? MAX_TIMEOUTS : MAX_ATTEMPTS)) {
    await changeJob(jobs, claimed, failed("given_up", GIVEN_UP));
    return { status: "failed", error, isKnown: false };
  }
  const wait = backoff(claimed.attempts, WAIT_SECONDS, MAX_WAIT_SECONDS);
  const afterSeconds = Math.ceil(WAIT_SECONDS + wait);
  await changeJob(
    jobs,
    claimed,
    sql`status = 'queued', claim = null, lease_until = now() + ${seconds(afterSeconds)}, cut_off = 0, ${changes}`,
  );
  return { status: "again", afterSeconds, error };
}

/** Gives up the jobs whose attempts all ended without a word. */
export const giveUpSpent = ({ db, table }: JobQueue) =>
  db.all({
    sql: counted(
      table,
      sql`update ${from(table)} set ${failed("given_up", CUT_OFF)}
        where e.status = 'running' and ${isUnheld} and ${isSpent}`,
      { code: "given_up", message: CUT_OFF },
    ),
    row: foundJob,
  });
