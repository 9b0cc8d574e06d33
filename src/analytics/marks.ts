import { type SQL, sql } from "drizzle-orm";
import { inWorkspace } from "../db/scope.ts";
import { DAY_US, type EpochUs, formatInstant } from "../lib/time.ts";

/** A list of moments as a parameter. */
export const times = (list: readonly EpochUs[]) =>
  sql`${sql.param(list.map(formatInstant))}::timestamptz[]`;

/** The marked buckets of a unit inside the range, by a loose index scan: one that is being written has thousands of marks, and one probe finds it. */
function markedBuckets(
  unit: "hour" | "day" | "session",
  workspaceId: string,
  from: EpochUs,
  to: EpochUs,
): SQL {
  const bounds = sql`m.unit = ${sql.raw(`'${unit}'`)} and ${inWorkspace(workspaceId, "m")} and m.bucket < ${formatInstant(to)}::timestamptz`;
  const scan = sql.raw(`marked_${unit}s`);
  return sql`${scan}(bucket) as (
    (select m.bucket from rollup_marks m where ${bounds} and m.bucket >= ${formatInstant(from)}::timestamptz order by m.bucket limit 1)
    union all
    select (select m.bucket from rollup_marks m where ${bounds} and m.bucket > d.bucket order by m.bucket limit 1)
    from ${scan} d where d.bucket is not null
  )`;
}

/**
 * CTEs (of a `with recursive`) with the marked hours of the range, and the days that have a mark or a marked hour.
 * @param unit whose marks of days count: those of their sums, or those of their sessions
 */
export function dirtyHours(
  workspaceId: string,
  from: EpochUs,
  to: EpochUs,
  unit: "day" | "session" = "day",
): SQL {
  return sql`${markedBuckets("hour", workspaceId, from, to)},
  dirty_hours as materialized (select bucket as hour from marked_hours where bucket is not null),
  ${markedBuckets(unit, workspaceId, Math.floor(from / DAY_US) * DAY_US, to)},
  dirty_days as materialized (
    select date_trunc('day', hour, 'UTC') as day from dirty_hours
    union select bucket from ${sql.raw(`marked_${unit}s`)} where bucket is not null
  )`;
}

/** The moment of the snapshot, and until when nothing was open or waiting: two pairs of a JSON object. */
export function freshness(workspaceId: string): SQL {
  return sql`'as_of', now(), 'complete_until', least(now(),
    (select min(bucket) from rollup_marks m where m.unit = 'hour' and ${inWorkspace(workspaceId, "m")}),
    (select e.started_at from executions e where ${inWorkspace(workspaceId, "e")} and e.status = 'running' order by e.started_at limit 1))`;
}
