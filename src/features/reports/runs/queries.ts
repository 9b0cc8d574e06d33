import { type SQL, sql } from "drizzle-orm";
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
  type JobOrigin,
  type JobQueue,
  jobError,
  jobErrorColumns,
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

const COLUMNS = sql.raw(`
  e.id,
  e.report_id,
  e.status,
  e.progress,
  e.section,
  e.request,
  e.as_of,
  e.file,
  e.error_code,
  e.error_message,
  e.attempts,
  e.downloads,
  e.created_at,
  e.created_by,
  e.started_at,
  e.finished_at,
  e.expires_at`);
const runRow = reportRun
  .omit({ error: true })
  .extend({ request: storedRunRequest, ...jobErrorColumns });
type RunRow = z.output<typeof runRow>;

const isRun = (workspaceId: string, id: string) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;

/** Without the secrets of the recipients: only the claim of a run needs them. */
function shownRun({ error_code, error_message, request, ...rest }: RunRow): ReportRun {
  return {
    ...rest,
    request: { ...request, recipients: request.recipients.map(maskedRecipient) },
    error: jobError(error_code, error_message),
  };
}

/**
 * Stores a queued run. An existing id returns what is stored, so that a request may be repeated.
 * @throws AppError rate_limited when too many are under way or were started today
 */
export async function createReportRun(
  ctx: Context,
  workspaceId: string,
  id: string,
  reportId: string,
  request: StoredRunRequest,
  { author, scheduleId }: JobOrigin,
): Promise<ReportRun> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  const created = await insertWithin(ctx.db, owner, {
    table: "report_runs",
    which: sql`e.status in ('queued', 'running')`,
    name: "report_runs_under_way",
    perDay: "report_runs_per_day",
    passes: true,
    insert: (allowed) => sql`
      insert into report_runs as e (
        workspace_id, id, report_id, request, status,
        created_at, created_by, schedule_id
      )
      select
        ${workspaceId},
        ${id},
        ${reportId},
        ${JSON.stringify(request)}::jsonb,
        'queued',
        now(),
        ${author},
        ${scheduleId ?? null}
      where ${allowed}
      on conflict (workspace_id, id) do update
        set id = excluded.id
      returning ${COLUMNS}`,
    row: runRow,
  });
  return shownRun(created);
}

/** @throws AppError not_found, also for another workspace's run */
export async function getReportRun(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ReportRun> {
  const found = await ctx.db.maybe({
    sql: sql`
      select ${COLUMNS}
      from report_runs e
      where ${isRun(workspaceId, id)}`,
    row: runRow,
  });
  if (!found) throw notFound("run");
  return shownRun(found);
}

/** Newest first, ties by id. @param reportId undefined for the runs of all reports */
export async function listReportRuns(
  ctx: Context,
  workspaceId: string,
  reportId: string | undefined,
  query: PageQuery,
) {
  const where: SQL[] = [inWorkspace(workspaceId, "e")];
  if (reportId !== undefined) where.push(sql`e.report_id = ${reportId}`);
  const list = {
    from: sql`report_runs e`,
    columns: COLUMNS,
    row: runRow,
    where,
    time: "created_at",
    timeOf: (run: RunRow) => run.created_at,
  };
  const { data, page } = await listByTime(ctx.db, list, query);
  return { data: data.map(shownRun), page };
}

/** @throws AppError not_found; conflict for a run that has ended */
export async function cancelReportRun(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ReportRun> {
  const isCancelled = await cancelJob(reportRunQueue(ctx), { workspaceId, id });
  const run = await getReportRun(ctx, workspaceId, id);
  if (!isCancelled) throw new AppError("conflict", "run_over", `The run is ${run.status}.`);
  return run;
}

const claimedRun = z.object({ request: storedRunRequest, report_id: z.string() });
export type RunClaim = z.output<typeof claimedRun> & ClaimedJob;

/** @param job with the token of the claim, if it was claimed before */
export const claimReportRun = (ctx: Context, job: JobId & { token?: string | undefined }) =>
  claimJob(reportRunQueue(ctx), job, sql`e.request, e.report_id`, claimedRun);

/** @throws ClaimLost */
export function saveRunProgress(
  ctx: Context,
  claim: RunClaim,
  percent: number,
  section: string,
): Promise<void> {
  const changes = sql`
    progress = ${percent},
    section = ${section},
    lease_until = ${leaseUntil}`;
  return changeJob(reportRunQueue(ctx), claim, changes);
}

/** @throws ClaimLost */
export function saveReportRun(
  ctx: Context,
  claim: RunClaim,
  asOf: string,
  file: z.output<typeof runFile>,
): Promise<void> {
  const changes = sql`
    progress = 100,
    section = null,
    as_of = ${asOf}::timestamptz,
    file = ${JSON.stringify(file)}::jsonb`;
  return finishJob(reportRunQueue(ctx), claim, changes, ctx.config.EXPORT_RETENTION_DAYS);
}

export async function countRunDownload(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<void> {
  await ctx.db.run(sql`
    update report_runs e
    set downloads = e.downloads + 1
    where ${isRun(workspaceId, id)}`);
}

const usageRow = z.object({
  report_id: z.string(),
  name: z.string().nullable(),
  runs: z.number(),
  failed: z.number(),
  downloads: z.number(),
  views: z.number(),
  seconds_avg: z.coerce.number().nullable(),
});

/** Runs, downloads and views of each report. The most run first, ties by id. */
export function reportUsage(ctx: Context, workspaceId: string, limit = 100) {
  const seconds = sql`extract(epoch from e.finished_at - e.started_at)`;
  return ctx.db.all({
    sql: sql`
      select
        e.report_id,
        max(r.name) as name,
        count(*) as runs,
        count(*) filter (where e.status = 'failed') as failed,
        sum(e.downloads)::bigint as downloads,
        coalesce(sum(s.views), 0)::bigint as views,
        avg(${seconds}) filter (where e.status = 'done')::float8 as seconds_avg
      from report_runs e
      left join reports r
        on ${inWorkspace(workspaceId, "r")}
        and r.id = e.report_id
      left join (
        select run_id, sum(views) as views
        from report_shares x
        where ${inWorkspace(workspaceId, "x")}
        group by run_id
      ) s on s.run_id = e.id
      where ${inWorkspace(workspaceId, "e")}
      group by e.report_id
      order by runs desc, e.report_id
      limit ${limit}`,
    row: usageRow,
  });
}
