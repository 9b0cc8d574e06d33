import { type SQL, sql } from "drizzle-orm";
import { instantSql, withinRange } from "../../db/instants.ts";
import { inWorkspace } from "../../db/scope.ts";
import { DAY_US, type EpochUs } from "../../lib/time.ts";
import type { TimeRange } from "../time/time-range.ts";

/**
 * The bucket that a change of a raw row marks: an execution its hour, an event its day's sessions.
 */
const MARKED_BUCKETS = { hour: "hour", session: "day" } as const;

/**
 * Marks the buckets of rows that have changed, to be recomputed.
 * @param at column with the start of an execution (`hour`) or the time of an event (`session`)
 * @param rows table or CTE of the rows (SQL)
 * @param workspace their workspace (SQL)
 */
export function insertMarks(
  unit: keyof typeof MARKED_BUCKETS,
  at: string,
  rows: SQL,
  workspace: SQL = sql`workspace_id`,
): SQL {
  const bucket = sql.raw(`date_trunc('${MARKED_BUCKETS[unit]}', ${at}, 'UTC')`);
  return sql`
    insert into rollup_marks (unit, workspace_id, bucket)
    select distinct ${sql.raw(`'${unit}'`)}, ${workspace}, ${bucket}
    from ${rows}`;
}

/** Ranges that are less than this apart are read as one: no partition lies between them. */
const GAP_US = 28 * DAY_US;

/** The ranges in order, with those that are less than GAP_US apart joined. */
function joinedRanges(ranges: readonly TimeRange[]): TimeRange[] {
  const joined: TimeRange[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last && from - last.to < GAP_US) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/**
 * A predicate with the ends of ranges as constants. Whatever else bounds a scan of executions, only
 * constants tell the planner which partitions it needs, before it locks them all.
 */
export function inRanges(column: SQL, ranges: readonly TimeRange[]): SQL {
  const parts = joinedRanges(ranges).map((range) => withinRange(column, range));
  if (parts.length === 0) return sql`false`;
  return parts.length === 1 ? sql.join(parts) : sql`(${sql.join(parts, sql` or `)})`;
}

/**
 * The marked buckets of a unit inside the range, by a loose index scan: a bucket that is being
 * written has thousands of marks, and one probe finds it.
 */
function markedBuckets(
  unit: "hour" | "day" | "session",
  workspaceId: string,
  from: EpochUs,
  to: EpochUs,
): SQL {
  const name = sql.raw(`marked_${unit}s`);
  const next = (after: SQL) => sql`
      select m.bucket from rollup_marks m
      where m.unit = ${sql.raw(`'${unit}'`)}
        and ${inWorkspace(workspaceId, "m")}
        and m.bucket < ${instantSql(to)}
        and m.bucket ${after}
      order by m.bucket
      limit 1`;
  return sql`${name}(bucket) as (
    (${next(sql`>= ${instantSql(from)}`)}
    )
    union all
    select (${next(sql`> d.bucket`)}
    )
    from ${name} d
    where d.bucket is not null
  )`;
}

/**
 * CTEs (of a `with recursive`): the marked hours of the range, and its days that have a mark or a
 * marked hour.
 * @param unit whose marks of days count: those of a day's sums, or of its sessions
 */
export function dirtyHours(
  workspaceId: string,
  from: EpochUs,
  to: EpochUs,
  unit: "day" | "session" = "day",
): SQL {
  const firstDay = Math.floor(from / DAY_US) * DAY_US;
  return sql`${markedBuckets("hour", workspaceId, from, to)},
  dirty_hours as materialized (
    select bucket as hour from marked_hours where bucket is not null
  ),
  ${markedBuckets(unit, workspaceId, firstDay, to)},
  dirty_days as materialized (
    select date_trunc('day', hour, 'UTC') as day from dirty_hours
    union
    select bucket from ${sql.raw(`marked_${unit}s`)} where bucket is not null
  )`;
}

/**
 * Two pairs of a JSON object: the instant of the snapshot, and until when nothing was open or
 * waiting. An hour with an open run is marked, or its rollup says so: runs are not looked for in
 * all partitions.
 */
export function freshnessPairs(workspaceId: string): SQL {
  const firstMark = sql`
      select min(bucket) from rollup_marks m
      where m.unit = 'hour' and ${inWorkspace(workspaceId, "m")}`;
  const firstRunningHour = sql`
      select min(h.bucket) from execution_metrics_hourly h
      where ${inWorkspace(workspaceId, "h")} and h.grain = 'total' and h.status = 'running'`;
  return sql`'as_of', now(), 'complete_until', least(now(),
    (${firstMark}),
    running_since(${workspaceId}, (${firstRunningHour})))`;
}
