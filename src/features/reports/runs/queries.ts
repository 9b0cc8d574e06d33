import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { listByTime, type PageQuery } from "../../../db/keyset.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { finishJob } from "../../../jobs/endings.ts";
import {
  type ClaimedJob,
  cancelJob,
  changeJob,
  claimJob,
  type JobId,
  type JobQueue,
  leaseUntil,
} from "../../../jobs/lease.ts";
import { AppError, notFound } from "../../../lib/errors.ts";
import { maskedRecipient } from "../definition/recipients.ts";
import {
  type ReportRun,
  reportRun,
  type runFile,
  type StoredRunRequest,
  storedRunRequest,
} from "./schema.ts";

export const reportRunQueue = ({ db }: Context): JobQueue => ({ db, table: "report_runs" });

const RUN = sql.raw(
  "e.id, e.report_id, e.status, e.progress, e.section, e.request, e.as_of, e.file, e.error_code, e.error_message, e.attempts, e.downloads, e.created_at, e.created_by, e.started_at, e.finished_at, e.expires_at",
);

const runRow = reportRun.omit({ error: true }).extend({
  request: storedRunRequest,
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
});

/** Without the secrets of its recipients: only who claims a run needs them. */
const runOf = ({
  error_code,
  error_message,
  request,
  ...rest
}: z.output<typeof runRow>): ReportRun => ({
  ...rest,
  request: { ...request, recipients: request.recipients.map(maskedRecipient) },
  error: error_code === null ? null : { code: error_code, message: error_message ?? "" },
});

export interface RunOrigin {
  author: string;
  scheduleId?: string | undefined;
}

/**
 * Stores a queued run. The same id again gives the one that is there.
 * @throws AppError rate_limited, when too many are under way or were started today
 */
export async function createReportRun(
  ctx: Context,
  workspaceId: string,
  id: string,
  reportId: string,
  request: StoredRunRequest,
  { author, scheduleId }: RunOrigin,
): Promise<ReportRun> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  const found = await insertWithin(ctx.db, owner, {
    table: "report_runs",
    which: sql`e.status in ('queued', 'running')`,
    name: "report_runs_under_way",
    perDay: "report_runs_per_day",
    passes: true,
    insert: (allowed) => sql`insert into report_runs as e
        (workspace_id, id, report_id, request, status, created_at, created_by, schedule_id)
      select ${workspaceId}, ${id}, ${reportId}, ${JSON.stringify(request)}::jsonb, 'queued', now(),
        ${author}, ${scheduleId ?? null} where ${allowed}
      on conflict (workspace_id, id) do update set id = excluded.id returning ${RUN}`,
    row: runRow,
  });
  return runOf(found);
}

/** @throws AppError not_found, also for a run of another workspace */
export async function getReportRun(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ReportRun> {
  const found = await ctx.db.maybe({
    sql: sql`select ${RUN} from report_runs e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: runRow,
  });
  if (!found) throw notFound("run");
  return runOf(found);
}

/** Newest first, ties by id. @param reportId of one report only */
export async function listReportRuns(
  ctx: Context,
  workspaceId: string,
  reportId: string | undefined,
  query: PageQuery,
) {
  const where = [
    inWorkspace(workspaceId, "e"),
    ...(reportId === undefined ? [] : [sql`e.report_id = ${reportId}`]),
  ];
  const list = { from: sql`report_runs e`, columns: RUN, row: runRow, where, time: "created_at" };
  const { data, page } = await listByTime(
    ctx.db,
    { ...list, timeOf: (row) => row.created_at },
    query,
  );
  return { data: data.map(runOf), page };
}

/** @throws AppError not_found, conflict for one that is over */
export async function cancelReportRun(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ReportRun> {
  const cancelled = await cancelJob(reportRunQueue(ctx), { workspaceId, id });
  const run = await getReportRun(ctx, workspaceId, id);
  if (!cancelled) throw new AppError("conflict", "run_over", `The run is ${run.status}.`);
  return run;
}

const claimed = z.object({ request: storedRunRequest, report_id: z.string() });

export type RunClaim = z.output<typeof claimed> & ClaimedJob;

/** @param job with the token of a claim that was made already, if it was */
export const claimReportRun = (ctx: Context, job: JobId & { token?: string | undefined }) =>
  claimJob(reportRunQueue(ctx), job, sql`e.request, e.report_id`, claimed);

export const saveRunProgress = (ctx: Context, claim: RunClaim, progress: number, section: string) =>
  changeJob(
    reportRunQueue(ctx),
    claim,
    sql`progress = ${progress}, section = ${section}, lease_until = ${leaseUntil}`,
  );

export const saveReportRun = (
  ctx: Context,
  claim: RunClaim,
  asOf: string,
  file: z.output<typeof runFile>,
  retentionDays: number,
) =>
  finishJob(
    reportRunQueue(ctx),
    claim,
    sql`progress = 100, section = null, as_of = ${asOf}::timestamptz, file = ${JSON.stringify(file)}::jsonb`,
    retentionDays,
  );

export async function countRunDownload(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<void> {
  await ctx.db.run(
    sql`update report_runs e set downloads = e.downloads + 1 where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
  );
}

const usage = z.object({
  report_id: z.string(),
  name: z.string().nullable(),
  runs: z.number(),
  failed: z.number(),
  downloads: z.number(),
  views: z.number(),
  seconds_avg: z.coerce.number().nullable(),
});

/** How reports were used: their runs, and what was read of them. The most run first, ties by id. */
export function reportUsage(ctx: Context, workspaceId: string, limit = 100) {
  return ctx.db.all({
    sql: sql`select e.report_id, max(r.name) as name, count(*) as runs, count(*) filter (where e.status = 'failed') as failed, sum(e.downloads)::bigint as downloads,
        coalesce(sum(s.views), 0)::bigint as views, avg(extract(epoch from e.finished_at - e.started_at)) filter (where e.status = 'done')::float8 as seconds_avg
      from report_runs e left join reports r on ${inWorkspace(workspaceId, "r")} and r.id = e.report_id
        left join (select run_id, sum(views) as views from report_shares x where ${inWorkspace(workspaceId, "x")} group by run_id) s on s.run_id = e.id
      where ${inWorkspace(workspaceId, "e")} group by e.report_id order by runs desc, e.report_id limit ${limit}`,
    row: usage,
  });
}
