import { sql } from "drizzle-orm";
import { z } from "zod";
import { instantList } from "../../db/instants.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import type { TimeRange } from "../time/time-range.ts";
import { type ErrorFilter, failedRows } from "./error-filter.ts";

const slotRow = z.object({ slot: z.number(), errors: z.number(), users: z.number() });
const ownerRow = z.object({ id: z.string(), errors: z.number() });

interface ErrorBucket {
  bucket: string;
  complete: boolean;
  errors: number;
  users: number;
}

/**
 * Errors of each bucket, of one group or of all; a bucket without errors is listed too.
 * @param complete of each bucket: whether it has ended and is not cut by the range
 */
export function errorTimeline(
  workspaceId: string,
  buckets: readonly Bucket[],
  complete: readonly boolean[],
  filter: ErrorFilter,
): PreparedQuery<ErrorBucket[]> {
  const starts = instantList(buckets.map((bucket) => bucket.from));
  const statement = sql`
    select width_bucket(e.started_at, ${starts}) as slot,
      count(*) as errors,
      count(distinct e.user_id) as users
    from ${failedRows(workspaceId, rangeOfBuckets(buckets), filter)}
    group by 1`;
  return prepared({ sql: statement, row: slotRow }, (rows) => {
    const found = new Map(rows.map((row) => [row.slot, row]));
    return buckets.map(({ label }, index) => ({
      bucket: label,
      complete: complete[index] ?? false,
      errors: found.get(index + 1)?.errors ?? 0,
      users: found.get(index + 1)?.users ?? 0,
    }));
  });
}

/** Agents or users of an error group, those with the most errors first. */
export function errorOwners(
  workspaceId: string,
  range: TimeRange,
  fingerprint: string,
  owner: "agent" | "user",
  limit: number,
): PreparedQuery<z.output<typeof ownerRow>[]> {
  const column = sql.raw(owner === "agent" ? "e.agent_id" : "e.user_id");
  const statement = sql`
    select ${column} as id, count(*) as errors
    from ${failedRows(workspaceId, range, { fingerprint })}
      and ${column} is not null
    group by 1
    order by 2 desc, 1
    limit ${limit}`;
  return prepared({ sql: statement, row: ownerRow }, (rows) => rows);
}
