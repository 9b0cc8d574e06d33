import { type SQL, sql } from "drizzle-orm";
import { instantList } from "../../db/instants.ts";
import { inWorkspace } from "../../db/scope.ts";
import { DAY_US } from "../../lib/time.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import type { TimeRange } from "../time/time-range.ts";
import { intervalsOf } from "./slots.ts";

/** The days (UTC) that pieces touch. */
function daysOf(pieces: readonly TimeRange[]): number[] {
  const days = new Set<number>();
  for (const { from, to } of pieces)
    for (let day = Math.floor(from / DAY_US) * DAY_US; day < to; day += DAY_US) days.add(day);
  return [...days];
}

/** The CTE `days_without_quarters`: of the days of pieces, those marked or never rolled up. */
function daysWithoutQuarters({ workspaceId, pieces }: QueryPlan): SQL {
  return sql`days_without_quarters as materialized (
    select d.day from unnest(${instantList(daysOf(pieces.quarter))}) d(day)
    where exists (select from dirty_days m where m.day = d.day)
      or not exists (
        select from execution_quarters_daily q
        where ${inWorkspace(workspaceId, "q")} and q.grain = 'total' and q.bucket = d.day
      )
  )`;
}

/** What of the pieces lies in days without quarters. */
const overlaps = (pieces: readonly TimeRange[]) => sql`
    union all
    select greatest(s.lo, d.day) as lo, least(s.hi, d.day + interval '24 hours') as hi
    from ${intervalsOf(pieces)}
    join days_without_quarters d on d.day < s.hi and d.day + interval '24 hours' > s.lo`;

/**
 * CTEs from the marks:
 * - `days_without_quarters`: days whose quarters cannot answer;
 * - `fallback_hours`: what hourly rows answer in place of days and quarters;
 * - `raw_pieces`: what raw rows answer.
 */
export function pieceTables(plan: QueryPlan): SQL {
  const { day, hour, quarter, raw, fallback } = plan.pieces;
  const hasQuarters = quarter.length > 0;
  const markedDays = sql`
    select d.day as lo, d.day + interval '24 hours' as hi
    from ${intervalsOf(day)}
    join dirty_days d on d.day >= s.lo and d.day < s.hi`;
  const markedHours = sql`
    select d.hour, d.hour + interval '1 hour'
    from ${intervalsOf([...day, ...hour, ...fallback.hour])}
    join dirty_hours d on d.hour >= s.lo and d.hour < s.hi`;
  const none = sql`select null::timestamptz as lo, null::timestamptz as hi where false`;
  const quarters = hasQuarters ? sql`${daysWithoutQuarters(plan)},\n  ` : sql``;
  const hours = hasQuarters ? overlaps(fallback.hour) : sql``;
  const rest = hasQuarters ? overlaps(fallback.raw) : sql``;
  // Without hourly rows for these dimensions a marked day is read raw as a whole.
  const hasHours = plan.source.hourly !== undefined;
  return sql`${quarters}fallback_hours(lo, hi) as materialized (${
    hasHours ? sql`${markedDays}${hours}` : none
  }),
  raw_pieces(lo, hi) as materialized (
    select lo, hi from ${intervalsOf(raw)}
    union all ${hasHours ? sql`${markedHours}${rest}` : markedDays}
  )`;
}
