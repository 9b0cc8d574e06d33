import type { Context } from "../../../context.ts";
import { isExpired } from "../../../jobs/expiry.ts";
import { AppError } from "../../../lib/errors.ts";
import { serveObject } from "../../../storage/serve.ts";
import { getReportRun } from "./queries.ts";

export const runFileKey = (workspaceId: string, id: string) => `reports/${workspaceId}/${id}`;

/** The file of a run that is done. @throws AppError not_found, gone, conflict */
export async function serveRunFile(
  ctx: Context,
  workspaceId: string,
  id: string,
  request: Request,
): Promise<Response> {
  const run = await getReportRun(ctx, workspaceId, id);
  if (isExpired(run, ctx.now()))
    throw new AppError("gone", "run_expired", "The file of this run has expired.");
  if (!run.file) throw new AppError("conflict", "run_not_done", `The run is ${run.status}.`);
  return serveObject(
    ctx.files,
    runFileKey(workspaceId, id),
    request,
    run.file.name,
    run.file.content_type,
  );
}
