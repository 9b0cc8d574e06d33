import type { Context } from "../../context.ts";
import { expiredJobs, lostJobs, markExpired } from "../../db/jobs.ts";
import { enqueue } from "../../messages.ts";
import { removeFiles } from "./files.ts";
import { jobs } from "./queries.ts";

/** Sends the messages of jobs that nobody works on again; a job that is at work meanwhile is claimed by nobody else. */
export async function continueExports(ctx: Context): Promise<number> {
  const lost = await lostJobs(jobs(ctx));
  for (const { workspace_id, id } of lost)
    await enqueue(ctx, { type: "export.run", workspaceId: workspace_id, id });
  if (lost.length > 0) ctx.log.info("exports", { continued: lost.length });
  return lost.length;
}

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
