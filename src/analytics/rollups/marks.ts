import { type SQL, sql } from "drizzle-orm";
import { inWorkspace } from "../../db/scope.ts";
import { DAY_US, type EpochUs, formatInstant } from "../../lib/time.ts";
import type { TimeRange } from "../time/time-range.ts";

/** A list of moments as a parameter. */
export const instantList = (list: readonly EpochUs[]) =>
  sql`${sql.param(list.map(formatInstant))}::timestamptz[]`;

/** Gaps that are shorter do not part ranges: no partition lies in them. */
const GAP_US = 28 * DAY_US;

/**
 * A predicate with the ends of ranges as constants. Whatever else bounds a scan of executions, only constants tell the planner
 * which partitions it needs, before it locks them all.
 */
export function inRanges(column: SQL, ranges: readonly TimeRange[]): SQL {
  const hulls: TimeRange[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = hulls.at(-1);
    if (last && from - last.to < GAP_US) last.to = Math.max(last.to, to);
    else hulls.push({ from, to });
  }
  if (hulls.length === 0) return sql`false`;
  const parts = hulls.map(
    ({ from, to }) =>
      sql`${column} >= ${formatInstant(from)}::timestamptz and ${column} < ${formatInstant(to)}::timestamptz`,
  );
  return parts.length === 1 ? sql.join(parts) : sql`(${sql.join(parts, sql` or `)})`;
}

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

/**
 * The moment of the snapshot, and until when nothing was open or waiting: two pairs of a JSON object. An hour with an open run is
 * marked, or its rollup says so: runs are not looked for in all partitions.
 */
export function freshness(workspaceId: string): SQL {
  return sql`'as_of', now(), 'complete_until', least(now(),
    (select min(bucket) from rollup_marks m where m.unit = 'hour' and ${inWorkspace(workspaceId, "m")}),
    running_since(${workspaceId}, (select min(h.bucket) from execution_metrics_hourly h where ${inWorkspace(workspaceId, "h")} and h.grain = 'total' and h.status = 'running')))`;
}
