import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { listByTime, type PageQuery } from "../../db/keyset.ts";
import { insertWithin } from "../../db/quotas.ts";
import { inWorkspace } from "../../db/scope.ts";
import {
  cancelJob,
  type JobOrigin,
  type JobQueue,
  jobError,
  jobErrorColumns,
} from "../../jobs/lease.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { parseInstant } from "../../lib/time.ts";
import { type ExportJob, type ExportRequest, exportJob } from "./schema.ts";

const COLUMNS = sql.raw(`
  e.id,
  e.source,
  e.format,
  e.status,
  e.request,
  e.as_of,
  e.rows_done,
  e.rows_expected,
  e.files,
  e.error_code,
  e.error_message,
  e.attempts,
  e.template_id,
  e.schedule_id,
  e.created_at,
  e.created_by,
  e.started_at,
  e.finished_at,
  e.expires_at`);
const exportRow = exportJob.omit({ remaining_ms: true, error: true }).extend(jobErrorColumns);
type ExportRow = z.output<typeof exportRow>;

/** Milliseconds until a running export is done at its pace so far; null without a pace. */
function remainingMs(job: ExportRow, nowMs: number): number | null {
  const { status, started_at, rows_done, rows_expected } = job;
  if (status !== "running" || started_at === null) return null;
  if (rows_done <= 0 || rows_expected === null) return null;
  const elapsedMs = nowMs - (parseInstant(started_at) ?? 0) / 1000;
  if (elapsedMs <= 0) return null;
  return Math.round((elapsedMs * (rows_expected - rows_done)) / rows_done);
}

function jobOf(row: ExportRow, nowMs: number): ExportJob {
  const { error_code, error_message, ...rest } = row;
  return {
    ...rest,
    remaining_ms: remainingMs(row, nowMs),
    error: jobError(error_code, error_message),
  };
}

export const exportQueue = ({ db }: Context): JobQueue => ({ db, table: "exports" });

export interface ExportOrigin extends JobOrigin {
  templateId?: string | undefined;
}

/**
 * Stores a queued job. An existing id returns what is stored, so that a request may be repeated.
 * @throws AppError rate_limited when too many are under way or were started today
 */
export async function createExport(
  ctx: Context,
  workspaceId: string,
  id: string,
  request: ExportRequest,
  { author, templateId, scheduleId }: ExportOrigin,
): Promise<ExportJob> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  const created = await insertWithin(ctx.db, owner, {
    table: "exports",
    which: sql`e.status in ('queued', 'running')`,
    name: "exports_under_way",
    perDay: "exports_per_day",
    passes: true,
    insert: (allowed) => sql`
      insert into exports as e (
        workspace_id, id, source, format, request, status,
        template_id, schedule_id, created_at, created_by
      )
      select
        ${workspaceId},
        ${id},
        ${request.source},
        ${request.format},
        ${JSON.stringify(request)}::jsonb,
        'queued',
        ${templateId ?? null},
        ${scheduleId ?? null},
        now(),
        ${author}
      where ${allowed}
      on conflict (workspace_id, id) do update
        set id = excluded.id
      returning ${COLUMNS}`,
    row: exportRow,
  });
  return jobOf(created, ctx.now());
}

const isExport = (workspaceId: string, id: string) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;

export async function isStarted(ctx: Context, workspaceId: string, id: string): Promise<boolean> {
  const found = await ctx.db.maybe({
    sql: sql`
      select e.id
      from exports e
      where ${isExport(workspaceId, id)}`,
    row: z.unknown(),
  });
  return found !== undefined;
}

/** @throws AppError not_found, also for another workspace's export */
export async function getExport(ctx: Context, workspaceId: string, id: string): Promise<ExportJob> {
  const found = await ctx.db.maybe({
    sql: sql`
      select ${COLUMNS}
      from exports e
      where ${isExport(workspaceId, id)}`,
    row: exportRow,
  });
  if (!found) throw notFound("export");
  return jobOf(found, ctx.now());
}

/** Newest first, ties by id. */
export async function listExports(
  ctx: Context,
  workspaceId: string,
  query: PageQuery & { status?: string | undefined; source?: string | undefined },
) {
  const where: SQL[] = [inWorkspace(workspaceId, "e")];
  if (query.status !== undefined) where.push(sql`e.status = ${query.status}`);
  if (query.source !== undefined) where.push(sql`e.source = ${query.source}`);
  const list = {
    from: sql`exports e`,
    columns: COLUMNS,
    row: exportRow,
    where,
    time: "created_at",
    timeOf: (row: ExportRow) => row.created_at,
  };
  const { data, page } = await listByTime(ctx.db, list, query);
  return { data: data.map((row) => jobOf(row, ctx.now())), page };
}

/** @throws AppError not_found; conflict for an export that has ended */
export async function cancelExport(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ExportJob> {
  const isCancelled = await cancelJob(exportQueue(ctx), { workspaceId, id });
  const job = await getExport(ctx, workspaceId, id);
  if (!isCancelled) throw new AppError("conflict", "export_over", `The export is ${job.status}.`);
  return job;
}
