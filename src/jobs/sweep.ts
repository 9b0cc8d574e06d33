import type { Context } from "../context.ts";
import { enqueue, JOB_MESSAGES } from "../messages.ts";
import { saveDeadLetter } from "./dead-letters.ts";
import { failSpentJobs } from "./endings.ts";
import { JOB_TABLES, type JobTable } from "./lease.ts";
import { overdueJobs } from "./turns.ts";

/** More than the consumers (`max_concurrency` of wrangler.toml), which find the next job. */
const MAX_MESSAGES = 10;
const CUT_OFF = "Every attempt was cut off";

/** An operator must see a job whose attempts all ended with their runtime. */
async function failSpent(ctx: Context, table: JobTable): Promise<void> {
  for (const { workspace_id: workspaceId, id } of await failSpentJobs({ db: ctx.db, table })) {
    const body = { type: JOB_MESSAGES[table], workspaceId, id };
    ctx.log.error("job", new Error(CUT_OFF), body);
    await saveDeadLetter(ctx, crypto.randomUUID(), body, CUT_OFF, 0);
  }
}

/**
 * Fails jobs whose attempts all ended with their runtime, and sends messages for jobs that should
 * have begun.
 * @returns the number of messages
 */
export async function continueJobs(ctx: Context): Promise<number> {
  for (const table of JOB_TABLES) await failSpent(ctx, table);
  const overdue = await overdueJobs(ctx.db, ctx.config.QUOTAS.jobs_at_work, MAX_MESSAGES);
  for (const { kind, workspace_id: workspaceId, id } of overdue)
    await enqueue(ctx, { type: JOB_MESSAGES[kind], workspaceId, id });
  if (overdue.length > 0) ctx.log.info("jobs", { overdue: overdue.length });
  return overdue.length;
}
