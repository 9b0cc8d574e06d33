import type { Context } from "../../../context.ts";
import { startDue } from "../../../jobs/due-schedules.ts";
import { enqueue } from "../../../messages.ts";
import { runRequestAt } from "../definition/define.ts";
import { getReport, type StoredReport } from "../definition/queries.ts";
import { createReportRun, type RunOrigin } from "./queries.ts";
import type { ReportRun } from "./schema.ts";

/**
 * Stores a run of a report and sends it to a consumer. A message that is lost is sent again by the maintenance task.
 * @param id the same id again starts nothing new
 * @throws AppError unprocessable for a range that is none; rate_limited for too many runs
 */
export async function startReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  report: StoredReport,
  origin: RunOrigin,
): Promise<ReportRun> {
  const request = runRequestAt(report, ctx.now() * 1000);
  const run = await createReportRun(ctx, workspaceId, id, report.id, request, origin);
  if (run.status === "queued") await enqueue(ctx, { type: "report.run", workspaceId, id });
  return run;
}

/** Starts the reports whose time has come. */
export function startScheduledReports(ctx: Context): Promise<number> {
  return startDue(
    { db: ctx.db, kind: "report" },
    ctx.now() * 1000,
    async ({ workspace_id, id: scheduleId, target_id, created_by: author, due }, id) => {
      const report = await getReport(ctx, workspace_id, target_id);
      const then = { ...ctx, now: () => due / 1000 };
      return startReport(then, workspace_id, id, report, { author, scheduleId });
    },
    (error, schedule) => ctx.log.error("schedule", error, { schedule }),
  );
}
