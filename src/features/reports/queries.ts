import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { listByTime, type PageQuery } from "../../db/keyset.ts";
import { insertWithin } from "../../db/quotas.ts";
import { inWorkspace } from "../../db/scope.ts";
import {
  type ClaimedJob,
  cancelJob,
  changeJob,
  claimJob,
  finishJob,
  type JobId,
  type JobQueue,
  leaseUntil,
} from "../../jobs/lease.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { formatInstant } from "../../lib/time.ts";
import { maskedRecipient } from "./definition/recipients.ts";
import {
  type Definition,
  definition,
  type Report,
  type ReportRun,
  reportRun,
  type runFile,
  type StoredRequest,
  storedRequest,
} from "./schema.ts";

export const jobs = ({ db }: Context): JobQueue => ({ db, table: "report_runs" });

const REPORT = sql.raw(
  "e.id, e.name, e.description, e.definition, e.created_at, e.updated_at, e.created_by",
);
const reportRow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  definition,
  created_at: z.string(),
  updated_at: z.string(),
  created_by: z.string(),
});
export type Stored = z.output<typeof reportRow>;

/** As an answer shows it: without the secrets of its recipients. */
export function shown({
  definition: { from, to, timeframe, range, recipients, ...rest },
  ...report
}: Stored): Report {
  const at = (us: number | undefined) => (us === undefined ? null : formatInstant(us));
  return {
    ...report,
    ...rest,
    recipients: recipients.map(maskedRecipient),
    timeframe: timeframe ?? null,
    range: range ?? null,
    from: at(from),
    to: at(to),
  };
}

/** Newest first, ties by id. */
export async function listReports(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`reports e`,
    columns: REPORT,
    row: reportRow,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  const { data, page } = await listByTime(
    ctx.db,
    { ...list, timeOf: (row) => row.created_at },
    query,
  );
  return { data: data.map(shown), page };
}

/** @throws AppError not_found, also for a report of another workspace */
export async function getReport(ctx: Context, workspaceId: string, id: string): Promise<Stored> {
  const found = await ctx.db.maybe({
    sql: sql`select ${REPORT} from reports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: reportRow,
  });
  if (!found) throw notFound("report");
  return found;
}

interface Saved {
  name: string;
  description: string | null;
  definition: Definition;
}

/**
 * The same id again (a request that was repeated) gives what is stored.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export async function createReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  { name, description, definition: of }: Saved,
): Promise<Stored> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  return insertWithin(ctx.db, owner, {
    table: "reports",
    name: "reports",
    insert: (allowed) => sql`insert into reports as e
        (workspace_id, id, name, description, definition, created_at, updated_at, created_by)
      select ${workspaceId}, ${id}, ${name}, ${description}, ${JSON.stringify(of)}::jsonb, now(), now(),
        ${author} where ${allowed}
      on conflict (workspace_id, id) do update set id = excluded.id returning ${REPORT}`,
    row: reportRow,
  });
}

/** @throws AppError not_found */
export async function replaceReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  { name, description, definition: of }: Saved,
): Promise<Stored> {
  const found = await ctx.db.maybe({
    sql: sql`update reports e set name = ${name}, description = ${description}, definition = ${JSON.stringify(of)}::jsonb, updated_at = now()
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning ${REPORT}`,
    row: reportRow,
  });
  if (!found) throw notFound("report");
  return found;
}

/** Its runs stay, until their files expire; its schedules go. @throws AppError not_found */
export async function deleteReport(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const [rows] = await ctx.db.transaction(
    [
      {
        sql: sql`delete from reports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning e.id`,
        row: z.unknown(),
      },
      {
        sql: sql`delete from schedules e where ${inWorkspace(workspaceId, "e")} and e.kind = 'report' and e.target_id = ${id}`,
        row: z.unknown(),
      },
    ],
    { isolation: "ReadCommitted" },
  );
  if (rows?.length === 0) throw notFound("report");
}

const RUN = sql.raw(
  "e.id, e.report_id, e.status, e.progress, e.section, e.request, e.as_of, e.file, e.error_code, e.error_message, e.attempts, e.downloads, e.created_at, e.created_by, e.started_at, e.finished_at, e.expires_at",
);
const runRow = reportRun.omit({ error: true }).extend({
  request: storedRequest,
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

export interface Origin {
  author: string;
  scheduleId?: string | undefined;
}

/**
 * Stores a queued run. The same id again gives the one that is there.
 * @throws AppError rate_limited, when too many are under way or were started today
 */
export async function createRun(
  ctx: Context,
  workspaceId: string,
  id: string,
  reportId: string,
  request: StoredRequest,
  { author, scheduleId }: Origin,
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
export async function getRun(ctx: Context, workspaceId: string, id: string): Promise<ReportRun> {
  const found = await ctx.db.maybe({
    sql: sql`select ${RUN} from report_runs e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: runRow,
  });
  if (!found) throw notFound("run");
  return runOf(found);
}

/** Newest first, ties by id. @param reportId of one report only */
export async function listRuns(
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
export async function cancelRun(ctx: Context, workspaceId: string, id: string): Promise<ReportRun> {
  const cancelled = await cancelJob(jobs(ctx), { workspaceId, id });
  const run = await getRun(ctx, workspaceId, id);
  if (!cancelled) throw new AppError("conflict", "run_over", `The run is ${run.status}.`);
  return run;
}

const claimed = z.object({ request: storedRequest, report_id: z.string() });
export type Claim = z.output<typeof claimed> & ClaimedJob;
/** @param job with the token of a claim that was made already, if it was */
export const claimRun = (ctx: Context, job: JobId & { token?: string | undefined }) =>
  claimJob(jobs(ctx), job, sql`e.request, e.report_id`, claimed);

export const saveSection = (ctx: Context, claim: Claim, progress: number, section: string) =>
  changeJob(
    jobs(ctx),
    claim,
    sql`progress = ${progress}, section = ${section}, lease_until = ${leaseUntil}`,
  );

export const saveRun = (
  ctx: Context,
  claim: Claim,
  asOf: string,
  file: z.output<typeof runFile>,
  retentionDays: number,
) =>
  finishJob(
    jobs(ctx),
    claim,
    sql`progress = 100, section = null, as_of = ${asOf}::timestamptz, file = ${JSON.stringify(file)}::jsonb`,
    retentionDays,
  );

export async function countDownload(ctx: Context, workspaceId: string, id: string): Promise<void> {
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
export function usageOf(ctx: Context, workspaceId: string, limit = 100) {
  return ctx.db.all({
    sql: sql`select e.report_id, max(r.name) as name, count(*) as runs, count(*) filter (where e.status = 'failed') as failed, sum(e.downloads)::bigint as downloads,
        coalesce(sum(s.views), 0)::bigint as views, avg(extract(epoch from e.finished_at - e.started_at)) filter (where e.status = 'done')::float8 as seconds_avg
      from report_runs e left join reports r on ${inWorkspace(workspaceId, "r")} and r.id = e.report_id
        left join (select run_id, sum(views) as views from report_shares x where ${inWorkspace(workspaceId, "x")} group by run_id) s on s.run_id = e.id
      where ${inWorkspace(workspaceId, "e")} group by e.report_id order by runs desc, e.report_id limit ${limit}`,
    row: usage,
  });
}
