import type { Context } from "../../../context.ts";
import { type DueRun, startDue } from "../../../jobs/due-schedules.ts";
import type { JobOrigin } from "../../../jobs/lease.ts";
import { enqueue } from "../../../messages.ts";
import { runRequestAt } from "../definition/define.ts";
import { getReport, type StoredReport } from "../definition/queries.ts";
import { createReportRun } from "./queries.ts";
import type { ReportRun } from "./schema.ts";

/**
 * Stores a run of a report and sends it to a consumer. A maintenance task repeats a lost message.
 * @param id an existing id starts nothing new
 * @throws AppError unprocessable for an invalid range; rate_limited for too many runs
 */
export async function startReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  report: StoredReport,
  origin: JobOrigin,
): Promise<ReportRun> {
  const request = runRequestAt(report, ctx.now() * 1000);
  const run = await createReportRun(ctx, workspaceId, id, report.id, request, origin);
  if (run.status === "queued") await enqueue(ctx, { type: "report.run", workspaceId, id });
  return run;
}

/** Starts the reports of due schedules. */
export function startScheduledReports(ctx: Context): Promise<number> {
  const start = async (run: DueRun, id: string): Promise<ReportRun> => {
    const { workspace_id: workspaceId, target_id, due } = run;
    const report = await getReport(ctx, workspaceId, target_id);
    const origin = { author: run.created_by, scheduleId: run.id };
    return startReport({ ...ctx, now: () => due / 1000 }, workspaceId, id, report, origin);
  };
  const failed = (error: unknown, schedule: string) =>
    ctx.log.error("schedule", error, { schedule });
  return startDue({ db: ctx.db, kind: "report" }, ctx.now() * 1000, start, failed);
}
