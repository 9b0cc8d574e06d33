import type { Context } from "../../../context.ts";
import { exportFileKey, exportFolder } from "./keys.ts";
import { getExportProgress } from "./queries.ts";

/** Takes away all that a job has written, whole or half. */
export async function removeExportFiles(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<void> {
  const progress = await getExportProgress(ctx, workspaceId, id);
  if (progress)
    await ctx.files
      .resumeMultipartUpload(exportFileKey(workspaceId, id, 0), progress.uploadId)
      .abort()
      .catch(() => undefined);
  const { objects } = await ctx.files.list({ prefix: exportFolder(workspaceId, id) });
  if (objects.length > 0) await ctx.files.delete(objects.map((each) => each.key));
}
