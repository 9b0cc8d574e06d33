import type { Context } from "../../context.ts";
import { expiredJobs, lostJobs, markExpired } from "../../db/jobs.ts";
import { enqueue } from "../../messages.ts";
import { lostDeliveries } from "./deliver.ts";
import { fileKey } from "./file.ts";
import { jobs } from "./queries.ts";

/** Sends the messages of runs and deliveries that nobody works on again. */
export async function continueReports(ctx: Context): Promise<number> {
  const lost = await lostJobs(jobs(ctx));
  for (const { workspace_id, id } of lost)
    await enqueue(ctx, { type: "report.run", workspaceId: workspace_id, id });
  const waiting = await lostDeliveries(ctx);
  for (const { workspace_id, id } of waiting)
    await enqueue(ctx, { type: "report.deliver", workspaceId: workspace_id, id });
  return lost.length + waiting.length;
}

/** Removes files that have been kept long enough; their runs stay, as expired. */
export async function expireReports(ctx: Context): Promise<number> {
  let done = 0;
  for (;;) {
    const expired = await expiredJobs(jobs(ctx));
    for (const { workspace_id, id } of expired) {
      await ctx.files.delete(fileKey(workspace_id, id));
      await markExpired(jobs(ctx), { workspaceId: workspace_id, id });
    }
    done += expired.length;
    if (expired.length === 0) return done;
  }
}
