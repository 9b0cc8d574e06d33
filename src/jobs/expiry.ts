import { sql } from "drizzle-orm";
import { foundJob, from, type JobId, type JobQueue, one } from "./lease.ts";

/** Files are gone at their time, even before somebody removes them. */
export const isExpired = (
  { status, expires_at }: { status: string; expires_at: string | null },
  nowMs: number,
) => status === "expired" || (expires_at !== null && Date.parse(expires_at) <= nowMs);

/** Jobs whose files have been kept long enough. */
export function expiredJobs({ db, table }: JobQueue) {
  return db.all({
    sql: sql`select e.workspace_id, e.id from ${from(table)} where e.status = 'done' and e.expires_at < now() order by e.expires_at limit 500`,
    row: foundJob,
  });
}

/** Marks a job whose files are gone; before that it is found again. */
export async function markExpired({ db, table }: JobQueue, job: JobId): Promise<void> {
  await db.run(
    sql`update ${from(table)} set status = 'expired' where ${one(job)} and e.status = 'done'`,
  );
}
