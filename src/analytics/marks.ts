import { type SQL, sql } from "drizzle-orm";
import { inWorkspace } from "../db/scope.ts";
import { DAY_US, type EpochUs, formatInstant } from "../lib/time.ts";

/** A list of moments as a parameter. */
export const times = (list: readonly EpochUs[]) => sql`${sql.param(list.map(formatInstant))}::timestamptz[]`;

/**
 * Marks inside the range, by a loose index scan: an hour that is being written has thousands of marks, and one probe finds it.
 */
export function dirtyHours(workspaceId: string, from: number, to: number): SQL {
  const bounds = sql`m.unit = 'hour' and ${inWorkspace(workspaceId, "m")} and m.bucket < ${formatInstant(to)}::timestamptz`;
  return sql`dirty_hours_scan(hour) as (
    (select m.bucket from rollup_marks m where ${bounds} and m.bucket >= ${formatInstant(from)}::timestamptz order by m.bucket limit 1)
    union all
    select (select m.bucket from rollup_marks m where ${bounds} and m.bucket > d.hour order by m.bucket limit 1)
    from dirty_hours_scan d where d.hour is not null
  ), dirty_hours as materialized (select hour from dirty_hours_scan where hour is not null),
  dirty_days as materialized (
    select date_trunc('day', hour, 'UTC') as day from dirty_hours
    union
    select m.bucket from rollup_marks m where m.unit = 'day' and ${inWorkspace(workspaceId, "m")}
      and m.bucket >= ${formatInstant(Math.floor(from / DAY_US) * DAY_US)}::timestamptz and m.bucket < ${formatInstant(to)}::timestamptz
  )`;
}

/** The moment of the snapshot, and until when nothing was open or waiting: two pairs of a JSON object. */
export function freshness(workspaceId: string): SQL {
  return sql`'as_of', now(), 'complete_until', least(now(),
    (select min(bucket) from rollup_marks m where m.unit = 'hour' and ${inWorkspace(workspaceId, "m")}),
    (select min(started_at) from executions e where ${inWorkspace(workspaceId, "e")} and e.status = 'running'))`;
}
