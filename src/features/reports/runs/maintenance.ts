import type { Context } from "../../../context.ts";
import { expiredJobs, markExpired } from "../../../jobs/expiry.ts";
import { enqueue } from "../../../messages.ts";
import { overdueDeliveries } from "../sharing/delivery-queries.ts";
import { runFileKey } from "./file.ts";
import { reportRunQueue } from "./queries.ts";

const MAX_MESSAGES = 100;

/** Sends the messages of deliveries that should have begun. */
export async function continueDeliveries(ctx: Context): Promise<number> {
  const overdue = await overdueDeliveries(ctx, MAX_MESSAGES);
  for (const { workspace_id: workspaceId, id } of overdue)
    await enqueue(ctx, { type: "report.deliver", workspaceId, id });
  return overdue.length;
}

/** Removes files that have been kept long enough; their runs stay, as expired. */
export async function expireReports(ctx: Context): Promise<number> {
  let done = 0;
  for (;;) {
    const expired = await expiredJobs(reportRunQueue(ctx));
    for (const { workspace_id, id } of expired) {
      await ctx.files.delete(runFileKey(workspace_id, id));
      await markExpired(reportRunQueue(ctx), { workspaceId: workspace_id, id });
    }
    done += expired.length;
    if (expired.length === 0) return done;
  }
}
