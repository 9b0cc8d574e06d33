import { type SQL, sql } from "drizzle-orm";
import { instantSql, withinRange } from "../../db/instants.ts";
import { inWorkspace } from "../../db/scope.ts";
import { DAY_US, type EpochUs } from "../../lib/time.ts";
import type { TimeRange } from "../time/time-range.ts";
import type { RollupUnit } from "./definition.ts";

const hoursBack = (hours: number) =>
  sql.raw(`date_trunc('hour', now(), 'UTC') - interval '${hours} hours'`);

/**
 * From here on minutes are rolled up and read, by the clock of the database, as writers are. Runs
 * that end late change the hours before this one until these are rolled up again.
 */
export const FIRST_MINUTE = hoursBack(2);

/**
 * From here on changes mark their minutes: an hour earlier, so that no clock that goes back a
 * little and no transaction over the end of an hour lets a reader miss one.
 */
export const FIRST_MARKED_MINUTE = hoursBack(3);

/** The unit that a change of a raw row marks: an execution its hour, an event its day's sessions. */
type MarkedUnit = "hour" | "session";

/**
 * Marks the buckets of rows that have changed, to be recomputed: of recent executions the minutes
 * too. `with_minutes` says that the writer knows of minutes; where it is null, a trigger marks all
 * of the hour.
 * @param at column with the start of an execution (`hour`) or the time of an event (`session`)
 * @param rows table or CTE of the rows (SQL)
 * @param workspace their workspace (SQL)
 */
export function insertMarks(
  unit: MarkedUnit,
  at: string,
  rows: SQL,
  workspace: SQL = sql`workspace_id`,
): SQL {
  const column = sql.raw(at);
  if (unit === "session")
    return sql`
    insert into rollup_marks (unit, workspace_id, bucket)
    select distinct 'session', ${workspace}, date_trunc('day', ${column}, 'UTC')
    from ${rows}`;
  return sql`
    insert into rollup_marks (unit, workspace_id, bucket, with_minutes)
    select distinct 'hour', ${workspace}, date_trunc('hour', ${column}, 'UTC'), true
    from ${rows}
    union all
    select distinct 'minute', ${workspace}, date_trunc('minute', ${column}, 'UTC'), true
    from ${rows}
    where ${column} >= ${FIRST_MARKED_MINUTE}`;
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

const LENGTHS = { day: "24 hours", session: "24 hours", hour: "1 hour", minute: "1 minute" };

/** The marked buckets of a unit that begin in a range, as ranges: `marked_ranges` of the schema. */
export function markedRanges(workspaceId: string, unit: RollupUnit, { from, to }: TimeRange): SQL {
  const length = sql.raw(`'${unit}', interval '${LENGTHS[unit]}'`);
  return sql`marked_ranges(${workspaceId}, ${length}, ${instantSql(from)}, ${instantSql(to)})`;
}

/** The marked buckets themselves (SQL). */
function markedBuckets(workspaceId: string, unit: RollupUnit, range: TimeRange): SQL {
  const length = sql.raw(`interval '${LENGTHS[unit]}'`);
  return sql`
    select generate_series(lower(r), upper(r) - ${length}, ${length})
    from unnest(${markedRanges(workspaceId, unit, range)}) r`;
}

/**
 * CTEs: the marked hours of the range, and its days that have a mark or a marked hour.
 * @param unit whose marks of days count: those of a day's sums, or of its sessions
 */
export function dirtyHours(
  workspaceId: string,
  from: EpochUs,
  to: EpochUs,
  unit: "day" | "session" = "day",
): SQL {
  const days = { from: Math.floor(from / DAY_US) * DAY_US, to };
  return sql`dirty_hours(hour) as materialized (${markedBuckets(workspaceId, "hour", { from, to })}
  ),
  dirty_days(day) as materialized (
    select date_trunc('day', hour, 'UTC') from dirty_hours
    union${markedBuckets(workspaceId, unit, days)}
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
