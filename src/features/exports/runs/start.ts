import type { Context } from "../../../context.ts";
import { startDue } from "../../../jobs/due-schedules.ts";
import { enqueue } from "../../../messages.ts";
import { zoneIn } from "../../../store/workspaces.ts";
import { checkRowCount, exportRequestOf } from "../definition/request.ts";
import { getExportTemplate } from "../definition/template-queries.ts";
import { createExport, type ExportOrigin, isStarted } from "../queries.ts";
import type { ExportInput, ExportJob } from "../schema.ts";

/**
 * Checks a request, stores it and sends it to a consumer. A message that is lost is sent again by the maintenance task.
 * @param id the same id again starts nothing new
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
  // Nobody hears what a schedule is told here: its job says it. What was started already is answered as it is.
  if (origin.scheduleId === undefined && !(await isStarted(ctx, workspaceId, id)))
    await checkRowCount(ctx.db, workspaceId, request);
  const job = await createExport(ctx, workspaceId, id, request, origin);
  if (job.status === "queued") await enqueue(ctx, { type: "export.run", workspaceId, id });
  return job;
}

/** Starts the exports whose time has come. */
export function startScheduledExports(ctx: Context): Promise<number> {
  return startDue(
    { db: ctx.db, kind: "export" },
    ctx.now() * 1000,
    async (
      { workspace_id, id: scheduleId, target_id: templateId, created_by: author, due },
      id,
    ) => {
      const { request } = await getExportTemplate(ctx, workspace_id, templateId);
      return startExport({ ...ctx, now: () => due / 1000 }, workspace_id, id, request, {
        author,
        templateId,
        scheduleId,
      });
    },
    (error, schedule) => ctx.log.error("schedule", error, { schedule }),
  );
}
