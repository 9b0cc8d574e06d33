import type { Context } from "../context.ts";
import { enqueue, JOB_MESSAGES } from "../messages.ts";
import { saveDeadLetter } from "./dead-letters.ts";
import { giveUpSpent } from "./endings.ts";
import type { JobTable } from "./lease.ts";
import { overdueJobs } from "./turns.ts";

/** More than consumers are at work at once (`max_concurrency` of wrangler.toml): whoever ends finds what is next. */
const MAX_MESSAGES = 10;
const TABLES: JobTable[] = ["exports", "report_runs"];

/**
 * Gives up jobs whose attempts all ended without a word, and sends messages for those that should have begun.
 * @returns how many messages were sent
 */
export async function continueJobs(ctx: Context): Promise<number> {
  for (const table of TABLES)
    for (const { workspace_id: workspaceId, id } of await giveUpSpent({ db: ctx.db, table })) {
      const body = { type: JOB_MESSAGES[table], workspaceId, id };
      ctx.log.error("job", new Error("Every attempt was cut off"), body);
      await saveDeadLetter(ctx, crypto.randomUUID(), body, "Every attempt was cut off", 0);
    }
  const overdue = await overdueJobs(ctx.db, ctx.config.QUOTAS.jobs_at_work, MAX_MESSAGES);
  for (const { kind, workspace_id: workspaceId, id } of overdue)
    await enqueue(ctx, { type: JOB_MESSAGES[kind], workspaceId, id });
  if (overdue.length > 0) ctx.log.info("jobs", { overdue: overdue.length });
  return overdue.length;
}
