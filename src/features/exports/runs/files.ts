import type { Context } from "../../../context.ts";
import { getProgress } from "../queries.ts";
import { fileKey, folderOf } from "./walk.ts";

/** Takes away all that a job has written, whole or half. */
export async function removeFiles(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const progress = await getProgress(ctx, workspaceId, id);
  if (progress)
    await ctx.files
      .resumeMultipartUpload(fileKey(workspaceId, id, 0), progress.uploadId)
      .abort()
      .catch(() => undefined);
  const { objects } = await ctx.files.list({ prefix: folderOf(workspaceId, id) });
  if (objects.length > 0) await ctx.files.delete(objects.map((each) => each.key));
}
