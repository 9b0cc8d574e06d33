import type { Context } from "../../../context.ts";
import { exportFileKey, exportFolder } from "./keys.ts";
import { getExportProgress } from "./queries.ts";

/** Removes all that an export has stored, also an unfinished upload. */
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
  if (objects.length > 0) await ctx.files.delete(objects.map((object) => object.key));
}
