import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { listByTime, type PageQuery } from "../../db/keyset.ts";
import { insertWithin } from "../../db/quotas.ts";
import { inWorkspace } from "../../db/scope.ts";
import { cancelJob, type JobQueue } from "../../jobs/lease.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { parseInstant } from "../../lib/time.ts";
import { type ExportJob, type ExportRequest, exportJob } from "./schema.ts";

const COLUMNS = sql.raw(
  "e.id, e.source, e.format, e.status, e.request, e.as_of, e.rows_done, e.rows_expected, e.files, e.error_code, e.error_message, e.attempts, e.template_id, e.schedule_id, e.created_at, e.created_by, e.started_at, e.finished_at, e.expires_at",
);
export const row = exportJob
  .omit({ remaining_ms: true, error: true })
  .extend({ error_code: z.string().nullable(), error_message: z.string().nullable() });

function jobOf(
  { error_code, error_message, ...rest }: z.output<typeof row>,
  nowMs: number,
): ExportJob {
  const elapsed =
    rest.started_at === null ? 0 : nowMs - (parseInstant(rest.started_at) ?? 0) / 1000;
  const left = (rest.rows_expected ?? 0) - rest.rows_done;
  const known =
    rest.status === "running" && rest.rows_done > 0 && rest.rows_expected !== null && elapsed > 0;
  return {
    ...rest,
    remaining_ms: known ? Math.round((elapsed * left) / rest.rows_done) : null,
    error: error_code === null ? null : { code: error_code, message: error_message ?? "" },
  };
}

export const exportQueue = ({ db }: Context): JobQueue => ({ db, table: "exports" });

export interface ExportOrigin {
  templateId?: string | undefined;
  scheduleId?: string | undefined;
  author: string;
}

/**
 * Stores a queued job. The same id again gives the one that is there: a request that was repeated makes one export.
 * @throws AppError rate_limited, when too many are under way or were started today
 */
export async function createExport(
  ctx: Context,
  workspaceId: string,
  id: string,
  request: ExportRequest,
  origin: ExportOrigin,
): Promise<ExportJob> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  const found = await insertWithin(ctx.db, owner, {
    table: "exports",
    which: sql`e.status in ('queued', 'running')`,
    name: "exports_under_way",
    perDay: "exports_per_day",
    passes: true,
    insert: (
      allowed,
    ) => sql`insert into exports as e (workspace_id, id, source, format, request, status, template_id, schedule_id, created_at, created_by)
      select ${workspaceId}, ${id}, ${request.source}, ${request.format}, ${JSON.stringify(request)}::jsonb, 'queued', ${origin.templateId ?? null},
        ${origin.scheduleId ?? null}, now(), ${origin.author} where ${allowed}
      on conflict (workspace_id, id) do update set id = excluded.id returning ${COLUMNS}`,
    row,
  });
  return jobOf(found, ctx.now());
}

export async function isStarted(ctx: Context, workspaceId: string, id: string): Promise<boolean> {
  const rows = await ctx.db.all({
    sql: sql`select e.id from exports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: z.unknown(),
  });
  return rows.length > 0;
}

/** @throws AppError not_found, also for an export of another workspace */
export async function getExport(ctx: Context, workspaceId: string, id: string): Promise<ExportJob> {
  const found = await ctx.db.maybe({
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
  query: PageQuery & { status?: string | undefined; source?: string | undefined },
) {
  const where: SQL[] = [inWorkspace(workspaceId, "e")];
  if (query.status !== undefined) where.push(sql`e.status = ${query.status}`);
  if (query.source !== undefined) where.push(sql`e.source = ${query.source}`);
  const list = { from: sql`exports e`, columns: COLUMNS, row, where, time: "created_at" };
  const { data, page } = await listByTime(
    ctx.db,
    { ...list, timeOf: (each) => each.created_at },
    query,
  );
  return { data: data.map((each) => jobOf(each, ctx.now())), page };
}

/** Stops a job that is not over. @throws AppError not_found, conflict */
export async function cancelExport(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ExportJob> {
  const cancelled = await cancelJob(exportQueue(ctx), { workspaceId, id });
  const job = await getExport(ctx, workspaceId, id);
  if (!cancelled) throw new AppError("conflict", "export_over", `The export is ${job.status}.`);
  return job;
}
