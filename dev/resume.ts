import type { Miniflare } from "miniflare";
import pg from "pg";

/** Tables of jobs, and the message that starts one (src/messages.ts). */
const JOBS = { exports: "export.run", report_runs: "report.run" };
/** More than consumers are at work at once: whoever ends finds what is next. */
const MAX_MESSAGES = 10;

/**
 * Takes jobs up again that waited or were at work when the instance ended: the queue's messages
 * went with the runtime, and so did whoever held a lease. Only for a database that no other
 * instance works on.
 */
export async function resumeJobs(databaseUrl: string, worker: Miniflare): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const queue = await worker.getQueueProducer("JOBS");
    for (const [table, type] of Object.entries(JOBS)) {
      await client.query(
        `update ${table} set status = 'queued', claim = null, lease_until = null
         where status = 'running'`,
      );
      const { rows } = await client.query<{ workspace_id: string; id: string }>(
        `select workspace_id, id from ${table} where status = 'queued' and lease_until is null
         order by created_at limit ${MAX_MESSAGES}`,
      );
      for (const { workspace_id: workspaceId, id } of rows)
        await queue.send({ type, workspaceId, id });
    }
  } finally {
    await client.end();
  }
}
