import type { Context } from "../../../context.ts";
import { type DueRun, startDue } from "../../../jobs/due-schedules.ts";
import { enqueue } from "../../../messages.ts";
import { zoneIn } from "../../../store/workspaces.ts";
import { checkRowCount, exportRequestOf } from "../definition/request.ts";
import { getExportTemplate } from "../definition/template-queries.ts";
import { createExport, type ExportOrigin, isStarted } from "../queries.ts";
import type { ExportInput, ExportJob } from "../schema.ts";

/**
 * Checks and stores a request, and sends it to a consumer. A maintenance task repeats a lost
 * message.
 * @param id an existing id starts nothing new
 * @throws AppError unprocessable, with the path
 */
export async function startExport(
  ctx: Context,
  workspaceId: string,
  id: string,
  input: ExportInput,
  origin: ExportOrigin,
): Promise<ExportJob> {
  const timezone = input.timezone ?? (await zoneIn(ctx, workspaceId, undefined));
  const request = exportRequestOf(workspaceId, { ...input, timezone }, ctx.now() * 1000);
  // Nobody reads an error of a schedule here: its job will have it. A repeated request gets what
  // was started.
  if (origin.scheduleId === undefined && !(await isStarted(ctx, workspaceId, id)))
    await checkRowCount(ctx.db, workspaceId, request);
  const job = await createExport(ctx, workspaceId, id, request, origin);
  if (job.status === "queued") await enqueue(ctx, { type: "export.run", workspaceId, id });
  return job;
}

/** Starts the exports of due schedules. */
export function startScheduledExports(ctx: Context): Promise<number> {
  const start = async (run: DueRun, id: string): Promise<ExportJob> => {
    const { workspace_id: workspaceId, target_id: templateId, due } = run;
    const { request } = await getExportTemplate(ctx, workspaceId, templateId);
    const origin = { author: run.created_by, templateId, scheduleId: run.id };
    return startExport({ ...ctx, now: () => due / 1000 }, workspaceId, id, request, origin);
  };
  const failed = (error: unknown, schedule: string) =>
    ctx.log.error("schedule", error, { schedule });
  return startDue({ db: ctx.db, kind: "export" }, ctx.now() * 1000, start, failed);
}
