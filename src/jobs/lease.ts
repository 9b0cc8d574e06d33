import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { inWorkspace } from "../db/scope.ts";
import { backoff } from "../lib/backoff.ts";
import { AppError } from "../lib/errors.ts";

/** A table of jobs: status, claim, lease_until, attempts and their times are alike in all of them. */
export interface JobQueue {
  db: Db;
  table: JobTable;
}
export type JobTable = "exports" | "report_runs";

export interface JobId {
  workspaceId: string;
  id: string;
}

/** A job that somebody works on. */
export interface ClaimedJob extends JobId {
  /** Names this attempt: what it writes is refused once another has begun. */
  token: string;
  attempts: number;
}

/** The claim is gone: the job was cancelled or deleted, or another attempt has begun. */
export class ClaimLost extends Error {}

const LEASE_SECONDS = 180;
const [WAIT_SECONDS, MAX_WAIT_SECONDS] = [5, 900];
/** Attempts of a job in all, and those of a job whose statements take too long. */
export const MAX_ATTEMPTS = 6;
const MAX_TIMEOUTS = 3;
/** Attempts in a row that end their runtime: no memory or time was left, and nobody was there to say so. */
const MAX_CUT_OFF = 3;
const CUT_OFF = "Every attempt was cut off: it needs more memory or time than there is.";
const GIVEN_UP = "It failed at every attempt; an operator can see why and start it again.";
const INTERNAL = "It could not be made: an internal error. An operator can see why.";

const seconds = (count: SQL | number) => sql`make_interval(secs => ${count}::int)`;
/** Until when nobody else may work on the job. All times are the database's: no other clock counts. */
export const leaseUntil = sql`now() + ${seconds(LEASE_SECONDS)}`;
const over = sql`claim = null, lease_until = null, finished_at = now()`;
const from = (table: JobQueue["table"]) => sql`${sql.identifier(table)} e`;
const one = ({ workspaceId, id }: JobId) => sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;
export const foundJob = z.object({ workspace_id: z.string(), id: z.string() });

/** No lease and no wait holds a job back. A time further ahead than either can be was written under another clock. */
export const isFree = sql`(e.lease_until is null or e.lease_until <= now()
  or e.lease_until > now() + ${seconds(sql`case e.status when 'running' then ${2 * LEASE_SECONDS}::int else ${2 * MAX_WAIT_SECONDS}::int end`)})`;
const isSpent = sql`(e.attempts >= ${MAX_ATTEMPTS}::int or e.cut_off >= ${MAX_CUT_OFF - 1}::int)`;
/** An attempt may begin: it waits its turn, or its worker was lost. */
export const isOpen = sql`((e.status = 'queued' or (e.status = 'running' and not ${isSpent})) and ${isFree})`;
/** What an attempt writes as it begins. */
export const hasBegun = (token: string) => sql`status = 'running', claim = ${token},
  lease_until = ${leaseUntil}, attempts = e.attempts + 1, cut_off = e.cut_off + (e.status = 'running')::int,
  started_at = coalesce(e.started_at, now()), error_code = null, error_message = null`;

/**
 * Takes a job that waits, or whose worker was lost; or what it holds already by `token` (jobs/turns.ts).
 * @returns undefined when it is over, or somebody is at it
 */
export async function claimJob<T>(
  { db, table }: JobQueue,
  job: JobId & { token?: string | undefined },
  columns: SQL,
  row: z.ZodType<T>,
): Promise<(T & ClaimedJob) | undefined> {
  const { workspaceId, id, token = crypto.randomUUID() } = job;
  const [change, where] =
    job.token === undefined
      ? [hasBegun(token), isOpen]
      : [sql`lease_until = ${leaseUntil}`, sql`e.claim = ${token} and e.status = 'running'`];
  const taken = await db.maybe({
    sql: sql`update ${from(table)} set ${change} where ${one(job)} and ${where}
      returning e.attempts, ${columns}`,
    row: z.intersection(z.object({ attempts: z.number() }), row),
  });
  return taken && { ...taken, workspaceId, id, token };
}

/** Changes a job that this attempt still holds. @throws ClaimLost */
export async function changeJob(
  { db, table }: JobQueue,
  claimed: ClaimedJob,
  changes: SQL,
): Promise<void> {
  const rows = await db.all({
    sql: sql`update ${from(table)} set ${changes}
      where ${one(claimed)} and e.claim = ${claimed.token} and e.status = 'running' returning e.id`,
    row: z.unknown(),
  });
  if (rows.length === 0) throw new ClaimLost();
}

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
        where e.status = 'running' and ${isFree} and ${isSpent}`,
      { code: "given_up", message: CUT_OFF },
    ),
    row: foundJob,
  });

/** Lets a job that has failed begin again, with all of its attempts. */
export async function reopenJob({ db, table }: JobQueue, job: JobId): Promise<void> {
  await db.run(sql`update ${from(table)} set status = 'queued', attempts = 0, cut_off = 0, lease_until = null,
        finished_at = null where ${one(job)} and e.status = 'failed'`);
}

/** Stops a job that is not over; its worker notices at its next step. @returns whether there was one */
export async function cancelJob({ db, table }: JobQueue, job: JobId): Promise<boolean> {
  const rows = await db.all({
    sql: sql`update ${from(table)} set status = 'cancelled', ${over} where ${one(job)} and e.status in ('queued', 'running') returning e.id`,
    row: z.unknown(),
  });
  return rows.length > 0;
}

/** Whether nobody will go on with a job: it was cancelled, or is not there. */
export async function isGone({ db, table }: JobQueue, job: JobId): Promise<boolean> {
  const row = await db.maybe({
    sql: sql`select e.status from ${from(table)} where ${one(job)}`,
    row: z.object({ status: z.string() }),
  });
  return row === undefined || row.status === "cancelled";
}

/** Takes a job off the list. @returns whether it was there */
export async function deleteJob({ db, table }: JobQueue, job: JobId): Promise<boolean> {
  const rows = await db.all({
    sql: sql`delete from ${from(table)} where ${one(job)} returning e.id`,
    row: z.unknown(),
  });
  return rows.length > 0;
}

/** Files are gone at their time, even before somebody removes them. */
export const isExpired = (
  { status, expires_at }: { status: string; expires_at: string | null },
  nowMs: number,
) => status === "expired" || (expires_at !== null && Date.parse(expires_at) <= nowMs);

/** Jobs whose files have been kept long enough. */
export function expiredJobs({ db, table }: JobQueue) {
  return db.all({
    sql: sql`select e.workspace_id, e.id from ${from(table)} where e.status = 'done' and e.expires_at < now() order by e.expires_at limit 500`,
    row: foundJob,
  });
}

/** Marks a job whose files are gone; before that it is found again. */
export async function markExpired({ db, table }: JobQueue, job: JobId): Promise<void> {
  await db.run(
    sql`update ${from(table)} set status = 'expired' where ${one(job)} and e.status = 'done'`,
  );
}
