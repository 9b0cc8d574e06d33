import { sql } from "drizzle-orm";
import { z } from "zod";
import { formatInstant } from "../../lib/time.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import { type ErrorFilter, failedRows } from "./error-groups.ts";

/**
 * Errors of each bucket, of one group or of all; every bucket is there.
 * @param complete of each bucket: whether it is over and not cut by the range
 */
export function errorTimeline(
  workspaceId: string,
  buckets: readonly Bucket[],
  complete: readonly boolean[],
  filter: Partial<ErrorFilter>,
): PreparedQuery<{ bucket: string; complete: boolean; errors: number; users: number }[]> {
  const starts = sql`${sql.param(buckets.map((bucket) => formatInstant(bucket.from)))}::timestamptz[]`;
  const statement = sql`select width_bucket(e.started_at, ${starts}) as slot, count(*) as errors, count(distinct e.user_id) as users
    from ${failedRows(workspaceId, rangeOfBuckets(buckets), filter)} group by 1`;
  return prepared(
    { sql: statement, row: z.object({ slot: z.number(), errors: z.number(), users: z.number() }) },
    (rows) => {
      const found = new Map(rows.map((row) => [row.slot, row]));
      return buckets.map(({ label }, index) => ({
        bucket: label,
        complete: complete[index] ?? false,
        errors: found.get(index + 1)?.errors ?? 0,
        users: found.get(index + 1)?.users ?? 0,
      }));
    },
  );
}

/** The agents or users of an error group, those with the most errors first. */
export function errorOwners(
  workspaceId: string,
  range: { from: number; to: number },
  fingerprint: string,
  who: "agent" | "user",
  limit: number,
): PreparedQuery<{ id: string; errors: number }[]> {
  const column = sql.raw(who === "agent" ? "e.agent_id" : "e.user_id");
  const statement = sql`select ${column} as id, count(*) as errors from ${failedRows(workspaceId, range, { fingerprint })} and ${column} is not null group by 1 order by 2 desc, 1 limit ${limit}`;
  return prepared(
    { sql: statement, row: z.object({ id: z.string(), errors: z.number() }) },
    (rows) => rows,
  );
}
