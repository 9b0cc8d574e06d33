import type { Context } from "../../../context.ts";
import { expireJobs } from "../../../jobs/expiry.ts";
import { enqueue } from "../../../messages.ts";
import { overdueDeliveries } from "../sharing/delivery-queries.ts";
import { runFileKey } from "./file.ts";
import { reportRunQueue } from "./queries.ts";

const MAX_MESSAGES = 100;

/**
 * Sends messages for deliveries that should have begun.
 * @returns the number of messages
 */
export async function continueDeliveries(ctx: Context): Promise<number> {
  const overdue = await overdueDeliveries(ctx, MAX_MESSAGES);
  for (const { workspace_id: workspaceId, id } of overdue)
    await enqueue(ctx, { type: "report.deliver", workspaceId, id });
  return overdue.length;
}

/** Removes the files of runs whose retention has ended; the runs stay, as expired. */
export const expireReports = (ctx: Context): Promise<number> =>
  expireJobs(reportRunQueue(ctx), ({ workspaceId, id }) =>
    ctx.files.delete(runFileKey(workspaceId, id)),
  );
