import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { inWorkspace } from "../db/scope.ts";

/** Tables of jobs: status, claim, lease_until, attempts and times are alike in all of them. */
export const JOB_TABLES = ["exports", "report_runs"] as const;
export type JobTable = (typeof JOB_TABLES)[number];

export interface JobQueue {
  db: Db;
  table: JobTable;
}

export const JOB_STATUSES = [
  "queued",
  "running",
  "done",
  "failed",
  "cancelled",
  "expired",
] as const;

export interface JobId {
  workspaceId: string;
  id: string;
}

/** The author of a job. */
export interface JobOrigin {
  author: string;
  scheduleId?: string | undefined;
}

/** A job under an attempt. */
export interface ClaimedJob extends JobId {
  /** Names the attempt: its writes are refused once another attempt has begun. */
  token: string;
  attempts: number;
}

/** Thrown when the job was cancelled or deleted, or another attempt has begun. */
export class ClaimLost extends Error {}

const LEASE_SECONDS = 180;
/** Longest wait between two attempts. */
export const MAX_WAIT_SECONDS = 900;
/** Attempts of a job. */
export const MAX_ATTEMPTS = 6;
/** Attempts in a row that may end with their runtime, which ran out of memory or time. */
const MAX_CUT_OFF = 3;

export const inSeconds = (count: SQL | number) => sql`make_interval(secs => ${count}::int)`;
/** End of a lease that begins now. All times are the database's: no other clock counts. */
export const leaseUntil = sql`now() + ${inSeconds(LEASE_SECONDS)}`;
export const jobsOf = (table: JobTable) => sql`${sql.identifier(table)} e`;
export const isJob = ({ workspaceId, id }: JobId) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;
export const isClaimed = (claimed: ClaimedJob) => sql`
  ${isJob(claimed)}
  and e.claim = ${claimed.token}
  and e.status = 'running'`;
/** Ends the claim and the job. */
export const isOver = sql`claim = null, lease_until = null, finished_at = now()`;
export const foundJob = z.object({ workspace_id: z.string(), id: z.string() });

const longestHold = inSeconds(sql`
  case e.status
    when 'running' then ${2 * LEASE_SECONDS}::int
    else ${2 * MAX_WAIT_SECONDS}::int
  end`);
/**
 * No lease and no wait holds the job. A time beyond the longest of both was written under another
 * clock, and counts as past.
 */
export const isUnheld = sql`(
  e.lease_until is null
  or e.lease_until <= now()
  or e.lease_until > now() + ${longestHold}
)`;
export const isSpent = sql`(
  e.attempts >= ${MAX_ATTEMPTS}::int
  or e.cut_off >= ${MAX_CUT_OFF - 1}::int
)`;
/** An attempt may begin: the job is queued, or its worker was lost. */
export const mayBegin = sql`(
  (e.status = 'queued' or (e.status = 'running' and not ${isSpent}))
  and ${isUnheld}
)`;
/** Changes that begin an attempt. */
export const beginAttempt = (token: string) => sql`
  status = 'running',
  claim = ${token},
  lease_until = ${leaseUntil},
  attempts = e.attempts + 1,
  cut_off = e.cut_off + (e.status = 'running')::int,
  started_at = coalesce(e.started_at, now()),
  error_code = null,
  error_message = null`;

/**
 * Claims a job that is queued or whose worker was lost. With a token, renews the claim that
 * `takeJob` made (jobs/turns.ts).
 * @returns undefined if the job has finished or is leased by another worker
 */
export async function claimJob<T>(
  { db, table }: JobQueue,
  job: JobId & { token?: string | undefined },
  columns: SQL,
  row: z.ZodType<T>,
): Promise<(T & ClaimedJob) | undefined> {
  const { workspaceId, id, token = crypto.randomUUID() } = job;
  const claim =
    job.token === undefined
      ? { changes: beginAttempt(token), where: mayBegin }
      : {
          changes: sql`lease_until = ${leaseUntil}`,
          where: sql`e.claim = ${token} and e.status = 'running'`,
        };
  const taken = await db.maybe({
    sql: sql`
      update ${jobsOf(table)}
      set ${claim.changes}
      where ${isJob(job)}
        and ${claim.where}
      returning e.attempts, ${columns}`,
    row: z.intersection(z.object({ attempts: z.number() }), row),
  });
  return taken && { ...taken, workspaceId, id, token };
}

/**
 * Changes a job that this attempt still holds.
 * @throws ClaimLost
 */
export async function changeJob(
  { db, table }: JobQueue,
  claimed: ClaimedJob,
  changes: SQL,
): Promise<void> {
  const changed = await db.maybe({
    sql: sql`
      update ${jobsOf(table)}
      set ${changes}
      where ${isClaimed(claimed)}
      returning e.id`,
    row: z.unknown(),
  });
  if (changed === undefined) throw new ClaimLost();
}

/** Queues a failed job again, with all of its attempts. */
export async function reopenJob({ db, table }: JobQueue, job: JobId): Promise<void> {
  await db.run(sql`
    update ${jobsOf(table)}
    set status = 'queued', attempts = 0, cut_off = 0, lease_until = null, finished_at = null
    where ${isJob(job)}
      and e.status = 'failed'`);
}

/**
 * Cancels a job that is queued or running; its worker notices at its next step.
 * @returns whether there was one
 */
export async function cancelJob({ db, table }: JobQueue, job: JobId): Promise<boolean> {
  const cancelled = await db.maybe({
    sql: sql`
      update ${jobsOf(table)}
      set status = 'cancelled', ${isOver}
      where ${isJob(job)}
        and e.status in ('queued', 'running')
      returning e.id`,
    row: z.unknown(),
  });
  return cancelled !== undefined;
}

/** Whether no attempt will continue the job: it was cancelled or deleted. */
export async function isGone({ db, table }: JobQueue, job: JobId): Promise<boolean> {
  const found = await db.maybe({
    sql: sql`
      select e.status
      from ${jobsOf(table)}
      where ${isJob(job)}`,
    row: z.object({ status: z.string() }),
  });
  return found === undefined || found.status === "cancelled";
}

export async function deleteJob({ db, table }: JobQueue, job: JobId): Promise<void> {
  await db.run(sql`
    delete from ${jobsOf(table)}
    where ${isJob(job)}`);
}

/** The failure of a job, as answers show it. */
export const jobError = (code: string | null, message: string | null) =>
  code === null ? null : { code, message: message ?? "" };

/** Columns of a failed job. */
export const jobErrorColumns = {
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
};
