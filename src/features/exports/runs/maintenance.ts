import type { Context } from "../../../context.ts";
import { expiredJobs, markExpired } from "../../../jobs/expiry.ts";
import { exportQueue } from "../queries.ts";
import { removeExportFiles } from "./files.ts";

/** Removes files that have been kept long enough; their jobs stay, as expired. */
export async function expireExports(ctx: Context): Promise<number> {
  let done = 0;
  for (;;) {
    const expired = await expiredJobs(exportQueue(ctx));
    for (const { workspace_id, id } of expired) {
      await removeExportFiles(ctx, workspace_id, id);
      await markExpired(exportQueue(ctx), { workspaceId: workspace_id, id });
    }
    done += expired.length;
    if (expired.length === 0) return done;
  }
}
