import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { listByTime, type Paging } from "../../db/keyset.ts";
import { inWorkspace } from "../../db/scope.ts";
import { FORMAT_NAMES } from "../../formats/table.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { parseInstant } from "../../lib/time.ts";
import { type ExportJob, type ExportRequest, exportFile, exportRequest, STATUSES } from "./schema.ts";
import { SOURCE_NAMES } from "./sources.ts";

const COLUMNS = sql.raw(
  "e.id, e.source, e.format, e.status, e.request, e.as_of, e.rows_done, e.rows_expected, e.files, e.error_code, e.error_message, e.attempts, e.template_id, e.schedule_id, e.created_at, e.created_by, e.started_at, e.finished_at, e.expires_at",
);
const row = z.object({
  id: z.string(),
  source: z.enum(SOURCE_NAMES),
  format: z.enum(FORMAT_NAMES),
  status: z.enum(STATUSES),
  request: exportRequest,
  as_of: z.string().nullable(),
  rows_done: z.number(),
  rows_expected: z.number().nullable(),
  files: z.array(exportFile),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
  attempts: z.number(),
  template_id: z.string().nullable(),
  schedule_id: z.string().nullable(),
  created_at: z.string(),
  created_by: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  expires_at: z.string().nullable(),
});

function jobOf({ error_code, error_message, ...rest }: z.output<typeof row>, nowMs: number): ExportJob {
  const elapsed = rest.started_at === null ? 0 : nowMs - (parseInstant(rest.started_at) ?? 0) / 1000;
  const left = (rest.rows_expected ?? 0) - rest.rows_done;
  const known = rest.status === "running" && rest.rows_done > 0 && rest.rows_expected !== null && elapsed > 0;
  return {
    ...rest,
    remaining_ms: known ? Math.round((elapsed * left) / rest.rows_done) : null,
    error: error_code === null ? null : { code: error_code, message: error_message ?? "" },
  };
}

export interface Origin {
  templateId?: string | undefined;
  scheduleId?: string | undefined;
  author: string;
}

/** Stores a queued job. The same id again gives the one that is there: a request that was repeated makes one export. */
export async function createExport(
  ctx: Context,
  workspaceId: string,
  id: string,
  request: ExportRequest,
  origin: Origin,
): Promise<ExportJob> {
  const [found] = await ctx.db.query({
    sql: sql`insert into exports as e (workspace_id, id, source, format, request, status, template_id, schedule_id, created_at, created_by)
      values (${workspaceId}, ${id}, ${request.source}, ${request.format}, ${JSON.stringify(request)}::jsonb, 'queued', ${origin.templateId ?? null},
        ${origin.scheduleId ?? null}, now(), ${origin.author})
      on conflict (workspace_id, id) do update set id = excluded.id returning ${COLUMNS}`,
    row,
  });
  if (!found) throw new Error("The statement gave no row");
  return jobOf(found, ctx.now());
}

/** @throws AppError not_found, also for an export of another workspace */
export async function getExport(ctx: Context, workspaceId: string, id: string): Promise<ExportJob> {
  const [found] = await ctx.db.query({
    sql: sql`select ${COLUMNS} from exports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row,
  });
  if (!found) throw notFound("export");
  return jobOf(found, ctx.now());
}

/** Newest first, ties by id. */
export async function listExports(
  ctx: Context,
  workspaceId: string,
  query: Paging & { status?: string | undefined; source?: string | undefined },
) {
  const where: SQL[] = [inWorkspace(workspaceId, "e")];
  if (query.status !== undefined) where.push(sql`e.status = ${query.status}`);
  if (query.source !== undefined) where.push(sql`e.source = ${query.source}`);
  const list = { from: sql`exports e`, columns: COLUMNS, row, where, time: "created_at" };
  const { data, page } = await listByTime(ctx.db, { ...list, timeOf: (each) => each.created_at }, query);
  return { data: data.map((each) => jobOf(each, ctx.now())), page };
}

/** Stops a job that is not over; its consumer notices before its next part. @throws AppError not_found, conflict */
export async function cancelExport(ctx: Context, workspaceId: string, id: string): Promise<ExportJob> {
  const [found] = await ctx.db.query({
    sql: sql`update exports e set status = 'cancelled', finished_at = now(), claim = null, lease_until = null
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and e.status in ('queued', 'running') returning ${COLUMNS}`,
    row,
  });
  if (found) return jobOf(found, ctx.now());
  const { status } = await getExport(ctx, workspaceId, id);
  throw new AppError("conflict", "export_over", `The export is ${status}.`);
}

const progress = z.object({
  /** Rows of the snapshot, so that a later attempt knows whether they are still the same. */
  fingerprint: z.string(),
  uploadId: z.string(),
  uploaded: z.array(z.object({ partNumber: z.number(), etag: z.string(), rows: z.number(), bytes: z.number(), sha256: z.string() })),
  from: z.object({ after: z.array(z.string()).nullable(), rows: z.number(), state: z.unknown() }),
  /** Bytes that are made again from there but stored already. */
  skip: z.number(),
  totals: z.record(z.string(), z.string()),
});
export type Progress = z.output<typeof progress>;

const claimed = z.object({
  request: exportRequest,
  as_of: z.string().nullable(),
  progress: progress.nullable(),
});
export interface Claim extends z.output<typeof claimed> {
  workspaceId: string;
  id: string;
  /** Names this attempt: what it writes is refused once another has begun. */
  token: string;
}

export const LEASE_SECONDS = 180;
const lease = sql`now() + make_interval(secs => ${LEASE_SECONDS}::int)`;

/** Takes a job that is queued, or whose consumer was lost. Undefined: it is over, or somebody is at it. */
export async function claimExport(ctx: Context, workspaceId: string, id: string, again: boolean): Promise<Claim | undefined> {
  const token = crypto.randomUUID();
  const [found] = await ctx.db.query({
    sql: sql`update exports e set status = 'running', claim = ${token}, lease_until = ${lease}, attempts = e.attempts + 1, started_at = coalesce(e.started_at, now()),
        error_code = null, error_message = null
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and (e.status = 'queued' or (e.status = 'running' and e.lease_until < now())
          or (${again} and e.status = 'failed' and e.error_code = 'given_up'))
      returning e.request, e.as_of, e.progress`,
    row: claimed,
  });
  return found && { ...found, workspaceId, id, token };
}

/** The claim is gone: the job was cancelled or deleted, or another attempt has begun. */
export class ClaimLost extends Error {}

/** Changes a job that this attempt still holds. @throws ClaimLost */
async function change(ctx: Context, { workspaceId, id, token }: Claim, changes: SQL): Promise<void> {
  const rows = await ctx.db.query({
    sql: sql`update exports e set ${changes} where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and e.claim = ${token} and e.status = 'running' returning e.id`,
    row: z.object({ id: z.string() }),
  });
  if (rows.length === 0) throw new ClaimLost();
}

export const saveStart = (ctx: Context, claim: Claim, asOf: string, rows: number) =>
  change(ctx, claim, sql`as_of = ${asOf}::timestamptz, rows_expected = ${rows}, rows_done = 0, progress = null, lease_until = ${lease}`);

export const saveProgress = (ctx: Context, claim: Claim, rowsDone: number, state: Progress) =>
  change(ctx, claim, sql`rows_done = ${rowsDone}, progress = ${JSON.stringify(state)}::jsonb, lease_until = ${lease}`);

export const saveDone = (ctx: Context, claim: Claim, rows: number, files: unknown, retentionDays: number) =>
  change(
    ctx,
    claim,
    sql`status = 'done', rows_done = ${rows}, files = ${JSON.stringify(files)}::jsonb, progress = null, claim = null, lease_until = null,
      finished_at = now(), expires_at = now() + make_interval(days => ${retentionDays}::int)`,
  );

export const saveFailed = (ctx: Context, claim: Claim, code: string, message: string) =>
  change(
    ctx,
    claim,
    sql`status = 'failed', error_code = ${code}, error_message = ${message}, progress = null, claim = null, lease_until = null, finished_at = now()`,
  );

/** Ends this attempt and leaves the job to the next one. */
export const release = (ctx: Context, claim: Claim) => change(ctx, claim, sql`lease_until = now() - interval '1 second'`);

/** Marks a job that was given up; one that is over stays as it is. */
export async function failExport(ctx: Context, workspaceId: string, id: string, reason: string): Promise<void> {
  await ctx.db.query({
    sql: sql`update exports e set status = 'failed', error_code = 'given_up', error_message = ${reason}, claim = null, lease_until = null, finished_at = now()
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and e.status in ('queued', 'running') and (e.lease_until is null or e.lease_until < now())`,
    row: z.unknown(),
  });
}

/** Where the last attempt of a job stood, if any. */
export async function getProgress(ctx: Context, workspaceId: string, id: string): Promise<Progress | undefined> {
  const [found] = await ctx.db.query({
    sql: sql`select e.progress from exports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: z.object({ progress: progress.nullable() }),
  });
  return found?.progress ?? undefined;
}

/** Whether nobody will go on with a job: it was cancelled, or is not there. */
export async function isGone(ctx: Context, workspaceId: string, id: string): Promise<boolean> {
  const [found] = await ctx.db.query({
    sql: sql`select e.status from exports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: z.object({ status: z.string() }),
  });
  return found === undefined || found.status === "cancelled";
}

/** Takes a job off the list. What is running stops at its next part. @throws AppError not_found */
export async function deleteExport(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const rows = await ctx.db.query({
    sql: sql`delete from exports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning e.id`,
    row: z.object({ id: z.string() }),
  });
  if (rows.length === 0) throw notFound("export");
}

const open = z.object({ workspace_id: z.string(), id: z.string() });

/** Jobs that nobody works on: their consumer, or their message, was lost. */
export function lostExports(ctx: Context) {
  return ctx.db.query({
    sql: sql`select e.workspace_id, e.id from exports e where (e.status = 'running' and e.lease_until < now())
      or (e.status = 'queued' and e.created_at < now() - interval '5 minutes') order by e.created_at limit 1000`,
    row: open,
  });
}

/** Marks jobs whose files have been kept long enough; their files are the caller's to remove. */
export function expireExports(ctx: Context) {
  return ctx.db.query({
    sql: sql`update exports e set status = 'expired' where (e.workspace_id, e.id) in
      (select x.workspace_id, x.id from exports x where x.status = 'done' and x.expires_at < now() limit 500) returning e.workspace_id, e.id`,
    row: open,
  });
}
