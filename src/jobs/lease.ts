import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { inWorkspace } from "../db/scope.ts";

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
export const MAX_WAIT_SECONDS = 900;
/** Attempts of a job in all, and those of a job whose statements take too long. */
export const MAX_ATTEMPTS = 6;
/** Attempts in a row that end their runtime: no memory or time was left, and nobody was there to say so. */
const MAX_CUT_OFF = 3;
export const seconds = (count: SQL | number) => sql`make_interval(secs => ${count}::int)`;
/** Until when nobody else may work on the job. All times are the database's: no other clock counts. */
export const leaseUntil = sql`now() + ${seconds(LEASE_SECONDS)}`;
export const over = sql`claim = null, lease_until = null, finished_at = now()`;
export const from = (table: JobQueue["table"]) => sql`${sql.identifier(table)} e`;
export const one = ({ workspaceId, id }: JobId) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;
export const foundJob = z.object({ workspace_id: z.string(), id: z.string() });

/** No lease and no wait holds a job back. A time further ahead than either can be was written under another clock. */
export const isUnheld = sql`(e.lease_until is null or e.lease_until <= now()
  or e.lease_until > now() + ${seconds(sql`case e.status when 'running' then ${2 * LEASE_SECONDS}::int else ${2 * MAX_WAIT_SECONDS}::int end`)})`;
export const isSpent = sql`(e.attempts >= ${MAX_ATTEMPTS}::int or e.cut_off >= ${MAX_CUT_OFF - 1}::int)`;
/** An attempt may begin: it waits its turn, or its worker was lost. */
export const mayBegin = sql`((e.status = 'queued' or (e.status = 'running' and not ${isSpent})) and ${isUnheld})`;
/** What an attempt writes as it begins. */
export const beginAttempt = (token: string) => sql`status = 'running', claim = ${token},
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
      ? [beginAttempt(token), mayBegin]
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
