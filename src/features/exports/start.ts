import type { Context } from "../../context.ts";
import { enqueue } from "../../messages.ts";
import { createExport, type Origin } from "./queries.ts";
import { requestOf } from "./request.ts";
import type { ExportInput, ExportJob } from "./schema.ts";

/**
 * Checks a request, stores it and sends it to a consumer. A message that is lost is sent again by the maintenance task.
 * @param id the same id again starts nothing new
 * @throws AppError impossible, with the path
 */
export async function startExport(ctx: Context, workspaceId: string, id: string, input: ExportInput, origin: Origin): Promise<ExportJob> {
  const job = await createExport(ctx, workspaceId, id, requestOf(workspaceId, input, ctx.now() * 1000), origin);
  if (job.status === "queued") await enqueue(ctx, { type: "export.run", workspaceId, id });
  return job;
}
