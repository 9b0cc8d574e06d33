import type { Context } from "../../../context.ts";
import { expiredJobs, markExpired } from "../../../jobs/lease.ts";
import { jobs } from "../queries.ts";
import { removeFiles } from "./files.ts";

/** Removes files that have been kept long enough; their jobs stay, as expired. */
export async function expireFiles(ctx: Context): Promise<number> {
  let done = 0;
  for (;;) {
    const expired = await expiredJobs(jobs(ctx));
    for (const { workspace_id, id } of expired) {
      await removeFiles(ctx, workspace_id, id);
      await markExpired(jobs(ctx), { workspaceId: workspace_id, id });
    }
    done += expired.length;
    if (expired.length === 0) return done;
  }
}
