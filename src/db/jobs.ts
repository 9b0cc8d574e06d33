import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "./client.ts";
import { inWorkspace } from "./scope.ts";

/** A table of jobs: status, claim, lease_until, attempts and their times are alike in all of them. */
export interface Jobs {
  db: Db;
  table: "exports" | "report_runs";
}

export interface JobId {
  workspaceId: string;
  id: string;
}

/** A job that somebody works on. */
export interface Claimed extends JobId {
  /** Names this attempt: what it writes is refused once another has begun. */
  token: string;
}

/** The claim is gone: the job was cancelled or deleted, or another attempt has begun. */
export class ClaimLost extends Error {}

const LEASE_SECONDS = 180;
/** Until when nobody else may work on the job. */
export const lease = sql`now() + make_interval(secs => ${LEASE_SECONDS}::int)`;
const over = sql`claim = null, lease_until = null, finished_at = now()`;
const from = (table: Jobs["table"]) => sql`${sql.identifier(table)} e`;
const one = ({ workspaceId, id }: JobId) => sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;
const found = z.object({ workspace_id: z.string(), id: z.string() });

/**
 * Takes a job that is queued, or whose worker was lost. Undefined: it is over, or somebody is at it.
 * @param again also one that was given up
 */
export async function claimJob<T>(
  { db, table }: Jobs,
  job: JobId,
  again: boolean,
  columns: SQL,
  row: z.ZodType<T>,
): Promise<(T & Claimed) | undefined> {
  const token = crypto.randomUUID();
  const [taken] = await db.query({
    sql: sql`update ${from(table)} set status = 'running', claim = ${token}, lease_until = ${lease}, attempts = e.attempts + 1, started_at = coalesce(e.started_at, now()),
        error_code = null, error_message = null
      where ${one(job)} and (e.status = 'queued' or (e.status = 'running' and e.lease_until < now()) or (${again} and e.status = 'failed' and e.error_code = 'given_up'))
      returning ${columns}`,
    row,
  });
  return taken && { ...taken, ...job, token };
}

/** Changes a job that this attempt still holds. @throws ClaimLost */
export async function changeJob(
  { db, table }: Jobs,
  claimed: Claimed,
  changes: SQL,
): Promise<void> {
  const rows = await db.query({
    sql: sql`update ${from(table)} set ${changes} where ${one(claimed)} and e.claim = ${claimed.token} and e.status = 'running' returning e.id`,
    row: z.unknown(),
  });
  if (rows.length === 0) throw new ClaimLost();
}

/** @param changes what the table keeps of a finished job */
export const finishJob = (jobs: Jobs, claimed: Claimed, changes: SQL, retentionDays: number) =>
  changeJob(
    jobs,
    claimed,
    sql`status = 'done', ${over}, expires_at = now() + make_interval(days => ${retentionDays}::int), ${changes}`,
  );

export const failJob = (jobs: Jobs, claimed: Claimed, code: string, message: string) =>
  changeJob(
    jobs,
    claimed,
    sql`status = 'failed', error_code = ${code}, error_message = ${message}, ${over}`,
  );

/** Ends this attempt and leaves the job to the next one. */
export const releaseJob = (jobs: Jobs, claimed: Claimed) =>
  changeJob(jobs, claimed, sql`lease_until = now() - interval '1 second'`);

/** Marks a job that was given up; one that is over, or that somebody works on, stays as it is. */
export async function giveUpJob({ db, table }: Jobs, job: JobId, message: string): Promise<void> {
  await db.query({
    sql: sql`update ${from(table)} set status = 'failed', error_code = 'given_up', error_message = ${message}, ${over}
      where ${one(job)} and e.status in ('queued', 'running') and (e.lease_until is null or e.lease_until < now())`,
    row: z.unknown(),
  });
}

/** Stops a job that is not over; its worker notices at its next step. @returns whether there was one */
export async function cancelJob({ db, table }: Jobs, job: JobId): Promise<boolean> {
  const rows = await db.query({
    sql: sql`update ${from(table)} set status = 'cancelled', ${over} where ${one(job)} and e.status in ('queued', 'running') returning e.id`,
    row: z.unknown(),
  });
  return rows.length > 0;
}

/** Whether nobody will go on with a job: it was cancelled, or is not there. */
export async function isGone({ db, table }: Jobs, job: JobId): Promise<boolean> {
  const [row] = await db.query({
    sql: sql`select e.status from ${from(table)} where ${one(job)}`,
    row: z.object({ status: z.string() }),
  });
  return row === undefined || row.status === "cancelled";
}

/** Takes a job off the list. @returns whether it was there */
export async function deleteJob({ db, table }: Jobs, job: JobId): Promise<boolean> {
  const rows = await db.query({
    sql: sql`delete from ${from(table)} where ${one(job)} returning e.id`,
    row: z.unknown(),
  });
  return rows.length > 0;
}

/** An attempt that ends its isolate leaves no error behind; a job whose attempts all end so is given up after this many. */
const MAX_ATTEMPTS = 20;

/** Jobs that nobody works on: their worker, or their message, was lost. Those that were tried too often are given up. */
export async function lostJobs({ db, table }: Jobs) {
  await db.query({
    sql: sql`update ${from(table)} set status = 'failed', error_code = 'given_up', error_message = 'Every attempt was cut off.', ${over}
      where e.status = 'running' and e.lease_until < now() and e.attempts >= ${MAX_ATTEMPTS}::int`,
    row: z.unknown(),
  });
  return db.query({
    sql: sql`select e.workspace_id, e.id from ${from(table)} where (e.status = 'running' and e.lease_until < now())
      or (e.status = 'queued' and e.created_at < now() - interval '5 minutes') order by e.created_at limit 1000`,
    row: found,
  });
}

/** Files are gone at their time, even before somebody removes them. */
export const isExpired = (
  { status, expires_at }: { status: string; expires_at: string | null },
  nowMs: number,
) => status === "expired" || (expires_at !== null && Date.parse(expires_at) <= nowMs);

/** Jobs whose files have been kept long enough. */
export function expiredJobs({ db, table }: Jobs) {
  return db.query({
    sql: sql`select e.workspace_id, e.id from ${from(table)} where e.status = 'done' and e.expires_at < now() order by e.expires_at limit 500`,
    row: found,
  });
}

/** Marks a job whose files are gone; before that it is found again. */
export async function markExpired({ db, table }: Jobs, job: JobId): Promise<void> {
  await db.query({
    sql: sql`update ${from(table)} set status = 'expired' where ${one(job)} and e.status = 'done'`,
    row: z.unknown(),
  });
}
