import { sql } from "drizzle-orm";
import { foundJob, isJob, type JobId, type JobQueue, jobsOf } from "./lease.ts";

const MAX_EXPIRED = 500;

/** Whether the files of a job are no longer available, even if they are not removed yet. */
export const isExpired = (
  { status, expires_at }: { status: string; expires_at: string | null },
  nowMs: number,
) => status === "expired" || (expires_at !== null && Date.parse(expires_at) <= nowMs);

function expiredJobs({ db, table }: JobQueue) {
  return db.all({
    sql: sql`
      select e.workspace_id, e.id
      from ${jobsOf(table)}
      where e.status = 'done'
        and e.expires_at < now()
      order by e.expires_at
      limit ${MAX_EXPIRED}::int`,
    row: foundJob,
  });
}

async function markExpired({ db, table }: JobQueue, job: JobId): Promise<void> {
  await db.run(sql`
    update ${jobsOf(table)}
    set status = 'expired'
    where ${isJob(job)}
      and e.status = 'done'`);
}

/**
 * Removes the files of jobs whose retention has ended; the jobs stay, as expired.
 * @param removeFiles of one job; a job is marked after it, so that a failure is repeated
 * @returns the number of jobs
 */
export async function expireJobs(
  queue: JobQueue,
  removeFiles: (job: JobId) => Promise<void>,
): Promise<number> {
  let count = 0;
  for (;;) {
    const expired = await expiredJobs(queue);
    for (const { workspace_id: workspaceId, id } of expired) {
      await removeFiles({ workspaceId, id });
      await markExpired(queue, { workspaceId, id });
    }
    count += expired.length;
    if (expired.length === 0) return count;
  }
}
